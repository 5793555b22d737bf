"""A hold: the ramp to zero, its end at the deadline, the refusals, and the way back to driving."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, TICK_S, Drive, Output, Reason, Refusal, State
from picar.core.shaping import NEUTRAL, Jog, Sticks, Tank, Wanted
from picar.layouts import LAYOUTS
from tests.core.cars import AHEAD, BRAKE_S, NOW, REARM_S, TIMEOUT_S, armed, cruising, held, slowing
from tests.core.events import Command, Event, Hold, Timeline, play, timelines
from tests.core.test_drive_properties import drives

EACH_COMMAND: list[Wanted] = [NEUTRAL, AHEAD, Tank(0.5, -0.5), Jog("left", 0.3), Jog("left", 0.0)]


def ticked(drive: Drive, now: float, until: float) -> list[tuple[float, Output]]:
    """Tick as the motor process does, and return each output with its time."""
    outputs = []
    while (due := max(now, drive.next_event(now))) <= until:
        now = due
        outputs.append((now, drive.tick(now)))
        if drive.state is not State.ARMED:
            break
    return outputs


def test_a_car_that_is_held_goes_to_zero_by_its_ramp_and_not_at_once() -> None:
    drive, now = cruising()
    decel = DriveConfig().decel
    drive.hold(True, now)
    outputs = ticked(drive, now, now + 10.0)
    for at, output in outputs[:-1]:
        assert output.left == pytest.approx(max(0.0, 1.0 - decel * (at - now)), abs=decel * TICK_S)
    assert any(0.2 < output.left < 0.8 for _, output in outputs)
    ended_at, last = outputs[-1]
    assert last == COAST
    assert ended_at - now == pytest.approx(1.0 / decel, abs=TICK_S)
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.HELD)


def test_the_deadline_of_the_newest_command_ends_a_ramp_that_would_be_longer() -> None:
    drive, now = slowing()
    assert drive.tick(now + TIMEOUT_S - 0.001).left == pytest.approx(0.5, abs=0.05)
    assert drive.tick(now + TIMEOUT_S) == COAST
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.HELD)


@pytest.mark.parametrize("wanted", EACH_COMMAND)
@pytest.mark.parametrize("start", [held, slowing])
def test_every_command_is_refused_from_the_hold_on(
    start: Callable[[], tuple[Drive, float]], wanted: Wanted
) -> None:
    drive, now = start()
    assert drive.command(wanted, now + TIMEOUT_S, now) is Refusal.HELD
    assert drive.command(wanted, now - 1.0, now) is Refusal.HELD


def test_refused_commands_make_no_ramp_longer() -> None:
    drive, now = slowing()
    deadline = now + TIMEOUT_S
    while now < deadline:
        assert drive.command(AHEAD, now + TIMEOUT_S, now) is Refusal.HELD
        drive.tick(now)
        now += TICK_S
    assert drive.tick(max(now, deadline)) == COAST


def test_after_the_hold_the_car_wants_neutral() -> None:
    drive, now = held()
    drive.hold(False, now)
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.HELD)
    assert drive.command(AHEAD, now + TIMEOUT_S, now) is Refusal.NOT_NEUTRAL
    assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None
    assert drive.command(AHEAD, now + TIMEOUT_S, now) is None


def test_a_hold_that_ends_on_the_ramp_ends_the_movement_too() -> None:
    drive, now = slowing()
    drive.hold(False, now + 0.1)
    assert drive.output(now + 0.1) == COAST
    assert drive.command(AHEAD, now + 0.2 + TIMEOUT_S, now + 0.2) is Refusal.NOT_NEUTRAL


def test_a_stop_during_the_hold_brakes_and_its_reset_leads_back_to_the_hold() -> None:
    drive, now = slowing()
    drive.stop(now + 0.1)
    assert drive.output(now + 0.1) == BRAKE
    assert drive.reset(now + 0.2, now + 0.6, now + 0.3) is None
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.HELD)
    drive.stop(now + 0.4)
    drive.hold(False, now + 0.4)
    assert drive.state is State.STOPPED


def test_a_jog_slows_down_too() -> None:
    drive = armed()
    now = NOW
    for _ in range(20):
        now += TICK_S
        assert drive.command(Jog("left", 0.5), now + TIMEOUT_S, now) is None
    drive.hold(True, now)
    outputs = ticked(drive, now, now + 10.0)
    assert [output.jog for _, output in outputs[:-1]] == ["left"] * (len(outputs) - 1)
    assert outputs[0][1].left > outputs[2][1].left > 0.0
    assert outputs[-1][1] == COAST


def test_a_car_in_front_of_an_obstacle_brakes_for_its_time_also_if_it_is_held() -> None:
    drive, now = cruising()
    drive.obstacle(0.0, now)
    drive.hold(True, now)
    assert drive.tick(now + BRAKE_S / 2) == BRAKE
    assert drive.tick(now + BRAKE_S) == COAST
    assert drive.reason is Reason.HELD


def test_a_steering_servo_keeps_its_place() -> None:
    drive = Drive(DriveConfig(), REARM_S, BRAKE_S, layout=LAYOUTS["steer-servo"])
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    now = NOW
    for _ in range(50):
        now += TICK_S
        drive.command(Sticks(1.0, 0.5), now + TIMEOUT_S, now)
    steering = drive.applied.right
    assert steering > 0.0
    drive.hold(True, now)
    outputs = ticked(drive, now, now + 10.0)
    assert {output.right for _, output in outputs} == {steering}
    assert outputs[-1][1] == COAST._replace(right=steering)


def test_an_esc_that_arms_while_it_is_held_is_still_arming() -> None:
    drive = Drive(DriveConfig(), REARM_S, BRAKE_S, ready_at=NOW + 2.0)
    drive.hold(True, NOW)
    reasons = [drive.reason, drive.tick(NOW + 2.0) and drive.reason]
    assert reasons == [Reason.ARMING, Reason.HELD]


@given(drives, timelines, timelines)
def test_a_held_car_gets_no_faster_and_ends_at_the_deadline_that_it_had(
    drive: Drive, before: Timeline, after: Timeline
) -> None:
    now = play(drive, before, lambda _event, _now, _refusal: None)
    drive.hold(True, now)
    deadline, fastest = drive._deadline, [abs(speed) for speed in _motors(drive)]

    def watch(event: Event, now: float, refusal: Refusal | None) -> None:
        nonlocal fastest
        drive.tick(now)
        speeds = [abs(speed) for speed in _motors(drive)]
        assert all(speed <= most + 1e-9 for speed, most in zip(speeds, fastest, strict=True))
        assert now < deadline or not any(speeds)
        assert not isinstance(event, Command) or refusal is Refusal.HELD
        fastest = speeds

    play(drive, [(gap, each) for gap, each in after if not isinstance(each, Hold)], watch, start=now)


@given(drives, timelines, st.floats(0.0, 1.0))
def test_a_drive_is_held_once_and_let_go_once(drive: Drive, timeline: Timeline, later: float) -> None:
    now = play(drive, timeline, lambda _event, _now, _refusal: None)
    for on in (True, True, False, False):
        drive.hold(on, now)
    drive.tick(now + later)
    assert drive.state in (State.DISARMED, State.STOPPED)
    assert drive.next_event(now + later) == math.inf or drive.state is State.STOPPED


def _motors(drive: Drive) -> list[float]:
    """Return the speeds of the motors; a servo is none."""
    left, right = drive.applied
    return [left] if drive._layout.servo else [left, right]
