"""One client's connection as the hub sees it: the first message to it, and the frame that many connections share."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from picar import __version__
from picar.config import Config
from picar.core import protocol
from picar.core.link import RATE_PER_S
from picar.core.shaping import JOG_DUTY
from picar.motor.simcar import WALLS

TICK_S = 0.05  # between the driver's states while somebody drives


class Wire(Protocol):
    """One connection. Nothing here waits for it."""

    def send(self, text: str) -> bool:
        """Send, unless what was sent before is still on its way. Returns whether it was sent."""
        ...

    def pass_on(self, frame: bytes) -> bool:
        """Send a frame of `text_frame`, on the same terms."""
        ...

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection."""
        ...

    def drop(self) -> None:
        """Hang up without a word, on one that does not listen."""
        ...


def text_frame(text: str) -> bytes:
    """Return a server's whole text frame (RFC 6455 §5.2), made once for all who get it."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


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
