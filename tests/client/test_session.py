"""The client's session: the car reads each of its messages, and it keeps hello, state and refusals of the car."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.client.session import CarError, Session
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
    ("kind", "values", "message"),
    [
        ("drive", {"throttle": 0.5, "steering": -0.2}, protocol.Drive(1, TICK, Sticks(0.5, -0.2))),
        ("tank", {"left": 0.4, "right": -0.4}, protocol.Drive(1, TICK, Tank(0.4, -0.4))),
        ("jog", {"side": "left", "duty": 0.2}, protocol.Drive(1, TICK, Jog("left", 0.2))),
        ("aux", {"name": "horn", "value": 1}, protocol.Aux(1, TICK, "horn", 1.0)),
        ("override", {}, protocol.Override(TICK)),
        ("stay_on", {}, protocol.StayOn(TICK)),
        ("record", {"on": True}, protocol.Record(True, TICK)),
        ("take", {}, protocol.Take(TICK)),
        ("release", {}, protocol.Release()),
        ("grant", {"client": "c3"}, protocol.Grant("c3", TICK)),
        ("deny", {"client": "c3"}, protocol.Deny("c3")),
        ("turn", {"for_s": 60}, protocol.SetTurns(60, TICK)),
        ("stop", {}, protocol.Stop()),
        ("reset", {}, protocol.Reset(TICK)),
        ("limit", {"speed": 0.6}, protocol.Limit(0.6, TICK)),
        ("clock", {"unix_s": 1795651200}, protocol.Clock(1795651200.0)),
        ("calibrate", CALIBRATION.values, protocol.Calibrate(CALIBRATION, TICK)),
        ("uncalibrate", {}, protocol.Calibrate(None, TICK)),
    ],
)
def test_the_car_reads_each_message_as_it_was_meant(
    kind: str, values: dict[str, Any], message: protocol.Message
) -> None:
    text = session().message(kind, **values)
    assert repr(protocol.parse(text)) == repr(message)  # sticks of two kinds may be equal


def test_a_message_of_each_type_that_the_car_reads_is_tried() -> None:
    (table,) = test_the_car_reads_each_message_as_it_was_meant.pytestmark
    assert {kind for kind, *_ in table.args[1]} == set(protocol._READERS)


def drive(car: Session, throttle: float = 0.0) -> str:
    return car.message("drive", throttle=throttle, steering=0.0)


def test_seq_rises_with_every_command_and_with_nothing_else() -> None:
    car = session()
    tank, jog = {"left": 0.0, "right": 0.0}, {"side": "right", "duty": 0.1}
    texts = [drive(car), car.message("stop"), car.message("tank", **tank), car.message("reset")]
    texts.append(car.message("jog", **jog))
    assert [json.loads(text).get("seq") for text in texts] == [1, None, 2, None, 3]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_cannot_hold_is_refused_and_uses_up_no_seq(value: float) -> None:
    car = session()
    with pytest.raises(ValueError, match="JSON"):
        drive(car, value)
    assert car.seq == 0


def test_a_command_carries_the_newest_tick() -> None:
    car = session()
    car.receive(state(tick=7), 10.1)
    assert json.loads(drive(car))["tick"] == 7


def test_before_the_first_state_there_are_a_stop_and_a_release_but_no_command() -> None:
    car = Session()
    assert (car.ready, car.drives, car.is_fresh(0.0)) == (False, False, False)
    texts = car.message("stop"), car.message("release")
    assert [protocol.parse(text) for text in texts] == [protocol.Stop(), protocol.Release()]
    with pytest.raises(KeyError):
        drive(car)
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
    refusal = session().receive(protocol.error(code), 11.0)
    assert isinstance(refusal, CarError)
    assert (refusal.code, str(refusal)) == (code, protocol.MESSAGES[code])


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
