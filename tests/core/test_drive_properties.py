"""What holds for a `Drive` after whatever happened to it, in whatever order and at whatever time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, STEERING_RATE, TICK_S, Drive, Output, Refusal, State
from picar.core.shaping import NEUTRAL
from picar.layouts import LAYOUTS, Layout
from tests.core.cars import memory
from tests.core.events import Command, Event, Stop, Tick, Timeline, be_silent, events, play, timelines

ROUNDING = 1e-9
BRAKE_S = 0.3
STEERING = DriveConfig(accel=STEERING_RATE, decel=STEERING_RATE)

limits = st.builds(
    DriveConfig,
    max_speed=st.sampled_from([1.0, 0.1, 0.6]),
    accel=st.sampled_from([2.5, 0.2, 20.0]),
    decel=st.sampled_from([6.0, 1.0, 50.0]),
    deadband=st.sampled_from([0.05, 0.01, 0.3]),
    expo=st.sampled_from([0.3, 0.0, 1.0]),
    reverse_pause_s=st.sampled_from([0.1, 0.5, 2.0]),
)
layouts = st.sampled_from([*LAYOUTS.values()])
drives = st.builds(
    Drive, limits, rearm_s=st.sampled_from([1.0, 0.0, 3.0]), brake_hold_s=st.just(BRAKE_S), layout=layouts
)


@dataclass
class Watch:
    """Looks at a drive after each call; subclasses say at what."""

    drive: Drive
    limits: DriveConfig


@dataclass
class WatchSlew(Watch):
    """No wheel speeds up by more than a tick's worth, nor slows down faster than in the true time; the steering has its own rate."""

    steers: bool = False
    before: tuple[float, float] = (0.0, 0.0)
    moved_at: float = -math.inf  # the last time that the ramps moved
    deadline: float = -math.inf

    def __call__(self, event: Event, now: float, refusal: Refusal | None) -> None:
        lets_time_pass = isinstance(event, Command | Tick)
        cut_off = (lets_time_pass and now >= self.deadline) or self.drive.state is not State.ARMED
        for place, (before, after) in enumerate(zip(self.before, self.drive.applied, strict=True)):
            limits = STEERING if self.steers and place else self.limits
            holds = place and _has_servo(self.drive)
            follows = isinstance(event, Command) and refusal is None  # it may arm the car again
            assert not (cut_off and holds) or follows or after == before
            _look(limits, 0.0 if cut_off and not holds else before, after, now - self.moved_at)
            assert before * after >= 0.0
        followed = lets_time_pass and refusal is None and self.drive.state is State.ARMED
        if refusal is None and isinstance(event, Command):
            self.deadline = now + event.life
        if (followed and now < self.deadline) or self.drive.applied != self.before:
            self.moved_at = now  # a tick of a car that rests past its deadline moves nothing
        self.before = self.drive.applied


def _has_servo(drive: Drive) -> bool:
    return drive._layout.servo


def _of_motors(drive: Drive, output: Output) -> Output:
    """Return an output without the place of a servo, which turns no wheel and keeps its place."""
    return output._replace(right=0.0) if _has_servo(drive) else output


def _look(limits: DriveConfig, before: float, after: float, since: float) -> None:
    assert abs(after) <= limits.max_speed
    assert abs(after) - abs(before) <= limits.accel * min(since, TICK_S) + ROUNDING
    assert abs(before) - abs(after) <= limits.decel * since + ROUNDING


@dataclass
class WatchDeadline(Watch):
    """A wheel turns only while armed, and before the deadline of the newest accepted command."""

    deadline: float = -math.inf

    def __call__(self, event: Event, now: float, refusal: Refusal | None) -> None:
        if isinstance(event, Command) and refusal is None:
            assert event.life > 0.0
            self.deadline = now + event.life
        output = _of_motors(self.drive, self.drive.tick(now))
        if output != COAST and output != BRAKE:
            assert self.drive.state is State.ARMED
            assert now < self.deadline
        if self.drive.state is not State.ARMED:
            assert self.drive.applied == self.drive.target
            assert _of_motors(self.drive, Output(*self.drive.applied)) == COAST
            assert self.drive.wanted == NEUTRAL
        assert (self.drive.reason is None) == (self.drive.state is State.ARMED)


