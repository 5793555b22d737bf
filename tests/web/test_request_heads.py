"""Request heads: any packets, both lines of Tornado, limits with an answer that helps, and one cookie among thousands."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from tornado.iostream import IOStream, StreamClosedError

from picar.web.auth import find_cookie
from picar.web.request_heads import DRAIN_BYTES, HEAD_BYTES, HEAD_LINES, HeadStream, field_values
from tests.support.descriptors import readable
from tests.support.household import Household
from tests.support.raw import Answer, ask, read_answer
from tests.support.tornados import LINES, Tornados, tornados
from tests.support.waiting import DEADLINE_S, until

STRANGERS = 200
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def lines() -> Iterator[Tornados]:
    with tornados() as found:
        yield found


@pytest.fixture(params=sorted(LINES), scope="module")
async def car(request: pytest.FixtureRequest, lines: Tornados) -> AsyncIterator[Household]:
    async with Household(env=lines.env(request.param)) as house:
        yield house
        await house.terminate()
        assert "Traceback" not in house.log()


async def get(car: Household, headers: dict[str, str], path: str = "/api/v1/session") -> Answer:
    return await ask(car.address, "GET", path, headers)


def of_bytes(size: int) -> bytes:
    """Return a whole head of exactly so many bytes."""
    begin = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX: "
    return begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n"


def of_lines(count: int) -> bytes:
    """Return a whole head of exactly so many lines."""
    begin = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    return begin + b"".join(b"X%d: y\r\n" % n for n in range(count - 3)) + b"\r\n"


async def answers(car: Household, packets: list[bytes], count: int = 1) -> list[Answer]:
    """Send packets on one connection, each after the car could read the one before, and return the answers."""
    reader, writer = await asyncio.open_connection(*car.address)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    async with asyncio.timeout(DEADLINE_S):
        for packet in packets:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0)
        found = [await read_answer(reader) for _ in range(count)]
    writer.close()
    return found


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (of_bytes(HEAD_BYTES), 200),
        (of_bytes(HEAD_BYTES + 1), 431),
        (of_bytes(DRAIN_BYTES), 431),
        (of_lines(HEAD_LINES), 200),
        (of_lines(HEAD_LINES + 1), 431),
    ],
)
async def test_a_head_above_8_kb_or_100_lines_is_refused(car: Household, head: bytes, status: int) -> None:
    (answer,) = await answers(car, [head])
    assert answer.status == status


async def test_a_program_with_too_many_cookies_gets_json_and_a_browser_a_page_that_names_them(
    car: Household,
) -> None:
    cookies = {"Cookie": "; ".join(f"program{n}={'x' * 80}" for n in range(100))}
    answer = await get(car, cookies)
    assert (answer.status, answer.code) == (431, "head_too_big")
    assert "Delete the cookies of this address" in answer.json["error"]["message"]
    assert answer.headers["connection"] == "close"
    for browser in (cookies | BROWSER, BROWSER | cookies):
        page = await get(car, browser, "/")
        assert page.status == 431
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert b"Delete the cookies of this address" in page.body
        assert "Cookie" in page.body.decode().partition('<p lang="zh-CN">')[2]


async def test_a_paired_phone_gets_in_with_other_programs_cookies_up_to_the_limit(car: Household) -> None:
    mia = await car.phone("Mia")
    others = "; ".join(f"program{n}={'x' * 80}" for n in range(70))
    for cookies in (f"{others}; {mia['Cookie']}", f"{mia['Cookie']}; {others}", f"{others}\n{mia['Cookie']}"):
        assert (await ask(car.address, "GET", "/api/v1/state", {"Cookie": cookies})).status == 200
    assert (await ask(car.address, "GET", "/api/v1/state", {"Cookie": others})).status == 401


async def test_a_head_may_come_in_any_packets_and_a_second_one_behind_it(car: Household) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for cut in range(1, len(head)):
        (answer,) = await answers(car, [head[:cut], head[cut:]])
        assert answer.status == 200
    both = await answers(car, [bytes([byte]) for byte in head * 2], 2)
    both += await answers(car, [head * 2 + head[:5], head[5:]], 3)
    assert [answer.status for answer in both] == [200] * 5
    (bare,) = await answers(car, [head.replace(b"\r\n", b"\n")])
    assert bare.status == 200


async def test_a_body_behind_a_head_is_read_however_it_comes(car: Household) -> None:
    body = b'{"pin":"' + car.pin.encode() + b'","name":"Body"}'
    head = (
        "POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    behind = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for packets in ([head + body + behind], [head, body + behind], [head + body[:3], body[3:] + behind]):
        paired, healthy = await answers(car, packets, 2)
        assert (paired.status, healthy.status) == (200, 200)


async def test_a_form_is_refused_and_not_parsed(car: Household) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await ask(car.address, "POST", "/api/v1/pair", form, b"%zz=&" * 700)
    assert (answer.status, answer.code) == (415, "not_json")


@asynccontextmanager
async def stream(turns: list[bytes]) -> AsyncIterator[tuple[HeadStream, socket.socket]]:
    here, there = socket.socketpair()

    async def turn(head: bytes) -> None:
        turns.append(head)

    one = HeadStream(here, turn, max_buffer_size=128 * 1024)
    yield one, there
    one.close()
    there.close()


async def test_each_packet_and_each_whole_head_waits_for_a_turn() -> None:
    turns: list[bytes] = []
    async with stream(turns) as (here, there):
        reading = asyncio.ensure_future(here.read_until_regex(b""))
        for n, packet in enumerate((b"GET / HT", b"TP/1.1\r", b"\n\r")):
            there.send(packet)
            await until(lambda n=n: len(turns) > n, "a turn")  # type: ignore[misc]
        there.send(b"\nbody")
        head = await reading
        assert head == b"GET / HTTP/1.1\r\n\r\n"
        assert turns == [b"", b"", b"", head]
        assert await here.read_bytes(10, partial=True) == b"body"


async def test_a_head_that_never_ends_is_given_up_after_64_kb() -> None:
    async with stream([]) as (here, there):
        reading = asyncio.ensure_future(here.read_until_regex(b""))
        other = IOStream(there)
        sending = other.write(b"x" * (DRAIN_BYTES + 100_000))
        with pytest.raises(StreamClosedError):
            await reading
        assert (await other.read_until(b"\r\n")).startswith(b"HTTP/1.1 431 ")
        other.close()
        assert sending.exception() is None or isinstance(sending.exception(), StreamClosedError)


async def test_who_hung_up_meanwhile_gets_no_turn_of_tornado_s() -> None:
    async with stream([]) as (here, there):
        reading = asyncio.ensure_future(here.read_until_regex(b""))
        there.send(b"GET / HTTP/1.1\r\n")
        there.close()
        with pytest.raises(StreamClosedError):
            await reading


@pytest.mark.parametrize(
    ("lines_of_cookies", "value"),
    [
        ([], ""),
        ([""], ""),
        (["car"], ""),
        (["car="], ""),
        (["car=1"], "1"),
        (["a=b; car=1; c=d"], "1"),
        (["a=b;car=1;c=d"], "1"),
        ([" car = 1 ;"], "1"),
        (['car="1"'], "1"),
        (["car=a=b"], "a=b"),
        (["scar=2; car_=3; xcar=4"], ""),
        (["a=car=2; b=x car=3"], ""),
        (["car=1; car=2"], "2"),  # the one for the shortest path
        (["car=1", "a=b"], "1"),
        (["CAR=1"], ""),
        ([";" * 8000 + "car=1"], "1"),
    ],
)
def test_one_cookie_is_found_among_others(lines_of_cookies: list[str], value: str) -> None:
    assert find_cookie(lines_of_cookies, "car") == value


def test_a_field_is_found_in_a_head_that_is_not_parsed() -> None:
    head = b"GET /?\r\nCookie: a \r\nX-Cookie: b\r\nX: Cookie: c\r\ncOOKIE:d\r\n\r\n"
    assert field_values(head, "Cookie") == ["a", "d"]
    assert field_values(b"Cookie: a\r\n\r\n", "Cookie") == []


async def test_a_paired_phone_s_head_goes_before_those_of_strangers_who_came_first(car: Household) -> None:
    mia = await car.phone("Mia")
    about = f" /healthz HTTP/1.1\r\nHost: 127.0.0.1:{car.port}\r\nX: {'x' * 4000}\r\n"
    with contextlib.ExitStack() as stack:
        strangers = [
            stack.enter_context(socket.create_connection(car.address, timeout=DEADLINE_S))
            for _ in range(STRANGERS)
        ]
        phone = stack.enter_context(socket.create_connection(car.address, timeout=DEADLINE_S))
        for one in strangers:
            one.sendall(f"GET{about}\r\n".encode())
        await until(lambda: len(readable(strangers)) == STRANGERS, "all are taken in")
        for one in strangers:
            one.recv(4096)
        car.signal(signal.SIGSTOP)
        for one in strangers:
            one.sendall(f"GET{about}\r\n".encode())
        phone.sendall(f"GET{about}Cookie: {mia['Cookie']}\r\n\r\n".encode())
        car.signal(signal.SIGCONT)
        assert phone.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert len(readable(strangers)) < STRANGERS / 2
        await until(lambda: len(readable(strangers)) == STRANGERS, "answers for all")
