"""A foreign client: the pong is its tick, neutral comes first, and nothing it sends late or in advance counts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.drive import Refusal
from picar.core.guest import (
    BUSY_PING_S,
    PING_S,
    QUIET_S,
    SAME_S,
    SETTLE_S,
    YIELD_S,
    Guest,
    GuestLink,
    Verdict,
)
from picar.core.shaping import NEUTRAL, Sticks

NOW, TIMEOUT_S, DEADBAND, IDLE_S = 50.0, 0.5, 0.05, 5.0
AHEAD = Sticks(0.8, 0.0)
STEP_S = 0.01


class Rig:
    """A guest on a link that answers each ping after `lag_s`, or not at all while `cut`."""

    def __init__(self, lag_s: float = 0.02) -> None:
        self.now, self.lag_s, self.cut = NOW, lag_s, False
        self.guest = Guest(NOW, TIMEOUT_S, DEADBAND)
        self.pings: list[tuple[float, bytes]] = []
        self._numbers = itertools.count()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            if payload := self.guest.ping(self.now, lambda: b"%d" % next(self._numbers)):
                self.pings.append((self.now, payload))
            while not self.cut and self.pings and self.pings[0][0] + self.lag_s <= self.now:
                self.guest.pong(self.pings.pop(0)[1], self.now)

    def send(self, wanted: Sticks) -> Verdict:
        """Send a command, and have the car follow it if it may."""
        verdict = self.guest.judge(wanted, self.now)
        if verdict.refusal is None:
            self.guest.accept(wanted, self.now)
        return verdict

    def hold(self, wanted: Sticks, seconds: float) -> list[str | None]:
        """Send a command 20 times a second; return the refusals."""
        found = []
        for _ in range(round(seconds / 0.05)):
            self.wait(0.05)
            found.append(self.send(wanted).refusal)
        return found


def driving() -> Rig:
    rig = Rig()
    rig.wait(SETTLE_S + 0.1)
    assert rig.send(NEUTRAL).refusal is None
    assert set(rig.hold(AHEAD, 1.0)) == {None}
    rig.guest.see("armed")
    return rig


def test_the_first_half_second_changes_nothing() -> None:
    rig = Rig()
    assert set(rig.hold(NEUTRAL, SETTLE_S - 0.1)) == {"settling"}
    assert rig.hold(NEUTRAL, 0.5)[-1] is None


def test_a_command_before_the_first_pong_is_stale() -> None:
    rig = Rig()
    rig.cut = True
    rig.wait(1.0)
    assert rig.send(NEUTRAL).refusal == Refusal.STALE


def test_commands_without_a_pong_between_them_become_stale_at_the_timeout() -> None:
    rig = driving()
    rig.cut = True
    refusals = rig.hold(AHEAD, 2.0)
    fresh_s = refusals.count(None) * 0.05
    assert TIMEOUT_S - 0.15 <= fresh_s <= TIMEOUT_S
    assert set(refusals[refusals.count(None) :]) == {Refusal.STALE}


def test_what_a_stalled_link_held_back_stays_stale() -> None:
    rig = driving()
    rig.cut = True
    rig.wait(5.0)
    assert {rig.send(AHEAD).refusal for _ in range(100)} == {Refusal.STALE}, (
        "they come ahead of the next pong"
    )


@pytest.mark.parametrize("payload", [b"", b"unknown", b"99999999"])
def test_a_pong_in_advance_counts_for_nothing(payload: bytes) -> None:
    rig = Rig()
    rig.cut = True
    for _ in range(100):
        rig.wait(0.05)
        rig.guest.pong(payload, rig.now)
    assert rig.send(NEUTRAL).refusal == Refusal.STALE


def test_an_old_pong_and_a_second_one_change_nothing() -> None:
    rig = Rig()
    rig.cut = True
    rig.wait(0.5)
    (_, first), *_, (sent_at, last) = rig.pings
    rig.guest.pong(last, rig.now)
    rig.guest.pong(first, rig.now)
    rig.guest.pong(last, rig.now)
    assert rig.guest.seen_at == sent_at


def test_a_pong_after_the_timeout_counts_for_nothing() -> None:
    guest = Guest(NOW, TIMEOUT_S, DEADBAND)
    payload = guest.ping(NOW, lambda: b"1")
    assert payload
    guest.pong(payload, NOW + TIMEOUT_S + 0.01)
    assert guest.judge(NEUTRAL, NOW + 1.0).refusal == Refusal.STALE


def test_pings_are_rare_at_rest_and_frequent_while_commands_come() -> None:
    rig = Rig()
    count = itertools.count()
    at_rest = [t for t in range(100) if rig.guest.ping(NOW + t * STEP_S, lambda: b"%d" % next(count))]
    assert len(at_rest) == round(1.0 / PING_S)
    rig.guest.judge(NEUTRAL, NOW + 1.0)
    busy = [t for t in range(90) if rig.guest.ping(NOW + 1.0 + t * STEP_S, lambda: b"%d" % next(count))]
    assert len(busy) >= round(0.8 / BUSY_PING_S)


def test_a_page_that_sends_no_zero_may_begin_after_a_silence() -> None:
    rig = Rig()
    rig.wait(SETTLE_S + 0.3)
    assert rig.send(AHEAD) == Verdict(neutral_first=True)
    assert rig.hold(AHEAD, 0.2) == [None] * 4


def test_a_silence_on_a_dead_link_is_not_neutral() -> None:
    rig = Rig()
    rig.wait(SETTLE_S + 0.3)
    rig.cut = True
    while rig.now - rig.guest.seen_at < 0.42:
        rig.wait(STEP_S)
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL, "fresh, but the end of the silence is not proven"


def test_a_first_command_right_after_another_is_refused() -> None:
    rig = Rig()
    rig.wait(0.3)
    rig.send(AHEAD)
    rig.wait(0.3)
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL, "the silence since the refused one is too short"


@pytest.mark.parametrize("state", ["failsafe", "stopped"])
def test_after_a_failsafe_or_a_stop_only_a_neutral_command_counts(state: str) -> None:
    rig = driving()
    rig.send(NEUTRAL)
    rig.guest.see(state)
    rig.guest.see("disarmed")
    rig.wait(5.0)
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL
    rig.wait(0.1)
    assert rig.send(NEUTRAL).refusal is None
    assert rig.send(AHEAD).refusal is None


def test_after_a_command_that_was_not_neutral_a_silence_is_none() -> None:
    rig = driving()
    rig.guest.see("disarmed")
    rig.wait(5.0)
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL


def test_after_neutral_a_silence_counts_again() -> None:
    rig = driving()
    rig.send(NEUTRAL)
    rig.guest.see("disarmed")
    rig.wait(QUIET_S + 0.3)
    assert rig.send(AHEAD).neutral_first


def test_an_armed_car_asks_for_no_neutral() -> None:
    rig = driving()
    rig.guest.see("armed")
    assert rig.send(AHEAD).refusal is None


def test_the_wheel_ends_when_it_is_not_moved_however_many_zeros_come() -> None:
    rig = driving()
    rig.hold(NEUTRAL, IDLE_S - 0.2)
    assert not rig.guest.must_release(IDLE_S, rig.now)
    rig.hold(NEUTRAL, 0.3)
    assert rig.guest.must_release(IDLE_S, rig.now)


def test_the_wheel_ends_after_ten_seconds_of_one_command() -> None:
    rig = driving()
    rig.hold(AHEAD, SAME_S - 1.2)
    assert not rig.guest.must_release(IDLE_S, rig.now)
    rig.hold(AHEAD, 0.4)
    assert rig.guest.must_release(IDLE_S, rig.now)
    moved = driving()
    for throttle in (0.5, 0.6, 0.7):
        moved.hold(Sticks(throttle, 0.0), SAME_S / 2)
        assert not moved.guest.must_release(IDLE_S, moved.now)


def test_the_wheel_is_given_up_after_a_second_at_neutral() -> None:
    rig = driving()
    assert not rig.guest.may_yield(rig.now)
    rig.hold(NEUTRAL, YIELD_S + 0.1)
    assert rig.guest.may_yield(rig.now)


def test_a_guest_that_has_just_taken_the_wheel_still_sees_the_state_before() -> None:
    rig = Rig()
    rig.wait(SETTLE_S + 0.1)
    rig.guest.see("disarmed")
    assert rig.send(NEUTRAL).refusal is None
    rig.guest.see("disarmed")
    assert rig.send(AHEAD).refusal is None
    rig.guest.see("armed")
    rig.guest.see("disarmed")
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL


def test_a_guest_without_its_wheel_begins_with_neutral() -> None:
    rig = driving()
    rig.guest.lose()
    rig.wait(2.0)
    assert rig.send(AHEAD).refusal == Refusal.NOT_NEUTRAL


def test_after_a_short_failsafe_the_drive_decides() -> None:
    rig = driving()
    rig.guest.see("failsafe")
    assert rig.send(AHEAD).refusal is None


events = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.0, 0.7)),
        st.tuples(st.just("pong"), st.integers(0, 8)),
        st.tuples(st.just("send"), st.sampled_from([NEUTRAL, AHEAD])),
        st.tuples(st.just("see"), st.sampled_from(["disarmed", "armed", "failsafe", "stopped"])),
    ),
    max_size=60,
)


@given(events)
def test_an_accepted_command_is_younger_than_the_timeout_and_after_neutral(
    steps: list[tuple[str, object]],
) -> None:
    guest, now, count = Guest(NOW, TIMEOUT_S, DEADBAND), NOW, itertools.count()
    sent: list[tuple[float, bytes]] = []
    newest_pong, may_drive, state = float("-inf"), False, "disarmed"
    for kind, value in steps:
        now += 0.001
        if kind == "wait":
            assert isinstance(value, float)
            now += value
            if payload := guest.ping(now, lambda: b"%d" % next(count)):
                sent.append((now, payload))
        elif kind == "pong" and sent:
            assert isinstance(value, int)
            at, payload = sent[-1 - value % len(sent)]
            guest.pong(payload, now)
            newest_pong = max(newest_pong, at)
        elif kind == "see":
            guest.see(str(value))
            may_drive = may_drive and (value == state or value in ("armed", "failsafe"))
            state = str(value)
        elif kind == "send":
            assert isinstance(value, Sticks)
            verdict = guest.judge(value, now)
            if verdict.refusal is None:
                assert now - newest_pong < TIMEOUT_S
                assert now >= NOW + SETTLE_S
                assert value == NEUTRAL or may_drive or verdict.neutral_first
                may_drive = True
                guest.accept(value, now)


def test_the_link_of_a_guest_counts_from_what_it_has_seen_and_ignores_ticks() -> None:
    rig = Rig()
    link = GuestLink(TIMEOUT_S, lambda: rig.guest.seen_at)
    link.sent(7, rig.now)
    assert link.sent_at(7, rig.now) is None
    rig.wait(0.3)
    assert link.sent_at(0, rig.now) == rig.guest.seen_at
    assert link.sent_at(0, rig.guest.seen_at + TIMEOUT_S) is None
    assert link.stale == 2
    assert link.speed == 0.6


def test_the_next_ping_is_due_later() -> None:
    rig = Rig()
    rig.wait(1.0)
    assert rig.now < rig.guest.ping_at <= rig.now + PING_S
