"""Foreign protocols under attack: broken frames and bodies, clients that do not read, and the end at each moment."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import socket
import time

import pytest

from picar.core.protocol import MAX_BYTES
from tests.support.client import Client
from tests.support.peer import BINARY, CLOSE, PING, PONG, TEXT, frame
from tests.support.product import EN_PINS, Product
from tests.support.raw import UPGRADE
from tests.support.ros import FULL, ZERO, RawRos, Ros, publication
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow

ROSBRIDGE, FOXGLOVE = "/rosbridge", "/foxglove"
ON = "[rosbridge]\nenabled = true\nport = 0\n[classic]\nenabled = true\n[foxglove]\nenabled = true\n"
CAMERA = '[camera]\nsource = "test"\n'
MESSAGES = [
    publication(FULL),
    publication({"header": {}, "twist": FULL}, "/cmd_vel_stamped"),
    *(json.dumps({"op": "subscribe", "topic": topic, "id": "a"}) for topic in ("/tf", "/picar/state")),
    json.dumps({"op": "unsubscribe", "topic": "/tf", "id": "a"}),
    json.dumps({"op": "call_service", "service": "/rosapi/topic_type", "id": "1", "args": {"topic": "/tf"}}),
    json.dumps({"op": "call_service", "service": "/picar/reset"}),
    json.dumps({"op": "subscribe", "subscriptions": [{"id": 1, "channelId": 0}, {"id": 2, "channelId": 6}]}),
    json.dumps({"op": "unsubscribe", "subscriptionIds": [1]}),
    json.dumps({"op": "advertise", "channels": [{"id": 1, "topic": "/x"}]}),
]
PARTS = b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\nw\r\n--x--\r\n'
BODIES = [b"k=w", PARTS, b"k=%77", b"k=w&k=s", b"k[]=w"]
FORMS = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
]
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
WORDS = [
    *(
        b"NaN",
        b"Infinity",
        b"1e400",
        b"true",
        b"null",
        b'"\\ud800"',
        b"{}",
        b"\xff",
        b"\x00",
        b'"op":"publish",',
    ),
    b"1" * 400,
    b"[" * 900 + b"]" * 900,
]
STOP = json.dumps({"op": "call_service", "service": "/picar/stop", "id": "x" * 3000}).encode()
GROWTH_MB = 4.0


class Fuzz:
    """Random changes of messages, the same in each run."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def mutated(self, message: bytes) -> bytes:
        """Return a message with some changes."""
        text, draw = bytearray(message), self._draw
        for _ in range(draw.randrange(1, 6)):
            at, number = draw.randrange(len(text) + 1), NUMBER.search(text)
            match draw.randrange(4):
                case 0:
                    text[at:at] = draw.choice([*WORDS, text[:20]])
                case 1:
                    del text[at : at + draw.randrange(1, 9)]
                case 2 if number:
                    text[number.start() : number.end()] = draw.choice(WORDS)
                case _:
                    text[at : at + 1] = draw.randbytes(1)
        return bytes(text[:MAX_BYTES])

    def frames(self) -> bytes:
        """Return a message in one frame, in fragments, or in a broken frame."""
        text, draw = self.mutated(self._draw.choice(MESSAGES).encode()), self._draw
        match draw.randrange(12):
            case 0:
                return frame(text, BINARY)
            case 1:
                return frame(text[:99], draw.choice([PING, PONG]))
            case 2:
                return frame(text[:5], TEXT, False) + frame(b"", PING) + frame(text[5:], 0)
            case 3:
                return frame(text, draw.choice([0, 3, 7, 11, 15]))
            case 4:
                whole = bytearray(frame(text))
                whole[draw.randrange(4)] ^= 1 << draw.randrange(8)
                return bytes(whole)
            case _:
                return frame(text)

    def post(self) -> bytes:
        """Return a POST whose body is no valid letter."""
        draw = self._draw
        body = self.mutated(draw.choice(BODIES))
        body += b"!" * (b"w" in body)
        length = len(body) + draw.choice([0, 0, 0, -1, 1])
        size = b"Content-Length: %d\r\n\r\n" % length
        if draw.random() < 0.2:
            size, body = b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {draw.choice(FORMS)}\r\n"
        return head.encode() + size + body


