"""Freshness: ticks that come back in time, numbers that rise, and the rate cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.link import RATE_PER_S, SLOT_S, Link, RateCap

NOW = 100.0
TIMEOUT_S = 0.5
NEWEST = 2**32 - 1


@pytest.fixture
def link() -> Link:
    """A connection that was sent the ticks 12, 10 and 2^32 - 1, at 0, 0.1 and 0.2 seconds."""
    link = Link(TIMEOUT_S)
    for n, tick in enumerate((12, 10, NEWEST)):
        link.sent(tick, NOW + n * 0.1)
    return link


@pytest.mark.parametrize(
    ("tick", "age", "sent_at"),
    [
        (NEWEST, 0.0, NOW + 0.2),
        (10, 0.0, NOW + 0.1),
        (12, 0.0, NOW),
        (12, 0.25, NOW),
        (12, 0.301, None),  # 0.501 s old
        (10, 0.301, NOW + 0.1),
        (10, 0.401, None),
        (NEWEST, 0.499, NOW + 0.2),
        (NEWEST, 0.501, None),
        (NEWEST, 3600.0, None),
        (NEWEST + 1, 0.0, None),  # counted up
        (NEWEST - 1, 0.0, None),
        (13, 0.0, None),
        (11, 0.0, None),
        (9, 0.0, None),
        (0, 0.0, None),
        (2**53, 0.0, None),
    ],
)
def test_a_tick_is_fresh_when_it_was_sent_here_no_longer_ago_than_the_timeout(
    link: Link, tick: int, age: float, sent_at: float | None
) -> None:
    assert link.sent_at(tick, NOW + 0.2 + age) == sent_at
    assert link.stale == (sent_at is None)


def test_before_the_first_state_every_tick_is_stale() -> None:
    link = Link(TIMEOUT_S)
    assert link.sent_at(0, NOW) is None
    assert link.stale == 1


def test_every_stale_tick_is_counted(link: Link) -> None:
    for n in range(287):  # what came through in 15 ms after a stall of 5 s
        assert link.sent_at(NEWEST, NOW + 5.0 + n * 5e-5) is None
    assert link.stale == 287


def test_a_tick_may_come_back_more_than_once(link: Link) -> None:
    assert [link.sent_at(NEWEST, NOW + 0.2 + n * 0.1) for n in range(5)] == [NOW + 0.2] * 5


def test_a_tick_that_is_drawn_twice_is_as_old_as_its_newest_state() -> None:
    link = Link(TIMEOUT_S)
    for n, tick in enumerate((5, 3, 5)):
        link.sent(tick, NOW + n * 0.3)
    assert link.sent_at(5, NOW + 0.7) == NOW + 0.6
    assert link.sent_at(3, NOW + 0.7) == NOW + 0.3
    assert link.sent_at(3, NOW + 0.9) is None


def test_a_connection_that_only_listens_for_hours_does_not_grow() -> None:
    link = Link(TIMEOUT_S)
    for n in range(20 * 3600):
        link.sent(n, NOW + n * 0.05)
    assert len(link._sent) <= TIMEOUT_S / 0.05 + 1


def test_the_first_number_may_be_zero_and_each_must_be_higher() -> None:
    link = Link(TIMEOUT_S)
    assert link.in_order(0)
    link.accept(0)
    assert not link.in_order(0)
    assert link.in_order(1)
    assert link.in_order(2**53 - 1)


def test_numbers_on_their_way_to_the_drive_count_already() -> None:
    link = Link(TIMEOUT_S)
    for seq in (3, 7):
        link.accept(seq)
    assert [seq for seq in range(10) if link.in_order(seq)] == [8, 9]


def test_a_number_that_the_drive_refused_is_not_used_up() -> None:
    link = Link(TIMEOUT_S)
    link.accept(5)
    link.settle(5, refused=True)
    assert link.in_order(5)
    link.accept(5)
    link.settle(5, refused=False)
    assert not link.in_order(5)


def test_a_refused_number_does_not_open_the_way_below_an_accepted_one() -> None:
    link = Link(TIMEOUT_S)
    for seq in (5, 6, 7):
        link.accept(seq)
    link.settle(5, refused=False)
    link.settle(6, refused=True)
    assert not link.in_order(6)
    link.settle(7, refused=True)
    assert link.in_order(6)
    assert not link.in_order(5)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 4)),
        max_size=60,
    )
)
def test_the_numbers_that_reach_the_drive_rise_whatever_it_refuses(
    attempts: list[tuple[int, bool, int]],
) -> None:
    link = Link(TIMEOUT_S)
    waiting: list[tuple[int, bool]] = []
    followed: list[int] = []

    def settle() -> None:
        seq, refused = waiting.pop(0)
        link.settle(seq, refused)
        if not refused:
            followed.append(seq)

    for seq, refused, answers in attempts:
        highest = max([-1, *followed, *(number for number, _ in waiting)])
        assert link.in_order(seq) == (seq > highest)
        if link.in_order(seq):
            link.accept(seq)
            waiting.append((seq, refused))
        for _ in range(min(answers, len(waiting))):
            settle()
    while waiting:
        settle()
    assert followed == sorted(set(followed))


@given(
    st.lists(st.tuples(st.floats(0.0, 0.4), st.integers(0, 45)), min_size=1, max_size=40),
    st.integers(0, 45),
    st.floats(0.0, 2.0),
)
def test_a_tick_is_accepted_in_any_order_until_the_timeout_and_no_longer(
    states: list[tuple[float, int]], tick: int, wait: float
) -> None:
    link, now, sent = Link(TIMEOUT_S), NOW, {}
    for gap, drawn in states:
        now += gap
        link.sent(drawn, now)
        sent[drawn] = now
    answer = link.sent_at(tick, now + wait)
    if answer is None:
        assert tick not in sent or now + wait - sent[tick] > TIMEOUT_S
    else:
        assert answer == sent[tick]
        assert now + wait - answer <= TIMEOUT_S


def fed(cap: RateCap, start: float, per_s: float, seconds: float) -> list[bool]:
    """Send evenly for a while; tell of each message whether it was let through."""
    return [cap.allows(start + n / per_s) for n in range(round(per_s * seconds))]


@pytest.mark.parametrize("per_s", [1.0, 20.0, 30.0, 60.0, 99.0, 100.0])
def test_up_to_100_messages_a_second_all_go_through_for_good(per_s: float) -> None:
    assert all(fed(RateCap(), NOW, per_s, seconds=30.0))


@pytest.mark.parametrize("per_s", [120.0, 200.0, 1000.0, 20000.0])
def test_a_flood_goes_through_for_a_second_and_then_at_the_rate(per_s: float) -> None:
    through = fed(RateCap(), NOW, per_s, seconds=4.0)
    first = through.index(False)
    assert first >= per_s * 1.0
    assert first <= per_s * 1.2 + 1
    assert sum(through[round(per_s * 2) :]) == pytest.approx(RATE_PER_S * 2, abs=RATE_PER_S * SLOT_S)


def test_a_burst_of_any_size_goes_through_at_once() -> None:
    cap = RateCap()
    assert all(cap.allows(NOW) for _ in range(10_000))


@pytest.mark.parametrize("pause", [0.25, 1.0, 60.0])
def test_after_a_pause_a_flood_may_begin_again(pause: float) -> None:
    cap = RateCap()
    assert not all(fed(cap, NOW, 1000.0, seconds=2.0))
    assert all(fed(cap, NOW + 2.0 + pause, 1000.0, seconds=0.9))


def test_a_flood_that_slackens_to_the_rate_is_forgiven() -> None:
    cap = RateCap()
    fed(cap, NOW, 1000.0, seconds=2.0)
    assert all(fed(cap, NOW + 2.1, 95.0, seconds=10.0))


@given(st.lists(st.floats(0.0, 0.15) | st.floats(0.0, 0.01) | st.just(0.005), min_size=1, max_size=400))
def test_nobody_is_refused_who_sent_no_more_than_100_in_the_second_before(gaps: list[float]) -> None:
    cap, now, times = RateCap(), NOW, []
    for gap in gaps:
        now += gap
        times.append(now)
        if not cap.allows(now):
            assert sum(now - 1.2 <= t for t in times) > RATE_PER_S
