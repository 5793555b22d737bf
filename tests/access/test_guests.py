"""Guests and their invitations: one phone each, for a time, and never too many."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from picar.access.content import Paired
from picar.access.guests import LEAST_S, MOST_GUESTS, MOST_S, TOKEN, USABLE_S, Guests, TooManyGuests
from picar.access.store import AccessStore

OTHERS = (Paired("0a1b2c3d", "Mia", "phone"),)


def admit(guests: Guests, name: str = "Ada", for_s: int = 3600, former: Paired | None = None) -> Paired:
    """Invite a phone, and let it in."""
    one = guests.admit(guests.invite(name, for_s), former, OTHERS)
    assert one
    return one


@pytest.fixture
def guests() -> Guests:
    return Guests().at("1", 100.0)


def test_an_invitation_admits_one_phone_and_that_phone_again(guests: Guests) -> None:
    token = guests.invite("Ada", 3600)
    assert token.startswith(TOKEN)
    assert guests.admitted == []
    ada = guests.admit(token, None, OTHERS)
    assert ada
    assert (ada.name, ada.kind) == ("Ada", "guest")
    assert guests.admit(token, ada, OTHERS) == ada
    assert guests.admit(token, None, OTHERS) is None
    assert guests.admit(token, admit(guests, "Ben"), OTHERS) is None
    assert [one.name for one in guests.admitted] == ["Ada", "Ben"]
    for forged in ("", TOKEN, token[:-1], f"{TOKEN}{ada.id}"):
        assert guests.admit(forged, None, OTHERS) is None


@pytest.mark.parametrize(("for_s", "usable_s"), [(3600, USABLE_S), (LEAST_S, LEAST_S)])
def test_an_invitation_is_usable_for_ten_minutes_or_for_the_guest_s_time(for_s: int, usable_s: float) -> None:
    for wait_s, is_in in ((usable_s - 0.1, True), (usable_s, False)):
        guests = Guests().at("1", 100.0)
        token = guests.invite("Ada", for_s)
        assert bool(guests.at("1", 100.0 + wait_s).admit(token, None, OTHERS)) == is_in


def test_the_time_counts_from_the_invitation(guests: Guests) -> None:
    token = guests.invite("Ada", 3600)
    ada = guests.at("1", 100.0 + USABLE_S - 1).admit(token, None, OTHERS)
    assert ada
    assert guests.next_end == 3700.0
    assert guests.at("1", 3699.9).admitted == [ada]
    assert guests.at("1", 3700.0).admitted == []
    assert guests.next_end == math.inf
    assert guests.admit(token, ada, OTHERS) is None


def test_another_invitation_on_the_same_phone_ends_the_guest_that_it_was(guests: Guests) -> None:
    ada = admit(guests)
    again = admit(guests, former=ada)
    assert (again.name, again.id != ada.id) == ("Ada", True)
    assert guests.admitted == [again]


def test_a_guest_gets_a_number_if_another_name_looks_the_same(guests: Guests) -> None:
    assert [admit(guests, name).name for name in ("mia", "Ada", "ADA")] == ["mia 2", "Ada", "ADA 2"]


def test_a_new_round_ends_guests_and_invitations(guests: Guests) -> None:
    admit(guests)
    token = guests.invite("Ben", 600)
    assert guests.at("2", 101.0).admitted == []
    assert guests.admit(token, None, OTHERS) is None
    assert guests.at("1", 102.0).admitted == []


def test_a_new_invitation_replaces_the_oldest_unused_one_and_never_a_guest(guests: Guests) -> None:
    admitted = [admit(guests, str(n)) for n in range(MOST_GUESTS - 2)]
    first, second, third = (guests.invite(name, 600) for name in "abc")
    assert guests.admit(first, None, OTHERS) is None
    admitted += filter(None, (guests.admit(token, None, OTHERS) for token in (second, third)))
    assert len(admitted) == MOST_GUESTS
    with pytest.raises(TooManyGuests, match="picar pair --new-pin"):
        guests.invite("d", 600)
    assert guests.admitted == admitted
    guests.end(admitted[0])
    admit(guests, "d")


def test_a_guest_in_the_file_gives_no_access(tmp_path: Path) -> None:
    store = AccessStore(tmp_path)
    phone = store.pair("Ada")
    content = json.loads(store.path.read_text(encoding="utf-8"))
    content["paired"][0]["kind"] = "guest"
    store.path.write_text(json.dumps(content), encoding="utf-8")
    store = AccessStore(tmp_path)
    assert store.paired == ()
    assert store.strange == ["Ada"]
    assert store.who(store.credential(phone)) is None


class AnyOrder(RuleBasedStateMachine):
    """Invitations, phones, new rounds and time in any order, beside a list that remembers the end of each guest."""

    def __init__(self) -> None:
        super().__init__()
        self.guests, self.now, self.round = Guests(), 0.0, 0
        self.tokens: dict[str, tuple[float, float, int]] = {}  # last use, end, round
        self.phones: dict[str, Paired] = {}  # by token

    def at(self) -> Guests:
        return self.guests.at(str(self.round), self.now)

    @rule(for_s=st.integers(LEAST_S, MOST_S))
    def a_phone_is_invited(self, for_s: int) -> None:
        self.invite(for_s)

    def invite(self, for_s: int) -> None:
        full = len(self.at().admitted) == MOST_GUESTS
        try:
            token = self.at().invite("Ada", for_s)
        except TooManyGuests:
            assert full
        else:
            assert not full
            self.tokens[token] = self.now + min(USABLE_S, for_s), self.now + for_s, self.round

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), again=st.booleans())
    def open(self, data: st.DataObject, again: bool) -> None:
        token = data.draw(st.sampled_from([*self.tokens]))
        usable_until, ends_at, round_id = self.tokens[token]
        former = self.phones.get(token) if again else None
        one = self.at().admit(token, former, OTHERS)
        if one is None:
            return
        assert self.now < ends_at
        assert self.round == round_id
        if former is None:
            assert token not in self.phones
            assert self.now < usable_until
        else:
            assert one == former
        self.phones[token] = one

    @rule(count=st.integers(2, MOST_GUESTS + 2))
    def crowd(self, count: int) -> None:
        for _ in range(count):
            self.invite(MOST_S)
            newest = [*self.tokens][-1]
            if newest not in self.phones and (one := self.at().admit(newest, None, OTHERS)):
                self.phones[newest] = one

    @rule(seconds=st.floats(0.0, 4000.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def revoke(self) -> None:
        self.round += 1

    @invariant()
    def no_guest_is_too_many_or_too_late(self) -> None:
        admitted = self.at().admitted
        assert len(admitted) <= MOST_GUESTS
        assert len({one.name for one in admitted}) == len(admitted)
        ends = [self.tokens[one.invitation] for one in admitted]
        assert all(self.now < ends_at and round_id == self.round for _, ends_at, round_id in ends)
        assert self.now < self.guests.next_end <= min((ends_at for _, ends_at, _ in ends), default=math.inf)


AnyOrder.TestCase.settings = settings(max_examples=100, stateful_step_count=80, deadline=None)
TestAnyOrder = AnyOrder.TestCase
