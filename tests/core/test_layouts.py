"""Layouts: the motors of each, the ramps of a car with steering, its caps, and jogs of one motor of many."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, STEERING_RATE, TICK_S, Drive, Output, Refusal, State
from picar.core.shaping import JOG_DUTY, NEUTRAL, Jog, Sticks, Tank, Wanted, steered_speeds
from picar.layouts import LAYOUTS, MOTORS
from tests.core.cars import BRAKE_S, NOW, REARM_S, TIMEOUT_S, memory, roll

STEERED, FOUR = LAYOUTS["steer-motor"], LAYOUTS["four"]
LIMITS = DriveConfig(expo=0.0)
FULL_RIGHT = Sticks(0.0, 1.0)


def armed(layout: str = "steer-motor", limits: DriveConfig = LIMITS, cap: float = 1.0) -> Drive:
    """A car that has just seen neutral."""
    drive = Drive(limits, REARM_S, BRAKE_S, cap, layout=LAYOUTS[layout])
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    return drive


@pytest.mark.parametrize("name", [name for name in LAYOUTS if not LAYOUTS[name].servo])
def test_each_motor_follows_a_speed_and_has_a_partner_that_follows_the_other(name: str) -> None:
    layout = LAYOUTS[name]
    half = len(layout.motors) // 2
    assert [layout.speed_of(motor) for motor in layout.motors] == [0] * half + [1] * half
    for motor in layout.motors:
        partner = layout.partner_of(motor)
        assert layout.speed_of(partner) != layout.speed_of(motor)
        assert layout.partner_of(partner) == motor
    assert layout.speeds == (("throttle", "steering") if layout.steers else ("left", "right"))


def test_the_partner_of_a_wheel_is_on_the_other_side_of_its_axle() -> None:
    assert FOUR.partner_of("front_left") == "front_right"
    assert FOUR.partner_of("rear_right") == "rear_left"
    assert len(MOTORS) == len(set(MOTORS)) == 8


def test_steering_reaches_its_end_within_a_tenth_of_a_second_and_comes_back_as_fast() -> None:
    drive = armed()
    now = roll(drive, FULL_RIGHT, NOW, 1.0 / STEERING_RATE)
    assert drive.applied == pytest.approx((0.0, 1.0))
    now = roll(drive, NEUTRAL, now, 1.0 / STEERING_RATE)
    assert drive.applied == (0.0, 0.0)
    roll(drive, Sticks(1.0, 0.0), now, 0.1)
    assert drive.applied.left == pytest.approx(0.1 * LIMITS.accel), "the throttle has its own ramp"


def test_steering_rests_before_it_turns_the_other_way() -> None:
    drive = armed()
    now = roll(drive, FULL_RIGHT, NOW, 0.2)
    seen = []
    for _ in range(20):
        now = roll(drive, Sticks(0.0, -1.0), now, TICK_S)
        seen.append(drive.applied.right)
    assert seen.count(0.0) >= LIMITS.reverse_pause_s / TICK_S - 1
    assert seen[-1] == -1.0


@pytest.mark.parametrize("limit", [0.05, 0.4])
def test_no_limit_and_no_cap_is_in_the_way_of_steering(limit: float) -> None:
    drive = armed(limits=DriveConfig(expo=0.0, max_speed=0.5), cap=limit)
    drive.limit(limit, NOW + 0.1, NOW)
    now = roll(drive, Sticks(1.0, 0.6), NOW, 1.0)
    wanted = steered_speeds(Sticks(1.0, 0.6), 0.05, 0.0).right
    assert drive.applied == pytest.approx((limit * 0.5, wanted))
    assert drive.output(now).cap == pytest.approx(limit * 0.5)


@pytest.mark.parametrize(("throttle", "most"), [(1.0, 0.2), (-1.0, -0.7)])
def test_the_throttle_has_the_cap_of_its_direction_whichever_way_the_car_steers(
    throttle: float, most: float
) -> None:
    for steering in (-1.0, 0.0, 1.0):
        drive = armed()
        drive.cap(0.2, 0.7)
        now = roll(drive, Sticks(throttle, steering), NOW, 1.0)
        assert drive.applied == pytest.approx((most, steering))
        assert drive.output(now).cap == abs(most)
    assert drive.speed_limit == 0.7


def test_a_car_with_steering_does_not_turn_on_the_spot() -> None:
    drive = armed()
    now = roll(drive, FULL_RIGHT, NOW, 1.0)
    assert drive.output(now) == Output(0.0, 1.0)
    assert drive.wanted == FULL_RIGHT


@pytest.mark.parametrize(
    ("tank", "applied"),
    [
        (Tank(1.0, 1.0), (1.0, 0.0)),
        (Tank(-1.0, -1.0), (-1.0, 0.0)),
        (Tank(1.0, -1.0), (0.0, 1.0)),
        (Tank(1.0, 0.0), (0.5, 0.5)),
        (Tank(0.0, 1.0), (0.5, -0.5)),
    ],
)
def test_two_sticks_on_a_car_with_steering_are_throttle_and_steering(
    tank: Tank, applied: tuple[float, float]
) -> None:
    drive = armed(limits=DriveConfig(expo=0.0, deadband=0.01))
    roll(drive, tank, NOW, 1.0)
    assert drive.applied == pytest.approx(applied, abs=0.01)
    assert drive.wanted == tank.as_sticks()


axes = st.floats(-1.0, 1.0)


@given(axes, axes, st.floats(0.01, 0.3), st.floats(0.0, 1.0))
def test_steered_speeds_stay_in_range_and_are_mirrored(
    a: float, b: float, deadband: float, expo: float
) -> None:
    for wanted, mirror in ((Sticks(a, b), Sticks(-a, -b)), (Tank(a, b), Tank(-a, -b))):
        speeds = steered_speeds(wanted, deadband, expo)
        assert all(abs(speed) <= 1.0 for speed in speeds)
        assert steered_speeds(mirror, deadband, expo) == tuple(-speed for speed in speeds)
    assert steered_speeds(Sticks(a, 0.0), deadband, expo).right == 0.0
    assert steered_speeds(Sticks(0.0, b), deadband, expo).left == 0.0


def test_what_stops_the_throttle_stops_the_steering_too() -> None:
    for act, state, output in (
        (lambda d, t: d.stop(t), State.STOPPED, BRAKE),
        (lambda d, t: d.tick(t + TIMEOUT_S), State.FAILSAFE, COAST),
    ):
        drive = armed()
        now = roll(drive, Sticks(1.0, -1.0), NOW, 0.5)
        act(drive, now)  # type: ignore[no-untyped-call]
        assert (drive.state, drive.applied, drive.target) == (state, (0.0, 0.0), (0.0, 0.0))
        assert drive.output(now + 0.01) == output


def test_a_car_that_only_steers_is_moving_and_fails_safe_in_silence() -> None:
    drive = armed()
    now = roll(drive, FULL_RIGHT, NOW, 0.2)
    assert drive.moving
    drive.tick(now + TIMEOUT_S)
    assert drive.state is State.FAILSAFE


JOGS = [(layout, motor) for layout, found in LAYOUTS.items() for motor in found.motors]


@pytest.mark.parametrize(("layout", "motor"), JOGS)
def test_a_jog_is_the_duty_cycle_of_its_motor(layout: str, motor: str) -> None:
    drive = armed(layout)
    now = roll(drive, Jog(motor, -0.3), NOW, 0.5)
    pair = (0.0, -0.3) if LAYOUTS[layout].speed_of(motor) else (-0.3, 0.0)
    assert drive.output(now) == Output(*pair, jog=motor)
    sticks = Sticks(*pair) if LAYOUTS[layout].steers else Tank(*pair).as_sticks()
    assert drive.wanted == sticks


@pytest.mark.parametrize(
    ("layout", "one", "other"),
    [
        (layout, one, other)
        for layout, found in LAYOUTS.items()
        for one, other in itertools.permutations(found.motors, 2)
    ],
)
def test_a_jog_of_another_motor_waits_until_the_first_has_come_to_rest(
    layout: str, one: str, other: str
) -> None:
    drive = armed(layout)
    now = roll(drive, Jog(one, 0.4), NOW, 0.5)
    before = memory(drive)
    assert drive.command(Jog(other, 0.4), now + 0.5, now) is Refusal.NOT_NEUTRAL
    assert memory(drive) == before
    ends: list[Wanted] = [Jog(other, 0.0), NEUTRAL, Jog(one, 0.0)]
    for end in ends:
        now += TICK_S
        assert drive.command(end, now + 0.5, now) is None
        output = drive.output(now)
        assert output.jog == (one if any(output[:2]) else ""), "the ramp of one motor is never another's"
    now = roll(drive, NEUTRAL, now, 0.2)
    assert drive.command(Jog(other, 0.4), now + TICK_S + 0.5, now + TICK_S) is None
    assert drive.output(now + TICK_S).jog == other
    assert max(map(abs, drive.applied)) <= max(LIMITS.accel, STEERING_RATE) * TICK_S + 1e-9


@pytest.mark.parametrize(("layout", "motor"), JOGS)
def test_a_jog_is_no_faster_than_the_owner_s_cap_allows(layout: str, motor: str) -> None:
    drive = Drive(LIMITS, REARM_S, BRAKE_S, 0.1, 0.25, LAYOUTS[layout])
    drive.command(NEUTRAL, NOW + 0.5, NOW)
    now = roll(drive, Jog(motor, JOG_DUTY), NOW, 1.0)
    assert max(drive.output(now)[:2]) == pytest.approx(0.325)
