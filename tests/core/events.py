"""Everything that can happen to a `Drive`, as values that Hypothesis can draw and shrink."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from picar.core.drive import COAST, TICK_S, Drive, Output, Reason, Refusal
from picar.core.shaping import JOG_DUTY, LEAST_SPEED, NEUTRAL, Jog, Sticks, Tank, Wanted


@dataclass(frozen=True)
class Command:
    wanted: Wanted
    life: float

    def happen(self, drive: Drive, now: float) -> Refusal | None:
        wanted = self.wanted
        if isinstance(wanted, Jog):  # "left" and "right" are the first and the last motor of any layout
            wanted = wanted._replace(motor=drive._layout.motors[0 if wanted.motor == "left" else -1])
        return drive.command(wanted, now + self.life, now)


@dataclass(frozen=True)
class Stop:
    def happen(self, drive: Drive, now: float) -> Refusal | None:
        drive.stop(now)
        return None


@dataclass(frozen=True)
class Reset:
    age: float
    life: float

    def happen(self, drive: Drive, now: float) -> Refusal | None:
        return drive.reset(now - self.age, now + self.life, now)


@dataclass(frozen=True)
class Release:
    reason: Reason

    def happen(self, drive: Drive, now: float) -> Refusal | None:
        drive.release(self.reason, now)
        return None


@dataclass(frozen=True)
class Limit:
    speed: float
    life: float

    def happen(self, drive: Drive, now: float) -> Refusal | None:
        return drive.limit(self.speed, now + self.life, now)


@dataclass(frozen=True)
class Hold:
    on: bool

    def happen(self, drive: Drive, now: float) -> Refusal | None:
        drive.hold(self.on, now)
        return None


@dataclass(frozen=True)
class Tick:
    def happen(self, drive: Drive, now: float) -> Refusal | None:
        drive.tick(now)
        return None


Event = Command | Stop | Reset | Release | Limit | Hold | Tick
Timeline = list[tuple[float, Event]]  # seconds since the event before, and the event

_axis = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 0.03]) | st.floats(-1.0, 1.0)
_lives = st.sampled_from([0.5, 0.5, 0.2, 0.01, 0.0, -0.1]) | st.floats(-1.0, 1.0)
_neutral = st.builds(Command, st.just(NEUTRAL), st.just(0.5))
_duty = st.sampled_from([0.0, JOG_DUTY, -JOG_DUTY, 0.01]) | st.floats(-JOG_DUTY, JOG_DUTY)
_jogs = st.builds(Jog, st.sampled_from(["left", "right"]), _duty)
_wanted = st.one_of(st.builds(Sticks, _axis, _axis), st.builds(Tank, _axis, _axis), _jogs)
_commands = st.builds(Command, _wanted, _lives)
_others: list[st.SearchStrategy[Event]] = [
    st.builds(Stop),
    st.builds(Reset, st.sampled_from([0.0, 0.01, 0.1]) | st.floats(0.0, 1.0), _lives),
    st.builds(Release, st.sampled_from([Reason.RELEASED, Reason.DRIVER_GONE])),
    st.builds(Limit, st.floats(LEAST_SPEED, 1.0), _lives),
    st.builds(Hold, st.sampled_from([True, False, False])),
    st.builds(Tick),
]
events = st.one_of(_commands, _commands, _neutral, _commands, _neutral, *_others)
gaps = st.sampled_from([0.0, 0.03, 0.03, 0.03, 0.2, 0.5]) | st.floats(0.0, 0.05) | st.floats(0.0, 3.0)
_steps = st.tuples(gaps, events)


def _at_speed(throttle: float) -> Timeline:
    return [(0.0, Command(NEUTRAL, 0.5)), *[(0.03, Command(Sticks(throttle, 0.0), 0.5)) for _ in range(14)]]


timelines: st.SearchStrategy[Timeline] = st.one_of(
    st.lists(_steps, max_size=40),
    st.lists(_steps, min_size=15, max_size=40),
    st.builds(operator.add, st.sampled_from([1.0, -1.0]).map(_at_speed), st.lists(_steps, max_size=30)),
)

Watcher = Callable[[Event, float, Refusal | None], None]


def play(
    drive: Drive, timeline: Timeline, watch: Watcher, start: float = 100.0, ticking: bool = True
) -> float:
    """Let it all happen, with the ticks between that the motor process would give; return the time at the end.

    Args:
        drive: the car.
        timeline: what happens.
        watch: is called after each call of the drive, ticks included.
        start: the time.
        ticking: False is a loop that hangs, and only comes round when something happens.
    """
    now = start
    for gap, event in timeline:
        if ticking:
            let_pass(drive, now, now + gap, watch)
        now += gap
        watch(event, now, event.happen(drive, now))
    return now


def let_pass(drive: Drive, now: float, until: float, watch: Watcher) -> None:
    """Tick as often as the drive asks for."""
    while (due := drive.next_event(now)) < until:
        now = max(due, now)
        drive.tick(now)
        watch(Tick(), now, None)


def be_silent(drive: Drive, now: float, watch: Watcher) -> Output:
    """Say nothing for good, and return what the bridge is left with. A drive that never rests is a failure."""
    for _ in range(round(5.0 / TICK_S)):
        due = drive.next_event(now)
        if due == float("inf"):
            break
        now = max(due, now)
        drive.tick(now)
        watch(Tick(), now, None)
    else:
        raise AssertionError("the drive wants ticks for ever")
    silent = drive.tick(now)
    assert silent == drive.output(now) == drive.output(now + 60.0) == drive.tick(now + 60.0)
    assert silent == COAST._replace(right=silent.right)  # a servo keeps its place
    return silent
