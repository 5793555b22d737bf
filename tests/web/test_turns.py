"""A crowd that wants something, and a flood of frames: both are served in turns, the driver's messages in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import signal
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest

from picar.web.fairness import Doorway, Turns
from tests.support.product import Product
from tests.support.raw import UPGRADE
from tests.support.tornados import LINES, Tornados, tornados
from tests.support.waiting import DEADLINE_S, until

CROWD = 400  # requests at once: a quarter of a second of work on a fast laptop, seconds on a small Pi
FRAMES = 15_000  # at once, of six bytes each
PONG, EMPTY_FRAGMENT = 0x8A, 0x00


@pytest.fixture(scope="module")
def lines() -> Iterator[Tornados]:
    with tornados() as found:
        yield found


@pytest.fixture(params=sorted(LINES))
async def car(request: pytest.FixtureRequest, lines: Tornados) -> AsyncIterator[Product]:
    async with Product(env=lines.env(request.param), config="[server]\nmax_clients = 1000\n") as product:
        yield product


class Plain:
    """A WebSocket on a bare socket, which sends whatever frames a test makes."""

    def __init__(self, car: Product) -> None:
        self.socket = socket.create_connection(("127.0.0.1", car.port), timeout=DEADLINE_S)
        self._read = self.socket.makefile("rb")
        head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        self.socket.sendall(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{car.port}\r\n{head}\r\n".encode())
        while self._read.readline().strip():
            pass

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def hears_an_error(self) -> None:
        """Read until the answer to nonsense."""
        while True:
            opcode, size = self._read.read(2)
            if size == 126:
                (size,) = struct.unpack("!H", self._read.read(2))
            payload = self._read.read(size)
            if opcode == 0x81 and json.loads(payload)["type"] == "error":
                return

    def has_heard(self) -> bool:
        """Tell whether that answer is here already."""
        return b'"type":"error"' in self.socket.recv(1 << 20, socket.MSG_PEEK | socket.MSG_DONTWAIT)


def frame(first: int, payload: bytes = b"") -> bytes:
    """Return a client's frame; its mask is zero."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


NONSENSE = frame(0x81, b"{}")


@contextlib.contextmanager
def held_up(car: Product) -> Iterator[None]:
    """Stop the server for so long, so that all that is sent meanwhile comes at once."""
    car.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        car.signal(signal.SIGCONT)


async def test_a_crowd_of_requests_comes_after_a_driver_who_came_last(car: Product) -> None:
    driver = Plain(car)
    crowd = [socket.create_connection(("127.0.0.1", car.port)) for _ in range(CROWD)]
    request = f"GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{car.port}\r\n\r\n".encode()
    for one in crowd:  # each has had its answer, so that all are taken
        one.sendall(request)
        one.recv(4096)
    with held_up(car):
        for one in crowd:
            one.sendall(request)
        driver.send(NONSENSE)
    driver.hears_an_error()
    driver.send(NONSENSE)  # Tornado answers requests in the turn after the one in which it reads them
    driver.hears_an_error()
    answered, _, _ = select.select(crowd, [], [], 0)
    assert len(answered) < CROWD
    await until(lambda: len(select.select(crowd, [], [], 0)[0]) == CROWD, "answers for all")
    for one in (driver.socket, *crowd):
        one.close()


@pytest.mark.parametrize("first", [PONG, EMPTY_FRAGMENT])
async def test_a_flood_of_frames_comes_after_a_driver_who_came_last(car: Product, first: int) -> None:
    driver, flooder = Plain(car), Plain(car)
    begin, end = (frame(0x01), frame(0x80, b"{}")) if first == EMPTY_FRAGMENT else (b"", NONSENSE)
    with held_up(car):
        flooder.send(begin, frame(first) * FRAMES, end)
        driver.send(NONSENSE)
    driver.hears_an_error()
    assert not flooder.has_heard()
    flooder.hears_an_error()
    for one in (driver, flooder):
        one.socket.close()


async def test_one_of_each_line_has_its_turn_and_strangers_wait_longer() -> None:
    turns, passed = Turns(), [0, 0]

    async def come(may_come_in: bool) -> None:
        await turns.wait(may_come_in)
        passed[may_come_in] += 1

    strangers = [asyncio.create_task(come(False)) for _ in range(20)]
    await asyncio.sleep(0)
    phones = [asyncio.create_task(come(True)) for _ in range(3)]
    while passed[True] < len(phones):
        before = list(passed)
        await asyncio.sleep(0)
        assert all(now - then <= 1 for now, then in zip(passed, before, strict=True))
    assert passed[False] < len(strangers) / 2
    await asyncio.gather(*strangers, *phones)


@contextlib.contextmanager
def doorways(*families: socket.AddressFamily) -> Iterator[list[Doorway]]:
    """Open a doorway on loopback for each IP version."""
    hosts = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
    with contextlib.ExitStack() as stack:
        listening = [socket.create_server((hosts[family], 0), family=family) for family in families]
        yield [stack.enter_context(doorway) for doorway in Doorway.of(listening)]


def enter(doorway: Doorway, stack: contextlib.ExitStack, times: int) -> None:
    """Connect so many times."""
    for _ in range(times):
        stack.enter_context(socket.create_connection(doorway.getsockname()[:2]))


def taken(doorway: Doorway) -> int:
    """Take all that a doorway gives in this turn, as Tornado does, and return how many that were."""
    for count in range(128):
        try:
            doorway.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("it gives without end")


async def test_a_doorway_gives_one_connection_in_a_turn() -> None:
    with doorways(socket.AF_INET) as (doorway,), contextlib.ExitStack() as stack:
        enter(doorway, stack, 2)
        for wanted in (1, 1, 0, 0):
            assert taken(doorway) == wanted
            assert taken(doorway) == 0
            await asyncio.sleep(0)
        enter(doorway, stack, 1)
        assert taken(doorway) == 1


async def test_two_doorways_share_the_turns_and_neither_waits_for_one_that_has_none() -> None:
    with doorways(socket.AF_INET, socket.AF_INET6) as (four, six), contextlib.ExitStack() as stack:
        enter(four, stack, 5)
        enter(six, stack, 3)
        given = []
        for _ in range(9):
            given.append((taken(four), taken(six)))
            await asyncio.sleep(0)
        assert given == [(1, 0), (0, 1)] * 3 + [(1, 0)] * 2 + [(0, 0)]
        enter(six, stack, 2)
        assert taken(six) == 1
        await asyncio.sleep(0)
        assert taken(six) == 1
