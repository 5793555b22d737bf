"""A seat at the car: the order of refusals, strikes, and commands on their way before anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from picar.access.visitor import Visitor
from picar.car.battery import BatteryGuard
from picar.car.recording import Recording
from picar.car.seat import STRIKES, Seat, View
from picar.config import Config
from picar.core.late import LatePicture
from picar.core.link import RATE_PER_S, Link
from picar.core.protocol import (
    Aux,
    Clock,
    Deny,
    Drive,
    Hello,
    Limit,
    Message,
    Release,
    Stop,
    Take,
)
from picar.core.shaping import Sticks
from picar.journal.notes import Notebook

NOW = 100.0
TIMEOUT_S = 0.5
TICK = 7
AHEAD, NEUTRAL = Sticks(1.0, 0.0), Sticks(0.0, 0.0)


class Car:
    """A hub that remembers: all that happens is one list, in its order."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.driver = ""
        self.time = NOW
        self.config, self.late = Config(), LatePicture(stops=True)
        self.battery: BatteryGuard | None = None
        self.recording: Recording | None = None
        self.lesson: Any = SimpleNamespace(sentence="The garage holds this car. Look here")
        self.settle: list[Callable[[str | None], None]] = []
        self.notes = Notebook(lambda members: self.happened.append(json.loads(f"{{{members}}}")))
        self.channel: Any = SimpleNamespace(drive=self._drive, sent=3)

    def now(self) -> float:
        return self.time

    def may_drive(self, client: str) -> bool:
        return client == self.driver

    def stop(self) -> int:
        self.happened.append("stop")
        return 1

    def act(self, seat: Seat, message: Message, sent_at: float, now: float) -> str | None:
        self.happened.append((seat.id, message, sent_at, now))
        return "not_driver" if isinstance(message, Release) else None

    def on_command(self, age_s: float, now: float) -> None:
        """The age of each command is judged in tests/core/test_late.py and tests/car/test_late_link.py."""

    def passed_on(self, sent_at: float, now: float) -> None:
        """The wake-ups are counted in tests/car/test_driving.py."""

    def followed(self, client: str, neutral: bool) -> None:
        self.happened.append(("followed", client, neutral))

    def leave(self, seat: Seat) -> None:
        self.happened.append(("left", seat.id))

    def _drive(self, wanted: object, deadline: float, settle: Callable[[str | None], None]) -> None:
        self.happened.append(("sent", wanted, deadline))
        self.settle.append(settle)


class Phone:
    """A peer that writes its refusals into the car's list."""

    def __init__(self, car: Car) -> None:
        self.car = car

    def hello(self, hello: Hello) -> None:
        raise AssertionError

    def show(self, view: View) -> bool:
        raise AssertionError

    def refuse(self, code: str, sentence: str | None = None) -> None:
        self.car.happened.append(code)
        if code == "held":
            self.car.happened.append(sentence)

    def close(self, code: int, reason: str) -> None:
        self.car.happened.append(code)

    def drop(self) -> None:
        raise AssertionError


@pytest.fixture
def car() -> Car:
    return Car()


@pytest.fixture
def seat(car: Car) -> Seat:
    """A driver's seat that was sent one state."""
    seat = Seat("c1", Visitor("s"), Phone(car), Link(TIMEOUT_S), cast(Any, car))
    seat.link.sent(TICK, NOW)
    car.driver = "c1"
    return seat


def refusals(car: Car) -> list[str]:
    return [each for each in car.happened if isinstance(each, str)]


@pytest.mark.parametrize("who", ["quiet", "garage", "bridge"])
def test_a_spectator_for_good_may_stop_and_nothing_else(car: Car, who: Any) -> None:
    kind = None if who == "quiet" else who
    seat = Seat(
        "c1", Visitor("s", "Ann", kind), Phone(car), Link(TIMEOUT_S), cast(Any, car), quiet=kind is None
    )
    seat.link.sent(TICK, NOW)
    car.driver = "c1"
    messages = (
        Take(TICK), Drive(4, TICK, AHEAD), Release(), Deny("c2"), Limit(0.5, TICK), Clock(1e9), Aux(5, TICK, "horn", 1.0),
    )  # fmt: skip
    for message in messages:
        seat.do(message)
    assert refusals(car) == ["not_driver"] * len(messages)
    assert [each for each in car.happened if isinstance(each, tuple)] == []
    seat.do(Stop())
    assert "stop" in car.happened


def test_a_command_is_on_its_way_before_it_is_noted_and_its_answer_before_its_sender_counts(
    car: Car, seat: Seat
) -> None:
    seat.receive(f'{{"type":"drive","seq":4,"tick":{TICK},"throttle":1,"steering":0}}')
    sent, note = car.happened
    assert sent == ("sent", AHEAD, NOW + TIMEOUT_S)
    assert (note["client"], note["n"], note["got"]["seq"]) == ("c1", 3, 4)
    car.settle[0](None)
    assert car.happened[2:] == [("followed", "c1", False)]
    assert not seat.link.in_order(4)


