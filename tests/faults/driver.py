"""The driver's client, which notes when each command was sent; as a program, a client that can be killed.

`python -m tests.faults.driver URL THROTTLE STEERING` takes the wheel, holds that and prints the time of each command.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping

from tests.support.client import Client

AHEAD = (1.0, 0.0)
HEADINGS = (
    AHEAD,
    (-1.0, 0.0),
    (0.0, 1.0),
    (0.0, -1.0),
)  # throttle, steering; both wheels at full speed in each
STEERED_HEADINGS = ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))  # both motors of a car with steering
AHEAD_HEADINGS = STEERED_HEADINGS[:2]  # of an ESC, which brakes before it drives backwards


class Driver(Client):
    """A client that holds both speeds of the car at their maximum. `sent_at` has the monotonic time of each command.

    Args:
        url: the car's.
        heading: the sticks that it holds, one of `HEADINGS`, or of `STEERED_HEADINGS` for a car with steering.
        horn: an output that it holds too while it drives.
        headers: more headers for the handshake.
    """

    def __init__(
        self,
        url: str,
        heading: tuple[float, float] = AHEAD,
        horn: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(url, headers=headers)
        self.heading, self.horn = heading, horn
        self.sent_at: list[float] = []

    async def write(self, data: str | bytes) -> None:
        """Send, and note when a command goes out."""
        if '"seq"' in str(data):
            self.note(time.monotonic())
        await super().write(data)

    async def drive(self, throttle: float, steering: float = 0.0) -> None:
        """Send sticks, and the horn with them."""
        await super().drive(throttle, steering)
        if self.horn and (throttle or steering):
            await self.aux(self.horn, 1)

    def note(self, now: float) -> None:
        """Note that a command goes out now."""
        self.sent_at.append(now)

    async def full_throttle(self) -> None:
        """Take the wheel and drive as fast as it goes; an ESC arms before."""
        await self.until(lambda s: s["reason"] != "arming")
        await self.take()
        self.press()
        await self.until_full()

    def press(self) -> None:
        """Hold the sticks, without asking who drives."""
        self.hold(*self.heading)

    async def until_full(self) -> None:
        """Wait until both wheels run at full speed, whoever drives."""
        await self.until(lambda s: all(abs(wheel) == 1.0 for wheel in s["applied"].values()))


class _TellingDriver(Driver):
    def note(self, now: float) -> None:
        print(f"{now:.6f}", flush=True)


async def _drive(url: str, throttle: str, steering: str) -> None:
    async with _TellingDriver(url, (float(throttle), float(steering))) as driver:
        await driver.full_throttle()
        await driver.until_closed()


if __name__ == "__main__":
    asyncio.run(_drive(*sys.argv[1:]))
