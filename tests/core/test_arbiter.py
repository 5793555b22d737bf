"""Who drives: each law as a table row, then any mix of three browsers, reloads and time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from picar.core.arbiter import FORGET_TURNS_S, NOBODY, Arbiter, Turn

IDLE_S = 5.0
GRACE_S = 2.0
NOW = 100.0

Step = Callable[[Arbiter], object]


@pytest.fixture
def arbiter() -> Arbiter:
    """The wheel is c1's, of browser s1, since NOW."""
    arbiter = Arbiter(IDLE_S, GRACE_S)
    arbiter.joined("c1", "s1", NOW)
    arbiter.take("c1", "s1", NOW)
    return arbiter


def test_at_first_nobody_drives_and_nobody_asks() -> None:
    arbiter = Arbiter(IDLE_S, GRACE_S)
    arbiter.joined("c1", "s1", NOW)
    arbiter.tick(NOW + 60.0)
    assert arbiter.driver is NOBODY
    assert arbiter.requests == []
    assert not arbiter.may_drive("c1")


def test_a_free_wheel_is_granted_at_once(arbiter: Arbiter) -> None:
    assert arbiter.driver == "c1"
    assert arbiter.may_drive("c1")
    assert arbiter.requests == []


def take(client: str, at: float) -> Step:
    return lambda a: a.take(client, client.replace("c", "s"), at)


def wait(at: float) -> Step:
    return lambda a: a.tick(at)


def turns(for_s: int, at: float) -> Step:
    return lambda a: a.set_turns("c1", for_s, at)


def busy(at: float) -> Step:
    return lambda a: a.active(at)


