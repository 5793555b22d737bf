"""A car with a steering servo and an ESC: the servo keeps its place, the ESC needs its time, and the loop never spins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import TICK_S, Drive, Output, Reason, Refusal, State
from picar.core.shaping import NEUTRAL, Jog, Sticks, Tank, Wanted
from picar.layouts import LAYOUTS
from tests.core.cars import BRAKE_S, NOW, REARM_S, TIMEOUT_S, memory, roll
from tests.core.events import Event, Timeline, timelines

SERVO = LAYOUTS["steer-servo"]
LIMITS = DriveConfig(expo=0.0)
HALF_RIGHT = Sticks(0.0, 0.525)  # half of the way behind the deadband
ARMING_S = 2.0


def parked(ready_at: float = -math.inf) -> Drive:
    """A car that was never driven."""
    return Drive(LIMITS, REARM_S, BRAKE_S, layout=SERVO, ready_at=ready_at)


def turned(wanted: Sticks = HALF_RIGHT) -> tuple[Drive, float]:
    """A car with a half-turned servo, and the time of the last command."""
    drive = parked()
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    now = roll(drive, wanted, NOW, 0.3)
    assert drive.applied.right == pytest.approx(0.5)
    return drive, now


def wake_ups(drive: Drive, now: float, for_s: float) -> int:
    """Wait as the loop does, and return how often it wakes; each time it ticks."""
    count, until = 0, now + for_s
    while (due := drive.next_event(now)) < until:
        now = max(now, due)
        drive.tick(now)
        assert drive.next_event(now) > now, (drive.state, drive.reason)
        count += 1
    return count


ENDS: dict[str, tuple[Callable[[Drive, float], object], State, bool]] = {
    "stop": (lambda drive, now: drive.stop(now), State.STOPPED, True),
    "release": (lambda drive, now: drive.release(Reason.RELEASED, now), State.DISARMED, False),
    "driver gone": (lambda drive, now: drive.release(Reason.DRIVER_GONE, now), State.DISARMED, False),
    "silence": (lambda drive, now: drive.tick(now + TIMEOUT_S), State.FAILSAFE, False),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("throttle", [0.0, 1.0, -1.0])
def test_the_servo_keeps_its_place_when_the_wheels_stop(end: str, throttle: float) -> None:
    act, state, brake = ENDS[end]
    drive, now = turned(HALF_RIGHT._replace(throttle=throttle))
    act(drive, now)
    later = now + (TIMEOUT_S if end == "silence" else 0.0)
    assert (drive.state, drive.applied.left) == (state, 0.0)
    assert drive.output(later) == Output(0.0, drive.applied.right, brake=brake)
    assert drive.output(later).right == pytest.approx(0.5)
    assert wake_ups(drive, later, 10.0) <= 1
    assert drive.output(later + 10.0) == Output(0.0, drive.applied.right)
    assert not drive.moving


def test_the_first_command_of_the_next_driver_turns_it() -> None:
    drive, now = turned()
    drive.release(Reason.RELEASED, now)
    before = drive.applied.right
    assert drive.command(NEUTRAL, now + 1.0 + TIMEOUT_S, now + 1.0) is None
    assert before == pytest.approx(0.5)
    assert drive.applied.right == 0.0, "the way to the middle counts as slowing down, in the true time"


@pytest.mark.parametrize("reset", [False, True])
def test_a_half_turned_servo_of_an_armed_car_costs_no_wake_up_after_its_deadline(reset: bool) -> None:
    drive, now = turned()
    now += TICK_S
    assert drive.command(NEUTRAL, now + 1.5 * TICK_S, now) is None
    if reset:
        drive.cap(0.5, 0.5)
    assert wake_ups(drive, now, 1.0) <= 4
    assert drive.state is State.ARMED
    assert 0.0 < drive.applied.right < 0.5
    assert drive.target == drive.applied
    assert not drive.moving
    assert drive.next_event(now + 1.0) == math.inf


def test_it_turns_the_other_way_without_a_rest() -> None:
    drive, now = turned()
    places = []
    for _ in range(10):
        now = roll(drive, Sticks(0.0, -1.0), now, TICK_S)
        places.append(drive.applied.right)
    assert places.count(0.0) <= 1
    assert places[-1] == -1.0


def test_a_turned_servo_is_no_turning_wheel() -> None:
    drive, now = turned()
    assert drive.moving
    assert not drive.turning
    roll(drive, Sticks(0.3, 0.525), now, 0.1)
    assert drive.turning


def test_a_stick_off_neutral_turns_a_wheel_before_it_does() -> None:
    drive = parked()
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    for wanted in (Sticks(0.5, 0.0), Tank(0.5, 0.5), Jog("drive", 0.3)):
        assert drive.command(wanted, NOW + TIMEOUT_S, NOW) is None
        assert drive.turning
    assert drive.command(Jog("drive", 0.0), NOW + TIMEOUT_S, NOW) is None
    assert drive.command(Tank(0.5, -0.5), NOW + TIMEOUT_S, NOW) is None
    assert not drive.turning, "both sticks apart are steering alone"


def test_a_jog_waits_for_the_wheel_and_not_for_the_servo() -> None:
    drive, now = turned(HALF_RIGHT._replace(throttle=1.0))
    assert drive.command(Jog("drive", 0.3), now + TIMEOUT_S, now) is Refusal.NOT_NEUTRAL
    now = roll(drive, HALF_RIGHT, now, 0.5)
    assert drive.command(Jog("drive", 0.3), now + TIMEOUT_S, now) is None


# Arming


def test_before_the_esc_is_ready_every_command_is_refused_and_changes_nothing() -> None:
    drive = parked(NOW + ARMING_S)
    sticks: tuple[Wanted, ...] = (NEUTRAL, Sticks(1.0, 1.0), Jog("drive", 0.1))
    for after_s, wanted in itertools.product((0.0, 1.0, 1.999), sticks):
        before = memory(drive)
        now = NOW + after_s
        assert drive.command(wanted, now + TIMEOUT_S, now) is Refusal.ARMING
        assert memory(drive) == before
        assert (drive.state, drive.reason) == (State.DISARMED, Reason.ARMING)
        assert drive.tick(now) == Output()
    now = NOW + ARMING_S
    assert drive.command(Sticks(1.0, 0.0), now + TIMEOUT_S, now) is Refusal.NOT_NEUTRAL
    assert drive.reason is Reason.STARTED
    assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None


def test_the_end_of_arming_is_one_wake_up_and_is_told() -> None:
    drive = parked(NOW + ARMING_S)
    assert drive.next_event(NOW) == NOW + ARMING_S
    assert wake_ups(drive, NOW, 60.0) == 1
    assert drive.reason is Reason.STARTED


def test_a_stale_command_and_a_stop_come_before_arming() -> None:
    drive = parked(NOW + ARMING_S)
    assert drive.command(NEUTRAL, NOW, NOW) is Refusal.STALE
    drive.stop(NOW)
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is Refusal.STOPPED
    assert drive.output(NOW).brake
    assert drive.reset(NOW + 0.1, NOW + 0.5, NOW + 0.2) is None
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.ARMING)
    assert drive.command(NEUTRAL, NOW + 1.0, NOW + 0.3) is Refusal.ARMING
    assert wake_ups(drive, NOW + 0.3, 60.0) == 1
    assert drive.reason is Reason.STARTED


def test_after_arming_a_reset_is_told_as_ever() -> None:
    drive = parked(NOW)
    drive.stop(NOW + 1.0)
    assert drive.reset(NOW + 1.1, NOW + 1.5, NOW + 1.2) is None
    assert drive.reason is Reason.RESET


# Anything


@given(timelines, st.sampled_from([-math.inf, 100.0, 102.0]), st.booleans())
def test_whatever_happens_the_loop_sleeps_between_two_ticks(
    timeline: Timeline, ready_at: float, half_turned: bool
) -> None:
    drive = parked(ready_at)
    now = NOW
    if half_turned and ready_at < now:
        drive, now = turned()
    for gap, event in timeline:
        count = wake_ups(drive, now, gap)
        assert count <= gap / TICK_S + 4, (drive.state, count)
        now += gap
        _happen(drive, event, now)
    assert wake_ups(drive, now, 60.0) <= 0.5 / TICK_S + 54, "the life of a command, and the ends of states"
    assert wake_ups(drive, now + 60.0, 600.0) == 0


def _happen(drive: Drive, event: Event, now: float) -> None:
    place = drive.applied.right
    before = drive.state
    event.happen(drive, now)
    drive.tick(now)
    if drive.state is not State.ARMED:
        assert drive.applied.left == 0.0
        if before is not State.ARMED:
            assert drive.applied.right == place, "it holds"
    if now < drive._ready_at:
        assert drive.state is not State.ARMED
