"""Who is served in which turn of the event loop, so that no crowd comes between the driver and the car.

A turn reads every socket that has something and only then looks again: thirty requests at once would be answered in one
go, and the driver's next command would wait for all of them, on a small Pi longer than it is good for.

Laws:
- In a turn one connection is taken, one packet or whole head of a request goes on, and one request is answered, of those
  who may come in and of strangers'.
- In a turn one frame of each WebSocket is handled, however many have come.
- Who may come in does not wait behind strangers.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterable
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
    """A listening socket that gives one connection in a turn, to a caller that would take all: Tornado takes 128.

    Doorways that are opened together share the turns: IPv4 and IPv6 take every second one where both have connections.
    """

    @classmethod
    def of(cls, sockets: Iterable[socket.socket]) -> list[Doorway]:
        """Take over the listening sockets of one server, and make them non-blocking."""
        doorways = [cls(fileno=listening.detach()) for listening in sockets]
        shared = _Shared(doorways)
        for doorway in doorways:
            doorway.setblocking(False)
            doorway._shared = shared
        return doorways

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = _Shared([self])

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection.

        Raises:
            BlockingIOError: there is none, or the turn is over, or another doorway's: this one is asked again in the next.
        """
        if self._shared.taken or self._shared.is_for_another(self):
            raise BlockingIOError
        connection = super().accept()
        self._shared.take(self)
        return connection


class _Shared:
    """The turn of the event loop, as the doorways of one server share it."""

    def __init__(self, doorways: list[Doorway]) -> None:
        self._doorways = doorways
        self._last: Doorway | None = None
        self.taken = False

    def is_for_another(self, doorway: Doorway) -> bool:
        """Tell whether this doorway had the last connection, and another one has a connection that waits."""
        if doorway is not self._last or len(self._doorways) == 1:
            return False
        others = select.poll()
        for other in self._doorways:
            if other is not doorway:
                others.register(other, select.POLLIN)
        return bool(others.poll(0))

    def take(self, doorway: Doorway) -> None:
        """Let no doorway give another connection before the loop has looked at all sockets again."""
        self._last, self.taken = doorway, True
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self.taken = False


class PatientProtocol(WebSocketProtocol13):
    """A WebSocket that leaves the loop to others after each frame; frames that are here already would be read without."""

    async def _receive_frame(self) -> None:
        await super()._receive_frame()
        await asyncio.sleep(0)
