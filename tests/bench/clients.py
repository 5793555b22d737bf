"""The drivers' side: one client for each way to talk to a server under test.

All of them take a command as one number in [0, 1], send it at once and note when; `answers` holds when each
answer came. Client and servers read the same clock, CLOCK_MONOTONIC.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import tornado.iostream
import tornado.tcpclient
import tornado.websocket

from tests.bench.server import Server

PATIENCE_S = 20.0


class Driver(Protocol):
    """What the rounds ask of a client."""

    answers: list[float]

    async def open(self) -> None: ...
    def send(self, value: float) -> float: ...
    async def answered(self, count: int) -> None: ...
    async def close(self) -> None: ...


class Inbox:
    """Wakes whoever waits for something that a message brings."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until `happened()`, which is asked again at every message.

        Raises:
            TimeoutError: it did not.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not happened():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"waited {PATIENCE_S:g} s for {what}") from None


class Socket:
    """A WebSocket client; the plain servers answer each message with one."""

    path = "ws"
    subprotocols: Sequence[str] = ()

    def __init__(self, server: Server) -> None:
        self.answers: list[float] = []
        self.inbox = Inbox()
        self._url = server.ws_url + self.path
        self._connection: tornado.websocket.WebSocketClientConnection | None = None
        self._seq = 0

    @property
    def connection(self) -> tornado.websocket.WebSocketClientConnection:
        assert self._connection is not None, "open() comes first"
        return self._connection

    @property
    def stream(self) -> tornado.iostream.IOStream:
        assert self.connection.protocol is not None
        assert self.connection.protocol.stream is not None
        return self.connection.protocol.stream

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._connection = await tornado.websocket.websocket_connect(
            self._url, on_message_callback=self.receive, subprotocols=[*self.subprotocols]
        )
        self.stream.set_nodelay(
            True
        )  # as browsers do; else a command waits up to 40 ms for the last one's ACK

    def receive(self, message: str | bytes | None) -> None:
        if message is not None:
            self.answers.append(time.monotonic())
            self.inbox.wake()

    def command(self, value: float) -> str:
        """Return the next drive message."""
        self._seq += 1
        return json.dumps({"type": "drive", "seq": self._seq, "tick": 1, "throttle": value, "steering": 0.0})

    def send(self, value: float) -> float:
        """Send a command and return when."""
        text = self.command(value)
        now = time.monotonic()
        self.connection.write_message(text)
        return now

    def flood(self, texts: Sequence[str]) -> float:
        """Send messages back to back, one write each, framed beforehand so that this is not what is measured."""
        frames = [frame(text) for text in texts]
        now = time.monotonic()
        for each in frames:
            self.stream.write(each)
        return now

    async def answered(self, count: int) -> None:
        await self.inbox.until(lambda: len(self.answers) >= count, f"{count} answers")

    async def close(self) -> None:
        self.connection.close()


class Listener(Socket):
    """A client that only listens to telemetry."""

    path = "telemetry"


class Picar(Socket):
    """A picar.v1 client: it follows the states for their ticks, and answers are rare."""

    subprotocols = ("picar.v1",)

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.errors: Counter[str] = Counter()
        self.state: dict[str, Any] = {}

    def receive(self, message: str | bytes | None) -> None:
        if message is None:
            return
        content = json.loads(message)
        if content["type"] == "state":
            self.state = content
        elif content["type"] == "error":
            self.errors[content["code"]] += 1
            self.answers.append(time.monotonic())
        self.inbox.wake()

    async def open(self) -> None:
        await super().open()
        await self.inbox.until(lambda: bool(self.state), "the first state")

    async def take(self) -> None:
        """Get the wheel and show neutral."""
        self._say(type="take", tick=self.state["tick"])
        await self.inbox.until(lambda: self.state["you"] == "driver", f"the wheel; {self}")
        self.send(0.0)
        await self.inbox.until(lambda: self.state["state"] == "armed", f"an armed car; {self}")

    def command(self, value: float) -> str:
        self._seq += 1
        message = {"type": "drive", "seq": self._seq, "tick": self.state["tick"]}
        return json.dumps({**message, "throttle": round(value, 6), "steering": 0.0})

    def bad_command(self) -> str:
        """Return a message that is answered with `bad_value`, to see when all before it were read."""
        return self.command(2.0)

    async def close(self) -> None:
        if self.state.get("you") == "driver":
            self.send(0.0)
            self._say(type="release")
        await super().close()

    def _say(self, **message: Any) -> None:
        self.connection.write_message(json.dumps(message))

    def __str__(self) -> str:
        return f"state {self.state}, errors {dict(self.errors)}"


class Presser:
    """A page with buttons: one HTTP POST for each press, on one kept-alive connection."""

    def __init__(self, server: Server) -> None:
        self.answers: list[float] = []
        self._port = int(server.url.rstrip("/").rpartition(":")[2])
        self._inbox = Inbox()
        self._stream: tornado.iostream.IOStream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._presses = 0

    async def open(self) -> None:
        self._stream = await tornado.tcpclient.TCPClient().connect("127.0.0.1", self._port)
        self._stream.set_nodelay(True)
        self._reader = asyncio.create_task(self._read(self._stream))

    def send(self, value: float) -> float:  # a button is all or nothing
        assert self._stream is not None
        self._presses += 1
        body = b"press=forward" if self._presses % 2 else b"press=reverse"
        head = (
            b"POST /press HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        )
        now = time.monotonic()
        self._stream.write(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
        return now

    async def answered(self, count: int) -> None:
        await self._inbox.until(lambda: len(self.answers) >= count, f"{count} answers")

    async def close(self) -> None:
        assert self._stream is not None
        assert self._reader is not None
        self._reader.cancel()
        self._stream.close()

    async def _read(self, stream: tornado.iostream.IOStream) -> None:
        while True:
            head = await stream.read_until(b"\r\n\r\n")
            await stream.read_bytes(int(head.partition(b"Content-Length: ")[2].split()[0]))
            self.answers.append(time.monotonic())
            self._inbox.wake()


def frame(text: str) -> bytes:
    """Return a client's WebSocket text frame (RFC 6455 §5.2), masked with zeros."""
    payload = text.encode()
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
    return b"\x81" + length + bytes(4) + payload