@dataclass
class WatchTurns(Watch):
    """Between forward and reverse a wheel rests at zero for the pause."""

    direction: list[float] = field(default_factory=lambda: [0.0, 0.0])
    turned_at: list[float] = field(default_factory=lambda: [-math.inf, -math.inf])

    def __call__(self, _event: Event, now: float, _refusal: Refusal | None) -> None:
        for side, speed in enumerate(self.drive.applied):
            if not speed or (side and _has_servo(self.drive)):
                continue
            direction = math.copysign(1.0, speed)
            if direction == -self.direction[side]:
                assert now - self.turned_at[side] >= self.limits.reverse_pause_s - ROUNDING
            self.direction[side] = direction
            self.turned_at[side] = now


@dataclass
class WatchBrake(Watch):
    """The brake is on for 0.3 s after the first stop at most."""

    began: float | None = None

    def __call__(self, event: Event, now: float, _refusal: Refusal | None) -> None:
        if self.drive.state is not State.STOPPED:
            self.began = None
        elif self.began is None:
            assert isinstance(event, Stop)
            self.began = now
        braking = self.drive.output(now).brake
        assert braking == (self.began is not None and now < self.began + BRAKE_S)


@given(limits, layouts, timelines, st.booleans())
def test_the_slew_limit_is_never_exceeded(
    limits: DriveConfig, layout: Layout, timeline: Timeline, ticking: bool
) -> None:
    drive = Drive(limits, 1.0, BRAKE_S, layout=layout)
    play(drive, timeline, WatchSlew(drive, limits, steers=layout.steers), ticking=ticking)


@given(limits, layouts, timelines, st.booleans())
def test_no_wheel_turns_unless_armed_and_before_the_deadline(
    limits: DriveConfig, layout: Layout, timeline: Timeline, ticking: bool
) -> None:
    drive = Drive(limits, 1.0, BRAKE_S, layout=layout)
    play(drive, timeline, WatchDeadline(drive, limits), ticking=ticking)


@given(limits, layouts, timelines, st.booleans())
def test_no_wheel_turns_round_without_its_rest(
    limits: DriveConfig, layout: Layout, timeline: Timeline, ticking: bool
) -> None:
    drive = Drive(limits, 1.0, BRAKE_S, layout=layout)
    play(drive, timeline, WatchTurns(drive, limits), ticking=ticking)


@given(limits, layouts, timelines, st.booleans())
def test_the_brake_is_on_only_after_a_stop_and_never_for_longer_than_its_time(
    limits: DriveConfig, layout: Layout, timeline: Timeline, ticking: bool
) -> None:
    drive = Drive(limits, 1.0, BRAKE_S, layout=layout)
    play(drive, timeline, WatchBrake(drive, limits), ticking=ticking)


@given(drives, timelines, st.booleans())
def test_after_anything_and_then_silence_the_wheels_roll_free(
    drive: Drive, timeline: Timeline, ticking: bool
) -> None:
    now = play(drive, timeline, _nobody_watches, ticking=ticking)
    silent = be_silent(drive, now, _nobody_watches)
    assert _of_motors(drive, silent) == Output(0.0, 0.0, brake=False)
    assert silent.right == drive.applied.right


@given(drives, timelines, st.floats(0.0, 2.0), events)
def test_a_refused_call_changes_nothing(drive: Drive, timeline: Timeline, later: float, event: Event) -> None:
    now = play(drive, timeline, _nobody_watches) + later
    drive.tick(now)
    before = memory(drive)
    if event.happen(drive, now) is not None:
        assert memory(drive) == before


@given(drives, timelines, st.floats(0.0, 2.0))
def test_looking_at_the_drive_changes_nothing(drive: Drive, timeline: Timeline, later: float) -> None:
    now = play(drive, timeline, _nobody_watches) + later
    before = memory(drive)
    _ = drive.output(now), drive.applied, drive.wanted, drive.next_event(now)
    assert memory(drive) == before


@given(drives, timelines)
def test_nothing_but_a_newer_reset_leaves_the_stop(drive: Drive, timeline: Timeline) -> None:
    now = play(drive, timeline, _nobody_watches)
    drive.stop(now)
    later = play(drive, timeline, _nobody_watches, start=now)
    if drive.state is not State.STOPPED:
        assert any(type(event).__name__ == "Reset" for _, event in timeline)
    drive.stop(later)
    assert drive.reset(later, later + 0.5, later + 0.1) is Refusal.STALE
    assert drive.state is State.STOPPED


def _nobody_watches(event: Event, now: float, refusal: Refusal | None) -> None:
    """For properties of the end alone."""