# What happens after c1 has taken the wheel at NOW; then who drives, and who asks.
TABLE: list[tuple[str, list[Step], str | None, list[str]]] = [
    ("a taken wheel is asked for", [take("c2", NOW + 1)], "c1", ["c2"]),
    ("who asks twice is in line once", [take("c2", NOW + 1), take("c3", NOW + 1), take("c2", NOW + 1)], "c1", ["c2", "c3"]),
    ("a driver who takes keeps it and does not ask", [take("c1", NOW + 1)], "c1", []),
    ("who asked first gets what is given up", [take("c2", NOW + 1), take("c3", NOW + 1), lambda a: a.release("c1", NOW + 2)], "c2", ["c3"]),
    ("what is given up with nobody in line is free", [lambda a: a.release("c1", NOW + 1)], NOBODY, []),
    ("a request may be taken back", [take("c2", NOW + 1), lambda a: a.release("c2", NOW + 1)], "c1", []),
    ("the driver gives the wheel to whom it likes", [take("c2", NOW + 1), take("c3", NOW + 1), lambda a: a.grant("c1", "c3", NOW + 2)], "c3", ["c2"]),
    ("the driver turns a request down", [take("c2", NOW + 1), lambda a: a.deny("c1", "c2")], "c1", []),
    ("who was turned down may ask again", [take("c2", NOW + 1), lambda a: a.deny("c1", "c2"), take("c2", NOW + 2)], "c1", ["c2"]),
    ("an idle wheel is kept while nobody asks", [wait(NOW + 60.0)], "c1", []),
    ("a wheel is not idle a moment too soon", [take("c2", NOW + 1), wait(NOW + IDLE_S - 0.01)], "c1", ["c2"]),
    ("an idle wheel goes to the next in line", [take("c2", NOW + 1), take("c3", NOW + 1), wait(NOW + IDLE_S)], "c2", ["c3"]),
    ("an idle wheel goes at once to who asks then", [take("c2", NOW + 60.0)], "c2", []),
    ("driving keeps the wheel from being idle", [lambda a: a.active(NOW + 4.0), take("c2", NOW + 5.0), wait(NOW + 8.9)], "c1", ["c2"]),
    ("asking again does not keep it from being idle", [take("c2", NOW + 1), take("c1", NOW + 4), wait(NOW + IDLE_S)], "c2", []),
    ("the next driver has idle time of its own", [take("c2", NOW), take("c3", NOW), wait(NOW + 5.0), wait(NOW + 9.9)], "c2", ["c3"]),
    ("then the next in line gets it", [take("c2", NOW), take("c3", NOW), wait(NOW + 5.0), wait(NOW + 10.0)], "c3", []),
    ("the wheel of who has left is kept for the grace time", [take("c2", NOW), lambda a: a.left("c1", NOW + 1), wait(NOW + 2.99)], "c1", ["c2"]),
    ("after the grace time it goes to the next in line", [take("c2", NOW), lambda a: a.left("c1", NOW + 1), wait(NOW + 3.0)], "c2", []),
    ("after the grace time it is free", [lambda a: a.left("c1", NOW + 1), wait(NOW + 3.0)], NOBODY, []),
    ("grace is not cut short by idleness", [take("c2", NOW), lambda a: a.left("c1", NOW + 4.5), wait(NOW + 6.4)], "c1", ["c2"]),
    ("a reload is the driver again", [lambda a: a.left("c1", NOW + 1), lambda a: a.joined("c4", "s1", NOW + 2)], "c4", []),
    ("a reload by another browser is not", [lambda a: a.left("c1", NOW + 1), lambda a: a.joined("c4", "s4", NOW + 2)], "c1", []),
    ("a second tab does not take the first one's wheel", [lambda a: a.joined("c4", "s1", NOW + 2)], "c1", []),
    ("a second tab that takes must ask", [lambda a: a.take("c4", "s1", NOW + 2)], "c1", ["c4"]),
    ("a second tab that was there goes on when it takes", [lambda a: a.left("c1", NOW + 1), lambda a: a.take("c4", "s1", NOW + 2)], "c4", []),
    ("a second tab that was in line goes on and asks no more", [lambda a: a.take("c4", "s1", NOW), lambda a: a.left("c1", NOW + 1), lambda a: a.take("c4", "s1", NOW + 2)], "c4", []),
    ("a reload after the grace time is a spectator", [lambda a: a.left("c1", NOW + 1), wait(NOW + 3.0), lambda a: a.joined("c4", "s1", NOW + 3.0)], NOBODY, []),
    ("so it is when nobody has looked at the clock since", [lambda a: a.left("c1", NOW + 1), lambda a: a.joined("c4", "s1", NOW + 3.1)], NOBODY, []),
    ("and the first in line is not passed over", [take("c2", NOW + 1), lambda a: a.left("c1", NOW + 1), lambda a: a.take("c4", "s1", NOW + 3.1)], "c2", ["c4"]),
    ("a reload does not make an idle driver a busy one", [take("c2", NOW + 1), lambda a: a.left("c1", NOW + 4), lambda a: a.joined("c4", "s1", NOW + 4.1), wait(NOW + IDLE_S)], "c2", []),
    ("a request goes with its client", [take("c2", NOW), take("c3", NOW), lambda a: a.left("c2", NOW + 1), lambda a: a.release("c1", NOW + 2)], "c3", []),
    ("a turn that is over goes on while nobody asks", [turns(60, NOW), busy(NOW + 600.0), wait(NOW + 600.0)], "c1", []),
    ("it ends for the first who asks", [turns(60, NOW), busy(NOW + 600.0), take("c2", NOW + 600.0)], "c2", []),
    ("a turn is not over a moment too soon", [turns(60, NOW), take("c2", NOW + 1), busy(NOW + 59.0), wait(NOW + 59.9)], "c1", ["c2"]),
    ("a turn that is over passes the wheel on, to a busy driver's surprise", [turns(60, NOW), take("c2", NOW + 1), take("c3", NOW + 1), busy(NOW + 59.0), wait(NOW + 60.0)], "c2", ["c3"]),
    ("who had a turn asks again at the end of the line", [turns(60, NOW), take("c2", NOW + 1), take("c3", NOW + 1), busy(NOW + 59.0), wait(NOW + 60.0), take("c1", NOW + 60.1)], "c2", ["c3", "c1"]),
    ("the next driver's turn is as long", [turns(60, NOW), take("c2", NOW + 1), take("c3", NOW + 1), busy(NOW + 59.0), wait(NOW + 60.0), busy(NOW + 119.0), wait(NOW + 119.9)], "c2", ["c3"]),
    ("and ends", [turns(60, NOW), take("c2", NOW + 1), take("c3", NOW + 1), busy(NOW + 59.0), wait(NOW + 60.0), busy(NOW + 119.0), wait(NOW + 120.0)], "c3", []),
    ("a turn begins when it is set", [busy(NOW + 50), take("c2", NOW + 50), turns(60, NOW + 51), busy(NOW + 110), wait(NOW + 110)], "c1", ["c2"]),
    ("no turns, no end", [turns(60, NOW), turns(0, NOW + 59.0), busy(NOW + 59.0), take("c2", NOW + 59.0), busy(NOW + 600.0), wait(NOW + 600.0)], "c1", ["c2"]),
    ("a reload goes on with its turn", [turns(60, NOW), take("c2", NOW + 1), busy(NOW + 59.0), lambda a: a.left("c1", NOW + 59), lambda a: a.joined("c4", "s1", NOW + 59.1), wait(NOW + 60.0)], "c2", []),
    ("a turn ends also while its driver is away", [turns(60, NOW), take("c2", NOW + 1), busy(NOW + 59.0), lambda a: a.left("c1", NOW + 59), wait(NOW + 60.0)], "c2", []),
    ("a driver does not dodge the end of a turn by turning all requests down", [turns(60, NOW), take("c2", NOW + 1), lambda a: a.deny("c1", "c2"), busy(NOW + 59.0), wait(NOW + 60.0)], "c2", []),
    ("nor by unsetting the turns", [turns(60, NOW), take("c2", NOW + 1), turns(0, NOW + 59.0), busy(NOW + 59.0), wait(NOW + 60.0)], "c2", []),
    ("nor by setting them again", [turns(60, NOW), take("c2", NOW + 1), turns(60, NOW + 59.0), busy(NOW + 59.0), wait(NOW + 60.0)], "c2", []),
    ("while nobody asks, they may be set again", [turns(60, NOW), turns(60, NOW + 59.0), busy(NOW + 59.0), take("c2", NOW + 59.5), wait(NOW + 60.0)], "c1", ["c2"]),
    ("a spectator sets no turns", [take("c2", NOW + 1), lambda a: a.set_turns("c2", 60, NOW), busy(NOW + 600.0), wait(NOW + 600.0)], "c1", ["c2"]),
    ("a spectator that leaves changes nothing", [lambda a: a.left("c9", NOW + 1)], "c1", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "driver", "requests"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_wheel(arbiter: Arbiter, steps: list[Step], driver: str | None, requests: list[str]) -> None:
    for step in steps:
        step(arbiter)
    assert arbiter.driver == driver
    assert arbiter.requests == requests


@pytest.mark.parametrize(
    "ask",
    [
        lambda a: a.release("c2", NOW),
        lambda a: a.grant("c2", "c3", NOW),
        lambda a: a.grant("c1", "c2", NOW),
        lambda a: a.grant("c1", "c1", NOW),
        lambda a: a.deny("c2", "c3"),
        lambda a: a.deny("c1", "c2"),
    ],
)
def test_what_is_not_ones_to_give_is_refused_and_changes_nothing(
    arbiter: Arbiter, ask: Callable[[Arbiter], bool]
) -> None:
    arbiter.take("c3", "s3", NOW)
    assert ask(arbiter) is False
    assert arbiter.driver == "c1"
    assert arbiter.requests == ["c3"]


def test_who_has_left_drives_no_more_though_the_wheel_is_kept(arbiter: Arbiter) -> None:
    arbiter.left("c1", NOW + 1)
    assert arbiter.driver == "c1"
    assert not arbiter.may_drive("c1")
    assert arbiter.release("c1", NOW + 1) is False
    assert arbiter.grant("c1", "c1", NOW + 1) is False


def test_the_wheel_of_a_moving_car_waits_for_it_to_stand() -> None:
    moves = [True]
    arbiter = Arbiter(IDLE_S, GRACE_S, standing=lambda: not moves[0])
    arbiter.take("c1", "s1", NOW)
    assert (arbiter.driver, arbiter.requests) == (NOBODY, ["c1"])
    moves[0] = False
    arbiter.tick(NOW + 0.1)
    assert arbiter.driver == "c1"


def test_what_is_given_while_moving_is_nobody_s_until_the_car_stands_and_then_whose_it_was_given() -> None:
    moves = [False]
    arbiter = Arbiter(IDLE_S, GRACE_S, standing=lambda: not moves[0])
    for client in ("c1", "c2", "c3"):
        arbiter.take(client, client.replace("c", "s"), NOW)
    moves[0] = True
    assert arbiter.grant("c1", "c3", NOW + 1)
    assert not any(arbiter.may_drive(client) for client in ("c1", "c2", "c3"))
    assert (arbiter.driver, arbiter.requests) == (NOBODY, ["c3", "c2"])
    moves[0] = False
    arbiter.tick(NOW + 2)
    assert (arbiter.driver, arbiter.requests) == ("c3", ["c2"])


def test_a_turn_that_ends_at_speed_leaves_the_wheel_free_until_the_car_stands() -> None:
    moves: list[bool] = [False]
    over: list[str] = []
    arbiter = Arbiter(IDLE_S, GRACE_S, lambda: not moves[0], over.append)
    for client in ("c1", "c2"):
        arbiter.take(client, client.replace("c", "s"), NOW)
    assert arbiter.set_turns("c1", 60, NOW)
    moves[0] = True
    arbiter.active(NOW + 60.0)
    arbiter.tick(NOW + 59.9)
    assert (arbiter.driver, over) == ("c1", [])
    arbiter.tick(NOW + 60.0)
    assert (arbiter.driver, arbiter.requests, over) == (NOBODY, ["c2"], ["c1"])
    assert not arbiter.may_drive("c1")
    moves[0] = False
    arbiter.tick(NOW + 61.0)
    assert (arbiter.driver, over) == ("c2", ["c1"])
    assert arbiter.turn(NOW + 61.0) == Turn(60, 60.0)


def test_the_time_left_counts_down_to_zero_and_is_whole_while_nobody_drives(arbiter: Arbiter) -> None:
    assert arbiter.turn(NOW) is None
    assert arbiter.set_turns("c1", 120, NOW + 10.0)
    assert arbiter.turn(NOW + 40.0) == Turn(120, 90.0)
    assert arbiter.turn(NOW + 600.0) == Turn(120, 0.0)
    arbiter.left("c1", NOW + 600.0)
    arbiter.joined("c4", "s1", NOW + 601.0)
    assert arbiter.turn(NOW + 601.0) == Turn(120, 0.0)
    assert arbiter.release("c4", NOW + 601.0)
    assert arbiter.turn(NOW + 601.0) == Turn(120, 120.0)
    assert not arbiter.set_turns("c1", 60, NOW + 601.0)


def test_turns_are_forgotten_when_the_wheel_was_free_for_a_minute(arbiter: Arbiter) -> None:
    arbiter.set_turns("c1", 300, NOW)
    arbiter.release("c1", NOW)
    arbiter.take("c2", "s2", NOW + FORGET_TURNS_S - 0.1)
    assert arbiter.turn(NOW + FORGET_TURNS_S) == Turn(300, 299.9)
    arbiter.release("c2", NOW + 100.0)
    arbiter.take("c1", "s1", NOW + 100.0 + FORGET_TURNS_S)
    assert arbiter.driver == "c1"
    assert arbiter.turn(NOW + 100.0 + FORGET_TURNS_S) is None


def test_giving_and_denying_say_that_it_was_done(arbiter: Arbiter) -> None:
    arbiter.take("c2", "s2", NOW)
    arbiter.take("c3", "s3", NOW)
    assert arbiter.deny("c1", "c2")
    assert arbiter.grant("c1", "c3", NOW)
    assert arbiter.release("c3", NOW)


SESSIONS = ("s1", "s2", "s3")
moments = st.sampled_from([0.0, 0.1, 1.0, GRACE_S, IDLE_S, FORGET_TURNS_S]) | st.floats(0.0, 7.0)


class ThreeBrowsers(RuleBasedStateMachine):
    """Any mix of what three browsers and the clock can do; `why` collects what allows the wheel to move."""

    def __init__(self) -> None:
        super().__init__()
        self.arbiter = Arbiter(IDLE_S, GRACE_S, lambda: self.stands, self.turn_is_over)
        self.turn_s, self.turn_began, self.free_since = 0, 0.0, 0.0
        self.before: str | None = ""  # the session that had the wheel after the step before
        self.stands = True
        self.now = NOW
        self.count = 0
        self.present: dict[str, str] = {}  # client -> session
        self.line: list[str] = []  # who asks, in the order of asking
        self.driver: str | None = NOBODY
        self.session = ""
        self.left_at: float | None = None
        self.active_at = 0.0

    def someone(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.present)))

    def first_in_line(self) -> str | None:
        return self.line[0] if self.line else NOBODY

    def seat(self, client: str | None, keeps_idle_time: bool = False) -> None:
        """The model's own wheel moves."""
        self.driver, self.left_at = client, None
        if client is not NOBODY:
            self.session = self.present[client]
            if client in self.line:
                self.line.remove(client)
            if not keeps_idle_time:
                self.active_at = self.turn_began = self.now
        else:
            self.free_since = self.now

    def turn_is_over(self, client: str) -> None:
        assert client == self.driver
        assert self.turn_s
        assert self.now - self.turn_began >= self.turn_s
        assert self.arbiter.requests, "a turn ends for one who asks"

    def let_pass(self) -> None:
        """What time alone does, by the laws."""
        if self.left_at is not None and self.now - self.left_at >= GRACE_S:
            self.seat(NOBODY)
        turn_over = self.turn_s > 0 and self.turn_s - (self.now - self.turn_began) <= 0
        if self.driver is not NOBODY and self.line and turn_over:
            self.seat(NOBODY)
        if self.driver is NOBODY and self.now - self.free_since >= FORGET_TURNS_S:
            self.turn_s = 0
        free = self.driver is NOBODY
        idle = self.left_at is None and self.now - self.active_at >= IDLE_S
        if self.line and (free or idle) and self.stands:
            self.seat(self.first_in_line())

    def comes_back(self, client: str) -> None:
        if self.left_at is not None and self.session == self.present[client]:
            self.seat(client, keeps_idle_time=True)

    @rule(seconds=moments)
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.arbiter.tick(self.now)
        self.let_pass()

    @rule(seconds=moments)
    def wait_without_looking(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.present) < 4)
    @rule(session=st.sampled_from(SESSIONS))
    def join(self, session: str) -> None:
        self.count += 1
        client = f"c{self.count}"
        self.arbiter.joined(client, session, self.now)
        self.present[client] = session
        self.let_pass()
        self.comes_back(client)

    @precondition(lambda self: self.driver in self.present)
    @rule(seconds=st.sampled_from([0.0, 0.5, GRACE_S - 0.01, GRACE_S, 3.0]))
    def driver_reloads(self, seconds: float) -> None:
        session = self.session
        self.gone(str(self.driver))
        self.now += seconds
        self.join(session)

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.gone(self.someone(data))

    def gone(self, client: str) -> None:
        self.arbiter.left(client, self.now)
        del self.present[client]
        if client in self.line:
            self.line.remove(client)
        if client == self.driver:
            self.left_at = self.now

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        client = self.someone(data)
        self.arbiter.take(client, self.present[client], self.now)
        self.let_pass()
        self.comes_back(client)
        if client != self.driver and client not in self.line:
            self.line.append(client)
        self.let_pass()

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        client = self.someone(data)
        had = client == self.driver or client in self.line
        assert self.arbiter.release(client, self.now) is had
        if client in self.line:
            self.line.remove(client)
        elif client == self.driver:
            self.seat(NOBODY)
            self.let_pass()

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def grant(self, data: st.DataObject) -> None:
        giver, client = self.someone(data), self.someone(data)
        may = giver == self.driver and client in self.line
        assert self.arbiter.grant(giver, client, self.now) is may
        if may:
            self.line.remove(client)
            self.line.insert(0, client)
            self.seat(NOBODY)
            self.let_pass()

    @rule(stands=st.booleans())
    def the_car_moves_or_stands(self, stands: bool) -> None:
        self.stands = stands

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def deny(self, data: st.DataObject) -> None:
        giver, client = self.someone(data), self.someone(data)
        may = giver == self.driver and client in self.line and not self.turn_s
        assert self.arbiter.deny(giver, client) is may
        if may:
            self.line.remove(client)

    @precondition(lambda self: self.driver in self.present)
    @rule()
    def drive(self) -> None:
        self.arbiter.active(self.now)
        self.active_at = self.now

    @precondition(lambda self: self.present)
    @rule(data=st.data(), for_s=st.sampled_from([0, 1, 3, 8, 60]))
    def set_turns(self, data: st.DataObject, for_s: int) -> None:
        client = self.someone(data)
        may = client == self.driver and not (self.turn_s and self.line)
        assert self.arbiter.set_turns(client, for_s, self.now) is may
        if may:
            self.turn_s, self.turn_began = for_s, self.now

    @invariant()
    def the_wheel_gets_into_other_hands_only_while_the_car_stands(self) -> None:
        after = self.session if self.driver is not NOBODY else NOBODY
        assert after in (NOBODY, self.before) or self.stands
        self.before = after

    @invariant()
    def the_turn_is_what_is_left_of_it(self) -> None:
        turn = self.arbiter.turn(self.now)
        assert (turn.for_s if turn else 0) == self.turn_s
        assert turn is None or 0.0 <= turn.left_s <= turn.for_s

    @invariant()
    def the_wheel_is_where_the_laws_say(self) -> None:
        assert self.arbiter.driver == self.driver
        assert self.arbiter.requests == self.line

    @invariant()
    def one_client_drives_at_most_and_it_is_here(self) -> None:
        clients = [f"c{n}" for n in range(self.count + 1)]
        driving = [client for client in clients if self.arbiter.may_drive(client)]
        assert driving == [self.driver] * (self.driver in self.present)

    @invariant()
    def only_who_is_here_and_does_not_drive_asks(self) -> None:
        assert set(self.arbiter.requests) <= self.present.keys() - {self.driver}

    def teardown(self) -> None:
        """Whoever still asks gets the wheel sooner or later, when its driver does nothing and the car stands."""
        self.stands = True
        for _ in range(len(self.line)):
            expected = self.arbiter.requests[0]
            self.now += max(IDLE_S, GRACE_S) + 0.001  # (now + 5) - now may be a bit less than 5
            self.arbiter.tick(self.now)
            self.let_pass()
            assert self.arbiter.driver == expected


TestThreeBrowsers = ThreeBrowsers.TestCase
TestThreeBrowsers.settings = settings(stateful_step_count=40, report_multiple_bugs=False)
