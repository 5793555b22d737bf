"""A long drive with a bridge to Mosquitto, beside the same drive without one: `python -m tests.bench.fleet [--seconds 600] [--rest 120]`.

Two cars run at the same time, each with a driver that holds its sticks and sends 30 commands a second. Both share the machine, so their
figures compare. After the drive, the cars rest. Bounds: 1.1 times the other car's 99th percentile of the age of the link, 40 MiB for the
bridge, 75 messages a minute driven and 12 at rest, and 0.6 kB a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import Spread, cpu_s, memory_mib
from tests.bench.report import machine
from tests.bench.server import CONFIG, Server, environment
from tests.bench.video.run import first
from tests.fleet.brokers import Garage
from tests.support.client import Client
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

MOST_RATIO, MOST_MIB, MOST_DRIVEN, MOST_AT_REST, MOST_BYTES_PER_S = 1.1, 40.0, 75.0, 12.0, 600.0
SETTLE_S = 5.0  # past everything that is done once
SPEED = 0.5
CHUNK_BYTES = 65536


class Meter:
    """`async with Meter(port) as meter:` passes bytes on to a port, from `meter.port`, and counts them."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Meter:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._listening.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (to, writer)):
            self._tasks.add(asyncio.create_task(self._pass(source, sink)))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.closing(sink):
            while data := await source.read(CHUNK_BYTES):
                self.bytes += len(data)
                sink.write(data)


class Traffic:
    """Counts the messages and bytes of the bridge from its making on."""

    def __init__(self, garage: Garage, meter: Meter) -> None:
        self._garage, self._meter = garage, meter
        self._messages, self._bytes, self._began = len(garage.heard), meter.bytes, time.monotonic()

    def figures(self) -> dict[str, float]:
        """Return the messages a minute, and the bytes a second, of both directions."""
        took_s = time.monotonic() - self._began
        messages = len(self._garage.heard) - self._messages
        return {
            "messages_per_minute": round(60 * messages / took_s, 1),
            "bytes_per_s": round((self._meter.bytes - self._bytes) / took_s, 1),
        }


@contextlib.contextmanager
def bridge_of(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the bridge of a car in this folder."""
    command = [sys.executable, "-m", "picar", "mqtt", "--config", str(folder / "bench.toml")]
    with (folder / "bridge.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def driven(server: Server) -> AsyncIterator[Client]:
    """Drive a car; the sticks are held."""
    async with Client(server.url) as client:
        await client.take()
        client.hold(SPEED)
        await client.until(lambda s: all(s["applied"].values()))
        yield client
        assert not client.errors, f"refused while driving: {client}"
        assert {state["state"] for state in client.states} == {"armed"}, "it did not drive all the time"


def link_ms(client: Client) -> Spread:
    """Return the ages of the link in all states, in ms."""
    return Spread.of([1000 * state["link"]["age_s"] for state in client.states])


async def main(seconds: float, rest_s: float, folder: Path) -> int:
    """Run both drives and print the figures. Returns the exit code."""
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Mosquitto(folder))
        meter = await stack.enter_async_context(Meter(broker.port))
        garage = await stack.enter_async_context(Garage(broker))
        with first():
            section = f'[mqtt]\nurl = "mqtt://127.0.0.1:{meter.port}"\n'
            bridged, other = (
                Server("picar", folder / name, config=CONFIG + more, traced=False)
                for name, more in (("bridged", section), ("other", ""))
            )
            stack.callback(other.stop)
            stack.callback(bridged.stop)
        bridge = stack.enter_context(bridge_of(folder / "bridged"))
        await until(lambda: garage.of("/state"), "the bridge")
        fresh_mib = memory_mib(bridge.pid)
        with first():
            async with driven(bridged) as one, driven(other) as two:
                await asyncio.sleep(SETTLE_S)
                one.states.clear()
                two.states.clear()
                traffic, before = Traffic(garage, meter), cpu_s([bridge.pid])
                await asyncio.sleep(seconds)
                while_driven = traffic.figures()
                bridge_cpu = (cpu_s([bridge.pid]) - before) / seconds
                links, states = [link_ms(one), link_ms(two)], [len(one.states), len(two.states)]
                mib = memory_mib(bridge.pid)
        await asyncio.sleep(SETTLE_S)
        traffic = Traffic(garage, meter)
        await asyncio.sleep(rest_s)
        at_rest = traffic.figures()
    ratio = links[0].p99 / links[1].p99
    good = ratio <= MOST_RATIO and max(mib) <= MOST_MIB
    good = good and while_driven["messages_per_minute"] <= MOST_DRIVEN
    good = good and at_rest["messages_per_minute"] <= MOST_AT_REST
    good = good and while_driven["bytes_per_s"] <= MOST_BYTES_PER_S
    result: dict[str, Any] = {
        "machine": machine(),
        "seconds": seconds,
        "states": states,
        "link_p50_ms": [round(link.p50, 1) for link in links],
        "link_p99_ms": [round(link.p99, 1) for link in links],
        "p99_ratio": round(ratio, 3),
        "bridge_rss_pss_mib": [round(each, 1) for each in mib],
        "fresh_bridge_rss_pss_mib": [round(each, 1) for each in fresh_mib],
        "bridge_cpu_percent": round(100 * bridge_cpu, 2),
        "driven": while_driven,
        "at_rest": at_rest,
        "good": good,
    }
    print(json.dumps(result, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the drive (600)")
    parser.add_argument("--rest", type=float, default=120.0, help="length of the rest (120)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="picar-fleet-") as scratch:
        sys.exit(asyncio.run(main(given.seconds, given.rest, Path(scratch))))
