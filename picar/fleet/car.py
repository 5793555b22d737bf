"""The bridge as a client of its own car: states come in; stops, lessons and caps go out. It drives nothing.

Laws:
- A stop is sent on the open WebSocket before anything is waited for.
- A car that is silent for too long counts as away, and the connection begins anew.
- A lesson is sent again after each start of the server. A lesson that the car refuses is not repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from picar.client.connection import Connection, Place
from picar.client.session import CarError, Session
from picar.core.lesson import SCOPES, Lesson
from picar.core.protocol import SUBPROTOCOL, ProtocolError
from picar.errors import AccessError
from picar.fleet.outbox import pause_s
from picar.fleet.topics import is_moving
from picar.values import Value

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 8.0
# A quiet spectator gets a state each second while the car is driven, else each 10 s.
SILENT_S, SILENT_AT_REST_S = 5.0, 25.0
STOP_S = 0.3  # for the answer to a stop on the WebSocket
COMPLAIN_S = 60.0


class Here(Value):
    """The way to the car on this machine, and the addresses of its page. `https` is a port, or None."""

    place: Place
    urls: tuple[str, ...]
    https: int | None


class Complaints:
    """Warnings in the log, at most one in `COMPLAIN_S`."""

    def __init__(self) -> None:
        self._at = float("-inf")

    def __call__(self, sentence: str) -> None:
        """Log a sentence, unless the newest one is younger than `COMPLAIN_S`."""
        now = time.monotonic()
        if now - self._at >= COMPLAIN_S:
            self._at = now
            log.warning("%s", sentence)


class CarLink:
    """The connection to the car, made again whenever it ends.

    Args:
        find: returns the car's place; raises CarError or AccessError.
        on_open: called with a new connection, when `session`, `hello` and `lesson` are known.
        on_state: called after `on_open`, with each state and each answer about the lesson.
        on_end: called when the connection has ended.

    `session` and `lesson` are the newest answers of `GET /api/v1/session` and `GET /api/v1/lesson`, `hello` and `state` the newest
    messages of picar.v1.
    """

    def __init__(
        self,
        find: Callable[[], Here],
        on_open: Callable[[], None],
        on_state: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self._find = find
        self._on_open, self._on_state, self._on_end = on_open, on_state, on_end
        self.here: Here | None = None
        self.session: dict[str, Any] = {}
        self.hello: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.lesson: dict[str, Any] = {}
        self.wanted: dict[str, Lesson] = {}  # by scope
        self._connection: Connection | None = None
        self._taught: dict[str, Lesson] = {}  # by scope: the newest lesson that this server has answered
        self._complain = Complaints()
        self._news, self._arrived = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Stay connected, without end."""
        tries = -1
        while True:
            opened_at = time.monotonic()
            try:
                await self._live()
            except (CarError, AccessError, ProtocolError, OSError) as error:
                self._complain(f"the car does not answer: {error}")
            tries = 0 if time.monotonic() - opened_at > LONGEST_PAUSE_S else tries + 1
            await asyncio.sleep(pause_s(tries, LONGEST_PAUSE_S, random.random()))  # noqa: S311

    def send_stop(self) -> None:
        """Send a stop on the WebSocket at once, if it is open; `stopped` waits for the answer."""
        if self._connection:
            self._connection.send_now('{"type":"stop"}')

    async def stopped(self) -> None:
        """Wait until the car is stopped; without an answer, send the stop over HTTP too. Raises CarError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._connection:
                    if self.state["state"] == "stopped":
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
        try:
            place = (self.here or self._find()).place  # also between two connections
        except AccessError as error:
            raise CarError("no_answer", str(error)) from None
        self.state = await place.ask("POST", "api/v1/stop")
        self._on_state()

    async def cap(self, speed: float) -> None:
        """Set the fleet's speed cap, a share of `max_speed`; raises CarError."""
        self.lesson = await self._ask("POST", "api/v1/fleet-cap", speed=speed)
        self._on_state()

    def teach(self, scope: str, lesson: Lesson | None) -> None:
        """Send a lesson to the car as soon as possible. None: forget the lesson of this scope."""
        self.wanted.pop(scope, None)
        if lesson:
            self.wanted[scope] = lesson
            self._news.set()

    async def _ask(self, method: str, path: str, **members: Any) -> dict[str, Any]:
        if self.here is None:
            raise CarError("no_answer", "The car does not answer. Start picar on this machine.")
        answer: dict[str, Any] = await self.here.place.ask(method, path, **members)
        return answer

    async def _live(self) -> None:
        """Connect, and receive until the end; raises CarError if it cannot begin."""
        session, messages = Session(), asyncio.Queue[str | bytes | None]()
        here = self._find()
        self.session = await here.place.ask("GET", "api/v1/session")
        lesson = await here.place.ask("GET", "api/v1/lesson")
        if not self.session.get("id") or not lesson.get("boot"):
            raise CarError("no_car", "The server is another version of picar. Restart picar.")
        connection = await here.place.connect("ws?quiet=1", SUBPROTOCOL, messages.put_nowait)
        teacher = asyncio.create_task(self._teach())
        try:
            while (text := await _within(messages, session.state)) is not None:
                before = session.state.get("lesson")
                message = session.receive(text, time.monotonic())
                if isinstance(message, CarError) or not session.ready or message["type"] != "state":
                    continue
                self.state = message
                if self._connection is None:
                    self._open(here, connection, session, lesson)
                elif message.get("lesson") != before:
                    self._news.set()
                self._arrived.set()
                self._on_state()
        finally:
            teacher.cancel()
            connection.hang_up()
            was_open, self._connection, self.here = self._connection is not None, None, None
            if was_open:
                self._on_end()

    def _open(self, here: Here, connection: Connection, session: Session, lesson: dict[str, Any]) -> None:
        if lesson["boot"] != self.lesson.get("boot"):
            self._taught.clear()
        self.here, self._connection, self.hello, self.lesson = here, connection, session.hello, lesson
        self._news.set()
        self._on_open()

    async def _teach(self) -> None:
        """At each news, send the lessons that the car has not answered yet, and read the lesson in force."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                for scope in SCOPES:
                    lesson = self.wanted.get(scope)
                    if lesson and lesson != self._taught.get(scope):
                        await self._put(scope, lesson)
                self.lesson = await self._ask("GET", "api/v1/lesson")
                self._on_state()
            except CarError as error:
                self._complain(f"the lesson did not reach the car: {error}")
                await asyncio.sleep(1.0)
                self._news.set()

    async def _put(self, scope: str, lesson: Lesson) -> None:
        try:
            await self._ask("PUT", "api/v1/lesson", scope=scope, **lesson._asdict())
        except CarError as error:
            if error.code not in ("old_lesson", "bad_request"):
                raise
            log.warning("the car refuses the lesson for %s: %s", scope, error)
        self._taught[scope] = lesson


async def _within(messages: asyncio.Queue[str | bytes | None], state: dict[str, Any]) -> str | bytes | None:
    try:
        async with asyncio.timeout(SILENT_S if is_moving(state) else SILENT_AT_REST_S):
            return await messages.get()
    except TimeoutError:
        raise CarError("no_answer", "It sends no state.") from None
