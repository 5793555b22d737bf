"""The pictures of a car's camera, for a program: the client's side of picar-video.v1."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator
from typing import Any

from picar.client.connection import Place
from picar.client.session import CarError
from picar.core.video import SUBPROTOCOL

_HEAD, _SEQ_AT = 20, 4  # bytes; docs/protocol.md


async def pictures(place: Place, client: str) -> AsyncGenerator[bytes, None]:
    """Yield JPEGs, always the newest; `AsyncCar.frames` has the errors. `client` is that of hello."""
    arrived: asyncio.Queue[str | bytes | None] = asyncio.Queue()
    connection = await place.connect(f"ws/video?client={client}", SUBPROTOCOL, arrived.put_nowait)
    try:
        while True:
            picture = await arrived.get()
            while isinstance(picture, bytes) and not arrived.empty():
                picture = arrived.get_nowait()
            if picture is None:
                raise connection.end
            if isinstance(picture, str):
                _check(json.loads(picture))
                continue
            yield picture[_HEAD:]
            (seq,) = struct.unpack_from("!I", picture, _SEQ_AT)
            await connection.send(json.dumps({"type": "seen", "seq": seq}))
    finally:
        connection.hang_up()


def _check(condition: dict[str, Any]) -> None:
    """Raise the fault of the camera, if this message has one."""
    if condition.get("state") in ("trouble", "frozen"):
        raise CarError(str(condition["code"]), str(condition["message"]))
