"""Who is served in which turn of the event loop, so that no crowd comes between the driver and the car.

A turn reads every socket that has something and only then looks again: thirty requests at once would be answered in one
go, and the driver's next command would wait for all of them, on a small Pi longer than it is good for.

Laws:
- In a turn one connection is taken, and one request answered of those who may come in and one of strangers'.
- In a turn one frame of each WebSocket is handled, however many have come.
- Who may come in does not wait behind strangers.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tornado.websocket import WebSocketProtocol13


class Turns:
    """The two lines in which requests wait."""

    def __init__(self) -> None:
        self._lines = {True: asyncio.Lock(), False: asyncio.Lock()}

    async def wait(self, may_come_in: bool) -> None:
        """Wait for a turn; first come, first served."""
        async with self._lines[may_come_in]:
            await asyncio.sleep(0)


class Doorway(socket.socket):
    """A listening socket that has one connection at a time for a caller that would take all: Tornado takes 128."""

    @classmethod
    def of(cls, listening: socket.socket) -> Doorway:
        """Take over a listening socket, which must not block."""
        doorway = cls(fileno=listening.detach())
        doorway.setblocking(False)
        return doorway

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection, and each second time say that there is none: it is asked again in the next turn."""
        self._given = not self._given
        if not self._given:
            raise BlockingIOError
        try:
            return super().accept()
        except BaseException:
            self._given = False
            raise


class PatientProtocol(WebSocketProtocol13):
    """A WebSocket that leaves the loop to others after each frame; frames that are here already would be read without."""

    async def _receive_frame(self) -> None:
        await super()._receive_frame()
        await asyncio.sleep(0)
