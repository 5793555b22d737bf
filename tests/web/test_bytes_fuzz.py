"""Bytes that are no HTTP and no WebSocket, and those that nearly are: the car lives, and its driver drives on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
from collections.abc import AsyncIterator

import pytest

from tests.support.client import Client
from tests.support.peer import BINARY, CLOSE, PING, TEXT, frame
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask, read_answer

pytestmark = pytest.mark.slow

CAMPAIGN = 20_000 if os.environ.get("PICAR_FUZZ") == "long" else 400
AT_ONCE = 10
PATIENT = "[session]\ncommand_timeout_s = 1.0\n"  # this process is slow too while it throws
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in UPGRADE.items()) + "\r\n"
).encode()
STOP = b'{"type":"fly"}'  # well formed, and changes nothing
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n" * 3,
    b"GET /api/v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: picar_session=x\r\n\r\n",
    b'POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"token":"x"}',
    b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-1\r\n\r\n",
    HANDSHAKE,
]
FRAMES = [
    frame(STOP),
    frame(STOP, BINARY),
    frame(b"", PING),
    frame(struct.pack("!H", 1000) + b"bye", CLOSE),
    frame(STOP[:5], TEXT, fin=False) + frame(STOP[5:], 0),
]
ODD_REQUESTS = {
    "nothing but line ends": b"\r\n" * 100,
    "a request line without end": b"GET /" + b"a" * 100_000,
    "a head without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    "a version that is none": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "a method that is none": b"G\x00T / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "two lengths": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length and chunks": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "a chunk of a negative size": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk of a huge size": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 60
    + b"\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nnonsense\r\n\r\n",
    "pipelined junk": REQUESTS[0] + b"\x00\xff" * 1000,
    "a thousand pipelined": REQUESTS[1] * 300,
    "a proxy's request": b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
}
ODD_FRAMES = {
    "half a frame": frame(STOP)[:5],
    "no mask": frame(STOP, masked=False),
    "a reserved bit": b"\xf1" + frame(STOP)[1:],
    "an opcode that is none": frame(STOP, 0x3),
    "a control opcode that is none": frame(b"", 0xB),
    "a continuation of nothing": frame(STOP, 0),
    "a text in a text": frame(STOP, fin=False) + frame(STOP),
    "a ping in pieces": frame(b"x", PING, fin=False),
    "a ping too long": frame(b"x" * 126, PING),
    "a close of one byte": frame(b"x", CLOSE),
    "a close with no code": frame(struct.pack("!H", 999), CLOSE),
    "a close that is no text": frame(struct.pack("!H", 1000) + b"\xff\xfe", CLOSE),
    "a huge length": b"\x81\xff" + struct.pack("!Q", 2**62) + b"mask",
    "a negative length": b"\x81\xff" + struct.pack("!Q", 2**64 - 1) + b"mask",
    "a long length for a short text": b"\x81\xfe" + struct.pack("!H", 5) + b"\0\0\0\0hello",
    "no UTF-8": frame(b"\xff\xfe\xfd"),
    "half a character": frame("é".encode()[:1]),
    "a surrogate": frame(b"\xed\xa0\x80"),
    "a thousand pieces": frame(b"{", fin=False) + frame(b" ", 0, fin=False) * 1000,
    "pieces without end": frame(b"{", fin=False) + frame(b" " * 4000, 0, fin=False) * 40,
    "compressed": b"\xc1" + frame(STOP)[1:],
    "a thousand pings": frame(b"x" * 100, PING) * 1000,
    "after its close": frame(struct.pack("!H", 1000), CLOSE) + frame(STOP) * 10,
    "HTTP": REQUESTS[0],
}


@pytest.fixture(scope="module")
async def car() -> AsyncIterator[Product]:
    async with Product(config=PATIENT) as product:
        yield product
        await product.terminate()
        assert product.is_low()
        assert "Traceback" not in product.log()
        assert len(product.log().splitlines()) < 2000


@pytest.fixture
async def phone(car: Product) -> AsyncIterator[Client]:
    """Drive meanwhile; afterwards nobody has disturbed it."""
    async with Client(car.url) as client:
        await client.take()
        client.hold(0.5)
        await client.until(lambda s: s["applied"]["left"] > 0.2)
        yield client
        await client.hears(5)
        await client.until(lambda s: s["clients"] == 1)
        assert (client.state["state"], client.state["driver"], client.errors) == ("armed", client.id, [])
        assert car.is_driving()
        assert (await ask(("127.0.0.1", car.port), "GET", "/healthz")).status == 200


async def throw(car: Product, data: bytes, pieces: int = 1, wait_s: float = 0.3) -> bytes:
    """Send bytes on a connection of their own, and return what comes back within a moment; a handshake is waited for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", car.port)
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        if data.startswith(HANDSHAKE):
            data = data.removeprefix(HANDSHAKE)
            writer.write(HANDSHAKE)
            assert (await read_answer(reader)).status == 101
        size = max(1, len(data) // pieces)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await asyncio.sleep(0)
        async with asyncio.timeout(wait_s):
            while part := await reader.read(65536):
                answer += part
    writer.transport.abort()
    return answer


async def test_odd_requests_are_answered_or_hung_up_on(car: Product, phone: Client) -> None:
    answers = await asyncio.gather(*(throw(car, data) for data in ODD_REQUESTS.values()))
    for what, answer in zip(ODD_REQUESTS, answers, strict=True):
        statuses = {line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")}
        assert not statuses & {b"500", b"101"}, what
        if what.startswith(
            ("a length and", "two lengths", "a negative", "a chunk", "a method", "a header w")
        ):
            assert statuses <= {b"400"}, what


async def test_odd_frames_close_their_own_connection_at_most(car: Product, phone: Client) -> None:
    await asyncio.gather(*(throw(car, HANDSHAKE + odd) for odd in ODD_FRAMES.values()))
    assert phone.state["state"] == "armed"


async def test_bytes_at_random_and_requests_that_were_hit_by_chance(car: Product, phone: Client) -> None:
    seed = int(os.environ.get("PICAR_FUZZ_SEED", random.SystemRandom().randrange(10**9)))
    print(f"again: PICAR_FUZZ_SEED={seed}")
    dice = random.Random(seed)
    for _ in range(0, CAMPAIGN, AT_ONCE):
        batch = [_junk(dice) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*(throw(car, data, dice.randint(1, 4), wait_s=0.05) for data in batch))
        for data, answer in zip(batch, answers, strict=True):
            assert b" 500 " not in answer[:40], data
    assert car.process.returncode is None


def _junk(dice: random.Random) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(dice.randint(1, 2000))
    if kind == 1:
        return _hit(dice, dice.choice(REQUESTS))
    if kind == 2:
        return HANDSHAKE + dice.randbytes(dice.randint(1, 2000))
    return HANDSHAKE + _hit(dice, b"".join(dice.choices(FRAMES, k=dice.randint(1, 6))))


def _hit(dice: random.Random, data: bytes) -> bytes:
    """Change, remove, double or cut bytes; a POST that is hit stays no stop, since none of these is one."""
    hit = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(hit) + 1)
        match dice.randrange(5):
            case 0:
                hit[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del hit[at : at + dice.randint(1, 8)]
            case 2:
                hit[at:at] = hit[max(0, at - 10) : at]
            case 3:
                hit[at:at] = dice.choice([b"\r\n", b"\0", b"\xff" * 8, b": ", b"%00", b"9" * 20])
            case _:
                del hit[at:]
    return bytes(hit)
