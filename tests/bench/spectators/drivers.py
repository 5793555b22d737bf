"""The drivers: those of the rest of the bench, which also keep the states that came."""

from __future__ import annotations

from tests.bench.clients import Picar, Plain
from tests.bench.server import Server

STATE = '{"type":"state"'


class Broadcast(Plain):
    """Drives the plain broadcast, which refuses nothing."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.states: list[str] = []
        self.errors: list[str] = []

    def receive(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith(STATE):
            self.states.append(message)
        super().receive(message)


class PicarDriver(Picar):
    """Drives the product; it opens with the wheel in hand."""

    async def open(self) -> None:
        await super().open()
        await self.take()


Driver = Broadcast | PicarDriver


def driver_for(server: Server) -> Driver:
    """Return the client that drives a server."""
    return PicarDriver(server) if server.name == "picar" else Broadcast(server)
