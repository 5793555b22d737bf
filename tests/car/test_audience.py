"""The order of the states: the driver first, the others in slices, the deaf not at all; and the seats of the clients."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, cast

from picar.access.visitor import Visitor
from picar.car.audience import DEAF_S, RESTING_TICK_S, SLICE, Audience
from picar.car.seat import TICK_S, Seat, View
from picar.core import protocol
from picar.core.link import Link
from picar.core.protocol import CarState, Hello
from picar.core.shaping import Sticks
from picar.web.websocket import text_frame

NOW = 100.0
TIMEOUT_S = 0.5
DRAWN = random.Random(0)


class Ear:
    """A peer that remembers, and may be full."""

    def __init__(self) -> None:
        self.heard: list[View] = []
        self.full = self.dropped = False

    def hello(self, hello: Hello) -> None:
        raise AssertionError

    def show(self, view: View) -> bool:
        if not self.full:
            self.heard.append(view)
        return not self.full

    def refuse(self, code: str, sentence: str | None = None) -> None:
        raise AssertionError

    def close(self, code: int, reason: str) -> None:
        raise AssertionError

    def drop(self) -> None:
        self.dropped = True

    def newest(self) -> dict[str, Any]:
        view = self.heard[-1]
        message: dict[str, Any] = json.loads(protocol.state(view.state, view.you, view.waiting))
        return message


def seated(audience: Audience, client: str, ear: Ear, *, quiet: bool = False) -> Seat:
    """Add a client whose messages nobody reads."""
    seat = Seat(client, Visitor("s"), ear, Link(TIMEOUT_S), cast(Any, None), quiet)
    audience.add(seat)
    return seat


class Stage:
    """An audience, its ears, and a clock that stands unless told."""

    def __init__(self, spectators: int) -> None:
        self.built = 0
        self.line: set[str] = set()
        self.audience = Audience(
            TIMEOUT_S, self._build, lambda: DRAWN.getrandbits(32), self.line.__contains__
        )
        self.ears: list[Ear] = []
        self.clients: list[Seat] = []
        for n in range(1 + spectators):
            ear = Ear()
            client = seated(self.audience, f"c{n + 1}", ear)
            self.audience.welcome(client, None, NOW)
            self.ears.append(ear)
            self.clients.append(client)
        self.built = 0
        self.clear()

    def add_quiet(self) -> Ear:
        """Add a quiet client that has received its first state, and return its ear."""
        ear = Ear()
        self.audience.welcome(seated(self.audience, f"q{len(self.audience)}", ear, quiet=True), None, NOW)
        ear.heard.clear()
        return ear

    def _build(self, tick: int, now: float) -> CarState:
        self.built += 1
        return CarState(
            tick=tick, state="armed", driver="c1", wanted=Sticks(0.0, 0.0), speeds=("left", "right"), applied=(0.0, 0.0), target=(0.0, 0.0), speed_limit=1.0,
            speed_cap=1.0, age_s=None, link_cap=1.0, stale=0, reason=None, turn=None, requests=[], requests_total=0, names={}, clients=len(self.audience), pose=None, host={},
        )  # fmt: skip

    def clear(self) -> None:
        for ear in self.ears:
            ear.heard.clear()

    def counts(self) -> list[int]:
        return [len(ear.heard) for ear in self.ears]

    def round(self, now: float, driving: bool = True, between: Callable[[], None] = lambda: None) -> int:
        """Serve all that is due, and return in how many goes."""
        goes = 1
        while self.audience.serve("c1", driving, now, now):
            between()
            goes += 1
        return goes


def test_all_hear_a_first_state_when_they_come() -> None:
    stage = Stage(0)
    ear = Ear()
    stage.audience.welcome(seated(stage.audience, "c2", ear), None, NOW)
    assert ear.newest()["clients"] == 2


def test_the_driver_hears_at_20_hz_and_the_others_at_5() -> None:
    stage = Stage(3)
    for n in range(1, 21):
        stage.round(NOW + n * TICK_S)
    assert stage.counts() == [20, 5, 5, 5]


def test_at_rest_all_hear_at_5_hz() -> None:
    stage = Stage(3)
    for n in range(1, 6):
        stage.round(NOW + n * RESTING_TICK_S, driving=False)
    assert stage.counts() == [5, 5, 5, 5]


def test_a_quiet_client_hears_once_a_second_while_driven_and_each_ten_seconds_at_rest() -> None:
    stage = Stage(3)
    ear = stage.add_quiet()
    for n in range(1, 101):
        stage.round(NOW + n * TICK_S)
    assert len(ear.heard) == 5
    assert stage.counts() == [100, 25, 25, 25]
    for n in range(1, 101):
        stage.round(NOW + 5.0 + n * RESTING_TICK_S, driving=False)
    assert len(ear.heard) == 5 + 2


def test_quiet_clients_hear_news_at_once_and_after_all_others() -> None:
    stage = Stage(SLICE)
    ears = [stage.add_quiet() for _ in range(SLICE + 1)]
    now = NOW + RESTING_TICK_S
    stage.audience.news(now)
    assert stage.audience.serve("c1", True, now, now)
    assert stage.counts() == [1] * (1 + SLICE)
    assert not any(ear.heard for ear in ears)
    assert stage.round(now) == 2
    assert [len(ear.heard) for ear in ears] == [1] * (SLICE + 1)
    assert ears[0].newest()["clients"] == len(stage.audience) == 2 * SLICE + 2


def test_a_quiet_client_is_found_leaves_and_is_dropped_when_it_takes_no_state() -> None:
    stage = Stage(0)
    ear = stage.add_quiet()
    seat = next(seat for seat in stage.audience if seat.quiet)
    assert stage.audience.find(seat.id) is seat
    ear.full = True
    for n in range(int(DEAF_S) + 3):
        stage.round(NOW + n)
    assert ear.dropped
    stage.audience.remove(seat)
    assert stage.audience.find(seat.id) is None
    assert len(stage.audience) == 1


def test_a_crowd_is_served_in_slices_the_driver_first_and_everybody_once() -> None:
    stage = Stage(100)
    first = stage.audience.serve("c1", True, NOW + RESTING_TICK_S, NOW + RESTING_TICK_S)
    assert first
    assert len(stage.ears[0].heard) == 1
    assert sum(stage.counts()) <= SLICE + 1
    goes = stage.round(NOW + RESTING_TICK_S)
    assert goes == 100 // SLICE
    assert stage.counts() == [1] * 101


def test_ticks_are_drawn_and_not_counted() -> None:
    drawn = [7, 2**32 - 1, 3, 90, 12]
    ticks = iter(drawn)
    audience = Audience(TIMEOUT_S, Stage(0)._build, lambda: next(ticks), {"c1"}.__contains__)
    ear = Ear()
    client = seated(audience, "c1", ear)
    for n in range(4):
        audience.welcome(client, None, NOW + n * 0.1)
        assert ear.newest()["tick"] == drawn[n + 1]
    assert [client.link.sent_at(tick, NOW + 0.3) for tick in (2**32 - 1, 3, 90, 12)] == [
        NOW, NOW + 0.1, NOW + 0.2, NOW + 0.3,
    ]  # fmt: skip
    assert [client.link.sent_at(tick, NOW + 0.3) for tick in (7, 13, 4, 91)] == [None] * 4


def test_a_state_is_built_once_for_a_crowd() -> None:
    stage = Stage(100)
    stage.round(NOW + RESTING_TICK_S)
    assert stage.built == 1
    assert len({id(ear.heard[-1]) for ear in stage.ears}) == 2


def test_a_view_is_encoded_once_for_each_protocol_whoever_has_it() -> None:
    stage = Stage(100)
    stage.round(NOW + RESTING_TICK_S)
    encoded: list[str] = []

    def one(view: View) -> bytes:
        encoded.append(f"one {view.you}")
        return text_frame(protocol.state(view.state, view.you, view.waiting))

    def other(view: View) -> bytes:
        encoded.append(f"other {view.you}")
        return view.state.state.encode()

    frames = {id(ear.heard[-1].encoded(one)) for ear in stage.ears}
    assert {ear.heard[-1].encoded(other) for ear in stage.ears} == {b"armed"}
    assert (len(frames), sorted(encoded)) == (
        2,
        ["one driver", "one spectator", "other driver", "other spectator"],
    )


def test_a_tick_is_as_old_as_its_state_however_late_it_is_sent() -> None:
    stage = Stage(100)
    stage.audience.serve("c1", True, NOW + 1.0, NOW + 1.0)
    while stage.audience.serve("c1", True, NOW + 1.0, NOW + 1.0 + TICK_S * 0.9):
        pass
    last = stage.clients[-1]
    assert last.link.sent_at(stage.audience.tick, NOW + 1.1) == NOW + 1.0


def test_those_who_ask_are_told_so() -> None:
    stage = Stage(3)
    stage.line |= {"c3"}
    stage.round(NOW + RESTING_TICK_S)
    assert [ear.newest()["waiting"] for ear in stage.ears] == [False, False, True, False]
    assert [ear.newest()["you"] for ear in stage.ears] == ["driver", *["spectator"] * 3]
    assert stage.built == 1


def test_what_is_late_by_more_than_a_tick_is_built_anew() -> None:
    stage = Stage(100)
    stage.audience.serve("c1", True, NOW + 1.0, NOW + 1.0)
    stage.audience.serve("c1", True, NOW + 1.0, NOW + 1.0 + TICK_S * 1.1)
    assert stage.built == 2


def test_news_is_due_for_all_at_once_and_is_not_the_old_state() -> None:
    stage = Stage(100)
    stage.round(NOW + RESTING_TICK_S)
    stage.clear()
    at = NOW + RESTING_TICK_S + 0.001
    stage.audience.news(at)
    stage.round(at)
    assert stage.counts() == [1] * 101
    assert stage.built == 2


def test_news_in_the_middle_of_a_round_reach_everybody_and_nobody_twice() -> None:
    stage = Stage(100)
    at = NOW + RESTING_TICK_S
    stage.audience.serve("c1", True, at, at)
    stage.audience.news(at + 0.001)
    stage.clear()
    stage.round(at + 0.001)
    assert stage.counts() == [1] * 101


def test_who_has_not_taken_the_last_state_is_skipped_and_waits_for_nobody() -> None:
    stage = Stage(2)
    stage.ears[1].full = True
    stage.round(NOW + RESTING_TICK_S)
    stage.ears[1].full = False
    stage.round(NOW + 2 * RESTING_TICK_S)
    assert stage.counts() == [2, 1, 2]
    assert stage.clients[1].link.sent_at(stage.audience.tick, NOW + 0.5) is not None


def test_a_skipped_state_s_tick_is_not_good() -> None:
    stage = Stage(1)
    stage.ears[1].full = True
    stage.round(NOW + RESTING_TICK_S)
    assert stage.clients[1].link.sent_at(stage.audience.tick, NOW + RESTING_TICK_S) is None


def test_who_takes_nothing_for_long_is_dropped_and_who_does_now_and_then_is_not() -> None:
    stage = Stage(2)
    rounds = int(DEAF_S / RESTING_TICK_S) + 2
    for n in range(1, rounds + 1):
        stage.ears[1].full = True
        stage.ears[2].full = bool(n % 10)
        assert not stage.ears[1].dropped or n == rounds
        stage.round(NOW + n * RESTING_TICK_S)
    assert [ear.dropped for ear in stage.ears] == [False, True, False]


def test_frames_of_every_length_are_as_rfc_6455_says() -> None:
    for size, head in (
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (70000, b"\x81\x7f" + (70000).to_bytes(8)),
    ):
        text = "é" * (size // 2) + "x" * (size % 2)
        assert text_frame(text) == head + text.encode()
