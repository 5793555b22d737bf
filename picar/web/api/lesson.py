"""The lesson over HTTP: a garage or a bridge sends it, all paired clients read it, and the owner lifts a hold by PIN."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from picar.access.names import tidy_name
from picar.access.tokens import PinGuard
from picar.access.visitor import FLEET
from picar.car.hub import Hub
from picar.core.lesson import DRIVE, MODES, SCOPES, TEXT_BYTES, TEXT_CHARACTERS, Lesson
from picar.core.protocol import MAX_INTEGER
from picar.core.shaping import LEAST_SPEED
from picar.web.api.access import check_pin
from picar.web.auth import Gate
from picar.web.handler import JsonHandler, Refused, Route, bad_request

_OLD = "This car has a newer lesson. Send one with a higher seq."
_NOT_GARAGE = "Only the garage sets lessons and caps. The car's PIN lifts a hold on this car."
_NOT_RAISED = (
    "A command may only lower this cap. The next lesson ends it; allow_raise under [mqtt] allows to raise it."
)


class LessonHandler(JsonHandler):
    """`/api/v1/lesson`: GET reads the lesson, PUT changes it."""

    fleet = True
    gate: Gate
    guard: PinGuard
    hub: Hub

    def get(self) -> None:
        """Send the lesson in force, and the newest one of each scope."""
        self.hub.lesson.heard(self.visitor, self.hub.now())
        self.write(self.hub.lesson.fields())

    head = get

    def put(self) -> None:
        """Take a lesson of a garage or a bridge, or the owner's lift."""
        number, text = (int, float), (str,)
        body = self.members(scope=text, mode=text, cap=number, seq=(int,), text=text, by=text, pin=text)
        if "pin" in body:
            self._lift(body)
        else:
            refuse_others(self)
            scope, lesson = self._lesson(body)
            if not self.hub.lesson.put(scope, lesson):
                raise Refused(HTTPStatus.CONFLICT, "old_lesson", _OLD)
        self.get()

    def _lift(self, body: dict[str, Any]) -> None:
        if body != {"mode": DRIVE, "pin": body["pin"]}:
            raise bad_request("with a pin, its body has mode drive and no other member")
        check_pin(self, self.gate, self.guard, body["pin"])
        self.hub.lesson.lift()

    def _lesson(self, body: dict[str, Any]) -> tuple[str, Lesson]:
        """Return the scope and the lesson of a body."""
        scope, mode, seq, cap = (body.get(name) for name in ("scope", "mode", "seq", "cap"))
        if scope not in SCOPES or mode not in MODES:
            raise bad_request(f"scope is {' or '.join(SCOPES)}, and mode is {' or '.join(MODES)}")
        if seq is None or not 0 <= seq <= MAX_INTEGER:
            raise bad_request("seq is a whole number from 0 to 2^53 - 1")
        speed = checked_cap(1.0 if cap is None else cap, "cap")
        name = self.visitor.name if self.visitor else None
        by = tidy_name(body.get("by", "")) or name or ""
        text = tidy_name(body.get("text", ""), TEXT_CHARACTERS, TEXT_BYTES)
        return scope, Lesson(mode, speed, seq, by, text)


class FleetCap(JsonHandler):
    """`POST /api/v1/fleet-cap`: a cap until the next lesson or restart. The owner's cap stays as it is."""

    fleet = True
    hub: Hub

    def post(self) -> None:
        """Lower the cap; raise it only if the configuration allows that."""
        refuse_others(self)
        speed = checked_cap(self.members(speed=(int, float)).get("speed", 0.0), "speed")
        if not self.hub.lesson.put_fleet_cap(speed, self.hub.config.mqtt.allow_raise):
            raise Refused(HTTPStatus.FORBIDDEN, "cap_not_raised", _NOT_RAISED)
        self.hub.lesson.heard(self.visitor, self.hub.now())
        self.write(self.hub.lesson.fields())


def refuse_others(handler: JsonHandler) -> None:
    """Refuse a visitor that is neither a garage nor a bridge."""
    if handler.visitor is None or handler.visitor.kind not in FLEET:
        raise Refused(HTTPStatus.FORBIDDEN, "not_garage", _NOT_GARAGE)


def checked_cap(speed: float, name: str) -> float:
    """Return a cap, a share of `max_speed`; refuse one out of its range."""
    if not LEAST_SPEED <= speed <= 1.0:
        raise bad_request(f"{name} is a number from {LEAST_SPEED:g} to 1")
    return float(speed)


def routes(hub: Hub, gate: Gate, guard: PinGuard) -> list[Route]:
    """Return the addresses of the lesson."""
    return [
        (r"/api/v1/lesson", LessonHandler, {"hub": hub, "gate": gate, "guard": guard}),
        (r"/api/v1/fleet-cap", FleetCap, {"hub": hub}),
    ]
