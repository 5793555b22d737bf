"""The first words to a client."""

from __future__ import annotations

from typing import Any

from picar import __version__
from picar.config import Config
from picar.core import protocol
from picar.core.link import RATE_PER_S
from picar.core.shaping import JOG_DUTY
from picar.motor.simcar import WALLS
from picar.web.clients import TICK_S


def hello(client: str, config: Config, backend: str) -> str:
    """Return the hello for a client. A simulated car tells where its walls are."""
    limits = {
        "max_speed": config.drive.max_speed,
        "deadband": config.drive.deadband,
        "jog_duty": JOG_DUTY,
        "messages_per_s": RATE_PER_S,
        "message_bytes": protocol.MAX_BYTES,
    }
    car: dict[str, Any] = {"name": config.server.name, "backend": backend, "version": __version__}
    if backend == "sim":
        car["walls"] = WALLS
    return protocol.hello(client, car, config.session.command_timeout_s, TICK_S, limits)
