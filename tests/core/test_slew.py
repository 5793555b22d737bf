"""The slew limiter and the pause before reverse, step by step."""

from __future__ import annotations

import pytest

from picar.config import DriveConfig
from picar.core.drive import COAST, TICK_S, Drive, Reason, State
from picar.core.shaping import NEUTRAL, Sticks, Tank, Wanted
from tests.core.cars import AHEAD, BACK, LIMITS, NOW, TIMEOUT_S, armed, cruising, roll

STEP = LIMITS.accel * TICK_S  # 0.05
PAUSE = LIMITS.reverse_pause_s


def speed_after(drive: Drive, wanted: Wanted, now: float) -> float:
    """Send the sticks and return the left wheel's speed right after, without a tick."""
    assert drive.command(wanted, now + TIMEOUT_S, now) is None
    return drive.applied.left


@pytest.mark.parametrize(
    ("rest", "speed"), [(0.0, 0.0), (0.004, 0.01), (0.01, 0.025), (TICK_S, STEP), (0.1, STEP), (3600.0, STEP)]
)
def test_the_first_step_comes_with_the_command_and_is_a_tick_at_most(rest: float, speed: float) -> None:
    assert speed_after(armed(), AHEAD, NOW + rest) == pytest.approx(speed)


def test_speeding_up_takes_a_step_each_tick_until_the_target() -> None:
    drive = armed()
    speeds = [speed_after(drive, Sticks(0.5, 0.0), NOW + n * TICK_S) for n in range(1, 12)]
    steps = [after - before for before, after in zip([0.0, *speeds], speeds, strict=False)]
    target = speeds[-1]
    assert 0.3 < target < 0.5  # the curve is softer around the middle
    assert steps[: int(target / STEP)] == pytest.approx([STEP] * int(target / STEP))
    assert speeds[-2] == target


def test_ticks_alone_move_the_ramp_on_too() -> None:
    drive = armed()
    drive.command(AHEAD, NOW + TIMEOUT_S, NOW)
    speeds = [drive.tick(NOW + n * TICK_S).left for n in range(1, 5)]
    assert speeds == pytest.approx([STEP, 2 * STEP, 3 * STEP, 4 * STEP])


def test_a_flood_of_commands_is_no_faster_than_the_ramp() -> None:
    drive = armed()
    for n in range(1, 101):
        speed_after(drive, AHEAD, NOW + n * 0.001)
    assert drive.applied.left == pytest.approx(0.1 * LIMITS.accel)


@pytest.mark.parametrize(
    ("pause", "speed"), [(0.01, 0.94), (TICK_S, 0.88), (0.1, 0.4), (0.15, 0.1), (0.2, 0.0), (0.4, 0.0)]
)
def test_slowing_down_takes_the_true_time(pause: float, speed: float) -> None:
    drive, now = cruising()
    assert speed_after(drive, NEUTRAL, now + pause) == pytest.approx(speed, abs=1e-9)


def test_slowing_down_ends_at_the_new_target() -> None:
    drive, now = cruising()
    assert speed_after(drive, Tank(0.5, 0.5), now + 0.3) == pytest.approx(drive.applied.right)
    assert 0.3 < drive.applied.left < 0.5


def test_turning_round_goes_down_rests_and_comes_up_the_other_way() -> None:
    drive, now = cruising()
    rest_begins = now + 1.0 / LIMITS.decel
    for n in range(1, 40):
        t = now + n * TICK_S
        speed = speed_after(drive, BACK, t)
        if t < rest_begins:
            assert speed > 0.0
        elif t < rest_begins + PAUSE:
            assert speed == 0.0
        elif t > rest_begins + PAUSE + 2 * TICK_S:
            assert speed < 0.0
    assert drive.applied == pytest.approx((-1.0, -1.0))


def test_a_wheel_never_passes_through_zero_in_one_step() -> None:
    drive, now = cruising()
    assert speed_after(drive, BACK, now + 0.4) == 0.0
    assert speed_after(drive, BACK, now + 0.4 + PAUSE / 2) == 0.0
    assert speed_after(drive, BACK, now + 0.4 + PAUSE + 0.001) == pytest.approx(-STEP)


