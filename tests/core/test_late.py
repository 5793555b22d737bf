"""An old picture: when it makes the car slow, when it stops the car, and when that ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.late import FRESH_S, LATE_SPEEDS, OLD_S, SLOW_SPEED, WINDOW_S, LateLink, LatePicture, Sight

PULSE_S = 0.05
FRESH, OLD, VERY_OLD = 0.1, 0.5, 0.9


def pulses(late: LatePicture, age_s: float | None, seconds: float, start: float) -> tuple[bool, float]:
    """Let time pass with a picture of this age. Returns whether the car had to stop, and when it ended."""
    stops, now = False, start
    while now < start + seconds:
        stops = late.update(age_s, now) or stops
        now += PULSE_S
    return stops, now


@pytest.mark.parametrize("stops", [False, True])
def test_a_fresh_picture_changes_nothing(stops: bool) -> None:
    late = LatePicture(stops)
    assert pulses(late, FRESH, 10, 0.0)[0] is False
    assert (late.speed, late.refuses) == (1.0, False)
    assert late.takes(neutral=False)


def test_one_late_pulse_is_not_enough_and_two_are() -> None:
    late = LatePicture(stops=False)
    late.update(OLD, 0.0)
    assert late.speed == 1.0
    late.update(FRESH, 0.05)
    late.update(OLD, 0.1)
    assert late.speed == 1.0
    late.update(OLD, 0.15)
    assert late.speed == SLOW_SPEED


def test_slow_never_stops_the_car_however_old_the_picture() -> None:
    late = LatePicture(stops=False)
    assert pulses(late, 1e6, 10, 0.0)[0] is False
    assert late.speed == SLOW_SPEED
    assert late.takes(neutral=False)


def test_the_cap_ends_after_a_second_of_fresh_pictures_without_a_break() -> None:
    late = LatePicture(stops=False)
    _, now = pulses(late, OLD, 1, 0.0)
    _, now = pulses(late, FRESH, 0.9, now)
    _, now = pulses(late, 0.3, 0.1, now)  # neither old nor fresh
    _, now = pulses(late, FRESH, 0.9, now)
    assert late.speed == SLOW_SPEED
    pulses(late, FRESH, 0.2, now)
    assert late.speed == 1.0


def test_whoever_drives_by_eye_is_not_slowed() -> None:
    late = LatePicture(stops=False)
    _, now = pulses(late, OLD, 1, 0.0)
    late.update(None, now)
    assert late.speed == 1.0


def test_stop_stops_once_and_refuses_until_the_picture_is_fresh_and_the_driver_let_go() -> None:
    late = LatePicture(stops=True)
    assert late.takes(neutral=False)
    assert late.update(VERY_OLD, 0.0)
    assert not late.update(VERY_OLD, 0.05)
    assert not late.takes(neutral=False)
    assert late.takes(neutral=True)  # a zero is never refused
    assert not late.takes(neutral=False)
    _, now = pulses(late, FRESH, 2, 0.1)
    assert not late.takes(neutral=False)  # held through: the car must not start by itself
    late.takes(neutral=True)
    late.update(FRESH, now)
    assert late.takes(neutral=False)


def test_letting_go_while_the_picture_is_old_is_enough_if_the_stick_stays_there() -> None:
    late = LatePicture(stops=True)
    late.takes(neutral=False)
    late.update(VERY_OLD, 0.0)
    late.takes(neutral=True)
    pulses(late, FRESH, 0.9, 0.05)
    assert not late.takes(neutral=False)
    late.takes(neutral=True)
    pulses(late, FRESH, 1.2, 0.95)
    assert late.takes(neutral=False)


def test_the_age_counts_from_the_capture_and_before_the_first_picture_from_the_wish_for_one() -> None:
    sight = Sight()
    assert (sight.by_camera, sight.age_s(9.0)) == (None, None)
    sight.expect(10.0)
    assert FRESH_S < (sight.age_s(10.0) or 0.0) < OLD_S, "neither fresh nor old"
    assert sight.age_s(12.0) == 2.0
    sight.expect(12.0)
    assert sight.age_s(12.0) == 2.0, "a second wish makes no dead picture younger"
    sight.draw(11.9)
    assert sight.age_s(12.0) == pytest.approx(0.1)
    sight.expect(13.0)
    assert sight.age_s(13.0) == pytest.approx(1.1)
    sight.pause()
    assert sight.age_s(13.0) is None


def test_a_time_without_a_picture_changes_neither_cap_nor_refusal() -> None:
    late = LatePicture(stops=True)
    _, now = pulses(late, VERY_OLD, 1, 0.0)
    late.takes(neutral=True)
    late.wait()
    assert (late.speed, late.refuses) == (SLOW_SPEED, True)
    pulses(late, FRESH, 0.9, now)
    late.wait()
    pulses(late, FRESH, 0.9, now + 5.0)
    assert (late.speed, late.refuses) == (SLOW_SPEED, True), "the fresh pictures before it do not count"
    pulses(late, FRESH, 1.2, now + 6.0)
    assert (late.speed, late.refuses) == (1.0, False)


ages = st.one_of(st.none(), st.floats(0.0, 3.0))


@given(steps=st.lists(st.tuples(ages, st.booleans()), max_size=200), stops=st.booleans())
def test_a_neutral_command_always_passes_and_an_old_picture_never_makes_the_car_faster(
    steps: list[tuple[float | None, bool]], stops: bool
) -> None:
    late, now, good_since = LatePicture(stops), 0.0, 0.0
    for age_s, neutral in steps:
        now += PULSE_S
        before = late.speed
        late.update(age_s, now)
        assert late.speed in (SLOW_SPEED, 1.0)
        if age_s is not None and age_s > 0.25:
            good_since = now
            assert late.speed <= before
        if late.speed > before and age_s is not None:
            assert now - good_since >= 1.0 - 1e-6
        if stops and age_s is not None and age_s > 0.8:
            assert late.refuses
        assert late.takes(neutral) or (stops and not neutral)


LIMIT_S = 0.2


def drive(link: LateLink, ages: Callable[[int], float], seconds: float, start: float = 0.0) -> float:
    """Send 25 commands a second with these ages, by number. Returns when it ended."""
    count = round(seconds * 25)
    for number in range(count):
        link.take(ages(number), start + number / 25)
    return start + count / 25


def test_a_link_in_time_never_makes_the_car_slow() -> None:
    link = LateLink(LIMIT_S)
    drive(link, lambda number: 0.49 if number % 11 == 10 else LIMIT_S, 60.0)
    assert link.speed == 1.0


@pytest.mark.parametrize(("age_s", "speed"), [(0.21, 0.6), (0.29, 0.6), (0.31, 0.3), (math.inf, 0.3)])
def test_a_late_link_makes_the_car_slow_and_a_later_one_slower(age_s: float, speed: float) -> None:
    link = LateLink(LIMIT_S)
    drive(link, lambda _number: age_s, 1.0)
    assert link.speed == speed


def test_the_cap_falls_at_once_and_rises_after_a_second_without_a_late_link() -> None:
    link = LateLink(LIMIT_S)
    end = drive(link, lambda _number: 0.4, 3.0)
    good = next(
        s for s in range(1, 200) if drive(link, lambda _n: 0.05, 0.04, end + s / 25) and link.speed == 1.0
    )
    assert (
        WINDOW_S * 0.9 <= good / 25 - 0.8 <= WINDOW_S + 0.3
    )  # the late ones leave the window, then one second


def test_two_late_commands_at_the_start_say_nothing_and_zero_switches_it_off() -> None:
    link = LateLink(LIMIT_S)
    drive(link, lambda _number: 0.4, 0.2)
    assert link.speed == 1.0
    off = LateLink(0.0)
    drive(off, lambda _number: 0.49, 5.0)
    assert off.speed == 1.0


@given(st.lists(st.tuples(st.floats(0.0, 0.6), st.floats(0.01, 1.0)), max_size=120))
def test_the_cap_follows_the_ninetieth_percentile(commands: list[tuple[float, float]]) -> None:
    link, now, window, good_since = LateLink(LIMIT_S), 0.0, list[tuple[float, float]](), 0.0
    speed = 1.0
    for age_s, pause_s in commands:
        now += pause_s
        window = [(at, age) for at, age in [*window, (now, age_s)] if now - at <= WINDOW_S]
        link.take(age_s, now)
        share = [
            sum(age > limit for _, age in window) > len(window) / 10 for limit in (LIMIT_S, LIMIT_S * 1.5)
        ]
        wanted = LATE_SPEEDS[sum(share)] if len(window) >= 10 else speed
        if wanted <= speed:
            good_since = now
        if wanted < speed or now - good_since >= 1.0:
            speed = wanted
        assert link.speed == speed
