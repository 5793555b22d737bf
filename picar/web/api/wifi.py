"""The car's network over HTTP. The watcher of `network/watch.py` switches it; the server never waits for the radio."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from picar.access.tokens import PinGuard
from picar.car.hub import Hub
from picar.network import wifi
from picar.web.api.access import check_pin
from picar.web.auth import Gate
from picar.web.handler import JsonHandler, Refused, Route, bad_request

log = logging.getLogger(__name__)

_NOT_HERE = "This car's WiFi is not switched from here. To have it do so, run sudo picar hotspot setup on the car's machine."
_MEMBERS = ("mode", "ssid", "address", "since_s", "stations", "next_look_s", "last", "seen")


class Wifi(JsonHandler):
    """`GET /api/v1/wifi`: the network of the car; `POST`: join another one, which takes the PIN."""

    hub: Hub
    gate: Gate
    guard: PinGuard

    async def get(self) -> None:
        """Answer."""
        status = await self._ask("status")
        self.write({name: status[name] for name in _MEMBERS})

    head = get

    async def post(self) -> None:
        """Have the watcher join the network in 5 s, and answer with what happens next."""
        body = self.members(ssid=(str,), password=(str,), pin=(str,), replace=(bool,))
        ssid, password = body.get("ssid", ""), body.get("password", "")
        if not (
            ssid.isprintable() and 1 <= len(ssid.encode()) <= 32
        ):  # in this order: a surrogate has no bytes
            raise bad_request("ssid is the name of a WiFi, 1 to 32 bytes")
        if password and not (8 <= len(password) <= 63 and password.isascii() and password.isprintable()):
            raise bad_request("the password of a WiFi has 8 to 63 characters of ASCII")
        if "pin" not in body:
            raise Refused(HTTPStatus.FORBIDDEN, "pin_needed", "Only the car's PIN lets it join another WiFi.")
        check_pin(self, self.gate, self.guard, body["pin"])
        if self.hub.is_driving:
            raise Refused(HTTPStatus.CONFLICT, "moving", wifi.DRIVEN)
        answer = await self._ask("join", ssid=ssid, password=password, replace=body.get("replace", False))
        log.info("joins another WiFi in 5 s, asked for at %s", self.request.remote_ip)
        self.set_status(HTTPStatus.ACCEPTED)
        self.write({"text": answer["text"]})

    async def _ask(self, verb: str, **more: Any) -> dict[str, Any]:
        try:
            answer = await wifi.ask(verb, **more)
        except (OSError, ValueError):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_available", _NOT_HERE) from None
        if answer.get("error") == "known":
            raise Refused(HTTPStatus.CONFLICT, "known", answer["text"])
        if answer.get("error") == "driving":
            raise Refused(HTTPStatus.CONFLICT, "moving", answer["text"])
        if "error" in answer:
            raise Refused(HTTPStatus.CONFLICT, "busy", answer["text"])
        return answer


def routes(hub: Hub, gate: Gate, guard: PinGuard) -> list[Route]:
    """Return the address of the car's network."""
    return [(r"/api/v1/wifi", Wifi, {"hub": hub, "gate": gate, "guard": guard})]
