"""A client of `/ws/video`, which draws each picture at once, or when it is told to."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from picar.core.video import SUBPROTOCOL
from tests.support.client import WebSocket

_HEAD = struct.Struct("!BBHIIHHI")


class Shown(NamedTuple):
    """A picture as it arrived."""

    version: int
    level: int
    age_ms: int
    seq: int
    trip_ms: int
    width: int
    height: int
    zero: int
    jpeg: bytes
    came_at: float


class Viewer(WebSocket):
    """`async with Viewer(car.url, client=phone.id, headers=cookie) as viewer:` connects.

    Args:
        url: of the page.
        client: the id of the hello, to be the driver's viewer.
        headers: more headers for the handshake.
        draws: whether it draws each picture as soon as it comes.
    """

    subprotocols = (SUBPROTOCOL,)

    def __init__(
        self, url: str, client: str = "", headers: Mapping[str, str] | None = None, *, draws: bool = True
    ) -> None:
        query = f"?client={client}" if client else ""
        super().__init__(url.rstrip("/").replace("http", "ws", 1) + "/ws/video" + query, headers)
        self.draws = draws
        self.shown: list[Shown] = []
        self.cameras: list[dict[str, Any]] = []

    def receive(self, message: str | bytes) -> None:
        """Keep a picture or a text about the camera."""
        if isinstance(message, str):
            self.cameras.append(json.loads(message))
            return
        self.shown.append(Shown._make((*_HEAD.unpack_from(message), message[_HEAD.size :], time.monotonic())))
        if self.draws:
            self.socket.write_message(json.dumps({"type": "seen", "seq": self.shown[-1].seq}))

    async def send(self, kind: str, **keys: Any) -> None:
        """Send a message."""
        await self.write(json.dumps({"type": kind, **keys}))

    async def draw(self) -> None:
        """Report the newest picture as drawn."""
        await self.send("seen", seq=self.shown[-1].seq)

    async def sees(self, pictures: int) -> None:
        """Wait for so many more pictures."""
        goal = len(self.shown) + pictures
        await self.wait(lambda: len(self.shown) >= goal, f"{pictures} more pictures")

    async def until_state(self, state: str) -> dict[str, Any]:
        """Wait for a text with this state of the camera, and return it."""
        await self.wait(lambda: self.cameras and self.cameras[-1]["state"] == state, f"camera {state}")
        return self.cameras[-1]

    def __str__(self) -> str:
        return f"{len(self.shown)} pictures, the last text was {self.cameras[-1:]}"
