"""The state machine: every event in every state, and the deadline, the stop and the reset to the instant."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, TICK_S, Drive, Output, Reason, Refusal, State
from picar.core.shaping import NEUTRAL, Sticks, Tank
from tests.core.cars import (
    AHEAD,
    BACK,
    BRAKE_S,
    NOW,
    REARM_S,
    STARTS,
    TIMEOUT_S,
    armed,
    cruising,
    failsafe,
    memory,
    parked,
    roll,
    stopped,
)

SOON = TIMEOUT_S / 2


# Each event happens so many seconds after the last call of the start.
EVENTS: dict[str, tuple[float, Callable[[Drive, float], Refusal | Output | None]]] = {
    "fresh neutral": (SOON, lambda d, t: d.command(NEUTRAL, t + TIMEOUT_S, t)),
    "fresh sticks": (SOON, lambda d, t: d.command(AHEAD, t + TIMEOUT_S, t)),
    "stale neutral": (SOON, lambda d, t: d.command(NEUTRAL, t, t)),
    "stale sticks": (SOON, lambda d, t: d.command(AHEAD, t - 1.0, t)),
    "stop": (SOON, lambda d, t: d.stop(t)),
    "newer reset": (SOON, lambda d, t: d.reset(t - 0.01, t + TIMEOUT_S, t)),
    "older reset": (SOON, lambda d, t: d.reset(t - SOON, t + TIMEOUT_S, t)),
    "late reset": (SOON, lambda d, t: d.reset(t - 0.01, t, t)),
    "release": (SOON, lambda d, t: d.release(Reason.RELEASED, t)),
    "driver gone": (SOON, lambda d, t: d.release(Reason.DRIVER_GONE, t)),
    "hold": (SOON, lambda d, t: d.hold(True, t)),
    "end of a hold": (SOON, lambda d, t: d.hold(False, t)),
    "limit": (SOON, lambda d, t: d.limit(0.5, t + TIMEOUT_S, t)),
    "late limit": (SOON, lambda d, t: d.limit(0.5, t, t)),
    "tick": (SOON, lambda d, t: d.tick(t)),
    "deadline": (TIMEOUT_S, lambda d, t: d.tick(t)),
    "rearm time over": (REARM_S + 0.01, lambda d, t: d.tick(t)),
}

S, R, F = State, Reason, Refusal
_Row = tuple[State, Reason | None, Refusal | None]
KEEP_DISARMED: _Row = (S.DISARMED, R.STARTED, None)
KEEP_ARMED: _Row = (S.ARMED, None, None)
KEEP_FAILSAFE: _Row = (S.FAILSAFE, R.COMMANDS_STALE, None)
KEEP_STOPPED: _Row = (S.STOPPED, R.STOP, None)
KEEP_HELD: _Row = (S.DISARMED, R.HELD, None)

# (state, reason, refusal) after each event in each start; "resting" and "driving" are both armed.
TRANSITIONS: dict[tuple[str, str], _Row] = {
    ("disarmed", "fresh neutral"): (S.ARMED, None, None),
    ("disarmed", "fresh sticks"): (S.DISARMED, R.STARTED, F.NOT_NEUTRAL),
    ("disarmed", "stale neutral"): (S.DISARMED, R.STARTED, F.STALE),
    ("disarmed", "stale sticks"): (S.DISARMED, R.STARTED, F.STALE),
    ("disarmed", "stop"): (S.STOPPED, R.STOP, None),
    ("disarmed", "newer reset"): KEEP_DISARMED,
    ("disarmed", "older reset"): KEEP_DISARMED,  # older than no stop: there was none
    ("disarmed", "late reset"): (S.DISARMED, R.STARTED, F.STALE),
    ("disarmed", "release"): KEEP_DISARMED,
    ("disarmed", "driver gone"): KEEP_DISARMED,
    ("disarmed", "hold"): (S.DISARMED, R.HELD, None),
    ("disarmed", "end of a hold"): KEEP_DISARMED,
    ("disarmed", "limit"): KEEP_DISARMED,
    ("disarmed", "late limit"): (S.DISARMED, R.STARTED, F.STALE),
    ("disarmed", "tick"): KEEP_DISARMED,
    ("disarmed", "deadline"): KEEP_DISARMED,
    ("disarmed", "rearm time over"): KEEP_DISARMED,
    ("resting", "fresh neutral"): KEEP_ARMED,
    ("resting", "fresh sticks"): KEEP_ARMED,
    ("resting", "stale neutral"): (S.ARMED, None, F.STALE),
    ("resting", "stale sticks"): (S.ARMED, None, F.STALE),
    ("resting", "stop"): (S.STOPPED, R.STOP, None),
    ("resting", "newer reset"): KEEP_ARMED,
    ("resting", "older reset"): KEEP_ARMED,
    ("resting", "late reset"): (S.ARMED, None, F.STALE),
    ("resting", "release"): (S.DISARMED, R.RELEASED, None),
    ("resting", "driver gone"): (S.DISARMED, R.DRIVER_GONE, None),
    ("resting", "hold"): (S.DISARMED, R.HELD, None),
    ("resting", "end of a hold"): KEEP_ARMED,
    ("resting", "limit"): KEEP_ARMED,
    ("resting", "late limit"): (S.ARMED, None, F.STALE),
    ("resting", "tick"): KEEP_ARMED,
    ("resting", "deadline"): KEEP_ARMED,  # a car at rest is no fault
    ("resting", "rearm time over"): KEEP_ARMED,
    ("driving", "fresh neutral"): KEEP_ARMED,
    ("driving", "fresh sticks"): KEEP_ARMED,
    ("driving", "stale neutral"): (S.ARMED, None, F.STALE),
    ("driving", "stale sticks"): (S.ARMED, None, F.STALE),
    ("driving", "stop"): (S.STOPPED, R.STOP, None),
    ("driving", "newer reset"): KEEP_ARMED,
    ("driving", "older reset"): KEEP_ARMED,
    ("driving", "late reset"): (S.ARMED, None, F.STALE),
    ("driving", "release"): (S.DISARMED, R.RELEASED, None),
    ("driving", "driver gone"): (S.DISARMED, R.DRIVER_GONE, None),
    ("driving", "hold"): KEEP_ARMED,  # until the ramp has ended
    ("driving", "end of a hold"): KEEP_ARMED,
    ("driving", "limit"): KEEP_ARMED,
    ("driving", "late limit"): (S.ARMED, None, F.STALE),
    ("driving", "tick"): KEEP_ARMED,
    ("driving", "deadline"): (S.FAILSAFE, R.COMMANDS_STALE, None),
    ("driving", "rearm time over"): (S.FAILSAFE, R.COMMANDS_STALE, None),
    ("failsafe", "fresh neutral"): (S.ARMED, None, None),
    ("failsafe", "fresh sticks"): (S.ARMED, None, None),
    ("failsafe", "stale neutral"): (S.FAILSAFE, R.COMMANDS_STALE, F.STALE),
    ("failsafe", "stale sticks"): (S.FAILSAFE, R.COMMANDS_STALE, F.STALE),
    ("failsafe", "stop"): (S.STOPPED, R.STOP, None),
    ("failsafe", "newer reset"): KEEP_FAILSAFE,
    ("failsafe", "older reset"): KEEP_FAILSAFE,
    ("failsafe", "late reset"): (S.FAILSAFE, R.COMMANDS_STALE, F.STALE),
    ("failsafe", "release"): (S.DISARMED, R.RELEASED, None),
    ("failsafe", "driver gone"): (S.DISARMED, R.DRIVER_GONE, None),
    ("failsafe", "hold"): (S.DISARMED, R.HELD, None),
    ("failsafe", "end of a hold"): KEEP_FAILSAFE,
    ("failsafe", "limit"): KEEP_FAILSAFE,
    ("failsafe", "late limit"): (S.FAILSAFE, R.COMMANDS_STALE, F.STALE),
    ("failsafe", "tick"): KEEP_FAILSAFE,
    ("failsafe", "deadline"): KEEP_FAILSAFE,
    ("failsafe", "rearm time over"): (S.DISARMED, R.COMMANDS_STALE, None),
    ("stopped", "fresh neutral"): (S.STOPPED, R.STOP, F.STOPPED),
    ("stopped", "fresh sticks"): (S.STOPPED, R.STOP, F.STOPPED),
    ("stopped", "stale neutral"): (S.STOPPED, R.STOP, F.STOPPED),
    ("stopped", "stale sticks"): (S.STOPPED, R.STOP, F.STOPPED),
    ("stopped", "stop"): KEEP_STOPPED,
    ("stopped", "newer reset"): (S.DISARMED, R.RESET, None),
    ("stopped", "older reset"): (S.STOPPED, R.STOP, F.STALE),
    ("stopped", "late reset"): (S.STOPPED, R.STOP, F.STALE),
    ("stopped", "release"): KEEP_STOPPED,
    ("stopped", "driver gone"): KEEP_STOPPED,
    ("stopped", "hold"): KEEP_STOPPED,
    ("stopped", "end of a hold"): KEEP_STOPPED,
    ("stopped", "limit"): KEEP_STOPPED,
    ("stopped", "late limit"): (S.STOPPED, R.STOP, F.STALE),
    ("stopped", "tick"): KEEP_STOPPED,
    ("stopped", "deadline"): KEEP_STOPPED,
    ("stopped", "rearm time over"): KEEP_STOPPED,
    ("held", "fresh neutral"): (S.DISARMED, R.HELD, F.HELD),
    ("held", "fresh sticks"): (S.DISARMED, R.HELD, F.HELD),
    ("held", "stale neutral"): (S.DISARMED, R.HELD, F.HELD),
    ("held", "stale sticks"): (S.DISARMED, R.HELD, F.HELD),
    ("held", "stop"): (S.STOPPED, R.STOP, None),
    ("held", "newer reset"): KEEP_HELD,
    ("held", "older reset"): KEEP_HELD,
    ("held", "late reset"): (S.DISARMED, R.HELD, F.STALE),
    ("held", "release"): KEEP_HELD,
    ("held", "driver gone"): KEEP_HELD,
    ("held", "hold"): KEEP_HELD,
    ("held", "end of a hold"): KEEP_HELD,
    ("held", "limit"): KEEP_HELD,
    ("held", "late limit"): (S.DISARMED, R.HELD, F.STALE),
    ("held", "tick"): KEEP_HELD,
    ("held", "deadline"): KEEP_HELD,
    ("held", "rearm time over"): KEEP_HELD,
    ("slowing", "fresh neutral"): (S.ARMED, None, F.HELD),
    ("slowing", "fresh sticks"): (S.ARMED, None, F.HELD),
    ("slowing", "stale neutral"): (S.ARMED, None, F.HELD),
    ("slowing", "stale sticks"): (S.ARMED, None, F.HELD),
    ("slowing", "stop"): (S.STOPPED, R.STOP, None),
    ("slowing", "newer reset"): KEEP_ARMED,
    ("slowing", "older reset"): KEEP_ARMED,
    ("slowing", "late reset"): (S.ARMED, None, F.STALE),
    ("slowing", "release"): KEEP_HELD,
    ("slowing", "driver gone"): KEEP_HELD,
    ("slowing", "hold"): KEEP_ARMED,
    ("slowing", "end of a hold"): KEEP_HELD,
    ("slowing", "limit"): KEEP_ARMED,
    ("slowing", "late limit"): (S.ARMED, None, F.STALE),
    ("slowing", "tick"): KEEP_ARMED,
    ("slowing", "deadline"): KEEP_HELD,
    ("slowing", "rearm time over"): KEEP_HELD,
}


def test_the_table_has_every_event_in_every_state() -> None:
    assert set(TRANSITIONS) == set(itertools.product(STARTS, EVENTS))
    assert {start()[0].state for start in STARTS.values()} == set(State)


@pytest.mark.parametrize(("start", "event"), TRANSITIONS)
def test_an_event_leads_where_the_table_says(start: str, event: str) -> None:
    drive, now = STARTS[start]()
    after, happen = EVENTS[event]
    answer = happen(drive, now + after)
    refusal = answer if isinstance(answer, Refusal) else None
    assert (drive.state, drive.reason, refusal) == TRANSITIONS[start, event]
    if drive.state is not State.ARMED:
        assert drive.applied == (0.0, 0.0)
        assert drive.wanted == NEUTRAL


@pytest.mark.parametrize(
    ("start", "event"), [key for key, (_, _, refusal) in TRANSITIONS.items() if refusal is not None]
)
def test_a_refused_event_changes_nothing(start: str, event: str) -> None:
    drive, now = STARTS[start]()
    after, happen = EVENTS[event]
    drive.tick(now + after)
    before = memory(drive)
    assert isinstance(happen(drive, now + after), Refusal)
    assert memory(drive) == before


@pytest.mark.parametrize("start", STARTS)
def test_only_an_armed_car_turns_its_wheels_and_only_a_stopped_one_brakes(start: str) -> None:
    drive, now = STARTS[start]()
    output = drive.tick(now)
    assert (output.left != 0.0) == (start in ("driving", "slowing"))
    assert output.brake == (start == "stopped")


def test_the_drive_starts_disarmed_and_coasting_with_its_full_speed() -> None:
    drive = parked()
    assert (drive.state, drive.reason) == (State.DISARMED, Reason.STARTED)
    assert drive.output(NOW) == COAST
    assert drive.speed_limit == 1.0
    assert drive.next_event(NOW) == math.inf


@pytest.mark.parametrize("early", [1e-6, TICK_S, 0.4])
def test_the_failsafe_comes_at_the_deadline_and_not_before(early: float) -> None:
    drive, now = cruising()
    deadline = now + TIMEOUT_S
    assert drive.tick(deadline - early) == Output(1.0, 1.0)
    assert drive.tick(deadline) == COAST
    assert drive.state is State.FAILSAFE


def test_the_newest_command_sets_the_deadline_even_when_it_is_nearer() -> None:
    drive, now = cruising()
    drive.command(AHEAD, now + 0.1, now)
    drive.tick(now + 0.1)
    assert drive.state is State.FAILSAFE


def test_a_car_at_rest_stays_armed_through_a_long_silence() -> None:
    drive = armed()
    assert drive.tick(NOW + 3600.0) == COAST
    assert drive.command(AHEAD, NOW + 3600.0 + TIMEOUT_S, NOW + 3600.0) is None
    assert drive.state is State.ARMED


@pytest.mark.parametrize("wanted", [NEUTRAL, Sticks(0.04, -0.04), Tank(0.04, 0.04)])
def test_a_wheel_that_still_rolls_out_is_cut_off_at_the_deadline_of_its_neutral(
    wanted: Sticks | Tank,
) -> None:
    drive, now = cruising(limits=DriveConfig(decel=1.0))
    drive.command(wanted, now + 0.3, now)
    assert drive.tick(now + 0.29).left > 0.5
    assert drive.tick(now + 0.3) == COAST
    assert drive.state is State.ARMED


@pytest.mark.parametrize(("late", "state"), [(REARM_S - 0.001, State.ARMED), (REARM_S, State.DISARMED)])
def test_a_fresh_command_rearms_within_the_rearm_time_only(late: float, state: State) -> None:
    drive, failed_at = failsafe()
    answer = drive.command(AHEAD, failed_at + late + TIMEOUT_S, failed_at + late)
    assert drive.state is state
    assert answer == (None if state is State.ARMED else Refusal.NOT_NEUTRAL)


def test_after_a_failsafe_the_car_starts_again_from_zero() -> None:
    drive, failed_at = failsafe()
    now = failed_at + 0.5
    drive.command(AHEAD, now + TIMEOUT_S, now)
    assert drive.applied == pytest.approx((2.5 * TICK_S, 2.5 * TICK_S))


def test_a_late_failsafe_wants_neutral_first() -> None:
    drive, failed_at = failsafe()
    now = failed_at + REARM_S + 1.0
    assert drive.command(AHEAD, now + TIMEOUT_S, now) is Refusal.NOT_NEUTRAL
    assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None
    assert drive.command(AHEAD, now + TIMEOUT_S, now) is None


def test_a_stop_brakes_in_the_same_call_without_a_ramp() -> None:
    drive, now = cruising()
    drive.stop(now)
    assert drive.output(now) == BRAKE
    assert drive.applied == (0.0, 0.0)


@pytest.mark.parametrize("repeats", [1, 5])
def test_a_stop_brakes_for_the_hold_time_and_repeats_do_not_extend_it(repeats: int) -> None:
    drive, now = cruising()
    for n in range(repeats):
        drive.stop(now + n * BRAKE_S / repeats)
    assert drive.tick(now + BRAKE_S - 1e-6) == BRAKE
    assert drive.tick(now + BRAKE_S) == COAST
    drive.stop(now + 1.0)
    assert drive.tick(now + 1.0) == COAST


def test_a_reset_must_be_newer_than_the_newest_stop() -> None:
    drive, now = cruising()
    drive.stop(now)
    drive.stop(now + 0.2)
    for seen_at in (now - 0.1, now, now + 0.1, now + 0.2):
        assert drive.reset(seen_at, now + 0.4, now + 0.3) is Refusal.STALE
        assert drive.state is State.STOPPED
    assert drive.reset(now + 0.21, now + 0.4, now + 0.3) is None
    assert drive.output(now + 0.3) == COAST
    assert drive.reason is Reason.RESET


def test_a_reset_during_the_brake_ends_it() -> None:
    drive, now = cruising()
    drive.stop(now)
    drive.reset(now + 0.01, now + 0.4, now + 0.02)
    assert drive.output(now + 0.02) == COAST


def test_after_a_reset_the_car_wants_neutral() -> None:
    drive, now = stopped()
    drive.reset(now + 0.1, now + 0.5, now + 0.2)
    assert drive.command(BACK, now + 0.9, now + 0.4) is Refusal.NOT_NEUTRAL
    assert drive.command(NEUTRAL, now + 0.9, now + 0.4) is None


def test_a_reset_of_a_car_that_is_not_stopped_does_not_disturb_its_driver() -> None:
    drive, now = cruising()
    before = memory(drive)
    assert drive.reset(now, now + 0.5, now) is None
    assert memory(drive) == before


def test_a_stop_after_the_driver_has_gone_still_latches() -> None:
    drive, now = cruising()
    drive.release(Reason.DRIVER_GONE, now)
    drive.stop(now)
    assert (drive.state, drive.output(now)) == (State.STOPPED, BRAKE)


def test_the_new_driver_of_a_released_car_must_show_neutral() -> None:
    drive, now = cruising()
    drive.release(Reason.RELEASED, now)
    assert drive.output(now) == COAST
    assert drive.command(AHEAD, now + TIMEOUT_S, now) is Refusal.NOT_NEUTRAL


def test_the_speed_limit_is_a_share_of_the_configured_speed() -> None:
    drive, now = cruising(limits=DriveConfig(max_speed=0.8))
    assert drive.applied == pytest.approx((0.8, 0.8))
    assert drive.limit(0.5, now + 0.1, now) is None
    drive.tick(now + 0.4)
    assert drive.applied == pytest.approx((0.4, 0.4))


def test_no_driver_s_limit_is_above_the_owner_s_cap() -> None:
    drive, now = cruising()
    drive.cap(0.3, 0.3)
    assert drive.limit(1.0, now + 0.1, now) is None
    assert drive.speed_limit == 0.3
    drive.tick(now + 0.4)
    assert drive.applied == pytest.approx((0.3, 0.3))
    drive.cap(1.0, 1.0)
    assert drive.speed_limit == 1.0


def test_a_car_may_be_capped_from_its_start() -> None:
    drive = Drive(DriveConfig(), REARM_S, BRAKE_S, speed_cap=0.4)
    assert drive.command(NEUTRAL, NOW + TIMEOUT_S, NOW) is None
    roll(drive, AHEAD, NOW, 1.0)
    assert drive.applied == pytest.approx((0.4, 0.4))


def test_wanted_is_what_the_driver_sent_and_neutral_when_the_car_follows_nobody() -> None:
    drive, now = cruising(Tank(0.4, 0.2))
    wanted = drive.wanted
    assert (wanted.throttle, wanted.steering) == pytest.approx((0.3, 0.1))
    drive.tick(now + TIMEOUT_S)
    assert drive.wanted == NEUTRAL