def test_a_refusal_of_a_held_car_ends_with_the_text_of_the_lesson(car: Car, seat: Seat) -> None:
    seat.do(Drive(4, TICK, AHEAD))
    car.happened.clear()
    car.settle[0]("held")
    seat.settle("stale")
    assert car.happened == ["held", car.lesson.sentence, "stale"]


def test_a_command_that_the_motor_process_refuses_is_told_and_does_not_use_up_its_number(
    car: Car, seat: Seat
) -> None:
    seat.do(Drive(4, TICK, AHEAD))
    assert not seat.link.in_order(4)
    car.settle[0]("not_neutral")
    assert refusals(car) == ["not_neutral"]
    assert not any(each[0] == "followed" for each in car.happened if isinstance(each, tuple))
    assert seat.link.in_order(4)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (("too fast", "no driver", "old seq", "stale", "old picture"), "too_fast"),
        (("no driver", "old seq", "stale", "old picture"), "not_driver"),
        (("old seq", "stale", "old picture"), "out_of_order"),
        (("stale", "old picture"), "stale"),
        (("old picture",), "picture_old"),
    ],
)
def test_of_several_reasons_to_refuse_sticks_the_first_is_told_and_nothing_is_sent(
    car: Car, seat: Seat, faults: tuple[str, ...], code: str
) -> None:
    seat.do(Drive(4, TICK, AHEAD))
    car.happened.clear()
    if "too fast" in faults:
        too_fast(car, seat)
    if "no driver" in faults:
        car.driver = "c2"
    if "old picture" in faults:
        car.late.update(1.0, NOW)
    seat.do(Drive(4 if "old seq" in faults else 5, 99 if "stale" in faults else TICK, AHEAD))
    assert refusals(car)[-1] == code
    assert len(car.settle) == 1
    assert seat.link.stale == (code == "stale"), "only a tick that was looked at is counted"


def test_a_neutral_command_passes_however_old_the_picture_and_a_refused_one_keeps_its_number(
    car: Car, seat: Seat
) -> None:
    car.late.update(1.0, NOW)
    seat.do(Drive(4, TICK, AHEAD))
    assert refusals(car) == ["picture_old"]
    seat.do(Drive(4, TICK, NEUTRAL))
    assert ("sent", NEUTRAL, NOW + TIMEOUT_S) in car.happened


def test_of_several_reasons_to_refuse_another_message_the_first_is_told(car: Car, seat: Seat) -> None:
    car.driver = "c2"
    seat.do(Deny("c3"))
    seat.do(Take(99))
    assert refusals(car) == ["not_driver", "stale"]
    seat.do(Take(TICK))
    seat.do(Release())
    assert [each[1:] for each in car.happened if isinstance(each, tuple)] == [
        (Take(TICK), NOW, NOW),
        (Release(), NOW, NOW),
    ]
    assert refusals(car)[2:] == ["not_driver"]


def too_fast(car: Car, seat: Seat) -> None:
    """Send more than the rate allows for over a second."""
    for n in range(2 * RATE_PER_S * 2):
        car.time = NOW + n / (2 * RATE_PER_S)
        seat.do(Deny("c3"))
    seat.link.sent(TICK, car.time)
    assert refusals(car)[-1] == "too_fast"


def test_a_stop_is_never_refused(car: Car, seat: Seat) -> None:
    too_fast(car, seat)
    car.driver = "c2"
    for _ in range(1000):
        seat.do(Stop())
    assert refusals(car)[-1000:] == ["stop"] * 1000


def test_the_third_unreadable_message_in_a_row_closes_the_connection(car: Car, seat: Seat) -> None:
    for text in ("?", "?", '{"type":"stop"}', "?", '{"type":"what"}', "?", b"?"):
        seat.receive(text)
    assert 1008 not in car.happened
    seat.receive("?")
    assert car.happened.count(1008) == 1
    assert STRIKES == 3


def test_a_message_without_its_text_is_noted_too(car: Car, seat: Seat) -> None:
    seat.do(Take(TICK))
    assert car.happened[-1] == {"client": "c1", "got": None, "n": 3}


def test_a_client_that_leaves_gives_up_its_seat(car: Car, seat: Seat) -> None:
    seat.leave()
    seat.leave()
    seat.do(Take(TICK))
    seat.do(Stop())
    seat.receive(f'{{"type":"drive","seq":4,"tick":{TICK},"throttle":1,"steering":0}}')
    assert car.happened == [("left", "c1")]
