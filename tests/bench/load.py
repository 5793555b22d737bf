"""Wake-ups and CPU of each process while a client drives, rests or watches; the echo for comparison.

The car has the default configuration, because its ramps are a reason to wake up, and writes no pin trace.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.clients import Commander, Picar, Plain
from tests.bench.measure import cpu_s, wake_ups
from tests.bench.server import Server

PERIOD_S = 1 / 30  # the page repeats a held stick every 33 ms (static/js/sticks.js)
HELD = 0.6
SWING, SWING_S = 0.7, 2.0  # amplitude and period of the moving stick; slower than the ramps
RAMP_S = 0.5  # the ramp to HELD takes 0.24 s
REST_S = 1.2  # a client counts as driving for 1 s after its last command
# A page without a held stick sends nothing, with the wheel or without.
STICKS: dict[str, Callable[[float], float] | None] = {
    "constant stick": lambda _: HELD,
    "moving stick": lambda now: SWING * math.sin(now * 2 * math.pi / SWING_S),
    "holding still": None,
    "watched": None,
}
Load = dict[str, dict[str, float]]  # by situation; figures as `of_processes` names them


async def measure(
    seconds: float, cars: Mapping[str, Path], echo: Server, folder: Path, rng: random.Random
) -> dict[str, Load]:
    """Measure every situation for `seconds` at each car, and the constant stick at the echo.

    Args:
        seconds: of measuring in each situation, after a pause to settle.
        cars: the checkout of each product by its name.
        echo: the running echo.
        folder: for the cars' files.
        rng: for the order.
    """
    servers = {echo.name: echo}
    cases = [*((name, situation) for name in cars for situation in STICKS), (echo.name, "constant stick")]
    load: dict[str, Load] = {name: {} for name, _ in cases}
    try:
        for name, root in cars.items():
            servers[name] = Server(name, folder / name, root=root, config="", traced=False)
        for name, situation in rng.sample(cases, len(cases)):
            load[name][situation] = await in_situation(servers[name], situation, seconds)
    finally:
        for name in cars.keys() & servers.keys():
            servers[name].stop()
    return {name: {case: found[case] for case in STICKS if case in found} for name, found in load.items()}


async def in_situation(server: Server, situation: str, seconds: float) -> dict[str, float]:
    """Bring one client into a situation and measure the server's processes."""
    stick = STICKS[situation]
    async with Picar(server) if server.is_car else Plain(server) as client:
        if isinstance(client, Picar) and situation != "watched":
            await client.take()
        await act(client, stick, min(RAMP_S if stick else REST_S, seconds))
        before, began = counts(server), time.monotonic()
        await act(client, stick, seconds)
        after, took_s = counts(server), time.monotonic() - began
        if isinstance(client, Picar):
            assert not client.errors, f"refused: {client}"
    return of_processes({key: (after[key] - before[key]) / took_s for key in after})


async def act(client: Commander, stick: Callable[[float], float] | None, seconds: float) -> None:
    """Send the stick at a fixed rate; without a stick stay silent."""
    if stick is None:
        await asyncio.sleep(seconds)
        return
    due = time.monotonic()
    for _ in range(round(seconds / PERIOD_S)):
        client.command(stick(time.monotonic()))
        due += PERIOD_S
        await asyncio.sleep(due - time.monotonic())


def counts(server: Server) -> dict[str, float]:
    """Return wake-ups and CPU in seconds so far: of the server, and of the motor process if there is one."""
    found: dict[str, float] = {}
    for process, pid in zip(("server", "motor"), server.pids, strict=False):
        found |= {f"{process}_wakes": wake_ups(pid), f"{process}_cpu": cpu_s([pid])}
    return found


def of_processes(rates: dict[str, float]) -> dict[str, float]:
    """Add the sums over the processes: `wakes` per second, and `cpu` as a share of a core."""
    sums = {what: sum(v for key, v in rates.items() if key.endswith(f"_{what}")) for what in ("wakes", "cpu")}
    return rates | sums
