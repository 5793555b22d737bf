"""Fairness: a crowd of clients must not delay the driver's commands.

Tornado handles everything that has arrived in one iteration of the event loop: thirty requests at once would delay the
driver's next command by all their work, on a small Pi longer than is safe. A turn is one iteration.

Laws:
- In a turn one connection is accepted. Of admitted visitors and of strangers, one packet or whole request head each is
  passed on, and one request each is answered.
- In a turn one frame of each WebSocket is handled, however many have arrived.
- Admitted visitors do not wait behind strangers.
- Requests of strangers cause at most one line of a log per second.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import time
from collections.abc import Iterable
from typing import Any

from tornado.websocket import WebSocketProtocol13


class FairQueues:
    """A queue for admitted visitors and one for strangers; each releases one request per turn."""

    def __init__(self) -> None:
        self._locks = {True: asyncio.Lock(), False: asyncio.Lock()}

    async def wait(self, admitted: bool) -> None:
        """Wait for a turn; first come, first served."""
        async with self._locks[admitted]:
            await asyncio.sleep(0)


class FairListener(socket.socket):
    """A listening socket that accepts one connection per turn; Tornado would accept up to 128.

    The listeners of one server share the turns: IPv4 and IPv6 alternate while both have connections.
    """

    _schedule: _Schedule

    @classmethod
    def take_over(cls, sockets: Iterable[socket.socket]) -> list[FairListener]:
        """Replace the listening sockets of one server, and make them non-blocking."""
        listeners = [cls(fileno=plain.detach()) for plain in sockets]
        schedule = _Schedule(listeners)
        for listener in listeners:
            listener.setblocking(False)
            listener._schedule = schedule
        return listeners

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection.

        Raises:
            BlockingIOError: there is no connection, or this listener must wait; the loop calls again in the next turn.
        """
        if not self._schedule.allows(self):
            raise BlockingIOError
        connection = super().accept()
        self._schedule.accepted(self)
        return connection


class _Schedule:
    """Selects the listener that may accept in this turn."""

    def __init__(self, listeners: list[FairListener]) -> None:
        self._listeners = listeners
        self._last: FairListener | None = None
        self._turn_used = False

    def allows(self, listener: FairListener) -> bool:
        """Return False if this turn is used, or if this listener accepted last and another one has a connection."""
        if self._turn_used:
            return False
        if listener is not self._last:
            return True
        others = select.poll()
        for other in self._listeners:
            if other is not listener:
                others.register(other, select.POLLIN)
        return not others.poll(0)

    def accepted(self, listener: FairListener) -> None:
        """End the turn of all listeners until the loop has polled all sockets again."""
        self._last, self._turn_used = listener, True
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn_used = False


class FairWebSocketProtocol(WebSocketProtocol13):
    """A WebSocket that yields to the event loop after each frame; Tornado reads all buffered frames without a pause."""

    async def _receive_frame(self) -> None:
        await super()._receive_frame()
        await asyncio.sleep(0)


class RateLimitedLog:
    """Logs at most one warning per second.

    Args:
        log: the logger that gets the warnings.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next_at = 0.0

    def warning(self, message: str, *args: object) -> None:
        """Log a warning, or drop it if the last one is less than a second old."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + 1.0
            self._log.warning(message, *args)