def handshake(path: str) -> bytes:
    headers = {"Host": "127.0.0.1", **UPGRADE, "Sec-WebSocket-Protocol": "foxglove.sdk.v1"}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def deaf(car: Product, path: str) -> socket.socket:
    """Connect a client that never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((car.host, car.port))
    client.sendall(handshake(path))
    return client


async def send_until_closed(car: Product, start: bytes, pieces: list[bytes]) -> None:
    """Send pieces on a connection until all are sent or the car closes it, and read what comes."""
    reader, writer = await asyncio.open_connection(car.host, car.port)
    reading = asyncio.create_task(reader.read())
    try:
        writer.write(start)
        for number, piece in enumerate(pieces):
            if reading.done():
                break
            writer.write(piece)
            if number % 20 == 0:
                await writer.drain()
        await asyncio.sleep(0.02)
    except ConnectionError:
        pass
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.close()


async def flood(client: socket.socket, message: bytes) -> None:
    """Send a message over and over.

    Raises:
        ConnectionError: the car has closed the connection.
    """
    give_up_at, rest = time.monotonic() + DEADLINE_S, b""
    while time.monotonic() < give_up_at:
        rest = rest or message * 50
        try:
            rest = rest[client.send(rest) :]
        except BlockingIOError:
            await asyncio.sleep(0.005)


async def until_alone(phone: Client) -> None:
    await phone.until(lambda s: s["clients"] == 1 and s["driver"] is None)


def was_high(car: Product) -> bool:
    return any(write["value"] for write in car.trace() if write["pin"] in EN_PINS)


@pytest.mark.parametrize("seed", range(3))
async def test_broken_messages_move_no_wheel_leave_no_traceback_and_no_memory(seed: int) -> None:
    fuzz = Fuzz(seed)
    async with Product(config=ON) as car:
        before = 0.0
        for number in range(20):
            for path in (ROSBRIDGE, FOXGLOVE):
                await send_until_closed(car, handshake(path), [fuzz.frames() for _ in range(60)])
            await send_until_closed(car, b"", [fuzz.post() for _ in range(30)])
            before = before or (car.memory_mb() if number == 4 else 0.0)
        async with Client(car.url) as phone:
            await until_alone(phone)
        assert car.memory_mb() - before < GROWTH_MB
        assert not was_high(car)
        assert "Traceback" not in car.log()


@pytest.mark.parametrize("path", [ROSBRIDGE, FOXGLOVE])
async def test_a_frame_that_breaks_the_protocol_ends_its_connection_alone(path: str) -> None:
    broken = [
        b"\x81\xff" + (2**40).to_bytes(8) + b"mask",
        frame(b"x" * (MAX_BYTES + 1)),
        frame(b"x" * MAX_BYTES, TEXT, False) + frame(b"x", 0),
        b"\xc1" + frame(b"{}")[1:],  # compressed, which was not agreed
        frame(b"x" * 126, PING),
        frame(b"x", CLOSE),
        frame(b"x", 0),
    ]
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await guest.drive()
        await car.until_driving()
        for piece in broken:
            await send_until_closed(car, handshake(path), [piece, frame(b"{}")])
        await phone.until(lambda s: s["clients"] == 2)
        assert car.is_driving()
        assert "Traceback" not in car.log()


@pytest.mark.parametrize("path", [ROSBRIDGE, FOXGLOVE])
async def test_clients_that_do_not_read_hold_no_memory_and_are_disconnected(path: str) -> None:
    wanted = [{"op": "subscribe", "subscriptions": [{"id": key, "channelId": key} for key in range(7)]}]
    if path == ROSBRIDGE:
        topics = ("/odom", "/tf", "/picar/state", "/diagnostics", "/camera/image/compressed")
        wanted = [{"op": "subscribe", "topic": topic} for topic in topics]
    async with Product("sim", config=ON + CAMERA) as car, Client(car.url) as phone:
        before = car.memory_mb()
        clients = [deaf(car, path) for _ in range(8)]
        await phone.until(lambda s: s["clients"] == 9)
        for client in clients:
            for message in wanted:
                client.sendall(frame(json.dumps(message).encode()))
        await until_alone(phone)
        assert car.memory_mb() - before < 8.0
        for client in clients:
            client.close()


@pytest.mark.parametrize("message", [frame(b"x" * 125, PING), frame(STOP)], ids=["pings", "calls"])
async def test_answers_that_are_not_read_do_not_pile_up(message: bytes) -> None:
    async with Product(config=ON) as car, Client(car.url) as phone:
        before = car.memory_mb()
        client = deaf(car, ROSBRIDGE)
        client.setblocking(False)
        with pytest.raises(ConnectionError):
            await flood(client, message)
        await phone.until(lambda s: s["clients"] == 1)
        assert car.memory_mb() - before < GROWTH_MB
        client.close()


@pytest.mark.parametrize(
    "phase", ["handshake", "settling", "settled", "neutral", "driving", "stopped", "failsafe"]
)
@pytest.mark.parametrize("politely", [True, False])
async def test_a_guest_may_leave_at_any_time(phase: str, politely: bool) -> None:
    async with Product(config=f"{ON}[session]\ngrace_s = 30\n") as car, Client(car.url) as phone:
        guest = await RawRos.connect((car.host, car.port))
        if phase not in ("handshake", "settling"):
            await guest.listen(0.7)
        if phase not in ("handshake", "settled"):
            guest.publish(ZERO)
            await guest.listen(0.1)
        if phase in ("driving", "stopped", "failsafe"):
            await guest.listen(0.3, message=FULL)
            await car.until_driving()
        if phase == "stopped":
            await phone.send(type="stop")
        if phase == "failsafe":
            await guest.listen(0.2, answer=False)
            await asyncio.sleep(0.6)
        if politely:
            guest.writer.write(frame(b"\x03\xe8", CLOSE))
        else:
            guest.writer.transport.abort()
        await until_alone(phone)
        await car.until_low()
        guest.writer.close()
        assert "Traceback" not in car.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_a_car_that_ends_while_guests_drive_ends_with_low_pins(number: signal.Signals) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest, Ros(car.url) as other:
        await guest.drive()
        await car.until_driving()
        other.hold(ZERO, FULL)
        os.kill(car.process.pid, number)
        code = await car.ended()
        await car.until_low()
        assert code == (-number if number == signal.SIGKILL else 0)
        await guest.until_closed()
        await other.until_closed()
        await guest.let_go()
        await other.let_go()
        assert "Traceback" not in car.log()
