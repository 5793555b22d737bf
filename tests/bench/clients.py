"""The drivers' side: one client for each way to talk to a server under test.

All of them take a command as one number in [0, 1], send it at once and return when; `answers` holds when each
answer came. Client and servers read the same clock, CLOCK_MONOTONIC.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import tornado.iostream
import tornado.tcpclient

from picar.client.session import encode
from picar.config import RosbridgeConfig
from tests.bench.server import Server
from tests.support.client import Client, WebSocket
from tests.support.peer import frame
from tests.support.ros import SETTLED_S, Ros, publication
from tests.support.waiting import News

MAX_LINEAR = RosbridgeConfig().max_linear
ZEROS = bytes(4)  # a mask, which RFC 6455 wants of a client


class Driver(Protocol):
    """A client, as the rounds use it."""

    answers: list[float]

    async def open(self) -> None: ...
    def command(self, value: float) -> float: ...
    async def answered(self, count: int) -> None: ...
    async def close(self) -> None: ...


class Commander(WebSocket):
    """A WebSocket that sends commands without waiting."""

    answers: list[float]

    def text(self, value: float) -> str:
        """Return the next command."""
        raise NotImplementedError

    def command(self, value: float) -> float:
        """Send a command and return when."""
        text = self.text(value)
        now = time.monotonic()
        self.socket.write_message(text)
        return now

    def flood(self, texts: Sequence[str]) -> float:
        """Send messages back to back, one write each; they are framed before the clock starts."""
        frames = [frame(text.encode(), mask=ZEROS) for text in texts]
        now = time.monotonic()
        for each in frames:
            self.stream.write(each)
        return now

    async def answered(self, count: int) -> None:
        """Wait for so many answers."""
        await self.wait(lambda: len(self.answers) >= count, f"{count} answers")


class Plain(Commander):
    """The client of a server that answers each message with one."""

    path = "ws"

    def __init__(self, server: Server) -> None:
        super().__init__(server.ws_url + self.path)
        self.answers = []
        self._seq = 0

    def receive(self, message: str | bytes) -> None:
        self.answers.append(time.monotonic())

    def text(self, value: float) -> str:
        self._seq += 1
        return encode("drive", seq=self._seq, tick=1, throttle=value, steering=0.0)


class Listener(Plain):
    """A client that only listens to telemetry."""

    path = "telemetry"


class Picar(Commander, Client):
    """The product's client. Its answers are the errors, and rare; a command of 2 is answered with `bad_value`."""

    def __init__(self, server: Server) -> None:
        Client.__init__(self, server.url)
        self.answers = []

    def receive(self, message: str | bytes) -> None:
        before = len(self.errors)
        super().receive(message)
        if len(self.errors) > before:
            self.answers.append(time.monotonic())

    def text(self, value: float) -> str:
        return self.session.message("drive", throttle=round(value, 6), steering=0.0)

    async def close(self) -> None:
        if self.session.drives and not self.closed:
            self.command(0.0)
            await self.write(self.session.message("release"))
        await super().close()


class Guest(Commander, Ros):
    """A guest that speaks rosbridge. The car answers only with errors."""

    def __init__(self, server: Server) -> None:
        Ros.__init__(self, server.url)
        self.answers = []

    @property
    def errors(self) -> list[str]:
        """The refusals so far."""
        return self.statuses

    async def take(self) -> None:
        """Show neutral; the first command takes the wheel."""
        await asyncio.sleep(SETTLED_S)
        self.command(0.0)

    def text(self, value: float) -> str:
        return publication({"linear": {"x": round(value * MAX_LINEAR, 6)}})

    async def close(self) -> None:
        self.command(0.0)
        await super().close()


class Presser:
    """A page with buttons: one HTTP POST for each press, on one kept-alive connection."""

    def __init__(self, server: Server) -> None:
        self.answers: list[float] = []
        self._port = int(server.url.rstrip("/").rpartition(":")[2])
        self._news = News()
        self._stream: tornado.iostream.IOStream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._presses = 0

    async def open(self) -> None:
        self._stream = await tornado.tcpclient.TCPClient().connect("127.0.0.1", self._port)
        self._stream.set_nodelay(True)
        self._reader = asyncio.create_task(self._read(self._stream))

    def command(self, value: float) -> float:  # a button is all or nothing
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
        await self._news.until(lambda: len(self.answers) >= count, lambda: f"{count} answers")

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
            self._news.wake()
