"""When the drive must be ticked, and that its owner then sees every end: of the brake, of the failsafe, of a deadline."""

from __future__ import annotations

import math

import pytest

from picar.config import DriveConfig
from picar.core.drive import COAST, TICK_S, Drive, Reason, State
from picar.core.shaping import NEUTRAL
from tests.core.cars import AHEAD, BRAKE_S, REARM_S, STARTS, cruising, stopped


@pytest.mark.parametrize("stopped_at", [0.1, 33.3, 100.0, 81234.567891])
@pytest.mark.parametrize("hold", [0.0, 0.1, 0.2, 0.3])
def test_whoever_ticks_when_told_to_sees_the_brake_end(stopped_at: float, hold: float) -> None:
    drive = Drive(DriveConfig(), REARM_S, hold)
    drive.stop(stopped_at)
    now = stopped_at
    while (due := drive.next_event(now)) != math.inf:
        assert due > now
        now = due
        drive.tick(now)
    assert drive.output(now) == COAST
    assert now - stopped_at <= 0.3 + 1e-9


@pytest.mark.parametrize("failed_at", [0.1, 33.3, 100.0, 81234.567891])
@pytest.mark.parametrize("rearm", [0.0, 0.1, 0.7, 1.0])
def test_whoever_ticks_when_told_to_sees_the_failsafe_end(failed_at: float, rearm: float) -> None:
    drive = Drive(DriveConfig(), rearm, BRAKE_S)
    drive.command(NEUTRAL, failed_at, failed_at - 0.1)
    drive.command(AHEAD, failed_at, failed_at - 0.1)
    now = failed_at - 0.1
    for _ in range(10):
        now = max(now, drive.next_event(now))
        if now == math.inf:
            break
        drive.tick(now)
    assert drive.state is State.DISARMED
    assert drive.reason is Reason.COMMANDS_STALE


@pytest.mark.parametrize(
    ("start", "due"),
    [
        ("disarmed", math.inf),
        ("resting", math.inf),
        ("driving", TICK_S),
        ("failsafe", REARM_S),
        ("stopped", BRAKE_S),
    ],
)
def test_the_drive_says_when_it_must_be_ticked(start: str, due: float) -> None:
    drive, now = STARTS[start]()
    assert drive.next_event(now) == pytest.approx(now + due)


def test_the_drive_must_be_ticked_at_a_deadline_that_is_nearer_than_a_tick() -> None:
    drive, now = cruising()
    drive.command(AHEAD, now + 0.005, now)
    assert drive.next_event(now) == now + 0.005


def test_a_stopped_car_that_has_braked_needs_no_more_ticks() -> None:
    drive, now = stopped()
    assert drive.next_event(now + 1.0) == math.inf
