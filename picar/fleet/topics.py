"""The topics of a car and of a garage on an MQTT broker: build their messages, read those of others. Pure; docs/mqtt.md has the tables.

Laws:
- Nothing that arrives can move a car: no command of `VERBS` drives.
- A command `stop` counts with any payload.
- A retained command is refused, except `stop`.
- A payload for a garage counts only if it has what makes a card live: a version, a boot, a number and a known state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from picar.core.lesson import MODES, Lesson
from picar.core.protocol import MAX_INTEGER
from picar.core.shaping import LEAST_SPEED

VERSION = 1
MOST_BYTES = 1024  # of a payload
STATE_EXPIRY_S, EVENT_EXPIRY_S, RESULT_EXPIRY_S, COMMAND_EXPIRY_S = 60, 300, 30, 5
ONLINE, OFFLINE, LOST = "online", "offline", "lost"
HA_STATUS = "homeassistant/status"
VERBS = ("stop", "cap")
_ID = re.compile(r"[\w-]{8,64}", re.ASCII)
_CAR = re.compile(r"[a-z0-9]{8}", re.ASCII)  # so `all` and `garage` are none
_HOST = ("wifi_dbm", "battery_v", "battery_percent", "temperature_c", "under_voltage", "uptime_s")
_KEPT = ("state", "speed_limit", "reason", "clients")  # names as in picar.v1
_STATES = ("disarmed", "armed", "failsafe", "stopped")


class Message(NamedTuple):
    """One message to the broker. `expiry_s` is its lifetime at the broker in s; None for an endless one."""

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None


class Command(NamedTuple):
    """A command from the broker.

    `code` is the reason of a refusal, "" for a valid command; `speed` belongs to `cap`; `retained` is the topic of a retained
    command, else "".
    """

    verb: str
    id: str | None = None
    by: str = ""
    speed: float = 1.0
    code: str = ""
    retained: str = ""


class Topics:
    """The topics of one car.

    Args:
        base: the first word of all topics.
        car: the car's id.
    """

    def __init__(self, base: str, car: str) -> None:
        self.base, self.car = base, car
        self.own = f"{base}/{car}"
        self.is_online, self.discovery = f"{self.own}/online", f"homeassistant/device/picar_{car}/config"
        self.commands = [f"{self.own}/cmd/+", f"{base}/all/cmd/+"]
        self.lessons = {f"{base}/all/lesson": "all", f"{self.own}/lesson": "own"}  # with their scopes

    def online(self, word: str) -> Message:
        """Return the presence of the car; `LOST` is the will."""
        return Message(self.is_online, word, retain=True)

    def config(self, payload: Mapping[str, Any] | None) -> Message:
        """Return the discovery for Home Assistant; a payload of None removes the car there."""
        return Message(self.discovery, "" if payload is None else _text(payload), retain=True)

    def info(self, boot: str, facts: Mapping[str, Any]) -> Message:
        """Return the facts about the car, of `facts_of`."""
        return Message(f"{self.own}/info", _text({"v": VERSION, "boot": boot, **facts}), retain=True)

    def state(self, boot: str, seq: int, fields: Mapping[str, Any]) -> Message:
        """Return a state, of `state_fields`."""
        payload = _text({"v": VERSION, "boot": boot, "seq": seq, **fields})
        return Message(f"{self.own}/state", payload, qos=0, retain=True, expiry_s=STATE_EXPIRY_S)

    def event(self, boot: str, seq: int, kind: str, text: str) -> Message:
        """Return an event."""
        payload = {"v": VERSION, "boot": boot, "seq": seq, "kind": kind, "text": cut(text, 80)}
        return Message(f"{self.own}/event", _text(payload), expiry_s=EVENT_EXPIRY_S)

    def result(self, command: Command, code: str = "", sentence: str = "") -> Message:
        """Return the answer to a command; with a code it is refused, except a retained `stop`, which is obeyed."""
        obeyed = not code or (command.verb == "stop" and code == "retained_command")
        payload: dict[str, Any] = {"v": VERSION, "cmd": command.verb, "id": command.id, "ok": obeyed}
        if code:
            payload |= {"code": code, "message": cut(sentence, 160)}
        return Message(f"{self.own}/result", _text(payload), expiry_s=RESULT_EXPIRY_S)

    def verb_of(self, topic: str) -> str | None:
        """Return the verb of a command's topic; None for other topics."""
        given, _, verb = topic.partition("/cmd/")
        return verb if given in (self.own, f"{self.base}/all") else None


