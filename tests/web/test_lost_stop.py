"""A request that has arrived is handled, whatever becomes of its connection; above all a STOP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from picar.web.request_heads import HeadStream
from tests.support.client import Client
from tests.support.product import Product
from tests.support.raw import read_answer
from tests.support.tornados import LINES, Tornados, tornados
from tests.support.waiting import DEADLINE_S, until

TRIES = 8  # without the law, one try of two to four was lost
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STOP = {
    "an empty body": b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
    "no body": b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "behind a request": HEALTH + b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


ANSWERED = {
    "small": HEALTH,
    "big": get("/static/js/sticks.js"),
    "stop": STOP["no body"],
}


def reset(connection: socket.socket) -> None:
    """Close a connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


ENDS: dict[str, Callable[[socket.socket], None]] = {
    "close": socket.socket.close,
    "reset": reset,
    "half-close": half_close,
}


@pytest.fixture(scope="module")
def lines() -> Iterator[Tornados]:
    with tornados() as found:
        yield found


@pytest.fixture(params=sorted(LINES), scope="module")
async def car(request: pytest.FixtureRequest, lines: Tornados) -> AsyncIterator[Product]:
    async with Product(env=lines.env(request.param), config="[session]\ngrace_s = 0.0\n") as product:
        yield product
        await product.terminate()
        assert "Traceback" not in product.log()


@contextlib.asynccontextmanager
async def connected(car: Product, kept_alive: bool) -> AsyncIterator[socket.socket]:
    """Connect; a kept-alive connection has had an answer before."""
    with socket.create_connection(("127.0.0.1", car.port), timeout=DEADLINE_S) as connection:
        if kept_alive:
            connection.sendall(HEALTH)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        yield connection


@pytest.mark.parametrize("stop", STOP.values(), ids=STOP)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("kept_alive", [False, True], ids=["first", "kept alive"])
async def test_a_stop_counts_when_its_connection_ends_at_once(
    car: Product, stop: bytes, end: Callable[[socket.socket], None], kept_alive: bool
) -> None:
    async with Client(car.url) as driver:
        await driver.ask("take")
        await driver.until(lambda s: s["you"] == "driver")
        for _ in range(TRIES):
            async with connected(car, kept_alive) as connection:
                connection.sendall(stop)
                end(connection)
                await driver.until(lambda s: s["state"] == "stopped")
            await driver.ask("reset")
            await driver.until(lambda s: s["state"] == "disarmed")


@pytest.mark.parametrize("request_", ANSWERED.values(), ids=ANSWERED)
@pytest.mark.parametrize("kept_alive", [False, True], ids=["first", "kept alive"])
async def test_a_half_closed_request_is_answered(car: Product, request_: bytes, kept_alive: bool) -> None:
    for _ in range(TRIES):
        async with connected(car, kept_alive) as connection, asyncio.timeout(DEADLINE_S):
            connection.sendall(request_ * 2)
            half_close(connection)
            connection.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=connection)
            assert [(await read_answer(reader)).status for _ in range(2)] == [200, 200]
            assert await reader.read() == b""
            writer.close()


async def test_an_answer_to_a_closed_connection_is_no_error_in_the_log(car: Product) -> None:
    for path in ("/api/v1/flight", "/static/js/sticks.js", "/"):
        for end in (socket.socket.close, reset):
            async with connected(car, kept_alive=True) as connection:
                connection.sendall(get(path))
                end(connection)
    async with Client(car.url):  # its handshake waits for its turn behind these requests
        assert "ERROR" not in car.log()


@contextlib.asynccontextmanager
async def waiting_head(
    head: bytes,
) -> AsyncIterator[tuple[Watched, socket.socket, asyncio.Event, asyncio.Future[bytes]]]:
    """Give a stream whose whole head waits for its turn, its other end, the turn, and the pending read."""
    here, there = socket.socketpair()
    waits, turn = asyncio.Event(), asyncio.Event()

    async def wait(_head: bytes) -> None:
        waits.set()
        await turn.wait()

    stream = Watched(here, wait, max_buffer_size=128 * 1024)
    reading = asyncio.ensure_future(stream.read_until_regex(b""))
    await asyncio.sleep(0)  # the read is pending, as on a kept-alive connection
    there.send(head)
    async with asyncio.timeout(DEADLINE_S):
        await waits.wait()
        yield stream, there, turn, reading
    stream.close()
    there.close()


class Watched(HeadStream):
    """Counts the events that the loop reports."""

    events = 0

    def _handle_events(self, fd: Any, events: int) -> None:
        self.events += 1
        super()._handle_events(fd, events)


async def test_a_whole_head_is_parsed_though_its_connection_was_closed_to_make_room() -> None:
    head = STOP["no body"]
    async with waiting_head(head) as (stream, _, turn, reading):
        stream.close()
        turn.set()
        assert await reading == head


async def test_an_end_that_waits_behind_a_request_wakes_the_loop_once() -> None:
    head = get("/")
    async with waiting_head(head) as (stream, there, turn, reading):
        there.send(head)
        there.close()
        await until(lambda: stream.events >= 2, "the loop has reported the end")
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert (stream.events, stream.closed()) == (2, False)
        turn.set()
        assert await reading == head
        assert await stream.read_until_regex(b"") == head
        reading = asyncio.ensure_future(stream.read_until_regex(b""))
        await until(reading.done, "the end is read")
        assert stream.closed()
        assert reading.exception() is not None
