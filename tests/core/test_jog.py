"""A jog turns one motor by a duty cycle as it is, stops on whatever stops a stick, and never mixes with one."""

from __future__ import annotations

import pytest

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, TICK_S, Drive, Output, Reason, Refusal, State
from picar.core.shaping import JOG_DUTY, NEUTRAL, Jog, Sticks, Tank, Wanted, is_neutral
from tests.core.cars import AHEAD, BRAKE_S, LIMITS, NOW, REARM_S, TIMEOUT_S, armed, memory, parked, roll

LEFT = Jog("left", 0.3)
RIGHT_BACK = Jog("right", -0.3)


def jogging(jog: Jog = LEFT) -> tuple[Drive, float]:
    """A car whose motor has come to its duty cycle, and the time of the last command."""
    drive = armed()
    return drive, roll(drive, jog, NOW, 0.4)


def test_a_jog_reaches_one_motor_as_it_is_by_way_of_the_ramp() -> None:
    drive = armed()
    assert drive.command(LEFT, NOW + TICK_S + TIMEOUT_S, NOW + TICK_S) is None
    first = drive.output(NOW + TICK_S)
    assert 0.0 < first.left <= LIMITS.accel * TICK_S + 1e-9
    now = roll(drive, LEFT, NOW + TICK_S, 0.4)
    assert drive.output(now) == Output(0.3, 0.0, jog="left")
    assert drive.applied == (0.3, 0.0)
    assert drive.wanted == Sticks(0.15, 0.15)


def test_backwards_is_negative() -> None:
    drive, now = jogging(RIGHT_BACK)
    assert drive.output(now) == Output(0.0, -0.3, jog="right")


@pytest.mark.parametrize("duty", [0.01, -0.01, 0.05])
def test_the_smallest_jog_counts_as_driving_for_its_duty_cycle_reaches_a_pin(duty: float) -> None:
    assert not is_neutral(Jog("left", duty), 0.3)
    drive, now = jogging(Jog("left", duty))
    assert drive.moving
    drive.tick(now + TIMEOUT_S)
    assert drive.state is State.FAILSAFE


def test_a_jog_of_nothing_is_neutral_and_arms_the_car() -> None:
    drive = parked()
    assert drive.command(Jog("left", 0.0), NOW + 0.5, NOW) is None
    assert drive.state is State.ARMED
    assert drive.output(NOW) == COAST


def test_a_jog_comes_after_neutral_like_any_stick() -> None:
    drive = parked()
    before = memory(drive)
    assert drive.command(LEFT, NOW + 0.5, NOW) is Refusal.NOT_NEUTRAL
    assert memory(drive) == before


STOPS = {
    "silence": (lambda d, t: d.tick(t + TIMEOUT_S), State.FAILSAFE, Reason.COMMANDS_STALE, COAST),
    "stop": (lambda d, t: d.stop(t), State.STOPPED, Reason.STOP, BRAKE),
    "release": (lambda d, t: d.release(Reason.RELEASED, t), State.DISARMED, Reason.RELEASED, COAST),
    "driver gone": (lambda d, t: d.release(Reason.DRIVER_GONE, t), State.DISARMED, Reason.DRIVER_GONE, COAST),
}


@pytest.mark.parametrize("what", STOPS)
def test_what_stops_a_stick_stops_a_jog(what: str) -> None:
    act, state, reason, output = STOPS[what]
    drive, now = jogging()
    act(drive, now)  # type: ignore[no-untyped-call]
    assert (drive.state, drive.reason) == (state, reason)
    assert drive.output(now + 0.01) == output
    assert drive.applied == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_late_jog_is_refused_and_changes_nothing(seconds: float) -> None:
    drive = armed()
    before = memory(drive)
    assert drive.command(LEFT, NOW + seconds, NOW) is Refusal.STALE
    assert memory(drive) == before


def test_a_stopped_car_takes_no_jog() -> None:
    drive = armed()
    drive.stop(NOW)
    assert drive.command(LEFT, NOW + 0.5, NOW) is Refusal.STOPPED


@pytest.mark.parametrize(
    ("first", "second"), [(AHEAD, LEFT), (LEFT, AHEAD), (Tank(0.5, 0.5), RIGHT_BACK), (LEFT, Tank(0.1, 0.1))]
)
def test_sticks_and_jogs_do_not_mix_until_the_wheels_rest(first: Wanted, second: Wanted) -> None:
    drive = armed()
    now = roll(drive, first, NOW, 0.4)
    before = memory(drive)
    assert drive.command(second, now + 0.5, now) is Refusal.NOT_NEUTRAL
    assert memory(drive) == before
    now = roll(drive, NEUTRAL, now, 0.4)
    assert drive.applied == (0.0, 0.0)
    assert drive.command(second, now + 0.5, now) is None


def test_a_jog_that_ends_with_sticks_at_rest_runs_down_as_a_jog() -> None:
    drive, now = jogging()
    drive.command(NEUTRAL, now + TICK_S + 0.5, now + TICK_S)
    output = drive.output(now + TICK_S)
    assert 0.0 < output.left < 0.3
    assert output.jog
    now = roll(drive, NEUTRAL, now + TICK_S, 0.2)
    assert drive.output(now) == COAST


@pytest.mark.parametrize(
    ("speed_cap", "max_speed", "min_duty", "most"),
    [(1.0, 1.0, 0.0, JOG_DUTY), (0.2, 1.0, 0.0, 0.2), (0.2, 1.0, 0.25, 0.4), (0.2, 0.5, 0.25, 0.325)],
)
def test_a_jog_is_no_faster_than_the_owner_lets_a_stick_be(
    speed_cap: float, max_speed: float, min_duty: float, most: float
) -> None:
    limits = DriveConfig(max_speed=max_speed)
    for sign in (1.0, -1.0):
        drive = Drive(limits, REARM_S, BRAKE_S, speed_cap, min_duty)
        drive.command(NEUTRAL, NOW + 0.5, NOW)
        now = roll(drive, Jog("right", sign * JOG_DUTY), NOW, 1.0)
        assert drive.output(now).right == pytest.approx(sign * most)


def test_the_driver_s_own_limit_is_not_in_the_way_of_a_jog() -> None:
    drive = armed()
    drive.limit(0.05, NOW + 0.5, NOW)
    now = roll(drive, LEFT, NOW, 0.4)
    assert drive.output(now).left == 0.3
