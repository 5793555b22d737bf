"""Low voltage makes the car slow, and nothing makes it fast by surprise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from picar.core.limits import GOOD_S, LOW_SPEED, SupplyCap

NOW = 1000.0


def lowered() -> SupplyCap:
    cap = SupplyCap()
    assert cap.update(low=True, standing=False, now=NOW)
    assert cap.speed == LOW_SPEED
    return cap


def test_what_is_good_or_unknown_changes_nothing() -> None:
    cap = SupplyCap()
    for now, low in enumerate((None, False, None, False)):
        assert not cap.update(low, standing=False, now=NOW + now)
    assert cap.speed == 1.0


def test_it_falls_at_once_and_says_so_once() -> None:
    assert not lowered().update(low=True, standing=True, now=NOW + 1)


def test_it_rises_after_some_seconds_of_good_voltage_at_a_standstill() -> None:
    cap = lowered()
    assert not cap.update(low=False, standing=True, now=NOW + 1)
    assert not cap.update(low=False, standing=True, now=NOW + GOOD_S)
    assert cap.update(low=False, standing=True, now=NOW + 1 + GOOD_S)
    assert cap.speed == 1.0


def test_a_car_that_drives_stays_slow_until_it_stands() -> None:
    cap = lowered()
    for second in range(1, 100):
        assert not cap.update(low=False, standing=False, now=NOW + second)
    assert cap.update(low=False, standing=True, now=NOW + 100)


def test_a_dip_or_a_reading_that_is_missing_begins_the_wait_anew() -> None:
    for low in (True, None):
        cap = lowered()
        cap.update(low=False, standing=True, now=NOW + 1)
        cap.update(low, standing=True, now=NOW + GOOD_S)
        cap.update(low=False, standing=True, now=NOW + GOOD_S + 1)
        assert not cap.update(low=False, standing=True, now=NOW + 2 * GOOD_S)
        assert cap.update(low=False, standing=True, now=NOW + 2 * GOOD_S + 1)


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.booleans(), st.floats(0.0, 5.0))))
def test_whatever_comes_it_never_rises_while_driving_nor_right_after_low_voltage(
    readings: list[tuple[bool | None, bool, float]],
) -> None:
    cap, now, good_since = SupplyCap(), NOW, NOW
    for low, standing, pause in readings:
        now += pause
        before = cap.speed
        changed = cap.update(low, standing, now)
        assert changed == (cap.speed != before)
        if low is not False:
            good_since = now
        if low:
            assert cap.speed == LOW_SPEED
        if cap.speed > before:
            assert standing
            assert now - good_since >= GOOD_S
