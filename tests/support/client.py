"""The client of the tests, the benches and the fault campaign: a WebSocket, and picar.v1 on it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from tornado.httpclient import HTTPRequest
from tornado.iostream import IOStream
from tornado.websocket import WebSocketClientConnection, websocket_connect

from picar.client.session import CarError, Session
from picar.core.protocol import SUBPROTOCOL
from tests.support.waiting import News

REPEAT_S = 0.03


class WebSocket:
    """A connection without Nagle's algorithm, as a browser's: a second small message is sent at once.

    Args:
        url: of the WebSocket.
        headers: more headers for the handshake.
        secure: the context for wss.
    """

    subprotocols: Sequence[str] = ()

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, secure: ssl.SSLContext | None = None
    ) -> None:
        self._request = HTTPRequest(url, headers=dict(headers or {}), ssl_options=secure)
        self._news = News()
        self.socket: WebSocketClientConnection
        self.closed = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def stream(self) -> IOStream:
        """The connection below the frames."""
        assert self.socket.protocol
        stream: IOStream | None = self.socket.protocol.stream
        assert stream
        return stream

    @property
    def close_code(self) -> int | None:
        """The code with which the server closed the connection, if it did."""
        return self.socket.close_code

    async def open(self) -> None:
        """Connect."""
        self.socket = await websocket_connect(
            self._request, on_message_callback=self._on_message, subprotocols=[*self.subprotocols]
        )
        self.stream.set_nodelay(True)

    async def close(self) -> None:
        """Close, and wait for the server's end."""
        self.socket.close()
        await self.until_closed()

    def receive(self, message: str | bytes) -> None:
        """Take a message, at once."""

    async def write(self, data: str | bytes) -> None:
        """Send text, or bytes as a binary frame."""
        await self.socket.write_message(data, binary=isinstance(data, bytes))

    async def wait(self, happened: Callable[[], object], what: str) -> None:
        """Wait for something that a message brings."""
        await self._news.until(happened, lambda: f"{what}; {self}")

    async def until_closed(self) -> None:
        """Wait until the server has closed the connection."""
        await self.wait(lambda: self.closed, "the end of the connection")

    def _on_message(self, message: str | bytes | None) -> None:
        if message is None:
            self.closed = True
        else:
            self.receive(message)
        self._news.wake()


class Client(WebSocket):
    """`async with Client(car.url) as phone:` connects, and waits for hello and a first state.

    Args:
        url: of the page.
        cookie: the browser's session, to come back as the same one.
        headers: more headers for the handshake.
        secure: the context for wss.
        quiet: whether to be a spectator with few states.
    """

    subprotocols = (SUBPROTOCOL,)

    def __init__(
        self,
        url: str,
        cookie: str = "",
        headers: Mapping[str, str] | None = None,
        secure: ssl.SSLContext | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        cookies = {"Cookie": f"picar_session={cookie}"} if cookie else {}
        address = url.rstrip("/").replace("http", "ws", 1) + "/ws" + "?quiet=1" * quiet
        super().__init__(address, {**(headers or {}), **cookies}, secure)
        self.session = Session()
        self.states: list[dict[str, Any]] = []
        self.errors: list[CarError] = []
        self._holding: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and wait for hello and a first state."""
        await super().open()
        await self.wait(lambda: self.session.ready, "hello and a first state")

    async def close(self) -> None:
        """Let go without a word, and close."""
        await self.let_go(zero=False)
        await super().close()

    def receive(self, message: str | bytes) -> None:
        """Keep a state or an error."""
        match self.session.receive(message, time.monotonic()):
            case CarError() as error:
                self.errors.append(error)
            case {"type": "state"} as state:
                self.states.append(state)

    @property
    def hello(self) -> dict[str, Any]:
        """The car's hello."""
        return self.session.hello

    @property
    def state(self) -> dict[str, Any]:
        """The newest state."""
        return self.session.state

    @property
    def id(self) -> str:
        """The name that the server gave this client."""
        return str(self.hello["client"])

    @property
    def codes(self) -> list[str]:
        """The codes of all errors so far."""
        return [error.code for error in self.errors]

    def __str__(self) -> str:
        return f"the last state was {self.state}, errors {self.codes}"

    async def send(self, **message: Any) -> None:
        """Send a message as it is."""
        await self.write(json.dumps(message))

    async def ask(self, kind: str, **keys: Any) -> None:
        """Send a message with the newest tick, and its `seq` if it is a command."""
        await self.write(self.session.message(kind, **keys))

    async def drive(self, throttle: float, steering: float = 0.0) -> None:
        """Send sticks once."""
        await self.ask("drive", throttle=throttle, steering=steering)

    async def jog(self, side: str, duty: float) -> None:
        """Send a jog once."""
        await self.ask("jog", side=side, duty=duty)

    async def aux(self, name: str, value: float) -> None:
        """Set an output once."""
        await self.ask("aux", name=name, value=value)

    async def take(self) -> None:
        """Take the free wheel, and show the car neutral."""
        await self.ask("take")
        await self.until(lambda s: s["you"] == "driver")
        await self.drive(0.0)
        await self.until(lambda s: s["state"] == "armed")

    def hold(self, throttle: float, steering: float = 0.0, repeat_s: float = REPEAT_S) -> None:
        """Hold sticks, repeated 30 times a second, until `let_go`."""
        self._repeat(lambda: self.drive(throttle, steering), repeat_s)

    def hold_jog(self, side: str, duty: float) -> None:
        """Hold a jog in the same way."""
        self._repeat(lambda: self.jog(side, duty))

    def hold_aux(self, name: str, value: float = 1.0) -> None:
        """Hold a horn in the same way."""
        self._repeat(lambda: self.aux(name, value))

    def _repeat(self, command: Callable[[], Awaitable[None]], repeat_s: float = REPEAT_S) -> None:
        async def repeat() -> None:
            while True:
                await command()
                await asyncio.sleep(repeat_s)

        assert self._holding is None
        self._holding = asyncio.create_task(repeat())

    async def let_go(self, zero: bool = True) -> None:
        """Release the held sticks or jog; with `zero` the car receives neutral."""
        if self._holding:
            self._holding.cancel()
            await asyncio.gather(self._holding, return_exceptions=True)
            self._holding = None
            if zero:
                await self.drive(0.0)

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for a state that meets the condition, and return it."""
        await self.wait(lambda: condition(self.state), "a state")
        return self.state

    async def hears(self, states: int) -> None:
        """Wait for so many more states."""
        goal = len(self.states) + states
        await self.wait(lambda: len(self.states) >= goal, f"{states} more states")

    async def until_error(self, code: str) -> None:
        """Wait for an error with this code."""
        await self.wait(lambda: code in self.codes, f"error {code}")
