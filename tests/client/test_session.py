"""The client's session: the car reads each of its messages, and it keeps hello, state and refusals of the car."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.client.session import Refusal, Session
from picar.core import protocol
from picar.core.protocol import Hello
from picar.core.shaping import Jog, Sticks, Tank
from tests.support.calibrations import two_sides

TICK = 2914067533
CALIBRATION = two_sides(True, False, False, 1.0, 0.9, 0.25)
HELLO = protocol.hello(Hello("c1", {"name": "picar"}, 0.5, 0.05, {"max_speed": 1.0}))


def state(tick: int = TICK, you: str = "driver") -> str:
    return protocol._text(type="state", tick=tick, state="armed", driver="c1", you=you)


def session() -> Session:
    """Return a session that has received hello and a state, at the time 10."""
    made = Session()
    for text in (HELLO, state()):
        assert made.receive(text, 10.0) == json.loads(text)
    return made


@pytest.mark.parametrize(
    ("send", "message"),
    [
        (lambda s: s.drive(0.5, -0.2), protocol.Drive(1, TICK, Sticks(0.5, -0.2))),
        (lambda s: s.drive(1), protocol.Drive(1, TICK, Sticks(1.0, 0.0))),
        (lambda s: s.tank(0.4, -0.4), protocol.Drive(1, TICK, Tank(0.4, -0.4))),
        (lambda s: s.jog("left", 0.2), protocol.Drive(1, TICK, Jog("left", 0.2))),
        (Session.take, protocol.Take(TICK)),
        (Session.release, protocol.Release()),
        (lambda s: s.grant("c3"), protocol.Grant("c3", TICK)),
        (lambda s: s.deny("c3"), protocol.Deny("c3")),
        (lambda s: s.turn(60), protocol.SetTurns(60, TICK)),
        (Session.stop, protocol.Stop()),
        (Session.reset, protocol.Reset(TICK)),
        (lambda s: s.limit(0.6), protocol.Limit(0.6, TICK)),
        (lambda s: s.clock(1795651200), protocol.Clock(1795651200.0)),
        (lambda s: s.calibrate(**CALIBRATION.values), protocol.Calibrate(CALIBRATION, TICK)),
        (Session.uncalibrate, protocol.Calibrate(None, TICK)),
    ],
)
def test_the_car_reads_each_message_as_it_was_meant(
    send: Callable[[Session], str], message: protocol.Message
) -> None:
    assert repr(protocol.parse(send(session()))) == repr(message)  # sticks of two kinds may be equal


def test_there_is_a_message_of_each_type_that_the_car_reads() -> None:
    assert all(hasattr(Session, kind) for kind in protocol._READERS)


def test_seq_rises_with_every_command_and_with_nothing_else() -> None:
    car = session()
    texts = [car.drive(0.0), car.stop(), car.tank(0.0, 0.0), car.reset(), car.jog("right", 0.1)]
    assert [json.loads(text).get("seq") for text in texts] == [1, None, 2, None, 3]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_cannot_hold_is_refused_and_uses_up_no_seq(value: float) -> None:
    car = session()
    with pytest.raises(ValueError, match="JSON"):
        car.drive(value)
    assert car.seq == 0


def test_a_command_carries_the_newest_tick() -> None:
    car = session()
    car.receive(state(tick=7), 10.1)
    assert json.loads(car.drive(0.0))["tick"] == 7


def test_before_the_first_state_there_are_a_stop_and_a_release_but_no_command() -> None:
    car = Session()
    assert (car.ready, car.drives, car.is_fresh(0.0)) == (False, False, False)
    assert (protocol.parse(car.stop()), protocol.parse(car.release())) == (
        protocol.Stop(),
        protocol.Release(),
    )
    with pytest.raises(KeyError):
        car.drive(1.0)
    assert car.seq == 0


def test_the_wheel_is_what_the_newest_state_says() -> None:
    car = session()
    assert car.drives
    car.receive(state(you="spectator"), 10.1)
    assert not car.drives


def test_a_state_is_fresh_for_as_long_as_the_car_may_accept_a_command_on_it() -> None:
    car = session()
    assert car.ready
    assert [car.is_fresh(now) for now in (10.0, 10.49, 10.5)] == [True, True, False]
    car.receive(protocol.error("stale"), 10.5)
    assert not car.is_fresh(10.5), "an error is no state"


@pytest.mark.parametrize("code", sorted(map(str, protocol.MESSAGES)))
def test_a_refusal_has_its_code_and_its_sentence(code: str) -> None:
    assert session().receive(protocol.error(code), 11.0) == Refusal(code, protocol.MESSAGES[code])


@pytest.mark.parametrize(
    "text",
    [
        *("", "no", "[1]", "{}", '{"type":1}', b"\xff", "[" * 100_000),
        *('{"type":"hello"}', '{"type":"state","tick":1}', '{"type":"error","code":"stale"}'),
    ],
)
def test_a_text_that_is_no_message_changes_nothing(text: str | bytes) -> None:
    car = session()
    before = (car.hello, car.state, car.state_at, car.seq)
    with pytest.raises(protocol.ProtocolError) as refused:
        car.receive(text, 11.0)
    assert refused.value.code == "bad_message"
    assert (car.hello, car.state, car.state_at, car.seq) == before


def test_types_and_keys_of_a_newer_car_are_no_error() -> None:
    car = session()
    assert car.receive('{"type":"picture","jpeg":""}', 11.0) == {"type": "picture", "jpeg": ""}
    car.receive('{"type":"state","tick":8,"you":"driver","mood":"fine"}', 11.0)
    assert (car.tick, car.state["mood"]) == (8, "fine")


@given(st.text() | st.binary())
def test_no_text_does_more_than_be_refused(text: str | bytes) -> None:
    car = session()
    with contextlib.suppress(protocol.ProtocolError):
        car.receive(text, 11.0)
    assert car.ready
