"""A client of picar.v1, as docs/protocol.md describes one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.waiting import DEADLINE_S, until

REPEAT_S = 0.03


class Client:
    """`async with Client(car.url) as phone:` connects and listens.

    Args:
        url: of the page.
        cookie: the browser's session, to come back as the same one.
        headers: more headers for the handshake.
    """

    def __init__(self, url: str, cookie: str = "", headers: dict[str, str] | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + "/ws"
        self._headers = dict(headers or {})
        if cookie:
            self._headers["Cookie"] = f"picar_session={cookie}"
        self._socket: WebSocketClientConnection
        self._listening: asyncio.Task[None]
        self._holding: asyncio.Task[None] | None = None
        self.hello: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.states: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.seq = 0
        self.closed = False

    async def __aenter__(self) -> Self:
        request = HTTPRequest(self._url, headers=self._headers)
        self._socket = await websocket_connect(request, subprotocols=["picar.v1"])
        self._listening = asyncio.create_task(self._listen())
        await until(lambda: self.hello and self.state, "hello and a first state")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.let_go(zero=False)
        self._socket.close()
        async with asyncio.timeout(DEADLINE_S):
            await self._listening

    @property
    def id(self) -> str:
        """The name that the server gave this client."""
        return str(self.hello["client"])

    @property
    def codes(self) -> list[str]:
        """The codes of all errors so far."""
        return [error["code"] for error in self.errors]

    @property
    def close_code(self) -> int | None:
        """Why the server closed the connection, if it did."""
        return self._socket.close_code

    async def send(self, **message: Any) -> None:
        """Send a message as it is."""
        await self._socket.write_message(json.dumps(message))

    async def send_raw(self, data: str | bytes) -> None:
        """Send text, or bytes as a binary frame."""
        await self._socket.write_message(data, binary=isinstance(data, bytes))

    async def ask(self, kind: str, **keys: Any) -> None:
        """Send a message that carries the newest tick."""
        await self.send(type=kind, tick=self.state["tick"], **keys)

    async def drive(self, throttle: float, steering: float = 0.0) -> None:
        """Send sticks once."""
        self.seq += 1
        await self.ask("drive", seq=self.seq, throttle=throttle, steering=steering)

    async def jog(self, side: str, duty: float) -> None:
        """Send a jog once."""
        self.seq += 1
        await self.ask("jog", seq=self.seq, side=side, duty=duty)

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

    def _repeat(self, say: Callable[[], Awaitable[None]], repeat_s: float = REPEAT_S) -> None:
        async def repeat() -> None:
            while True:
                await say()
                await asyncio.sleep(repeat_s)

        assert self._holding is None
        self._holding = asyncio.create_task(repeat())

    async def let_go(self, zero: bool = True) -> None:
        """Let go of what is held; `zero` says so to the car."""
        if self._holding:
            self._holding.cancel()
            await asyncio.gather(self._holding, return_exceptions=True)
            self._holding = None
            if zero:
                await self.drive(0.0)

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a state that meets the condition, and return it."""
        await until(lambda: condition(self.state), f"a state; the last was {self.state}, errors {self.codes}")
        return self.state

    async def hears(self, states: int) -> None:
        """Wait for so many more states."""
        goal = len(self.states) + states
        await until(lambda: len(self.states) >= goal, f"{states} more states")

    async def until_error(self, code: str) -> None:
        """Wait for an error with this code."""
        await until(lambda: code in self.codes, f"error {code}, but {self.codes}")

    async def until_closed(self) -> None:
        """Wait until the server has closed the connection."""
        await until(lambda: self.closed, "the connection closed")

    async def _listen(self) -> None:
        while (text := await self._socket.read_message()) is not None:
            message = json.loads(text)
            kind = message["type"]
            if kind == "hello":
                self.hello = message
            elif kind == "state":
                self.state = message
                self.states.append(message)
            else:
                self.errors.append(message)
        self.closed = True
