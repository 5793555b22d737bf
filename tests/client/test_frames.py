"""The client's reader of WebSocket frames (RFC 6455 §5.2), alone and with many connections in turns."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from picar.client.connection import Connection, Place, Turns, frame_of
from picar.core.protocol import SUBPROTOCOL
from tests.support.waiting import DEADLINE_S, until

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
SIZES = [0, 5, 125, 126, 65535, 65536]


def text_frame(text: str) -> bytes:
    data = text.encode()
    if len(data) < 126:
        return bytes((0x81, len(data))) + data
    head = b"\x81\x7e" + len(data).to_bytes(2) if len(data) < 65536 else b"\x81\x7f" + len(data).to_bytes(8)
    return head + data


class Peer:
    """The other end of one connection, and the messages that the client has received from it."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting
        self.messages: list[str | bytes | None] = []
        self.connection: Connection
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        (key,) = re.findall(r"(?i)^sec-websocket-key: (\S+)\r$", head, re.MULTILINE)
        proof = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest()).decode()  # noqa: S324 - RFC 6455
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        chosen = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"
        self.reader, self.writer = reader, writer
        writer.write(f"Sec-WebSocket-Accept: {proof}\r\n{chosen}\r\n".encode() + self.greeting)

    async def until(self, *messages: str | bytes | None) -> None:
        """Wait until the client has received these messages."""
        await until(lambda: len(self.messages) >= len(messages), f"{len(messages)} messages")
        assert self.messages == list(messages)

    async def next_frame(self) -> tuple[int, bytes]:
        """Return the first byte and the data of the client's next frame, a short one."""
        async with asyncio.timeout(DEADLINE_S):
            kind, size = await self.reader.readexactly(2)
            assert size & 0x80, "a client masks its frames"
            mask = await self.reader.readexactly(4)
            data = await self.reader.readexactly(size & 0x7F)
        return kind, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


@asynccontextmanager
async def peer(turns: Turns | None = None, greeting: bytes = b"") -> AsyncIterator[Peer]:
    found = Peer(greeting)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        place = Place(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "", None)
        found.connection = await place.connect("ws", SUBPROTOCOL, found.messages.append, turns)
        try:
            yield found
        finally:
            found.connection.hang_up()
            found.writer.close()
            await until(lambda: None in found.messages, "the end of the connection")


@pytest.fixture(params=["alone", "in turns"])
def turns(request: pytest.FixtureRequest) -> Turns | None:
    return Turns() if request.param == "in turns" else None


@pytest.mark.parametrize("size", SIZES)
async def test_a_frame_in_two_packets_is_one_message(turns: Turns | None, size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    frame = text_frame(text)
    sent: list[str | bytes | None] = []
    async with peer(turns) as there:
        for cut in {1, 2, 3, 5, 9, 10, len(frame) - 1}:
            there.writer.write(text_frame("first") + frame[:cut])
            sent.append("first")
            if cut >= len(frame):
                sent.append(text)
            await there.until(*sent)
            if cut < len(frame):
                there.writer.write(frame[cut:])
                sent.append(text)
                await there.until(*sent)


async def test_all_frames_of_a_packet_are_messages_in_their_order(turns: Turns | None) -> None:
    texts = [str(number) for number in range(100)]
    packet = b"".join(map(text_frame, texts))
    async with peer(turns, packet) as there:
        await there.until(*texts)
        there.writer.write(packet + b"\x82\x01\x00")
        await there.until(*texts, *texts, b"\x00")


async def test_a_ping_gets_its_pong_and_is_no_message(turns: Turns | None) -> None:
    async with peer(turns) as there:
        there.writer.write(b"\x89\x04ping" + b"\x8a\x00" + text_frame("on"))
        assert await there.next_frame() == (0x8A, b"ping")
        await there.until("on")


async def test_a_close_is_answered_and_ends_the_connection(turns: Turns | None) -> None:
    async with peer(turns) as there:
        there.writer.write(text_frame("last") + b"\x88\x02" + struct.pack("!H", 1001) + text_frame("late"))
        assert await there.next_frame() == (0x88, struct.pack("!H", 1001))
        await there.until("last", None)
        assert there.connection.was_shut_down


@pytest.mark.parametrize(
    "frame",
    [
        frame_of("masked"),
        b"\x81\x7f" + (1 << 40).to_bytes(8),
        b"\x81\x7f" + b"\xff" * 8,
        b"\x01\x01a",
        b"\x80\x01a",
        b"\xc1\x01a",
        b"\x83\x01a",
        b"\x81\x02\xff\xff",
    ],
    ids=["masked", "too long", "longest", "a part", "the rest of a part", "compressed", "of no kind", "no UTF-8"],
)  # fmt: skip
async def test_a_frame_that_no_car_sends_ends_the_connection_with_a_sentence(
    turns: Turns | None, frame: bytes
) -> None:
    async with peer(turns) as there:
        there.writer.write(text_frame("good") + frame + text_frame("never"))
        await there.until("good", None)
        assert not there.connection.was_shut_down
        assert (there.connection.end.code, str(there.connection.end).count(".")) == ("closed", 1)
        async with asyncio.timeout(DEADLINE_S):
            await there.reader.read()


async def test_frames_that_the_network_does_not_take_yet_arrive_later_whole_and_in_their_order() -> None:
    async with peer() as car:
        stream = car.connection._stream
        assert stream
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        car.writer.transport.pause_reading()  # type: ignore[attr-defined]
        texts: list[str] = []
        while len(texts) < 10 or not stream.writing():
            texts.append(f"{len(texts):0100}")
            car.connection.send_frame(frame_of(texts[-1]))
        texts.append("the last one")
        car.connection.send_frame(frame_of(texts[-1]))
        car.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for text in texts:
            assert await car.next_frame() == (0x81, text.encode())


async def test_the_end_of_the_tcp_connection_is_the_end_in_the_middle_of_a_frame_too(
    turns: Turns | None,
) -> None:
    async with peer(turns) as there:
        there.writer.write(text_frame("whole") + text_frame("half")[:3])
        there.writer.close()
        await there.until("whole", None)


async def test_turns_read_each_connection_and_those_that_come_later_under_the_same_number() -> None:
    turns = Turns()
    async with peer(turns) as first, peer(turns) as second:
        for number in range(5):
            async with peer(turns) as later:
                for there in (later, first, second):
                    there.writer.write(text_frame(str(number)))
                await later.until(str(number))
        for there in (first, second):
            await there.until(*"01234")
