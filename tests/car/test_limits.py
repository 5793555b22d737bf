"""The caps of all sources: the lowest counts in each direction, and the motor process receives nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.car.limits import Limits
from picar.core.limits import GOOD_S, LOW_SPEED
from picar.sensors.facts import UNKNOWN

NOW = 100.0


class Sent(list[tuple[float, float]]):
    """The commands to the motor process."""

    def __call__(self, forward: float, reverse: float) -> None:
        self.append((forward, reverse))


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_the_owner_s_cap_counts_in_both_directions_and_is_sent_once(sent: Sent) -> None:
    limits = Limits(sent, 0.8)
    assert not limits.put_owner(0.8)
    assert limits.put_owner(0.4)
    assert not limits.put_owner(0.4)
    assert sent == [(0.4, 0.4)]
    assert limits.owner == 0.4


def test_only_a_change_on_the_disk_overrides_the_owner_s_cap_of_this_process(sent: Sent) -> None:
    limits = Limits(sent, 0.8)
    assert limits.put_owner(0.4), "its disk was full"
    assert not limits.follow_kept_owner(0.8)
    assert limits.follow_kept_owner(0.6)
    assert limits.put_owner(0.3, kept=True)
    assert not limits.follow_kept_owner(0.3)
    assert sent == [(0.4, 0.4), (0.6, 0.6), (0.3, 0.3)]


def test_a_low_voltage_counts_beside_the_owner_s_cap(sent: Sent) -> None:
    limits = Limits(sent, 0.8)
    low, good = {**UNKNOWN, "under_voltage": True}, {**UNKNOWN, "under_voltage": False}
    assert limits.take(low, standing=False, now=NOW)
    assert not limits.take(low, standing=True, now=NOW)
    assert (limits.facts["power_cap"], limits.facts["under_voltage"]) == (LOW_SPEED, True)
    assert limits.put_owner(0.7), "which changes no cap in force, but the state"
    assert not limits.take(good, standing=True, now=NOW)
    assert limits.take(dict(good), standing=True, now=NOW + GOOD_S)
    assert sent == [(LOW_SPEED, LOW_SPEED), (0.7, 0.7)]


shares = st.sampled_from([0.05, 0.3, 1.0]) | st.floats(0.05, 1.0)


@given(st.lists(st.tuples(st.sampled_from(["owner", "supply", "obstacle", "lesson"]), shares, shares)))
def test_the_lowest_cap_of_each_direction_is_in_force_and_sent_when_it_changes(
    puts: list[tuple[str, float, float]],
) -> None:
    sent, caps = Sent(), {"owner": (1.0, 1.0)}
    limits = Limits(sent)
    expected: list[tuple[float, float]] = []
    for source, forward, reverse in puts:
        before = min(f for f, _ in caps.values()), min(r for _, r in caps.values())
        caps[source] = (forward, reverse)
        limits.put(source, forward, reverse)
        in_force = min(f for f, _ in caps.values()), min(r for _, r in caps.values())
        assert (limits.forward, limits.reverse) == in_force
        if in_force != before:
            expected.append(in_force)
    assert sent == expected
