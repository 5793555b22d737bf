"""Too many, too slow, too deaf: the driver drives on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.iostream import IOStream

from picar.car.audience import DEAF_S
from picar.web.connection_limits import ConnectionLimits
from picar.web.server import IDLE_S
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask, read_answer
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.alone

WARM_UP, CONNECTS, AT_ONCE = 500, 5000, 20
TIMEOUT_S = 1.0  # this process is slow too while it plays hundreds of strangers
PATIENT = f"[session]\ncommand_timeout_s = {TIMEOUT_S}\n"
GROWTH_KIB = 6 * 1024  # of 5000 connections; 1.2 KiB each would be found
CLOSED_S = (
    IDLE_S + DEADLINE_S
)  # one whose end the car does not hear of is closed when it has been idle for long
HEAD = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n"


@asynccontextmanager
async def driven(car: Product, headers: dict[str, str] | None = None) -> AsyncIterator[Client]:
    """Have somebody drive meanwhile; at the end the car follows them still, and stops when they fall silent."""
    async with Client(car.url, headers=headers) as phone:
        await phone.take()
        phone.hold(0.6)
        await phone.until(lambda s: s["applied"]["left"] > 0.3)
        yield phone
        assert (phone.state["state"], phone.errors) == ("armed", [])
        await phone.let_go(zero=False)
        await phone.drive(-0.9)  # through zero: the pins tell that this one arrived
        await phone.until(lambda s: s["applied"]["left"] < 0)
        said_at = time.monotonic()
        await car.until_low()
        assert time.monotonic() - said_at < 3.0
        low_at = max(write["t"] for write in car.trace())
        assert low_at - said_at < TIMEOUT_S + 0.1  # the deadline, and one look of the motor process


def descriptors(car: Product) -> int:
    return len(list(Path(f"/proc/{car.process.pid}/fd").iterdir()))


def connections(car: Product) -> list[str]:
    """Return the connections that the car holds open, as the kernel tells them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = f":{car.port:04X}"
    # 0A listens; what waits to be accepted, and what nobody holds any more, has no inode
    return [line[2] for line in lines if line[1].endswith(mine) and line[3] != "0A" and line[9] != "0"]


def memory_kib(car: Product) -> int:
    (line,) = [
        line
        for line in Path(f"/proc/{car.process.pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Rss:")
    ]
    return int(line.split()[1])


def streams(count: int) -> list[IOStream]:
    """Return streams that count as connections; nothing is on their other side."""
    return [IOStream(socket.socket()) for _ in range(count)]


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(config=PATIENT) as product:
        yield product
        await product.terminate()
        assert product.is_low()
        assert "Traceback" not in product.log()


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    async with Household(config=f"{PATIENT}[server]\nmax_clients = 10\n") as household:
        yield household
        await household.terminate()
        assert household.is_low()
        assert "Traceback" not in household.log()


@pytest.mark.parametrize(
    ("ip", "neighbour", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),  # one network of IPv6 is one address
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("fe80::1%eth0", "fe80::2%eth0", "192.0.2.1"),
    ],
)
async def test_one_address_has_so_many_connections_and_no_more(ip: str, neighbour: str, other: str) -> None:
    limits = ConnectionLimits(total=100, per_address=4)
    mine = streams(4)
    for stream in mine[:3]:
        assert limits.refusal(ip) == ""
        limits.add(stream, ip)
    limits.upgrade(mine[0], ip)
    limits.remove_http(mine[0])  # Tornado's call after an upgrade
    limits.add(mine[3], neighbour)
    for stream in mine[1:]:
        limits.upgrade(stream, ip)
    assert "already has 4 connections" in limits.refusal(ip)
    assert limits.refusal(neighbour)
    assert limits.refusal(other) == ""
    limits.remove(mine[0])
    limits.remove(mine[0])  # once more changes nothing
    assert limits.refusal(ip) == ""
    for stream in mine:
        limits.remove(stream)
        stream.close()
    assert not limits._by_network
    assert not limits._http
    assert not limits._websockets


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
async def test_a_tunnel_s_clients_are_not_one_address(ip: str) -> None:
    limits = ConnectionLimits(total=100, per_address=4)
    for stream in streams(50):
        assert limits.refusal(ip) == ""
        limits.add(stream, ip)
        stream.close()


async def test_in_a_full_car_the_oldest_stranger_makes_room_and_no_socket_ever() -> None:
    limits = ConnectionLimits(total=3, per_address=4)
    phone, first, second = streams(3)
    for stream in (phone, first, second):
        limits.add(stream, "192.0.2.1")
    limits.upgrade(phone, "192.0.2.1")
    assert limits.refusal("192.0.2.2") == ""
    assert (phone.closed(), first.closed(), second.closed()) == (False, True, False)
    limits.upgrade(second, "192.0.2.1")
    (third,) = streams(1)
    limits.add(third, "192.0.2.2")
    limits.upgrade(third, "192.0.2.2")
    assert "already has 3 connections" in limits.refusal("192.0.2.3")
    assert not phone.closed()
    for stream in (phone, second, third):
        stream.close()


