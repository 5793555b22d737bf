"""`cmd/stop` to many cars over Mosquitto: `python -m tests.bench.many [--cars 30 300] [--rounds 7]`.

From the publication to the handling by the last car, beside `POST /api/v1/stop` to a real car, in turns. Bound: 10 times a POST with a
connection of its own.

Up to 30 cars are bridges of the product, each with a connection of its own to the broker, all in one process: `… play PORT COUNT`. Only
the car behind the bridge is played, by `PlayedCar`. A car handles a stop when the bridge would send it to its server.
Bridges in one process delay each other by 0.2 ms for each, which real ones do not. So of more cars three are bridges, and the others are
plain clients, in another process: `… plain PORT COUNT`. They read the message with the product's `Topics`, and confirm it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from picar.config import Config, MqttConfig
from picar.fleet import mqtt
from picar.fleet.topics import Topics, command_of
from tests.bench.measure import go_first, memory_mib
from tests.bench.report import machine
from tests.bench.server import ROOT, Server
from tests.fleet.brokers import Garage
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

MOST_RATIO = 10.0
MOST_BRIDGES, BRIDGES_AMONG_MORE, FIRST_PLAIN = 30, 3, 10_000
POSTS = 20  # of a round
SETTLE_S = 1.0  # answers and states of a round are over
HEARTBEAT_S = 10.0
STARTS_S = 120.0
HOST = {"uptime_s": 60, "wifi_dbm": None, "battery_v": None, "battery_percent": None, "temperature_c": None}
STATE = {
    "state": "disarmed",
    "reason": "",
    "driver": None,
    "names": {},
    "speed_limit": 1.0,
    "speed_cap": 1.0,
    "clients": 1,
    "applied": {},
    "target": {},
    "lesson": None,
    "host": {**HOST, "under_voltage": None},
}


class PlayedCar:
    """Stands in for `picar.fleet.car.CarLink`: a car at rest that records when a stop reaches it, monotonic.

    Args:
        find: returns its id.
        on_open: as of CarLink.
        on_state: as of CarLink.
    """

    played: list[PlayedCar] = []  # noqa: RUF012  # of this process

    def __init__(
        self, find: Callable[[], Any], on_open: Callable[[], None], on_state: Callable[[], None], *_: Any
    ) -> None:
        self.id = find()
        self._on_open, self._on_state = on_open, on_state
        self.here: Any = argparse.Namespace(urls=(), https=None)
        self.session = {"id": self.id, "car": self.id, "number": 1, "colour": "ee8866", "version": "0"}
        self.hello = {"limits": {"max_speed": 1.0}, "car": {"camera": False}}
        self.state: dict[str, Any] = STATE
        self.lesson: dict[str, Any] = {"boot": f"boot-{self.id}", "cap": 1.0}
        self.wanted: dict[str, Any] = {}
        self.stops: list[float] = []
        self.played.append(self)

    async def run(self) -> None:
        self._on_open()
        while True:
            self._on_state()
            await asyncio.sleep(HEARTBEAT_S)

    def send_stop(self) -> None:
        self.stops.append(time.monotonic())

    async def stopped(self) -> None:
        self.state = {**self.state, "state": "stopped", "reason": "stop"}
        self._on_state()

    def teach(self, *_: Any) -> None:
        pass


async def play(port: int, count: int) -> None:
    """Play the cars; print a line when all are started, and for each line of stdin the stops of each car so far."""
    setattr(mqtt, "CarLink", PlayedCar)  # noqa: B010
    settings = Config(mqtt=MqttConfig(url=f"mqtt://127.0.0.1:{port}", home_assistant=False))
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            bridge = mqtt.Bridge(settings, lambda name=f"{number:08d}": name, lambda: False)  # type: ignore[misc]
            tasks.create_task(bridge.run())
            await asyncio.sleep(0.005)
        print("started", flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps([car.stops for car in PlayedCar.played]), flush=True)
        raise SystemExit


class PlainCar:
    """A client of the broker that confirms each message, and records when a stop reaches it.

    Args:
        port: of the broker.
        number: of the car.
    """

    def __init__(self, port: int, number: int) -> None:
        self.stops: list[float] = []
        self._topics = Topics("picar", f"{number:08d}")
        self._data, self._unconfirmed, self._is_subscribed = b"", b"", False
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name, topic = (_counted(text) for text in (f"plain-{number}", "picar/all/cmd/+"))
        # MQTT 5: CONNECT with a clean start and no keep-alive, then SUBSCRIBE with QoS 1.
        self._send(0x10, _counted("MQTT") + b"\x05\x02\0\0\0" + name)
        self._send(0x82, b"\0\x01\0" + topic + b"\x01")
        while not self._is_subscribed:
            self.receive()
        self.socket.setblocking(False)

    def receive(self) -> None:
        """Read the bytes that have arrived."""
        self._data += self.socket.recv(4096)
        while (
            len(self._data) > 2 and len(self._data) >= 2 + self._data[1]
        ):  # each packet is shorter than 128 bytes
            kind, size = self._data[:2]
            packet, self._data = self._data[2 : 2 + size], self._data[2 + size :]
            if kind & 0xF0 == 0x30:
                self._take(packet, bool(kind & 1))
            self._is_subscribed |= kind == 0x90

    def _take(self, packet: bytes, retained: bool) -> None:
        end = 2 + int.from_bytes(packet[:2])
        start = end + 3 + packet[end + 2]  # behind the number of the packet, and the properties
        topic = packet[2:end].decode()
        verb = self._topics.verb_of(topic)
        if verb and command_of(verb, packet[start:], topic if retained else "").verb == "stop":
            self.stops.append(time.monotonic())
        self._unconfirmed += bytes((0x40, 2)) + packet[end : end + 2]

    def confirm(self) -> None:
        """Confirm the messages that were read."""
        self.socket.sendall(self._unconfirmed)
        self._unconfirmed = b""

    def _send(self, kind: int, body: bytes) -> None:
        self.socket.sendall(bytes((kind, len(body))) + body)


def _counted(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode()


def plain(port: int, count: int) -> None:
    """Play plain cars; else as `play`."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        cars = [PlainCar(port, FIRST_PLAIN + number) for number in range(count)]
        for car in cars:
            selector.register(car.socket, selectors.EVENT_READ, car)
        print("started", flush=True)
        while True:
            ready = [key.data for key, _ in selector.select()]
            for car in filter(None, ready):
                car.receive()
            for car in filter(None, ready):  # later: real cars do not wait for each other
                car.confirm()
            if None in ready:
                if not sys.stdin.readline():
                    return
                print(json.dumps([car.stops for car in cars]), flush=True)


