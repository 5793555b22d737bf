"""Clients of rosbridge: `Ros` on a WebSocket, and `RawRos`, which answers a ping only if told to."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from tests.support.client import WebSocket
from tests.support.peer import PING, PONG, frame
from tests.support.raw import UPGRADE, read_answer

BRIDGES = importlib.util.find_spec("picar.web.bridges") is not None  # its folder may be deleted
PERIOD_S = 0.05
SETTLED_S = 0.6  # the car's own rule is 0.5 s since the connection
FULL: dict[str, Any] = {"linear": {"x": 0.5}, "angular": {"z": 0.0}}
ZERO: dict[str, Any] = {"linear": {"x": 0.0}, "angular": {"z": 0.0}}


def publication(message: Any, topic: str = "/cmd_vel") -> str:
    """Return the text that publishes a message."""
    return json.dumps({"op": "publish", "topic": topic, "msg": message})


class Ros(WebSocket):
    """A guest: `async with Ros(car.url) as guest` connects to /rosbridge.

    Args:
        url: of the page.
        headers: of the handshake.
        path: another address.
        secure: the context for wss.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        path: str = "/rosbridge",
        secure: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(url.rstrip("/").replace("http", "ws", 1) + path, headers, secure)
        self.messages: list[dict[str, Any]] = []
        self._holding: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop sending, and close."""
        await self.let_go()
        await super().close()

    def receive(self, message: str | bytes) -> None:
        """Keep a message."""
        self.messages.append(json.loads(message))

    def __str__(self) -> str:
        return f"the last messages: {self.messages[-3:]}"

    async def send(self, op: str, **keys: Any) -> None:
        """Send an operation."""
        await self.write(json.dumps({"op": op, **keys}))

    async def publish(self, message: Any, topic: str = "/cmd_vel", **keys: Any) -> None:
        """Publish a message once."""
        await self.send("publish", topic=topic, msg=message, **keys)

    async def settle(self) -> None:
        """Wait until commands count."""
        await asyncio.sleep(SETTLED_S)

    async def drive(self) -> None:
        """Show neutral, then hold full throttle."""
        await self.settle()
        await self.rest()
        self.hold(FULL)

    async def rest(self) -> None:
        """Publish zero, and wait until the car has it."""
        await self.publish(ZERO)
        await self.call("/rosapi/nodes")

    def hold(self, *messages: Any) -> None:
        """Publish messages in turn, 20 times a second, until `let_go`."""

        async def repeat() -> None:
            while True:
                for message in messages:
                    await self.publish(message)
                    await asyncio.sleep(PERIOD_S)

        assert self._holding is None
        self._holding = asyncio.create_task(repeat())

    async def let_go(self) -> None:
        """Stop sending."""
        holding, self._holding = self._holding, None
        if holding:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def call(self, called: str, **args: Any) -> dict[str, Any]:
        """Call a service, and return the answer."""
        name = f"call {len(self.messages)}"
        await self.send("call_service", id=name, service=called, args=args)
        await self.wait(lambda: self._answers(name), f"an answer of {called}")
        return self._answers(name)[0]

    def _answers(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.messages if one["op"] == "service_response" and one.get("id") == name]

    @property
    def statuses(self) -> list[str]:
        """The texts of all status messages so far."""
        return [one["msg"] for one in self.messages if one["op"] == "status"]

    def published(self, topic: str) -> list[Any]:
        """Return the messages of a topic so far."""
        return [one["msg"] for one in self.messages if one["op"] == "publish" and one["topic"] == topic]

    async def until_published(self, topic: str, count: int = 1) -> Any:
        """Wait for so many messages of a topic, and return the newest."""
        await self.wait(lambda: len(self.published(topic)) >= count, f"{count} of {topic}")
        return self.published(topic)[-1]

    async def until_status(self, words: str) -> None:
        """Wait for a status with these words."""
        await self.wait(lambda: any(words in text for text in self.statuses), f"a status with {words}")


class RawRos:
    """A guest on a bare socket. `pings` are the payloads of the car so far, `pongs_at` the time of its newest pong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.pings: list[bytes] = []
        self.pong_at = 0.0

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> RawRos:
        """Shake hands at /rosbridge."""
        reader, writer = await asyncio.open_connection(*address)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{name}: {value}\r\n" for name, value in {"Host": address[0], **UPGRADE}.items()]
        writer.write(f"GET /rosbridge HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
        assert (await read_answer(reader)).status == 101
        return cls(reader, writer)

    def publish(self, message: Any) -> None:
        """Publish a message."""
        self.writer.write(frame(publication(message).encode()))

    def pong(self, payload: bytes) -> None:
        """Send a pong."""
        self.writer.write(frame(payload, PONG))

    async def listen(self, seconds: float, *, answer: bool = True, message: Any = None) -> None:
        """Read for a time, and publish a message 20 times a second; `answer`: whether pings are answered."""
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            if message is not None:
                self.publish(message)
            try:
                async with asyncio.timeout(min(left, PERIOD_S)):
                    while True:
                        await self._read_one(answer)
            except TimeoutError:
                pass

    async def _read_one(self, answer: bool) -> None:
        head = await self._peek(2)
        size, start = head[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes((await self._peek(start))[2:start])
        payload = (await self._peek(start + size))[start:]
        self._arrived = self._arrived[start + size :]
        if head[0] & 0xF == PING:
            self.pings.append(payload)
            if answer:
                self.pong(payload)
                self.pong_at = time.monotonic()

    _arrived = b""

    async def _peek(self, size: int) -> bytes:
        while len(self._arrived) < size:
            data = await self._reader.read(65536)
            assert data, "the car has closed the connection"
            self._arrived += data
        return self._arrived[:size]
