"""When the drive must be ticked, and that its owner then sees every end: of the brake, of the failsafe, of a deadline."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given

from picar.config import DriveConfig
from picar.core.drive import COAST, TICK_S, Drive, Reason, Refusal, State
from picar.core.shaping import NEUTRAL, Wanted
from tests.core.cars import AHEAD, BACK, BRAKE_S, REARM_S, STARTS, TIMEOUT_S, cruising, stopped
from tests.core.events import Command, Event, Timeline, play, timelines
from tests.core.test_caps import caps
from tests.core.test_drive_properties import limits

LONG_S = 60.0


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
        ("driving", TIMEOUT_S),
        ("failsafe", REARM_S),
        ("stopped", BRAKE_S),
    ],
)
def test_the_drive_says_when_it_must_be_ticked(start: str, due: float) -> None:
    drive, now = STARTS[start]()
    assert drive.next_event(now) == pytest.approx(now + due)


@pytest.mark.parametrize(
    "change",
    [
        lambda drive, now: drive.command(NEUTRAL, now + LONG_S, now),
        lambda drive, now: drive.command(BACK, now + LONG_S, now),
        lambda drive, now: drive.limit(0.5, now + LONG_S, now),
        lambda drive, _now: drive.cap(0.5, 1.0),
        lambda drive, _now: drive.cap(1.0, 0.5),
    ],
    ids=["slower", "turning round", "a limit", "a lower cap", "a cap of the other direction"],
)
def test_a_ramp_must_be_ticked_until_it_has_arrived(change: Callable[[Drive, float], object]) -> None:
    drive, now = cruising()
    drive.command(AHEAD, now + LONG_S, now)
    change(drive, now)
    assert drive.next_event(now) == now + TICK_S
    while drive.next_event(now) == now + TICK_S:
        now += TICK_S
        drive.tick(now)
    arrived = drive.applied
    drive.cap(drive._forward_cap, drive._reverse_cap)  # a steady drive would not look
    drive.tick(now + TICK_S)
    assert drive.applied == arrived


@dataclass
class WatchSteady:
    """Where the drive wants no tick before its deadline, the same command again moves no wheel."""

    drive: Drive
    wanted: Wanted = NEUTRAL

    def __call__(self, event: Event, now: float, refusal: Refusal | None) -> None:
        if isinstance(event, Command) and refusal is None:
            self.wanted = event.wanted
        drive = self.drive
        if drive.state is State.ARMED and drive.moving and drive.next_event(now) > now + TICK_S:
            twin = copy.deepcopy(drive)
            later = now + TICK_S
            assert twin.command(self.wanted, later + 1.0, later) is None
            assert twin.output(later) == drive.tick(later) == drive.output(now)


@given(limits, caps, caps, timelines)
def test_a_drive_that_wants_no_tick_misses_none(
    limits: DriveConfig, forward: float, reverse: float, timeline: Timeline
) -> None:
    drive = Drive(limits, REARM_S, BRAKE_S)
    drive.cap(forward, reverse)
    play(drive, timeline, WatchSteady(drive))


def test_the_drive_must_be_ticked_at_a_deadline_that_is_nearer_than_a_tick() -> None:
    drive, now = cruising()
    drive.command(AHEAD, now + 0.005, now)
    assert drive.next_event(now) == now + 0.005


def test_a_stopped_car_that_has_braked_needs_no_more_ticks() -> None:
    drive, now = stopped()
    assert drive.next_event(now + 1.0) == math.inf
