"""A crowd that wants something, and a flood of frames: both are served in turns, the driver's messages in between."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from picar.web.fairness import FairListener, FairQueues
from tests.support.client import Client
from tests.support.descriptors import readable
from tests.support.peer import PONG, Peer, frame
from tests.support.product import Product
from tests.support.tornados import LINES, Tornados, tornados
from tests.support.waiting import until

CROWD = 400  # requests at once: a quarter of a second of work on a fast laptop, seconds on a small Pi
FRAMES = 15_000  # at once, of six bytes each
CONTINUATION = 0x0


@pytest.fixture(scope="module")
def lines() -> Iterator[Tornados]:
    with tornados() as found:
        yield found


@pytest.fixture(params=sorted(LINES))
async def car(request: pytest.FixtureRequest, lines: Tornados) -> AsyncIterator[Product]:
    async with Product(env=lines.env(request.param), config="[server]\nmax_clients = 1000\n") as product:
        yield product


NONSENSE = frame(b"{}")


def hears_an_error(peer: Peer) -> None:
    """Read until the answer to nonsense."""
    peer.until(lambda: bool(peer.errors))
    peer.errors.clear()


@contextlib.contextmanager
def held_up(car: Product) -> Iterator[None]:
    """Stop the server for so long, so that all that is sent meanwhile comes at once."""
    car.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        car.signal(signal.SIGCONT)


async def test_a_crowd_of_requests_comes_after_a_driver_who_came_last(car: Product) -> None:
    driver = Peer(("127.0.0.1", car.port))
    crowd = [socket.create_connection(("127.0.0.1", car.port)) for _ in range(CROWD)]
    request = f"GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{car.port}\r\n\r\n".encode()
    for one in crowd:  # each has had its answer, so that all are taken
        one.sendall(request)
        one.recv(4096)
    with held_up(car):
        for one in crowd:
            one.sendall(request)
        driver.send_bytes(NONSENSE)
    hears_an_error(driver)
    driver.send_bytes(NONSENSE)  # Tornado answers requests in the turn after the one in which it reads them
    hears_an_error(driver)
    assert len(readable(crowd)) < CROWD
    await until(lambda: len(readable(crowd)) == CROWD, "answers for all")
    driver.close()
    for one in crowd:
        one.close()


@pytest.mark.parametrize("opcode", [PONG, CONTINUATION])
async def test_a_flood_of_frames_comes_after_a_driver_who_came_last(car: Product, opcode: int) -> None:
    driver, flooder = Peer(("127.0.0.1", car.port)), Peer(("127.0.0.1", car.port))
    begin, end = (frame(b"", fin=False), frame(b"{}", 0)) if opcode == CONTINUATION else (b"", NONSENSE)
    with held_up(car):
        flooder.send_bytes(begin + frame(b"", opcode, fin=opcode == PONG) * FRAMES + end)
        driver.send_bytes(NONSENSE)
    hears_an_error(driver)
    flooder.pump()
    assert not flooder.errors
    hears_an_error(flooder)
    for one in (driver, flooder):
        one.close()


async def test_one_of_each_line_has_its_turn_and_strangers_wait_longer() -> None:
    queues, passed = FairQueues(), [0, 0]

    async def come(admitted: bool) -> None:
        await queues.wait(admitted)
        passed[admitted] += 1

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
def listeners(*families: socket.AddressFamily) -> Iterator[list[FairListener]]:
    """Open a listener on loopback for each IP version."""
    hosts = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
    with contextlib.ExitStack() as stack:
        listening = [socket.create_server((hosts[family], 0), family=family) for family in families]
        yield [stack.enter_context(listener) for listener in FairListener.take_over(listening)]


def connect(listener: FairListener, stack: contextlib.ExitStack, times: int) -> None:
    """Connect so many times."""
    for _ in range(times):
        stack.enter_context(socket.create_connection(listener.getsockname()[:2]))


def accepted(listener: FairListener) -> int:
    """Accept all connections of this turn, as Tornado does, and return their number."""
    for count in range(128):
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("it accepts without end")


async def test_a_listener_accepts_one_connection_in_a_turn() -> None:
    with listeners(socket.AF_INET) as (listener,), contextlib.ExitStack() as stack:
        connect(listener, stack, 2)
        for wanted in (1, 1, 0, 0):
            assert accepted(listener) == wanted
            assert accepted(listener) == 0
            await asyncio.sleep(0)
        connect(listener, stack, 1)
        assert accepted(listener) == 1


async def test_two_listeners_share_the_turns_and_neither_waits_for_one_that_has_none() -> None:
    with listeners(socket.AF_INET, socket.AF_INET6) as (four, six), contextlib.ExitStack() as stack:
        connect(four, stack, 5)
        connect(six, stack, 3)
        given = []
        for _ in range(9):
            given.append((accepted(four), accepted(six)))
            await asyncio.sleep(0)
        assert given == [(1, 0), (0, 1)] * 3 + [(1, 0)] * 2 + [(0, 0)]
        connect(six, stack, 2)
        assert accepted(six) == 1
        await asyncio.sleep(0)
        assert accepted(six) == 1


async def test_texts_are_read_in_their_order_wherever_the_packets_end(car: Product) -> None:
    texts = [
        b'{"type":"%b"}' % name for name in (b"a", b"b" * 112, b"c" * 113, b"d")
    ]  # 125 and 126 bytes in the middle
    codes = frame(texts[0]) + frame(texts[1]) + frame(texts[2], masked=False) + frame(texts[3][:5], fin=False)
    codes += frame(b"", PONG) + frame(texts[3][5:], CONTINUATION)
    async with Client(car.url) as phone:
        for cut in range(1, len(codes), 5):
            await phone.stream.write(codes[:cut])
            await asyncio.sleep(0.002)
            await phone.stream.write(codes[cut:])
            await phone.wait(lambda: len(phone.errors) == 4, "four answers")
            assert [str(error).split('"')[1][:1] for error in phone.errors] == ["a", "b", "c", "d"]
            phone.errors.clear()


async def test_a_text_amid_the_parts_of_another_ends_the_connection(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.stream.write(frame(b"{", fin=False) + NONSENSE)
        await phone.until_closed()
        assert not phone.errors
