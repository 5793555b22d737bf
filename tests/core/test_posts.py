"""POSTs: the queue, the silence that is neutral, and the end of the wheel; with a time of our own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.drive import Refusal, State
from picar.core.guest import SAME_S, Verdict
from picar.core.posts import CALM_S, FORGET_S, MANY, TRIAL_S, Poster
from picar.core.shaping import Tank

AHEAD = Tank(1.0, 1.0)
BEGIN = 100.0


def poster(*arrivals: float) -> Poster:
    """Return a client whose POSTs have arrived at these times."""
    one = Poster(0.05)
    for at in arrivals:
        one.arrive(at)
    return one


def driving(until: float = BEGIN) -> Poster:
    """Return a client that drives since `BEGIN`, with a POST each 0.1 s."""
    one = poster(BEGIN)
    one.judge(AHEAD, BEGIN + TRIAL_S)
    one.accept(AHEAD, BEGIN + TRIAL_S)
    for tenth in range(1, round((until - BEGIN) * 10) + 1):
        now = one.arrive(BEGIN + tenth / 10)
        assert one.judge(AHEAD, now) == Verdict()
        one.accept(AHEAD, now)
    return one


def test_the_first_post_waits_and_is_neutral_first_and_the_next_ones_do_not_wait() -> None:
    one = Poster(0.05)
    assert one.arrive(BEGIN) == BEGIN + TRIAL_S
    assert one.judge(AHEAD, BEGIN + TRIAL_S) == Verdict(neutral_first=True)
    one.accept(AHEAD, BEGIN + TRIAL_S)
    assert one.arrive(BEGIN + 0.1) == BEGIN + 0.1
    assert one.judge(AHEAD, BEGIN + 0.1) == Verdict()


def test_two_posts_in_the_trial_are_no_queue() -> None:
    one = poster(BEGIN)
    assert one.arrive(BEGIN + 0.05) == BEGIN + TRIAL_S
    assert one.judge(AHEAD, BEGIN + TRIAL_S).refusal is None


@pytest.mark.parametrize("count", [MANY, 6])
def test_three_posts_in_the_trial_are_refused_all(count: int) -> None:
    one = poster(*[BEGIN + n / 1000 for n in range(count)])
    for _ in range(count):
        assert one.judge(AHEAD, BEGIN + TRIAL_S) == Verdict("too_fast")


def test_posts_that_arrive_before_a_late_judgement_count() -> None:
    one = poster(BEGIN, BEGIN + 0.07, BEGIN + 0.08)
    assert one.judge(AHEAD, BEGIN + 0.08).refusal == "too_fast"


def test_a_queue_ends_after_calm_and_a_held_key_goes_on() -> None:
    one = poster(BEGIN, BEGIN, BEGIN)
    one.judge(AHEAD, BEGIN + TRIAL_S)
    refused_until = 0.0
    for tenth in range(1, 11):
        now = one.arrive(BEGIN + tenth / 10)
        verdict = one.judge(AHEAD, now)
        if verdict.refusal is None:
            assert verdict.neutral_first, "the silence before the queue still counts"
            one.accept(AHEAD, now)
            break
        refused_until = now
    assert CALM_S - 0.1 <= refused_until - BEGIN <= CALM_S + 0.2


def test_a_queue_goes_on_while_more_than_two_arrive_in_a_short_time() -> None:
    one = poster(BEGIN, BEGIN, BEGIN)
    for n in range(1, 100):
        now = one.arrive(BEGIN + n * 0.05)
        assert one.judge(AHEAD, now).refusal == "too_fast"


def test_posts_behind_one_another_are_a_queue_also_while_driving() -> None:
    one = driving(BEGIN + 1.0)
    now = one.arrive(BEGIN + 1.1)
    one.queue(now)
    assert one.judge(AHEAD, now) == Verdict("too_fast")
    assert one.judge(AHEAD, one.arrive(now + CALM_S / 2)).refusal == "too_fast"
    assert one.judge(AHEAD, one.arrive(now + CALM_S + 0.01)).refusal is None


def test_a_new_silence_ends_a_queue() -> None:
    one = poster(BEGIN, BEGIN, BEGIN)
    assert one.judge(AHEAD, one.arrive(BEGIN + 0.5)) == Verdict(neutral_first=True)


def test_a_wheel_that_is_lost_while_a_queue_is_refused_needs_no_second_silence() -> None:
    one = driving(BEGIN + 1.0)
    for _ in range(MANY):
        one.arrive(BEGIN + 6.0)
    one.lose()
    assert one.judge(AHEAD, BEGIN + 6.0 + TRIAL_S) == Verdict("too_fast")
    now = one.arrive(BEGIN + 6.4)
    assert one.judge(AHEAD, now) == Verdict(neutral_first=True)
    one.accept(AHEAD, now)
    one.lose()
    assert one.judge(AHEAD, one.arrive(BEGIN + 6.5)) == Verdict(Refusal.NOT_NEUTRAL)


def test_a_refused_client_needs_a_silence() -> None:
    one = poster(BEGIN)
    one.judge(AHEAD, BEGIN + TRIAL_S)
    one.refuse()
    assert one.judge(AHEAD, one.arrive(BEGIN + 0.2)) == Verdict(Refusal.NOT_NEUTRAL)


@pytest.mark.parametrize("event", ["lost", State.DISARMED, State.STOPPED])
def test_after_a_loss_or_a_stop_a_held_key_needs_a_silence(event: str) -> None:
    one = driving()
    if event == "lost":
        one.lose()
    else:
        one.see(State.ARMED)
        one.see(event)
    assert one.judge(AHEAD, one.arrive(BEGIN + 0.2)) == Verdict(Refusal.NOT_NEUTRAL)
    assert one.judge(AHEAD, one.arrive(BEGIN + 0.6)) == Verdict(Refusal.NOT_NEUTRAL)
    assert one.judge(AHEAD, one.arrive(BEGIN + 1.2)) == Verdict(neutral_first=True)


def test_one_letter_held_too_long_ends_the_wheel() -> None:
    one = driving(BEGIN + SAME_S)
    assert not one.must_release(5.0, BEGIN + SAME_S)
    assert one.must_release(5.0, BEGIN + SAME_S + TRIAL_S)


def test_one_letter_with_silences_does_not_end_the_wheel() -> None:
    one = driving(BEGIN + SAME_S / 2)
    now = one.arrive(BEGIN + SAME_S / 2 + 1.0)
    assert one.judge(AHEAD, now) == Verdict(neutral_first=True)
    one.accept(AHEAD, now)
    assert not one.must_release(50.0, now + SAME_S / 2)
    assert one.must_release(50.0, now + SAME_S)


def test_a_client_is_gone_some_time_after_its_newest_post() -> None:
    assert not Poster(0.05).is_gone(BEGIN)
    one = poster(BEGIN)
    assert not one.is_gone(BEGIN + FORGET_S / 2)
    assert one.is_gone(BEGIN + FORGET_S)


@given(st.lists(st.floats(0.0, 0.02), min_size=MANY - 1, max_size=50))
def test_a_queue_of_any_rhythm_is_refused_whole(gaps: list[float]) -> None:
    one = Poster(0.05)
    at = BEGIN
    due = [one.arrive(at)]
    for gap in gaps:
        at += gap
        while due and due[0] <= at:
            assert one.judge(AHEAD, due.pop(0)).refusal == "too_fast"
        due.append(one.arrive(at))
    for when in due:
        assert one.judge(AHEAD, when).refusal == "too_fast"


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50))
def test_no_post_waits_longer_than_the_trial_or_is_judged_before_it_arrives(gaps: list[float]) -> None:
    one = Poster(0.05)
    times = [BEGIN]
    for gap in gaps:
        times.append(times[-1] + gap)
    for at, following in pairwise([*times, times[-1] + 9.0]):
        when = one.arrive(at)
        assert at <= when <= at + TRIAL_S
        if when <= following:
            one.judge(AHEAD, when)
