"""The cap of a distance sensor: forward speed alone, at once at 0, and a way out in every other direction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import TICK_S, Drive, Output, Reason, State
from picar.core.shaping import NEUTRAL, Jog, Sticks
from picar.layouts import LAYOUTS
from tests.core.cars import AHEAD, BACK, BRAKE_S, NOW, REARM_S, TIMEOUT_S, armed, roll

SPOT = Sticks(0.0, 1.0)


def ahead() -> tuple[Drive, float]:
    """A car at full speed, and the time."""
    drive = armed()
    return drive, roll(drive, AHEAD, NOW, 1.0)


def hold(drive: Drive, sticks: Sticks, cap: float, now: float, seconds: float) -> list[Output]:
    """Follow the sticks under the sensor's cap, and return the output of each tick."""
    outputs = []
    for _ in range(round(seconds / TICK_S)):
        now += TICK_S
        drive.obstacle(cap, now)
        assert drive.command(sticks, now + TIMEOUT_S, now) is None
        drive.obstacle(cap, now)
        outputs.append(drive.tick(now))
    return outputs


def test_a_car_at_full_speed_stops_in_the_same_call_and_brakes() -> None:
    drive, now = ahead()
    drive.obstacle(0.0, now)
    assert drive.applied == (0.0, 0.0)
    outputs = hold(drive, AHEAD, 0.0, now, 1.0)
    braked = [output.brake for output in outputs]
    assert braked == sorted(braked, reverse=True), "first the brake, then rest"
    assert BRAKE_S - 2 * TICK_S <= sum(braked) * TICK_S <= BRAKE_S + TICK_S
    assert not any(output.left or output.right for output in outputs)
    assert drive.state is State.ARMED


def test_backwards_and_on_the_spot_the_car_has_its_speed() -> None:
    drive, now = ahead()
    for sticks, signs in ((BACK, (-1, -1)), (SPOT, (1, -1))):
        last = hold(drive, sticks, 0.0, now, 1.0)[-1]
        now += 1.0
        assert (last.left * signs[0], last.right * signs[1]) == (1.0, 1.0)


def test_a_slower_car_follows_the_ramp() -> None:
    drive, now = ahead()
    drive.obstacle(0.5, now)
    first, *_, last = hold(drive, AHEAD, 0.5, now, 1.0)
    assert 0.5 < first.left < 1.0
    assert (last.left, last.right) == (0.5, 0.5)


def test_a_brake_is_over_when_the_driver_turns_away() -> None:
    drive, now = ahead()
    drive.obstacle(0.0, now)
    assert drive.tick(now).brake
    outputs = hold(drive, BACK, 0.0, now, 0.3)
    assert outputs[-1].left < 0.0
    assert not outputs[-1].brake


def test_the_brake_is_an_event_of_its_own() -> None:
    drive, now = ahead()
    drive.obstacle(0.0, now)
    drive.tick(now)
    assert drive.next_event(now) <= now + TICK_S


def test_the_servers_cap_stays_when_the_sensor_lifts_its_own() -> None:
    drive, now = ahead()
    drive.cap(0.4, 1.0)
    drive.obstacle(0.2, now)
    drive.obstacle(1.0, now)
    assert hold(drive, AHEAD, 1.0, now, 1.0)[-1].left == 0.4


def test_a_steering_car_stops_and_keeps_its_servo() -> None:
    drive = Drive(DriveConfig(), REARM_S, BRAKE_S, layout=LAYOUTS["steer-servo"])
    assert drive.command(Sticks(0.0, 0.0), NOW + TIMEOUT_S, NOW) is None
    now = roll(drive, Sticks(1.0, 0.5), NOW, 1.0)
    place = drive.applied.right
    assert place > 0.0
    drive.obstacle(0.0, now)
    output = drive.output(now)
    assert (output.left, output.right, output.brake) == (0.0, place, True)


def test_a_jog_of_a_steering_motor_does_not_drive_the_car_forward() -> None:
    drive = Drive(DriveConfig(), REARM_S, BRAKE_S, layout=LAYOUTS["steer-motor"])
    now = NOW
    drive.obstacle(0.0, now)
    for jog in (Jog("steer", 0.4), Jog("steer", -0.4)):
        assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None
        now = roll(drive, jog, now, 1.0)
        assert drive.applied == (0.0, jog.duty)
        drive.release(Reason.RELEASED, now)
    assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None
    roll(drive, Jog("drive", 0.4), now, 1.0)
    assert drive.applied == (0.0, 0.0)


@given(
    st.lists(
        st.tuples(
            st.floats(-1, 1), st.floats(-1, 1), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.floats(0.0, 0.2)
        )
    )
)
def test_the_mean_of_the_wheels_is_never_above_the_cap_for_longer_than_the_ramp_needs(
    steps: list[tuple[float, float, float, float]],
) -> None:
    drive, now = armed(), NOW
    for throttle, steering, cap, pause_s in steps:
        now += pause_s
        before = sum(drive.applied) / 2
        drive.obstacle(cap, now)
        drive.command(Sticks(throttle, steering), now + TIMEOUT_S, now)
        drive.tick(now)
        drive.obstacle(cap, now)
        mean = sum(drive.applied) / 2
        assert mean <= max(cap, before) + 1e-9
        assert cap > 0.0 or mean <= 1e-9
