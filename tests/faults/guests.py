"""What happens to a guest that drives by rosbridge, and to a program with `picar.client`; see `catalogue.py`.

As a program, `python -m tests.faults.guests URL THROTTLE STEERING` drives by `picar.client` until it is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from picar.client import Car
from picar.config import RosbridgeConfig
from tests.faults.rig import Rig
from tests.support.ros import SETTLED_S, ZERO, RawRos, Ros

ADVANCE = 100  # commands and pongs, 5 s of them
ADVANCE_BYTES_PER_S = 4000.0  # the slow queue that delivers them
MOST = RosbridgeConfig()


class Guest(Ros):
    """A guest that records the monotonic time of each command in `sent_at`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent_at: list[float] = []

    async def publish(self, message: Any, topic: str = "/cmd_vel", **keys: Any) -> None:
        """Publish, and record when."""
        self.sent_at.append(time.monotonic())
        await super().publish(message, topic, **keys)


async def link_cut(rig: Rig) -> None:
    async with _driving(rig) as guest:
        rig.hit()
        rig.link.cut()
        await rig.until_low()
        await guest.let_go()
        rig.link.abort_clients()


async def closed(rig: Rig) -> None:
    async with _driving(rig) as guest:
        rig.hit()
        guest.socket.close()


async def pongs_in_advance(rig: Rig) -> None:
    """The guest answers each ping until it dies; a slow queue then delivers guessed pongs and full throttle."""
    await _free_wheel(rig)
    twist = _twist(rig)
    guest = await RawRos.connect(("127.0.0.1", rig.link.port))
    try:
        await guest.listen(SETTLED_S)
        guest.publish(ZERO)
        await guest.listen(0.1)
        driving = asyncio.create_task(rig.driver.until(_is_driven))
        while not driving.done():
            await guest.listen(0.1, message=twist)
        await driving
        await guest.listen(rig.rng.uniform(0.05, 0.15), message=twist)
        rig.link.queue(ADVANCE_BYTES_PER_S)
        rig.hit()
        for number in range(ADVANCE):
            guesses = guest.pings[-number % len(guest.pings)], number.to_bytes(8), secrets.token_bytes(8)
            guest.pong(rig.rng.choice(guesses))
            guest.publish(twist)
        await guest.writer.drain()
        await rig.link.drained()
    finally:
        guest.writer.close()


async def program_stopped(rig: Rig) -> None:
    await _free_wheel(rig)
    heading = map(str, rig.driver.heading)
    program = await rig.helper("-m", "tests.faults.guests", rig.link.url, *heading)
    await rig.driver.until_full()
    await asyncio.sleep(rig.rng.uniform(0.05, 0.15))
    rig.hit()
    program.send_signal(signal.SIGSTOP)


@contextlib.asynccontextmanager
async def _driving(rig: Rig) -> AsyncIterator[Guest]:
    """Drive by a guest, in place of the rig's driver."""
    await _free_wheel(rig)
    async with Guest(rig.link.url) as guest:
        rig.sent_at = guest.sent_at
        await guest.settle()
        await guest.rest()
        guest.hold(_twist(rig))
        await rig.driver.until(_is_driven)
        await asyncio.sleep(rig.rng.uniform(0.05, 0.15))
        yield guest


async def _free_wheel(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.driver.send(type="release")
    await rig.driver.until(lambda s: s["driver"] is None and not any(s["applied"].values()))


def _is_driven(state: dict[str, Any]) -> bool:
    return all(abs(wheel) >= 0.5 for wheel in state["applied"].values())


def _twist(rig: Rig) -> dict[str, Any]:
    throttle, steering = rig.driver.heading
    return {
        "linear": {"x": throttle * MOST.max_linear},
        "angular": {"z": -steering * MOST.max_angular},
    }


def _drive(url: str, throttle: str, steering: str) -> None:
    with Car(url) as car:
        car.drive(float(throttle), float(steering))
        car.sleep(600)


if __name__ == "__main__":
    _drive(*sys.argv[1:])
