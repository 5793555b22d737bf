"""What https costs the driver: `python -m tests.bench.secure [ROUNDS]` measures command to pin over ws and wss, in turn."""

from __future__ import annotations

import asyncio
import random
import sys
import time

from tests.bench.measure import Spread
from tests.support.client import Client
from tests.support.product import EN_PINS
from tests.support.secure import SecureHousehold
from tests.support.waiting import until

COMMANDS = 100  # of each kind in a round
GAP_S = 0.04
CONFIG = "[drive]\naccel = 20.0\ndecel = 20.0\n"


async def measure(house: SecureHousehold, client: Client) -> list[float]:
    """Drive; return how long each step took to the pins, in s."""
    await client.take()
    sent: list[float] = []
    begin = len(house.trace())
    for number in range(COMMANDS):
        await asyncio.sleep(GAP_S + random.uniform(0.0, 0.02))
        sent.append(time.monotonic())
        await client.drive(0.4 if number % 2 else 0.6)
    writes = [w["t"] for w in house.trace()[begin:] if w["pin"] == EN_PINS[0] and w["op"] == "pwm"]
    await client.drive(0.0)
    await house.until_low()
    await client.send(type="release")
    await until(lambda: client.state["you"] == "spectator", "the wheel is free")
    ends = [*sent[1:], sent[-1] + GAP_S]
    firsts = [[t for t in writes if a <= t < b] for a, b in zip(sent, ends, strict=True)]
    return [found[0] - at for found, at in zip(firsts, sent, strict=True) if found]


async def main(rounds: int) -> None:
    """Print both spreads."""
    async with SecureHousehold("on", CONFIG) as house:
        plain = await house.phone("plain")
        secure = await house.secure_phone("secure")
        late: dict[str, list[float]] = {"ws": [], "wss": []}
        async with house.client(plain) as one, house.secure_client(secure) as other:
            for _ in range(rounds):
                late["ws"] += await measure(house, one)
                late["wss"] += await measure(house, other)
        spreads = {name: Spread.of(values) for name, values in late.items()}
        for name, spread in spreads.items():
            figures = ", ".join(f"{key} {getattr(spread, key) * 1000:.2f}" for key in ("p50", "p99", "max"))
            print(f"{name:<4} {len(late[name])} commands, ms from command to pin: {figures}")
        print(f"wss / ws at p50: {spreads['wss'].p50 / spreads['ws'].p50:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