def test_a_wheel_that_goes_on_in_its_direction_need_not_rest() -> None:
    drive, now = cruising()
    assert speed_after(drive, NEUTRAL, now + 0.4) == 0.0
    assert speed_after(drive, AHEAD, now + 0.4 + TICK_S) == pytest.approx(STEP)


@pytest.mark.parametrize(("first", "then"), [(AHEAD, BACK), (BACK, AHEAD)], ids=["ahead first", "back first"])
def test_letting_go_on_the_way_does_not_shorten_the_rest(first: Sticks, then: Sticks) -> None:
    drive, now = cruising(first)
    assert speed_after(drive, NEUTRAL, now + 0.4) == 0.0
    for n in range(1, 4):
        assert speed_after(drive, NEUTRAL, now + 0.4 + n * TICK_S) == 0.0
    assert speed_after(drive, then, now + 0.4 + PAUSE - 0.01) == 0.0
    assert speed_after(drive, then, now + 0.4 + PAUSE + 0.001) == pytest.approx(
        then.throttle * 0.011 * LIMITS.accel
    )


@pytest.mark.parametrize("later", [0.0, 0.001, 0.005])
def test_a_command_right_after_a_failsafe_gets_no_more_than_the_time_since(later: float) -> None:
    drive, now = cruising()
    failed_at = now + TIMEOUT_S
    drive.tick(failed_at)
    assert speed_after(drive, AHEAD, failed_at + later) == pytest.approx(LIMITS.accel * later)


def test_each_wheel_rests_for_itself() -> None:
    drive, now = cruising()
    drive.command(Tank(1.0, -1.0), now + 0.8, now + 0.4)
    drive.tick(now + 0.4 + PAUSE / 2)
    assert drive.applied == pytest.approx((1.0, 0.0))
    drive.tick(now + 0.4 + PAUSE + 0.001)
    assert drive.applied == pytest.approx((1.0, -STEP))


def test_the_rest_survives_a_failsafe() -> None:
    drive, now = cruising()
    failed_at = now + TIMEOUT_S
    drive.tick(failed_at)
    assert speed_after(drive, BACK, failed_at + PAUSE / 2) == 0.0
    assert drive.state is State.ARMED
    assert speed_after(drive, BACK, failed_at + PAUSE + 0.001) == pytest.approx(-STEP)


def test_the_rest_survives_a_stop_a_reset_and_a_new_driver() -> None:
    drive, now = cruising(limits=DriveConfig(reverse_pause_s=2.0))
    drive.stop(now)
    drive.reset(now + 0.1, now + 0.5, now + 0.2)
    drive.release(Reason.RELEASED, now + 0.2)
    assert speed_after(drive, NEUTRAL, now + 0.3) == 0.0
    assert speed_after(drive, BACK, now + 0.4) == 0.0
    assert speed_after(drive, BACK, now + 1.99) == 0.0
    assert speed_after(drive, BACK, now + 2.01) == pytest.approx(-STEP)


def test_a_car_that_was_cut_off_while_rolling_out_must_rest_too() -> None:
    drive, now = cruising(limits=DriveConfig(decel=1.0))
    drive.command(NEUTRAL, now + 0.2, now)
    assert drive.tick(now + 0.2) == COAST
    assert speed_after(drive, BACK, now + 0.2 + PAUSE / 2) == 0.0
    assert speed_after(drive, BACK, now + 0.2 + PAUSE + 0.001) < 0.0


@pytest.mark.parametrize("accel", [0.2, 2.5, 20.0])
def test_full_speed_takes_one_over_accel(accel: float) -> None:
    drive = armed(limits=DriveConfig(accel=accel))
    ticks = round(1.0 / accel / TICK_S)
    roll(drive, AHEAD, NOW, (ticks - 1) * TICK_S)
    assert drive.applied.left < 1.0
    roll(drive, AHEAD, NOW + (ticks - 1) * TICK_S, 2 * TICK_S)
    assert drive.applied.left == 1.0
