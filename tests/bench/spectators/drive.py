"""Drive one server before N spectators, and measure it."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Spread, climbed
from tests.bench.rounds import LAST_PIN, SETTLE_S, START, STEP, WARM_UP, pace
from tests.bench.server import Server
from tests.bench.spectators.crowd import Crowd, Seen, joined
from tests.bench.spectators.drivers import Driver, driver_for
from tests.support.waiting import DEADLINE_S

GAP_S = 0.02
LATE_S = 2.0  # a command that is not on the pins by then is lost: the car's own timeout, 1 s, is over
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Levels:
    """What the last pin is at when the wheels turn at START, and after the last step."""

    low: float
    high: float


async def measure(name: str, count: int, commands: int, folder: Path, rng: random.Random) -> dict[str, float]:
    """Start a server, drive it before `count` spectators, end it.

    Returns:
        Figures, named as in `report.ROWS`.
    """
    server = Server(name, folder)
    try:
        levels = await calibrate(server, commands, rng)
        async with joined(server, count) as crowd, driver_for(server) as driver:
            await warm_up(server, driver, levels, rng)
            figures = await drive(server, driver, crowd, levels, commands, rng)
            return figures | {"rss_mib": server.memory()["rss_mib"]}
    finally:
        server.stop()


async def calibrate(server: Server, commands: int, rng: random.Random) -> Levels:
    """See where the first and the last step put the pin, with nobody watching."""
    found = []
    async with driver_for(server) as driver:
        for value in (START, START + STEP * commands):
            await pace(driver, [value] * WARM_UP, GAP_S, rng)
            await asyncio.sleep(SETTLE_S)
            found.append(newest(server))
    if found[0] is None or found[1] is None or found[0] >= found[1]:
        raise RuntimeError(f"{server.name} does not follow its driver: {found}")
    return Levels(found[0], found[1])


def newest(server: Server, mark: int = 0) -> float | None:
    """Return the last pin's level, or None before its first write."""
    levels = [write.value for write in server.trace.since(mark) if write.pin == LAST_PIN]
    return levels[-1] if levels else None


async def warm_up(server: Server, driver: Driver, levels: Levels, rng: random.Random) -> None:
    """Drive until the wheels turn at START and no command is under way."""
    mark, deadline = server.trace.mark(), time.monotonic() + DEADLINE_S
    while True:
        await pace(driver, [START] * WARM_UP, GAP_S, rng)
        if newest(server, mark) == levels.low:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server.name} did not reach {levels.low:g} in {DEADLINE_S:g} s; {driver}")


async def drive(
    server: Server, driver: Driver, crowd: Crowd, levels: Levels, commands: int, rng: random.Random
) -> dict[str, float]:
    """Send commands one by one, each a step up, and see when the pins followed."""
    mark, refused = server.trace.mark(), len(driver.errors)
    before, cpu, began = await crowd.seen(), server.cpu_s(), time.monotonic()
    driver.states.clear()
    sends = await pace(driver, [START + STEP * k for k in range(1, commands + 1)], GAP_S, rng)
    states, seconds = len(driver.states), time.monotonic() - began
    figures = {"state_hz": states / seconds, "cpu": (server.cpu_s() - cpu) / seconds}
    figures |= spectator_figures(before, await crowd.seen())
    await all_applied(server, mark, levels)
    writes = [write for write in server.trace.since(mark) if write.pin == LAST_PIN]
    applied = climbed(commands, levels.low, writes, levels.high)
    return figures | pin_figures(sends, applied, len(driver.errors) - refused)


async def all_applied(server: Server, mark: int, levels: Levels) -> None:
    """Wait for the last step, but not longer than a command may take."""
    deadline = time.monotonic() + LATE_S
    while time.monotonic() < deadline:
        if newest(server, mark) == levels.high:
            return
        await asyncio.sleep(POLL_S)


def pin_figures(sends: Sequence[float], applied: Sequence[float | None], refused: int) -> dict[str, float]:
    """Return how late the pins were. Lost is what was refused, and what never came to the pins."""
    late = [t - sent for sent, t in zip(sends, applied, strict=True) if t is not None]
    if not late:
        raise RuntimeError("not one command came to the pins")
    spread = Spread.of(late)
    return {
        "pin_p50_s": spread.p50,
        "pin_p99_s": spread.p99,
        "pin_max_s": spread.max,
        "lost": float(min(len(sends), refused + applied.count(None))),
    }


def spectator_figures(before: Seen, after: Seen) -> dict[str, float]:
    """Return how many states a second the spectators had: the slowest, and the median; nothing without any."""
    seconds = after.t - before.t
    rates = [(new - old) / seconds for old, new in zip(before.states, after.states, strict=True)]
    if not rates:
        return {}
    return {
        "spectator_min_hz": min(rates),
        "spectator_p50_hz": statistics.median(rates),
        "load_cpu": (after.cpu_s - before.cpu_s) / seconds,
    }
