"""The list of the HTTP routes. Each feature has one file here, with its handlers and `routes(…)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from picar.access.tokens import PinGuard
from picar.car.hub import Hub
from picar.config import ServerConfig
from picar.journal.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.web.api import (
    access,
    calibration,
    camera,
    car,
    journal,
    lesson,
    power,
    recordings,
    tls,
    wifi,
    wiring,
)
from picar.web.auth import Gate
from picar.web.handler import Handler, Route
from picar.web.pictures import Pictures

if TYPE_CHECKING:
    from picar.web.tls import Https

_DESCRIPTION = Path(__file__).with_name("openapi.json")


class Description(Handler):
    """`GET /api/v1/openapi.json`: this interface, as OpenAPI 3.1."""

    public = True

    def get(self) -> None:
        """Send the file."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(_DESCRIPTION.read_bytes())

    head = get


def routes(
    hub: Hub,
    channel: Channel,
    config: ServerConfig,
    flight: FlightRecorder,
    gate: Gate,
    pictures: Pictures | None,
    port: int,
    https: Https | None,
) -> list[Route]:
    """Return the routes of all features; `port` is the TCP port of http."""
    guard = PinGuard()
    only = https.only_port if https else 0
    door = (only, "https") if only else (port, "http")
    return [
        (r"/api/v1/openapi.json", Description, {}),
        *access.routes(gate, guard, config, door),
        *calibration.routes(hub.calibration),
        *camera.routes(pictures, guard),
        *car.routes(hub, channel, gate, guard),
        *journal.routes(flight),
        *lesson.routes(hub, gate, guard),
        *power.routes(hub, channel),
        *recordings.routes(hub, flight, gate),
        *tls.routes(https),
        *wifi.routes(hub, gate, guard),
        *wiring.routes(hub),
    ]
