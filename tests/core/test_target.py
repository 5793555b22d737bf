"""The target is the value that the wheels reach: `applied` moves towards it, never past it, and meets it exactly."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import TICK_S, Drive, Reason, Refusal, State
from picar.core.shaping import LEAST_SPEED, NEUTRAL, Jog, Sticks, Tank, Wanted, Wheels, duty_cycle
from tests.core.cars import AHEAD, BACK, NOW, REARM_S, TIMEOUT_S, armed, cruising, roll
from tests.core.events import Event, Timeline, play, timelines
from tests.core.test_caps import MIN_DUTY, built, caps
from tests.core.test_drive_properties import BRAKE_S, limits

axes = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-1.0, 1.0)
jogs = st.builds(Jog, st.sampled_from(["left", "right"]), st.integers(-500, 500).map(lambda n: n / 1000))
wanted = st.builds(Sticks, axes, axes) | st.builds(Tank, axes, axes) | jogs


@dataclass
class WatchTarget:
    """Each wheel moves towards its target, or rests."""

    drive: Drive
    before: tuple[float, float] = (0.0, 0.0)

    def __call__(self, _event: Event, _now: float, _refusal: Refusal | None) -> None:
        drive = self.drive
        for before, after, target in zip(self.before, drive.applied, drive.target, strict=True):
            assert after == 0.0 or min(before, target) <= after <= max(before, target)
        assert drive.state is State.ARMED or drive.target == (0.0, 0.0)
        self.before = drive.applied


@given(limits, timelines, st.booleans(), caps, caps)
def test_no_wheel_passes_its_target_and_a_car_that_is_not_armed_has_none(
    limits: DriveConfig, timeline: Timeline, ticking: bool, forward: float, reverse: float
) -> None:
    drive = built(Drive, limits, forward, reverse)
    play(drive, timeline, WatchTarget(drive), ticking=ticking)


@given(limits, wanted, caps, caps, st.floats(LEAST_SPEED, 1.0))
def test_the_wheels_reach_their_target_under_any_limit_and_caps(
    limits: DriveConfig, wanted: Wanted, forward: float, reverse: float, speed: float
) -> None:
    drive = built(Drive, limits, forward, reverse)
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    assert drive.limit(speed, NOW + 1.0, NOW) is None
    roll(drive, wanted, NOW, 1.0 / limits.accel + 0.1)
    assert drive.applied == drive.target
    most = 0.5 if isinstance(wanted, Jog) else min(speed, max(forward, reverse)) * limits.max_speed
    assert all(abs(speed) <= most for speed in drive.target)


def test_the_target_is_there_with_the_command_and_goes_with_the_state() -> None:
    drive = armed()
    assert drive.target == (0.0, 0.0)
    drive.command(AHEAD, NOW + TIMEOUT_S, NOW)
    assert drive.target == (1.0, 1.0)
    assert drive.applied < drive.target
    drive.release(Reason.RELEASED, NOW)
    assert drive.target == (0.0, 0.0)


def test_a_new_cap_or_limit_moves_the_target_while_the_ramp_still_runs_down() -> None:
    drive, now = cruising()
    drive.cap(0.5, 0.25)
    drive.tick(now + TICK_S)
    assert drive.target == (0.5, 0.5)
    assert drive.applied[0] > 0.5
    assert drive.limit(0.3, now + TIMEOUT_S, now) is None
    drive.tick(now + 2 * TICK_S)
    assert drive.target == (0.3, 0.3)
    drive.command(BACK, now + TIMEOUT_S, now + 2 * TICK_S)
    assert drive.target == (-0.25, -0.25)


def test_the_target_of_a_jog_is_its_duty_cycle_as_far_as_the_cap_lets_it() -> None:
    drive = armed()
    roll(drive, Jog("right", -0.3), NOW, 0.1)
    assert drive.target == (0.0, -0.3)
    slow = Drive(DriveConfig(), REARM_S, BRAKE_S, LEAST_SPEED, MIN_DUTY)
    assert slow.command(Jog("left", 0.5), NOW + 0.5, NOW) is Refusal.NOT_NEUTRAL
    slow.command(NEUTRAL, NOW + TIMEOUT_S, NOW)
    now = roll(slow, Jog("left", 0.5), NOW, 0.5)
    assert slow.target == slow.applied == Wheels(duty_cycle(LEAST_SPEED, 1.0, MIN_DUTY), 0.0)
    slow.tick(now + TIMEOUT_S)
    assert slow.target == (0.0, 0.0)