class Players:
    """A process that plays cars; `play` and `plain` are its programs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def stops(self) -> list[list[float]]:
        """Return when each stop reached each car."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        found: list[list[float]] = json.loads(await self.line())
        return found

    async def line(self) -> str:
        """Return the next line of its output."""
        assert self.process.stdout
        async with asyncio.timeout(STARTS_S):
            return (await self.process.stdout.readline()).decode()


@contextlib.asynccontextmanager
async def players(broker: Mosquitto, program: str, count: int) -> AsyncIterator[Players]:
    """Start a process that plays so many cars, and wait until it has."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.many", program, str(broker.port), str(count)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        found = Players(process)
        assert await found.line() == "started\n"
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def cars_at(broker: Mosquitto, count: int) -> AsyncIterator[list[Players]]:
    """Play so many cars at a broker, and wait until all are online."""
    bridges = count if count <= MOST_BRIDGES else BRIDGES_AMONG_MORE
    async with Garage(broker) as garage, contextlib.AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(players(broker, "play", bridges))]
        if count > bridges:
            crowds.append(await stack.enter_async_context(players(broker, "plain", count - bridges)))

        def are_online() -> bool:
            return len({one.topic for one in garage.heard if one.topic.endswith("/state")}) == bridges

        await until(are_online, f"{bridges} cars online", STARTS_S)
        yield crowds


class Times(NamedTuple):
    """One round, in s: from the publication to the first and to the last car, and of a POST (medians).

    `post_s` has a connection of its own for each, `kept_post_s` one for all.
    """

    first_s: float
    last_s: float
    post_s: float
    kept_post_s: float


async def one_round(broker: Mosquitto, crowds: list[Players], car: str, number: int) -> Times:
    """Stop all cars over the broker, and one real car over HTTP."""
    posts = [await asyncio.to_thread(post, car, is_kept) for is_kept in (False, True)]
    async with Garage(broker) as garage:
        published_at = time.monotonic()
        await garage.publish("picar/all/cmd/stop", {"v": 1, "id": f"stop-of-round-{number}", "by": "bench"})
        await asyncio.sleep(SETTLE_S)
        found = [stops for crowd in crowds for stops in await until_handled(crowd, published_at)]
    handled = [[t for t in stops if t >= published_at] for stops in found]
    assert all(len(stops) == 1 for stops in handled), "each car handles each stop once"
    times = [stops[0] - published_at for stops in handled]
    return Times(min(times), max(times), *posts)


async def until_handled(crowd: Players, since: float) -> list[list[float]]:
    """Return the stops of the cars when each has had one."""
    found = await crowd.stops()
    while not all(stops and stops[-1] >= since for stops in found):
        await asyncio.sleep(0.1)
        found = await crowd.stops()
    return found


def post(url: str, is_kept: bool) -> float:
    """Return the median duration of `POST /api/v1/stop`, in s; `is_kept`: all on one connection."""
    place, times = urlsplit(url), []
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    for _ in range(POSTS):
        began = time.monotonic()
        connection.request("POST", "/api/v1/stop", b"")
        answer = connection.getresponse()
        answer.read()
        if not is_kept:
            connection.close()  # the next request connects again
        times.append(time.monotonic() - began)
        assert answer.status == 200, answer.status
    connection.close()
    return statistics.median(times)


async def measure(count: int, rounds: int, folder: Path) -> tuple[list[Times], float]:
    """Return the rounds but a first one that warms up, and the resident memory of the process with the bridges in MiB."""
    car = Server("picar", folder)
    try:
        async with Mosquitto(folder) as broker, cars_at(broker, count) as crowds:
            times = [await one_round(broker, crowds, car.url, number) for number in range(rounds + 1)]
            return times[1:], memory_mib(crowds[0].process.pid)[0]
    finally:
        car.stop()


def ratio(times: list[Times]) -> float:
    """Return the last car's time by that of a POST, of the medians."""
    return statistics.median(one.last_s for one in times) / statistics.median(one.post_s for one in times)


def main(counts: list[int], rounds: int) -> int:
    """Print the figures. Returns the exit code."""
    good = True
    print(f"{machine()}{', real-time priority' * go_first()}")
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="picar-many-") as folder:
            times, mib = asyncio.run(measure(count, rounds, Path(folder)))
        medians = [1000 * statistics.median(column) for column in zip(*times, strict=True)]
        good = good and ratio(times) <= MOST_RATIO
        print(
            f"{count} cars, {rounds} rounds, medians: first car {medians[0]:.1f} ms, last car {medians[1]:.1f} ms, "
            f"POST {medians[2]:.2f} ms, on a kept connection {medians[3]:.2f} ms; ratio {ratio(times):.1f}, worst last car "
            f"{1000 * max(one.last_s for one in times):.1f} ms; all bridges {mib:.0f} MiB"
        )
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["play"]:
        asyncio.run(play(*map(int, sys.argv[2:])))
    if sys.argv[1:2] == ["plain"]:
        plain(*map(int, sys.argv[2:]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, nargs="+", default=[30, 300], metavar="N", help="(30 300)")
    parser.add_argument("--rounds", type=int, default=7, help="(7)")
    given = parser.parse_args()
    sys.exit(main(given.cars, given.rounds))
