"""The drivers: those of the rest of the bench, which also note when a state came."""

from __future__ import annotations

import time

from tests.bench.clients import Picar, Socket
from tests.bench.server import Server

STATE = '{"type":"state"'


class Driver(Socket):
    """Drives the plain broadcast. `states` are the times at which one came."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.states: list[float] = []

    @property
    def refused(self) -> int:
        """How many commands were refused, as far as the server says."""
        return 0

    def receive(self, message: str | bytes | None) -> None:
        if isinstance(message, str) and message.startswith(STATE):
            self.states.append(time.monotonic())
        super().receive(message)


class PicarDriver(Driver, Picar):
    """Drives the product; it opens with the wheel in hand."""

    @property
    def refused(self) -> int:
        return self.errors.total()

    async def open(self) -> None:
        await super().open()
        await self.take()


def driver_for(server: Server) -> Driver:
    """Return the client that drives a server."""
    return PicarDriver(server) if server.name == "picar" else Driver(server)
