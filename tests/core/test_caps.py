"""A cap for each direction: with equal caps the rule is the one of a single cap, and with unequal caps each direction has its own."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig
from picar.core.drive import BRAKE, COAST, TICK_S, Drive, Output, Refusal, State
from picar.core.shaping import (
    LEAST_SPEED,
    NEUTRAL,
    Jog,
    Sticks,
    Tank,
    Wanted,
    Wheels,
    jog_duties,
    wheel_speeds,
)
from tests.core.cars import AHEAD, BACK, BRAKE_S, NOW, REARM_S, TIMEOUT_S, memory
from tests.core.events import Command, Event, Timeline, play, timelines
from tests.core.test_drive_properties import limits

MIN_DUTY = 0.25
QUICK = DriveConfig(accel=20.0, decel=50.0)
SPOT = Sticks(0.0, 1.0)
caps = st.sampled_from([LEAST_SPEED, 0.2, 1.0]) | st.floats(LEAST_SPEED, 1.0)


class OneCap(Drive):
    """The rule before there were two caps."""

    def _target(self) -> Wheels:
        limits = self._limits
        if isinstance(self._wanted, Jog):
            return jog_duties(
                self._wanted, self._layout, self._forward_cap * limits.max_speed, self._min_duty
            )
        most = min(self._speed_limit, self._forward_cap) * limits.max_speed
        return wheel_speeds(self._wanted, limits.deadband, limits.expo, most)

    @property
    def speed_limit(self) -> float:
        return min(self._speed_limit, self._forward_cap)

    def output(self, now: float) -> Output:
        if self.state is State.ARMED:
            jog = self._jogged if any(self.applied) else ""
            cap = self._forward_cap * self._limits.max_speed if self._forward_cap < 1.0 else 1.0
            return Output(self._left.speed, self._right.speed, jog=jog, cap=cap)
        return BRAKE if self.state is State.STOPPED and now < self._until else COAST


def built(kind: type[Drive], limits: DriveConfig, forward: float, reverse: float) -> Drive:
    drive = kind(limits, REARM_S, BRAKE_S, 1.0, MIN_DUTY)
    drive.cap(forward, reverse)
    return drive


def history(drive: Drive, parts: list[tuple[tuple[float, float], Timeline]], ticking: bool) -> list[object]:
    """Let all parts happen, each under its caps; return all outputs, refusals and memories."""
    seen: list[object] = []

    def watch(_event: Event, now: float, refusal: Refusal | None) -> None:
        seen.append((refusal, drive.output(now), drive.speed_limit, memory(drive)))

    now = NOW
    for (forward, reverse), timeline in parts:
        drive.cap(forward, reverse)
        now = play(drive, timeline, watch, start=now, ticking=ticking)
    return seen


@given(limits, st.lists(st.tuples(caps, timelines), min_size=1, max_size=3), st.booleans())
def test_with_equal_caps_nothing_differs_from_a_single_cap(
    limits: DriveConfig, parts: list[tuple[float, Timeline]], ticking: bool
) -> None:
    both = [((cap, cap), timeline) for cap, timeline in parts]
    old, new = (built(kind, limits, 1.0, 1.0) for kind in (OneCap, Drive))
    assert history(old, both, ticking) == history(new, both, ticking)


def mirrored(event: Event) -> Event:
    if not isinstance(event, Command):
        return event
    match event.wanted:
        case Sticks(throttle, steering):
            other: Wanted = Sticks(-throttle, -steering)
        case Tank(left, right):
            other = Tank(-left, -right)
        case Jog(side, duty):
            other = Jog(side, -duty)
    return dataclasses.replace(event, wanted=other)


@given(limits, caps, caps, timelines)
def test_forward_under_one_cap_is_reverse_under_the_other(
    limits: DriveConfig, one: float, other: float, timeline: Timeline
) -> None:
    outputs: list[list[Output]] = []
    for forward, reverse, events in (
        (one, other, timeline),
        (other, one, [(gap, mirrored(event)) for gap, event in timeline]),
    ):
        drive = built(Drive, limits, forward, reverse)
        seen: list[Output] = []
        play(drive, events, lambda _e, now, _r, drive=drive, seen=seen: seen.append(drive.output(now)))  # type: ignore[misc]
        outputs.append(seen)
    there, back = outputs
    assert there == [output._replace(left=-output.left, right=-output.right) for output in back]


@given(limits, caps, caps, timelines, st.booleans())
def test_no_wheel_speeds_up_past_the_cap_of_the_direction_in_which_the_car_moves(
    limits: DriveConfig, forward: float, reverse: float, timeline: Timeline, ticking: bool
) -> None:
    drive = built(Drive, limits, forward, reverse)
    before = [0.0, 0.0]

    def watch(_event: Event, now: float, _refusal: Refusal | None) -> None:
        output = drive.output(now)
        direction = output.left + output.right
        cap = max(forward, reverse) if direction == 0.0 else forward if direction > 0.0 else reverse
        if (output.left, output.right) != (0.0, 0.0):
            assert output.cap == (cap * limits.max_speed if cap < 1.0 else 1.0)
        for wheel, (was, speed) in enumerate(zip(before, drive.applied, strict=True)):
            if not output.jog:  # a jog's duty cycles are no speeds; the board bounds them by `cap`
                # The first tick of a wheel whose partner still rests: `Output.cap` holds it down.
                assert abs(speed) <= max(abs(was), cap * limits.max_speed, limits.accel * TICK_S)
            before[wheel] = speed

    play(drive, timeline, watch, ticking=ticking)


def held(drive: Drive, wanted: Wanted, now: float, seconds: float) -> float:
    for _ in range(round(seconds / TICK_S)):
        now += TICK_S
        assert drive.command(wanted, now + TIMEOUT_S, now) is None
    return now


@given(
    caps, caps, st.lists(st.sampled_from([AHEAD, BACK, SPOT, Sticks(0.5, 0.5), Tank(1.0, -0.9)]), max_size=5)
)
def test_held_sticks_reach_exactly_the_cap_of_their_direction(
    forward: float, reverse: float, before: list[Wanted]
) -> None:
    drive = built(Drive, QUICK, forward, reverse)
    now = held(drive, NEUTRAL, NOW, 0.1)
    for wanted in before:
        now = held(drive, wanted, now, 0.14)
    for wanted, wheels in (
        (AHEAD, (forward, forward)),
        (SPOT, (max(forward, reverse), -max(forward, reverse))),
        (BACK, (-reverse, -reverse)),
        (Tank(1.0, -1.0), (max(forward, reverse), -max(forward, reverse))),
    ):
        now = held(drive, wanted, now, 0.6)
        assert drive.applied == pytest.approx(wheels)


def test_before_an_obstacle_the_car_crawls_forward_turns_away_and_reverses_at_full_speed() -> None:
    drive = built(Drive, QUICK, 0.05, 1.0)
    now = held(drive, NEUTRAL, NOW, 0.1)
    now = held(drive, AHEAD, now, 0.5)
    assert drive.applied == pytest.approx((0.05, 0.05))
    assert drive.output(now).cap == 0.05
    assert drive.speed_limit == 1.0
    now = held(drive, SPOT, now, 0.5)
    assert drive.applied == pytest.approx((1.0, -1.0))
    now = held(drive, BACK, now, 0.5)
    assert drive.applied == pytest.approx((-1.0, -1.0))
    assert drive.output(now).cap == 1.0


def test_a_stick_that_is_pulled_back_lifts_no_cap_while_the_car_still_moves_forward() -> None:
    drive = built(Drive, DriveConfig(accel=2.5, decel=0.5), 0.4, 1.0)
    now = held(drive, NEUTRAL, NOW, 0.1)
    now = held(drive, AHEAD, now, 1.0)
    now = held(drive, BACK, now, 0.1)
    assert drive.applied.left > 0.0
    assert drive.output(now).cap == 0.4


@pytest.mark.parametrize(("duty", "most"), [(0.5, 0.4), (-0.5, -0.5)])
def test_a_jog_has_the_cap_of_its_direction(duty: float, most: float) -> None:
    drive = built(Drive, QUICK, 0.2, 1.0)
    now = held(drive, NEUTRAL, NOW, 0.1)
    held(drive, Jog("left", duty), now, 0.3)
    assert drive.applied.left == pytest.approx(most)


def test_the_speed_limit_is_the_driver_s_or_the_higher_cap() -> None:
    drive = built(Drive, QUICK, 0.3, 0.6)
    assert drive.speed_limit == 0.6
    assert drive.limit(0.4, NOW + 0.1, NOW) is None
    assert drive.speed_limit == 0.4