class GarageTopics:
    """The topics of one garage.

    Args:
        base: the first word of all topics.
        name: the name of the garage.
    """

    def __init__(self, base: str, name: str) -> None:
        self.base, self.name = base, re.sub(r"[+#/$]", "-", cut(name, 40))
        self.is_online = f"{base}/garage/{self.name}/online"
        self.presences = f"{base}/+/online"
        self.facts = [f"{base}/+/{word}" for word in ("info", "state", "result", "lesson")]

    def online(self, word: str) -> Message:
        """Return the presence of the garage; `LOST` is the will."""
        return Message(self.is_online, word, retain=True)

    def stop(self, command_id: str, by: str) -> Message:
        """Return a stop of all cars."""
        payload = _text({"v": VERSION, "id": command_id, "by": cut(by, 40)})
        return Message(f"{self.base}/all/cmd/stop", payload, expiry_s=COMMAND_EXPIRY_S)

    def lesson(self, car: str | None, lesson: Lesson) -> Message:
        """Return a lesson for a car, None for all cars."""
        texts = {"by": cut(lesson.by, 40), "text": cut(lesson.text, 80)}
        payload = _text({"v": VERSION, **lesson._asdict(), **texts})
        return Message(f"{self.base}/{car or 'all'}/lesson", payload, retain=True)

    def parts_of(self, topic: str) -> tuple[str, str]:
        """Return the car and the last word of a topic of `presences` or `facts`; `all` for all cars, "" for no car."""
        car, _, word = topic.removeprefix(f"{self.base}/").partition("/")
        is_known = (car == "all" and word == "lesson") or _CAR.fullmatch(car)
        return (car if is_known else "", word)


def state_fields(state: Mapping[str, Any], lesson_seq: int | None, stop_id: str | None) -> dict[str, Any]:
    """Return the members of a state topic.

    Args:
        state: a state of picar.v1.
        lesson_seq: seq of the newest lesson for all cars, or None.
        stop_id: id of the newest `stop` from the broker that the car has carried out.
    """
    driver, host, lesson = state.get("driver"), state.get("host") or {}, state.get("lesson") or {}
    fields: dict[str, Any] = {name: state.get(name) for name in _KEPT}
    fields |= {"driver": driver and cut(state.get("names", {}).get(driver, driver), 40)}
    # The owner's cap, or that of the lesson and of `cmd/cap`.
    fields |= {"speed_cap": min(state.get("speed_cap", 1.0), lesson.get("cap", 1.0))}
    fields |= {"moving": is_moving(state), "lesson": lesson.get("mode", "drive")}
    fields |= {"lesson_seq": lesson_seq, "stop_id": stop_id}
    return fields | {name: host.get(name) for name in _HOST}


def is_moving(state: Mapping[str, Any]) -> bool:
    """Return whether a wheel of this state of picar.v1 turns or shall turn."""
    return any(any((state.get(name) or {}).values()) for name in ("applied", "target"))


def facts_of(
    session: Mapping[str, Any], hello: Mapping[str, Any], urls: Sequence[str], https: int | None
) -> dict[str, Any]:
    """Return the members of the topic `info`.

    Args:
        session: the public answer of `GET /api/v1/session`.
        hello: the car's hello.
        urls: addresses of the page.
        https: port of https, or None.
    """
    named = {name: session.get(name) for name in ("id", "colour", "number", "version")}
    more = {"urls": [url[:80] for url in urls[:4]], "https": https}
    more |= {"max_speed": hello["limits"]["max_speed"], "video": bool(hello["car"].get("camera"))}
    return {"name": cut(session.get("car") or "", 40), **named, **more}


