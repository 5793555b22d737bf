"""The driver's client, which notes when each command was sent; as a program, a client that can be killed.

`python -m tests.faults.driver URL` takes the wheel, holds full throttle and prints the time of each command.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Self

from tests.support.client import Client


class Driver(Client):
    """A client as a page is one: without Nagle's algorithm. `sent_at` has the monotonic time of each command."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent_at: list[float] = []

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._socket.protocol is not None
        self._socket.protocol.set_nodelay(True)
        return self

    async def send(self, **message: Any) -> None:
        """Send a message as it is."""
        if message["type"] == "drive":
            self.note(time.monotonic())
        await super().send(**message)

    def note(self, now: float) -> None:
        """Note that a command goes out now."""
        self.sent_at.append(now)

    async def full_throttle(self) -> None:
        """Take the wheel and drive straight on as fast as it goes."""
        await self.take()
        self.hold(1.0)
        await self.until_full()

    async def until_full(self) -> None:
        """Wait until both wheels run at full speed, whoever drives."""
        await self.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})

    def close(self) -> None:
        """Say goodbye."""
        self._socket.close()

    def ping(self) -> None:
        """Show the car that somebody is there; as every client, it answers the car's pings by itself."""
        self._socket.ping()


class _TellingDriver(Driver):
    def note(self, now: float) -> None:
        print(f"{now:.6f}", flush=True)


async def _drive(url: str) -> None:
    async with _TellingDriver(url) as driver:
        await driver.full_throttle()
        await driver.until_closed()


if __name__ == "__main__":
    asyncio.run(_drive(sys.argv[1]))
