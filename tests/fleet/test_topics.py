"""What the bridge publishes and how it reads: to the letter of docs/mqtt.md."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.lesson import Lesson
from picar.fleet.topics import (
    MOST_BYTES,
    Command,
    Message,
    Topics,
    command_of,
    events_between,
    facts_of,
    lesson_of,
    state_fields,
)

TOPICS = Topics("picar", "k3f9a2b7")
HOST = {
    "temperature_c": 48.2,
    "under_voltage": False,
    "cpu_percent": 12,
    "wifi_dbm": -51,
    "uptime_s": 3600,
    "battery_v": 7.6,
    "battery_percent": 71,
}
STATE: dict[str, Any] = {
    "type": "state",
    "tick": 1,
    "state": "armed",
    "driver": "c1",
    "names": {"c1": "Ada's phone"},
    "applied": {"left": 0.4, "right": 0.5},
    "target": {"left": 0.5, "right": 0.5},
    "speed_limit": 0.6,
    "speed_cap": 1.0,
    "reason": None,
    "clients": 2,
    "lesson": None,
    "host": HOST,
}
SESSION = {"id": "k3f9a2b7", "colour": "ee8866", "number": 7, "version": "1.2.0", "car": "Blitz"}
HELLO = {"car": {"name": "Blitz", "camera": {"source": "sim"}}, "limits": {"max_speed": 0.8}}


def command(verb: str, payload: bytes | str | dict[str, Any] = b"", retained: str = "") -> Command:
    return command_of(verb, encoded(payload), retained)


def lesson(payload: bytes | str | dict[str, Any]) -> Lesson | None:
    return lesson_of(encoded(payload))


def encoded(payload: bytes | str | dict[str, Any]) -> bytes:
    text = json.dumps(payload) if isinstance(payload, dict) else payload
    return text if isinstance(text, bytes) else text.encode()


def test_each_topic_has_its_quality_of_service_its_retain_bit_and_its_expiry() -> None:
    fields = state_fields(STATE, 17, None)
    sent = {
        "online": TOPICS.online("lost"),
        "info": TOPICS.info("b1", facts_of(SESSION, HELLO, ["http://10.0.0.7"], None)),
        "state": TOPICS.state("b1", 4, fields),
        "event": TOPICS.event("b1", 5, "stop", "stopped"),
        "result": TOPICS.result(Command("stop", "12345678")),
    }
    assert {name: message.topic for name, message in sent.items()} == {n: f"picar/k3f9a2b7/{n}" for n in sent}
    assert {name: message[2:] for name, message in sent.items()} == {
        "online": (1, True, None),
        "info": (1, True, None),
        "state": (0, True, 60),
        "event": (1, False, 300),
        "result": (1, False, 30),
    }
    assert TOPICS.config({})[:1] + TOPICS.config({})[2:] == (
        "homeassistant/device/picar_k3f9a2b7/config",
        1,
        True,
        None,
    )
    assert TOPICS.config(None).payload == ""


def test_a_state_has_exactly_the_members_of_the_table() -> None:
    assert json.loads(TOPICS.state("b1", 4, state_fields(STATE, 17, "12345678")).payload) == {
        "v": 1,
        "boot": "b1",
        "seq": 4,
        "state": "armed",
        "driver": "Ada's phone",
        "moving": True,
        "speed_limit": 0.6,
        "speed_cap": 1.0,
        "lesson": "drive",
        "lesson_seq": 17,
        "stop_id": "12345678",
        "reason": None,
        "clients": 2,
        "wifi_dbm": -51,
        "battery_v": 7.6,
        "battery_percent": 71,
        "temperature_c": 48.2,
        "under_voltage": False,
        "uptime_s": 3600,
    }


def test_what_a_car_does_not_know_is_null() -> None:
    fields = state_fields({"state": "disarmed", "driver": None, "host": {}}, None, None)
    unknown = ("driver", "lesson_seq", "stop_id", "wifi_dbm", "battery_v", "under_voltage", "uptime_s")
    assert [fields[name] for name in unknown] == [None] * len(unknown)
    assert (fields["moving"], fields["lesson"]) == (False, "drive")


def test_a_held_car_shows_its_lesson() -> None:
    held = STATE | {"lesson": {"mode": "hold", "cap": 0.4, "text": "Listen, please", "garage_s": None}}
    fields = state_fields(held, 18, None)
    assert (fields["lesson"], fields["speed_cap"]) == ("hold", 0.4)
    assert state_fields(held | {"speed_cap": 0.3}, 18, None)["speed_cap"] == 0.3, "the lowest counts"


def test_the_facts_have_exactly_the_members_of_the_table() -> None:
    info = TOPICS.info("b1", facts_of(SESSION, HELLO, ["http://10.0.0.7"], 8443))
    assert json.loads(info.payload) == {
        "v": 1,
        "id": "k3f9a2b7",
        "name": "Blitz",
        "colour": "ee8866",
        "number": 7,
        "version": "1.2.0",
        "boot": "b1",
        "urls": ["http://10.0.0.7"],
        "https": 8443,
        "max_speed": 0.8,
        "video": True,
    }


def test_events_and_results_have_exactly_the_members_of_the_table() -> None:
    event = json.loads(TOPICS.event("b1", 5, "held", "the garage holds this car").payload)
    assert event == {"v": 1, "boot": "b1", "seq": 5, "kind": "held", "text": "the garage holds this car"}
    good, bad = (TOPICS.result(Command("cap", "12345678"), code, "No.") for code in ("", "bad_value"))
    assert json.loads(good.payload) == {"v": 1, "cmd": "cap", "id": "12345678", "ok": True}
    refused = {"v": 1, "cmd": "cap", "id": "12345678", "ok": False, "code": "bad_value", "message": "No."}
    assert json.loads(bad.payload) == refused


@given(st.text(), st.text(), st.text(), st.lists(st.text(min_size=60, max_size=200), max_size=9))
def test_no_payload_is_longer_than_allowed_or_no_utf_8(
    name: str, driver: str, text: str, urls: list[str]
) -> None:
    urls = [url.encode(errors="replace").decode() for url in urls]
    long = 50 * name
    facts = facts_of(SESSION | {"car": long}, HELLO, [url[:30] for url in urls], None)
    state = state_fields(STATE | {"names": {"c1": 50 * driver}}, 2**53, "x" * 64)
    messages = (
        TOPICS.info("b" * 16, facts),
        TOPICS.state("b" * 16, 2**40, state),
        TOPICS.event("b" * 16, 2**40, "driver", 50 * text),
        TOPICS.result(Command("stop", "x" * 64), "no_answer", 50 * text),
    )
    assert [len(message.payload.encode()) for message in messages if not _fits(message)] == []


def _fits(message: Message) -> bool:
    return len(message.payload.encode()) <= MOST_BYTES


def test_commands_come_for_one_car_or_for_all() -> None:
    assert TOPICS.verb_of("picar/k3f9a2b7/cmd/stop") == TOPICS.verb_of("picar/all/cmd/stop") == "stop"
    for topic in (
        "picar/other000/cmd/stop",
        "picar/all/cmd",
        "picar/garage/a/online",
        "",
        "picar/all/lesson",
    ):
        assert TOPICS.verb_of(topic) is None
    sent = {"v": 1, "id": "12345678", "by": "Ms Lovelace"}
    assert command("stop", sent) == Command("stop", "12345678", "Ms Lovelace")
    assert command("stop") == Command("stop")


@given(st.binary(max_size=2000), st.sampled_from(["", "picar/all/cmd/stop"]))
def test_a_stop_with_any_payload_is_a_stop(payload: bytes, retained: str) -> None:
    found = command("stop", payload, retained)
    assert (found.verb, found.code, found.retained) == ("stop", "", retained)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("v", "id", "by", "speed", "mode", "cap", "seq", "text"), JSON),
)


PAYLOADS = st.binary(max_size=1200) | MEMBERS.map(lambda found: json.dumps(found).encode(errors="replace"))


@given(st.sampled_from(["stop", "cap"]) | st.text(max_size=20), PAYLOADS, st.sampled_from(["", "a/cmd/b"]))
def test_no_payload_of_a_command_raises_an_error_or_gets_past_the_ranges(
    verb: str, payload: bytes, retained: str
) -> None:
    found = command(verb, payload, retained)
    assert found.verb == "stop" or found.code or (verb == "cap" and 0.05 <= found.speed <= 1.0)
    assert json.loads(TOPICS.result(found, found.code, "No.").payload)["ok"] is (not found.code)


@given(PAYLOADS)
def test_a_payload_of_a_lesson_is_one_in_its_ranges_or_is_refused(payload: bytes) -> None:
    try:
        found = lesson(payload)
    except ValueError:
        return
    assert found is None if not payload else found and found.mode in ("drive", "hold")
    assert found is None or 0.05 <= found.cap <= 1.0


HUGE = b"9" * 500  # has no float

BREAKERS = [b"[" * 1000, b'{"a":' * 200, b"1" * 1024, b'{"v":1,"speed":NaN}', b'{"speed":%s}' % HUGE]
BREAKERS += [b'{"mode":"hold","seq":1,"cap":%s}' % HUGE, b'{"mode":"hold","seq":-%s}' % HUGE]


@pytest.mark.parametrize("nested", BREAKERS)
def test_json_that_breaks_parsers_is_refused(nested: bytes) -> None:
    assert command("cap", nested).code in ("bad_message", "bad_value")
    with pytest.raises(ValueError, match=r"JSON|seq|mode|speed|bytes|missing|cap"):
        lesson(nested)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"speed": 0.6}, ""),
        ({"v": 1, "id": "abcdefgh", "by": "HA", "speed": 1, "more": [1]}, ""),
        ({"v": 2, "speed": 0.6}, "bad_message"),
        ({"v": True, "speed": 0.6}, "bad_message"),
        ({"id": "short", "speed": 0.6}, "bad_message"),
        ({"id": 12345678, "speed": 0.6}, "bad_message"),
        ({"by": 7, "speed": 0.6}, "bad_message"),
        ({}, "bad_value"),
        ({"speed": True}, "bad_value"),
        ({"speed": "0.6"}, "bad_value"),
        ({"speed": 0.0}, "bad_value"),
        ({"speed": 1.01}, "bad_value"),
        ([0.6], "bad_message"),
    ],
)
def test_a_cap_needs_a_speed_in_its_range(payload: Any, code: str) -> None:
    assert command("cap", json.dumps(payload)).code == code


@pytest.mark.parametrize("verb", ["drive", "take", "reset", "hold", "", "stop/x"])
def test_no_other_verb_is_known(verb: str) -> None:
    assert command(verb, {"speed": 1.0}).code == "unknown_verb"


def test_of_retained_commands_only_stop_counts_and_its_answer_reports_it() -> None:
    assert command("cap", {"id": "12345678", "speed": 0.5}, "picar/all/cmd/cap").code == "retained_command"
    stop = command("stop", {"id": "12345678"}, "picar/k3f9a2b7/cmd/stop")
    assert (stop.code, stop.retained) == ("", "picar/k3f9a2b7/cmd/stop")
    answer = json.loads(TOPICS.result(stop, "retained_command", "Remove it.").payload)
    assert (answer["ok"], answer["code"]) == (True, "retained_command")


def test_a_lesson_has_the_members_of_the_table_and_an_empty_one_is_removed() -> None:
    sent = {"v": 1, "mode": "hold", "cap": 0.5, "seq": 17, "by": "Room 4", "text": "Listen, please"}
    assert lesson(sent) == Lesson("hold", 0.5, 17, "Room 4", "Listen, please")
    assert lesson({"mode": "drive", "seq": 0}) == Lesson("drive", 1.0, 0, "", "")
    assert lesson(b"") is None


@pytest.mark.parametrize(
    "changed",
    [{"mode": "stop"}, {"mode": None}, {"seq": -1}, {"seq": 1.5}, {"seq": True}, {"cap": 0}, {"text": 5}],
)
def test_a_lesson_with_a_wrong_member_is_refused(changed: dict[str, Any]) -> None:
    sent = {"v": 1, "mode": "hold", "cap": 0.5, "seq": 17, "by": "Room 4", "text": ""}
    with pytest.raises(ValueError, match=r"is a number|mode is|missing"):
        lesson(sent | changed)


def test_events_are_the_differences_of_two_states() -> None:
    before = state_fields(STATE, 17, None)

    def kinds(**changed: Any) -> list[str]:
        return [kind for kind, _ in events_between(before, before | changed)]

    assert kinds() == kinds(moving=False, clients=9, state="disarmed") == []
    assert kinds(state="stopped", reason="stop") == ["stop"]
    assert kinds(state="failsafe", reason="commands_stale") == ["failsafe"]
    assert kinds(driver=None) == kinds(driver="Bo") == ["driver"]
    assert kinds(under_voltage=True) == ["under_voltage"]
    assert kinds(lesson="hold") == ["held"]
