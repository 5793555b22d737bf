"""The garage with many cars: `python -m tests.bench.garage [--cars 300] [--seconds 30] [--rounds 5]`.

The cars are played by one process. One page is open: a WebSocket client, in this process. Bounds, for 300 cars: 6 % of a core while
all cars drive, 1 % at rest, 40 kB of memory for each car, and 50 ms from the page's message until the garage has written the stop
to the socket of the last car. `read_ms` is the time until the process with the cars has read the last stop.
Memory for each car is the difference (Pss) to a garage without cars, by the number of cars.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from picar.garage.store import GarageStore
from tests.bench.measure import cpu_s, memory_mib
from tests.bench.report import machine
from tests.bench.video.run import first
from tests.garage.pages import Page
from tests.support.waiting import until

MOST_DRIVING_PERCENT, MOST_AT_REST_PERCENT, MOST_KB, MOST_STOP_MS = 6.0, 1.0, 40.0, 50.0
SETTLE_S = 5.0  # past everything that is done once
CONFIG = '[access]\npairing = "local"\n'
# `picar garage` that keeps when each stop was written (monotonic, in s), and prints these times at its end.
GARAGE = """
import json, sys, time
from picar.client.connection import Connection
from picar.commands import run
written, send = [], Connection.send_frame
def stamped(connection, frame):
    send(connection, frame)
    assert not connection._stream.writing(), "the frame waits for the socket"
    written.append(time.monotonic())
Connection.send_frame = stamped
code = run(sys.argv[1:])
print(json.dumps(written))
sys.exit(code)
"""
_OPEN = re.compile(rb"open +(http://127\.0\.0\.1:\d+)")


class Cars:
    """The process that plays the cars."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout
        self.all: list[dict[str, str]] = []

    async def order(self, line: str) -> None:
        """Send a line."""
        self._in.write(f"{line}\n".encode())
        await self._in.drain()

    async def answer(self) -> Any:
        """Return the next line."""
        return json.loads(await self._out.readline())


@asynccontextmanager
async def played(count: int) -> AsyncIterator[Cars]:
    """Play cars."""
    command = (sys.executable, "-m", "picar.web.garage.played", str(count))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 20
    )
    cars = Cars(process)
    try:
        cars.all = await cars.answer()
        yield cars
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def garage(
    folder: Path, cars: list[dict[str, str]], written: list[float]
) -> AsyncIterator[tuple[int, Page]]:
    """Run `picar garage` with these cars; yield its process id, and a page that is open on it. `written` gets the times of `GARAGE`."""
    store = GarageStore(folder / "garage")
    for car in cars:
        store.add(car["id"], car["url"], car["token"], car["name"])
    file = folder / "picar.toml"
    file.write_text(CONFIG, encoding="utf-8")
    options = ("garage", "--config", str(file), "--host", "127.0.0.1", "--port", "0", "--no-mdns")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", GARAGE, *options, stdout=subprocess.PIPE, stderr=log,
            env=os.environ | {"STATE_DIRECTORY": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        )  # fmt: skip
    assert process.stdout
    try:
        while not (found := _OPEN.search(line := await process.stdout.readline())):
            assert line, (folder / "log").read_text()
        async with Page(found[1].decode()) as page:
            yield process.pid, page
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        written += json.loads((await process.stdout.read()).splitlines()[-1])
        await process.wait()


async def percent(pid: int, seconds: float) -> float:
    """Return the processor time of a process in this time, in % of a core."""
    before = cpu_s([pid])
    await asyncio.sleep(seconds)
    return 100 * (cpu_s([pid]) - before) / seconds


def is_so(page: Page, count: int, **members: Any) -> bool:
    """Return whether so many cards have these members."""
    return sum(members.items() <= card.items() for card in page.cars.values()) == count


async def drive(cars: Cars, page: Page, count: int) -> None:
    """Let all cars drive."""
    await page.send(type="lesson", mode="drive", cap=1.0, text="")
    await until(lambda: is_so(page, count, lesson="drive"), "no hold", 60)
    await cars.order("drive")
    await until(lambda: is_so(page, count, state="armed"), "all cars drive", 60)


async def stop(cars: Cars, page: Page) -> tuple[float, float]:
    """Stop all cars; return when the page's message was sent, and when the last car had read its stop (monotonic, in s)."""
    rounds = len(page.of("answer"))
    sent = time.monotonic()
    await page.send(type="stop")
    await until(
        lambda: len(page.of("answer")) > rounds and page.of("answer")[-1]["ended"], "all have stopped"
    )
    await cars.order("stops")
    times: list[float] = [next(at for at in stops if at >= sent) for stops in await cars.answer()]
    return sent, max(times)


async def main(count: int, seconds: float, rounds: int, folder: Path) -> int:
    """Measure, and print the figures. Returns the exit code."""
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    written: list[float] = []
    async with garage(folder / "empty", [], []) as (pid, _):
        await asyncio.sleep(SETTLE_S)
        empty_mib = memory_mib(pid)
    async with played(count) as cars, garage(folder / "full", cars.all, written) as (pid, page):
        await until(lambda: is_so(page, count, presence="live"), "all cars are live", 120)
        await asyncio.sleep(SETTLE_S)
        at_rest = await percent(pid, seconds)
        await drive(cars, page, count)
        await asyncio.sleep(SETTLE_S)
        driving = await percent(pid, seconds)
        full_mib = memory_mib(pid)
        stops = []
        for _ in range(rounds):
            await drive(cars, page, count)
            stops.append(await stop(cars, page))
    assert len(written) == count * rounds, "the stop was written once to each car"
    stops_ms = [
        1000 * (max(written[at * count : (at + 1) * count]) - sent) for at, (sent, _) in enumerate(stops)
    ]
    kb = 1024 * (full_mib[1] - empty_mib[1]) / count
    checks = {
        "cpu_driving_percent": (driving, MOST_DRIVING_PERCENT),
        "cpu_at_rest_percent": (at_rest, MOST_AT_REST_PERCENT),
        "memory_per_car_kb": (kb, MOST_KB),
        "stop_to_last_socket_ms": (max(stops_ms), MOST_STOP_MS),
    }
    good = all(value <= bound for value, bound in checks.values())
    figures = {name: {"is": round(value, 2), "most": bound} for name, (value, bound) in checks.items()}
    more = {
        "stops_ms": [round(one, 1) for one in stops_ms],
        "read_ms": [round(1000 * (read - sent), 1) for sent, read in stops],
        "pss_mib": [round(one[1], 1) for one in (empty_mib, full_mib)],
    }
    print(json.dumps({"machine": machine(), "cars": count, **figures, **more, "good": good}, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=300, help="number of cars (300)")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="length of each measurement of the processor (30)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="number of stops (5)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="picar-garage-bench-") as scratch:
        with first():
            code = asyncio.run(main(given.cars, given.seconds, given.rounds, Path(scratch)))
        sys.exit(code)
