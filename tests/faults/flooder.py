"""A client that floods the car with commands, without having the wheel: `python -m tests.faults.flooder URL`.

It prints a line when the flood has reached the car, and goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import sys

from tests.support.client import Client

HEADSTART = 200  # messages before it counts as a flood


async def _flood(url: str) -> None:
    async with Client(url) as client:
        while not client.closed:
            await client.drive(1.0)
            if client.session.seq == HEADSTART:
                await client.wait(lambda: client.errors, "an answer to the flood")
                print("flooding", flush=True)


if __name__ == "__main__":
    asyncio.run(_flood(sys.argv[1]))
