"""The cap of forward speed that a distance sensor or a switch asks for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.obstacle import OVERRIDE_S, RELEASE_M, SLOW_CAP, UNKNOWN_AFTER_S, ObstacleCap

STOP_M, SLOW_M = 0.25, 0.8
PING_S = 0.06
NOW = 100.0


def judge_of(*readings: float, now: float = NOW) -> ObstacleCap:
    """A judge with these readings, the last one at `now`."""
    judge = ObstacleCap(STOP_M, SLOW_M)
    for n, m in enumerate(readings):
        judge.measured(m, now - (len(readings) - 1 - n) * PING_S)
    return judge


@pytest.mark.parametrize(
    ("m", "cap"),
    [
        (0.0, 0.0),
        (0.1, 0.0),
        (STOP_M, 0.0),
        (STOP_M + RELEASE_M, RELEASE_M / (SLOW_M - STOP_M)),
        ((STOP_M + SLOW_M) / 2, 0.5),
        (SLOW_M, 1.0),
        (4.0, 1.0),
    ],
)
def test_the_cap_falls_from_slow_m_to_stop_m(m: float, cap: float) -> None:
    judge = judge_of(m, m, m)
    assert judge.cap(NOW) == pytest.approx(cap)
    assert judge.distance(NOW) == m
    assert judge.is_known(NOW)


@pytest.mark.parametrize(
    ("readings", "distance"),
    [
        ((), None),
        ((0.1,), None),
        ((0.1, 0.1), None),
        ((0.1, 4.0, 4.0), 4.0),
        ((4.0, 0.1, 4.0), 4.0),
        ((0.5, 0.7, 0.6), 0.6),
        ((4.0, 0.1, 0.1), 0.1),
        ((9.0, 9.0, 0.3, 0.2, 0.4), 0.3),
    ],
)
def test_the_distance_is_the_median_of_three(readings: tuple[float, ...], distance: float | None) -> None:
    judge = judge_of(*readings)
    assert judge.distance(NOW) == distance
    assert judge.is_known(NOW) == (distance is not None)
    if distance is None:
        assert judge.cap(NOW) == SLOW_CAP


def test_a_silent_sensor_is_unknown_and_needs_three_readings_again() -> None:
    judge = judge_of(4.0, 4.0, 4.0)
    assert judge.next_event(NOW) == NOW + UNKNOWN_AFTER_S
    assert judge.cap(NOW + UNKNOWN_AFTER_S - 0.001) == 1.0
    silent = NOW + UNKNOWN_AFTER_S
    assert judge.cap(silent) == SLOW_CAP
    assert judge.next_event(silent) == math.inf
    for n in range(3):
        assert judge.cap(silent + n * PING_S) == SLOW_CAP
        judge.measured(4.0, silent + n * PING_S)
    assert judge.cap(silent + 2 * PING_S) == 1.0


def test_noise_at_the_stop_distance_does_not_make_the_car_creep() -> None:
    judge = judge_of(STOP_M, STOP_M, STOP_M)
    for n in range(1, 20):
        judge.measured(STOP_M + (n % 2) * RELEASE_M, NOW + n * PING_S)
        assert judge.cap(NOW + n * PING_S) == 0.0
    now = NOW + 20 * PING_S
    for n in range(3):
        judge.measured(STOP_M + 2 * RELEASE_M, now + n * PING_S)
    assert judge.cap(now + 2 * PING_S) > 0.0


def test_one_reading_after_a_silence_does_not_end_a_stop() -> None:
    judge = judge_of(STOP_M, STOP_M, STOP_M)
    now = NOW + UNKNOWN_AFTER_S
    judge.measured(4.0, now)
    for n in (1, 2):
        judge.measured(STOP_M + RELEASE_M / 2, now + n * PING_S)
    assert judge.cap(now + 2 * PING_S) == 0.0


@pytest.mark.parametrize("m", [math.nan, math.inf, -math.inf, -0.1])
def test_a_number_that_is_no_distance_is_no_reading(m: float) -> None:
    judge = judge_of(4.0, 4.0, m, m, m)
    assert judge.distance(NOW) is None


def test_a_switch_decides_at_once_and_has_no_age() -> None:
    judge = ObstacleCap(STOP_M, SLOW_M)
    assert (judge.cap(NOW), judge.is_known(NOW)) == (SLOW_CAP, False)
    for contact, cap in ((True, 0.0), (False, 1.0)):
        judge.contact = contact
        assert (judge.cap(NOW + 3600.0), judge.is_known(NOW), judge.distance(NOW)) == (cap, True, None)


@pytest.mark.parametrize("readings", [(), (0.1, 0.1, 0.1), (4.0, 4.0, 4.0)])
def test_an_override_is_slow_whatever_the_sensor_says_and_ends_by_itself(readings: tuple[float, ...]) -> None:
    judge = judge_of(*readings)
    before = judge.cap(NOW)
    judge.override(NOW)
    assert (judge.cap(NOW), judge.overrides(NOW)) == (SLOW_CAP, True)
    judge.override(NOW + OVERRIDE_S / 2)
    assert judge.next_event(NOW + OVERRIDE_S - 0.01) == NOW + OVERRIDE_S
    assert not judge.overrides(NOW + OVERRIDE_S), "a second one makes it no longer"
    for n in range(3):
        judge.measured(readings[0], NOW + OVERRIDE_S - n / 100) if readings else None
    assert judge.cap(NOW + OVERRIDE_S) == before
    judge.override(NOW + OVERRIDE_S)
    judge.end_override()
    assert not judge.overrides(NOW + OVERRIDE_S)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(), st.booleans(), st.just("override"), st.just("end")),
            st.floats(0.0, 12.0),
        )
    )
)
def test_the_cap_is_a_share_and_an_unknown_distance_or_an_override_never_gives_more_than_slow(
    steps: list[tuple[object, float]],
) -> None:
    judge, now = ObstacleCap(STOP_M, SLOW_M), NOW
    for step, pause_s in steps:
        now += pause_s
        if isinstance(step, bool):
            judge.contact = step
        elif step == "override":
            judge.override(now)
        elif step == "end":
            judge.end_override()
        elif isinstance(step, float):
            judge.measured(step, now)
        cap = judge.cap(now)
        assert 0.0 <= cap <= 1.0
        if not judge.is_known(now) or judge.overrides(now):
            assert cap <= SLOW_CAP
        event = judge.next_event(now)
        assert event > now
        if event < math.inf:  # until then nothing changes
            assert judge.cap(now + (event - now) / 2) == cap


@given(st.floats(0.0, 4.0), st.floats(0.0, 4.0))
def test_nearer_is_never_faster(near: float, far: float) -> None:
    near, far = sorted((near, far))
    assert judge_of(near, near, near).cap(NOW) <= judge_of(far, far, far).cap(NOW)
