"""A neighbour who opens a connection every 2 ms keeps no slow phone out, with one address or with many of one network."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator

import pytest
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from picar.web.connection_limits import ConnectionLimits, LimitedServer, PendingConnections
from tests.support.waiting import until

TOTAL, PER_ADDRESS = 1200, 32
EVERY_S = 0.002
FILLED_S = 0.3  # more connections than an address gets
SLOW_S = (0.3, 0.4, 0.5, 0.6, 0.7)  # from a phone's connection to its request
PHONE_S = 10.0
HEAD = b"GET / HTTP/1.1\r\n\r\n"


class Page(RequestHandler):
    def get(self) -> None:
        self.write("the page")


class Hall:
    """A server to which each connection comes from the address that a test gives it."""

    def __init__(self) -> None:
        self.server = LimitedServer(
            Application([("/", Page)]),
            limits=ConnectionLimits(TOTAL, PER_ADDRESS),
            has_priority=lambda _head, _ip: False,
            max_buffer_size=128 * 1024,
            idle_connection_timeout=20.0,
        )
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []

    def connect(self, ip: str) -> socket.socket:
        mine = socket.create_connection(self._listening.getsockname())
        mine.setblocking(False)
        theirs, _ = self._listening.accept()
        self.server.handle_stream(IOStream(theirs, max_buffer_size=128 * 1024), (ip, 1))
        self.open.append(mine)
        return mine

    def close(self) -> None:
        for one in (self._listening, *self.open):
            one.close()


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    one = Hall()
    yield one
    one.close()
    await one.server.close_all_connections()
    while one.server._pending.close_oldest():
        pass


async def crowd_out(hall: Hall, addresses: itertools.cycle[str], says: bytes) -> None:
    began = time.monotonic()
    for n in itertools.count(1):
        one = hall.connect(next(addresses))
        if says:
            with contextlib.suppress(OSError):
                one.send(says)
        await asyncio.sleep(max(0.0, began + n * EVERY_S - time.monotonic()))


async def gets_in(hall: Hall, ip: str, slow_s: float) -> bool:
    loop = asyncio.get_running_loop()
    phone = hall.connect(ip)
    await asyncio.sleep(slow_s)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PHONE_S):
            await loop.sock_sendall(phone, b"GET / HTTP/1.1\r\nHost: car\r\n\r\n")
            return (await loop.sock_recv(phone, 4096)).startswith(b"HTTP/1.1 200 ")
    return False


@pytest.mark.parametrize("says", [b"", b"G"])
@pytest.mark.parametrize(
    ("phone", "neighbours"),
    [
        ("2001:db8::1", ["2001:db8::bad"]),
        ("2001:db8::1", [f"2001:db8::bad:{n:x}" for n in range(5000)]),
        ("192.0.2.1", ["192.0.2.2"]),
        ("192.0.2.1", [f"198.51.{n // 250}.{n % 250}" for n in range(5000)]),
    ],
    ids=["one address of IPv6", "many addresses of IPv6", "one address of IPv4", "many addresses of IPv4"],
)
async def test_a_slow_phone_gets_in(phone: str, neighbours: list[str], says: bytes, hall: Hall) -> None:
    crowding = asyncio.create_task(crowd_out(hall, itertools.cycle(neighbours), says))
    await asyncio.sleep(FILLED_S)
    got = await asyncio.gather(*(gets_in(hall, phone, slow_s) for slow_s in SLOW_S))
    crowding.cancel()
    await asyncio.gather(crowding, return_exceptions=True)
    assert all(got)


class Clients:
    """Four pending connections at most, two for each address."""

    def __init__(self, idle_s: float = 20.0) -> None:
        self.pending = PendingConnections(total=4, per_address=2, idle_s=idle_s)
        self.spoke: list[bytes] = []
        self.others: list[socket.socket] = []

    async def note(self, head: bytes) -> None:
        self.spoke.append(head)

    def come(self, *ips: str) -> list[IOStream]:
        streams = []
        for ip in ips:
            here, there = socket.socketpair()
            streams.append(IOStream(here))
            self.others.append(there)
            self.pending.add(streams[-1], ip, self.note)
        return streams


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    found = Clients()
    yield found
    while found.pending.close_oldest():
        pass
    for one in found.others:
        one.close()


def closed(streams: list[IOStream]) -> list[bool]:
    return [stream.closed() for stream in streams]


async def test_an_address_at_its_limit_of_pending_connections_loses_its_own_oldest(clients: Clients) -> None:
    streams = clients.come("192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2")
    assert closed(streams) == [False, True, False, False]


async def test_at_the_limit_of_pending_connections_the_network_with_most_loses_its_oldest(
    clients: Clients,
) -> None:
    streams = clients.come("192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.2")
    assert closed(streams) == [False, True, False, False, False]


async def test_loopback_may_have_all_pending_connections(clients: Clients) -> None:
    assert closed(clients.come(*["127.0.0.1"] * 5)) == [True, False, False, False, False]


async def test_a_connection_reports_its_whole_head_and_is_pending_until_it_is_removed() -> None:
    clients = Clients()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = socket.create_connection(listening.getsockname())
        here = IOStream(listening.accept()[0])
    clients.pending.add(here, "192.0.2.1", clients.note)
    for byte in HEAD[:-1]:
        there.send(bytes([byte]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not clients.spoke
    there.send(HEAD[-1:])
    await until(lambda: clients.spoke, "a whole head")
    assert clients.spoke == [HEAD]
    assert clients.pending.remove(here)
    assert not clients.pending.remove(here)
    assert not clients.pending.close_oldest()
    assert await here.read_bytes(100, partial=True) == HEAD
    here.close()
    there.close()


@pytest.mark.parametrize("says", [b"", b"GET"])
async def test_a_connection_whose_client_closes_it_is_not_pending(says: bytes, clients: Clients) -> None:
    (stream,) = clients.come("192.0.2.1")
    clients.others[0].send(says)
    clients.others[0].close()
    await until(lambda: stream.closed() or clients.spoke, "the end of it")
    assert clients.spoke == ([says] if says else [])


async def test_an_idle_pending_connection_is_closed() -> None:
    clients = Clients(idle_s=0.01)
    clients.come("192.0.2.1")
    loop = asyncio.get_running_loop()
    clients.others[0].setblocking(False)
    async with asyncio.timeout(PHONE_S):
        assert await loop.sock_recv(clients.others[0], 1) == b""
    clients.others[0].close()