async def test_strangers_displace_strangers_and_never_who_is_inside(house: Household) -> None:
    mia = await house.phone("Mia")
    async with driven(house, mia) as phone, contextlib.AsyncExitStack() as others:
        strangers = [await asyncio.open_connection(*house.address) for _ in range(30)]
        for reader, writer in strangers:
            writer.write(HEAD.format(path="/healthz", more="").encode())
            assert (await read_answer(reader)).status == 200
        reader, _ = strangers[0]
        assert await asyncio.wait_for(reader.read(), 20) == b""  # the oldest has gone
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
        for _ in range(9):  # who is inside comes in, whatever strangers wait there
            await others.enter_async_context(house.client(mia))
        await phone.until(lambda s: s["clients"] == 10)
        answer = await ask(house.address, "GET", "/")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "too_many", "10")
        assert "already has 10 connections" in answer.json["error"]["message"]
        refused = await ask(house.address, "GET", "/ws", UPGRADE | mia)
        assert (refused.status, refused.code) == (503, "too_many")
        for _, writer in strangers:
            writer.close()


async def test_half_a_request_holds_nobody_up(car: Product) -> None:
    """Slowloris: heads, handshakes and bodies that never end, and one byte now and then."""
    halves = [
        HEAD.format(path="/", more="X-Slow: ")[:-4],
        HEAD.format(path="/ws", more="Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ")[:-4],
        HEAD.format(path="/ws", more="Upgrade: websocket\r\nConnection: Upgrade\r\n")[:-2],
        "POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        "G",
        "",
    ]
    async with driven(car) as phone:
        writers = []
        for n in range(240):
            _, writer = await asyncio.open_connection("127.0.0.1", car.port)
            writer.write(halves[n % len(halves)].encode())
            writers.append(writer)
        for letter in b"slow":
            for writer in writers:
                writer.write(bytes([letter]))
            await phone.hears(10)
        assert (await ask(("127.0.0.1", car.port), "GET", "/healthz")).status == 200
    for writer in writers:
        writer.close()


async def test_one_that_never_reads_is_skipped_and_then_dropped(car: Product) -> None:
    async with driven(car) as phone:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", car.port))
        deaf.sendall(
            HEAD.format(path="/ws", more="".join(f"{k}: {v}\r\n" for k, v in UPGRADE.items())).encode()
        )
        await phone.until(lambda s: s["clients"] == 2)
        before, heard, began = memory_kib(car), len(phone.states), time.monotonic()
        flood = (
            struct.pack("!BBI", 0x89, 0x80 | 120, 0) + b"x" * 120
        )  # a ping wants a pong, which nobody reads
        deaf.setblocking(False)
        while phone.state["clients"] == 2:
            assert time.monotonic() - began < 10 * DEAF_S
            with contextlib.suppress(BlockingIOError, ConnectionError):
                deaf.send(flood * 20)
            await asyncio.sleep(0.02)
        lasted = time.monotonic() - began
        assert lasted >= DEAF_S
        assert len(phone.states) - heard > 10 * lasted  # of twenty a second
        assert memory_kib(car) - before < GROWTH_KIB
        deaf.close()


async def come_and_go(house: Household, n: int, mia: dict[str, str]) -> None:
    """Connect and leave, in one way of many."""
    way = n % 7
    reader, writer = await asyncio.open_connection(*house.address)
    upgrade = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    cookie = f"Cookie: {mia['Cookie']}\r\n"
    try:
        if way == 0:
            return
        if way == 1:
            writer.write(b"G")
        elif way == 2:
            writer.write(HEAD.format(path="/healthz", more="").encode())
        elif way == 3:
            writer.write(HEAD.format(path="/ws", more=upgrade).encode())  # a stranger
        elif way == 4:
            writer.write(HEAD.format(path="/api/v1/state", more=cookie).encode())
        else:
            writer.write(HEAD.format(path="/ws", more=upgrade + cookie).encode())
        if way > 1:
            status = (await read_answer(reader)).status
            assert status == (401 if way == 3 else 101 if way > 4 else 200)
        if way == 6:
            writer.transport.abort()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_five_thousand_come_and_go_and_leave_nothing_behind() -> None:
    async with Household() as house:
        mia = await house.phone("Mia")

        async def many(count: int) -> tuple[int, int]:
            """Have so many come and go; return the descriptors and the memory that are left."""
            for start in range(0, count, AT_ONCE):
                await asyncio.gather(*(come_and_go(house, n, mia) for n in range(start, start + AT_ONCE)))
            async with house.client(mia) as last:
                await last.until(lambda s: s["clients"] == 1)
            await until(lambda: not connections(house), "all connections are closed", CLOSED_S)
            return descriptors(house), memory_kib(house)

        before, memory = await many(WARM_UP)
        after, memory_after = await many(CONNECTS)
        print(f"{CONNECTS} connects: {before} and {after} descriptors, {memory} and {memory_after} KiB")
        assert after == before
        assert memory_after - memory < GROWTH_KIB
        await house.terminate()
        assert "Traceback" not in house.log()