def events_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and text of each event that lies between two values of `state_fields`."""
    was, now = before["state"], after["state"]
    found = []
    if now == "stopped" != was:
        found.append(("stop", f"stopped: {after['reason']}"))
    if now == "failsafe" != was:
        found.append(("failsafe", f"failsafe: {after['reason']}"))
    if after["driver"] != before["driver"]:
        found.append(("driver", after["driver"] or ""))
    if after["under_voltage"] and not before["under_voltage"]:
        found.append(("under_voltage", "the supply voltage is low"))
    if after["lesson"] == "hold" != before["lesson"]:
        found.append(("held", "the garage holds this car"))
    return found


def cut(text: str, characters: int) -> str:
    """Return a text without control characters, at most so long."""
    return "".join(filter(str.isprintable, text[: 4 * characters]))[:characters]


def _text(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _object(payload: bytes) -> dict[str, Any]:
    """Return a payload of this version as a JSON object, an empty one for no payload; raises ValueError."""
    if len(payload) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    try:
        found = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004
    if type(found.get("v", VERSION)) is not int or found.get("v", VERSION) != VERSION:
        raise ValueError(f"v is not {VERSION}")
    return found


def _member(found: Mapping[str, Any], name: str, kinds: tuple[type, ...], default: Any) -> Any:
    value = found.get(name, default)
    if type(value) not in kinds:
        raise ValueError(f"{name} is missing or has the wrong type")
    return value


def _share(found: Mapping[str, Any], name: str, default: float | None) -> float:
    value = _member(found, name, (int, float), default)
    if not LEAST_SPEED <= value <= 1.0:  # which NaN is not
        raise ValueError(f"{name} is a number from {LEAST_SPEED:g} to 1")
    return float(value)


def command_of(verb: str, payload: bytes, retained: str) -> Command:
    """Return a command from the broker. `retained` is the topic of a retained command, else ""."""
    if verb not in VERBS:
        return Command(cut(verb, 16), code="unknown_verb", retained=retained)
    try:
        found = _object(payload)
        given = found.get("id")
        if given is not None and not (isinstance(given, str) and _ID.fullmatch(given)):
            raise ValueError("id has 8 to 64 letters, digits, - and _")  # noqa: TRY301
        by = cut(_member(found, "by", (str,), ""), 40)
        command = Command(verb, given, by, retained=retained)
    except ValueError:
        return Command(verb, code="" if verb == "stop" else "bad_message", retained=retained)
    if verb == "cap":
        if retained:
            return command._replace(code="retained_command")
        try:
            return command._replace(speed=_share(found, "speed", None))
        except ValueError:
            return command._replace(code="bad_value")
    return command


def lesson_of(payload: bytes) -> Lesson | None:
    """Return the lesson of a payload, None for no payload: the lesson has been removed. Raises ValueError."""
    if not payload:
        return None
    found = _object(payload)
    mode, seq = _member(found, "mode", (str,), None), _member(found, "seq", (int,), None)
    if mode not in MODES or not 0 <= seq <= MAX_INTEGER:
        raise ValueError("mode is drive or hold, and seq a whole number from 0 to 2^53 - 1")
    texts = (cut(_member(found, name, (str,), ""), 80) for name in ("by", "text"))
    return Lesson(mode, _share(found, "cap", 1.0), seq, *texts)


def presence_of(payload: bytes) -> str:
    """Return the word of a presence. Raises ValueError."""
    word = payload[:10].decode(errors="replace")
    if word not in (ONLINE, OFFLINE, LOST):
        raise ValueError(f"it is not {ONLINE}, {OFFLINE} or {LOST}")
    return word


def state_of(payload: bytes) -> dict[str, Any]:
    """Return the object of a state topic. Its `state` is valid, the rest may be anything. Raises ValueError."""
    found = _object(payload)
    _member(found, "boot", (str,), None)
    _member(found, "seq", (int,), None)
    if found.get("state") not in _STATES:
        raise ValueError("state has an unknown value")
    return found


def info_of(payload: bytes) -> dict[str, Any]:
    """Return the object of a topic `info`, with the first address as `url`. Its values may be anything. Raises ValueError."""
    found = _object(payload)
    urls = _member(found, "urls", (list,), [])
    return {"id": None, **found, "url": next(iter(urls), None)}


def stop_of(payload: bytes) -> str | None:
    """Return the id of the stop that a car has carried out, in a payload of `result`, or None. Raises ValueError."""
    found = _object(payload)
    stop_id = found.get("id")
    is_answer = found.get("cmd") == "stop" and found.get("ok") is True
    return stop_id if is_answer and isinstance(stop_id, str) else None
