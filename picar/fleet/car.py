"""A program as a client of a car: states come in; stops, lessons and caps go out. It drives nothing.

`Link` is what all such programs share; `CarLink` is the link of the bridge to its own car.

Laws:
- A stop is sent on the open WebSocket before anything is waited for.
- A car that is silent for too long counts as away, and the connection begins anew.
- A lesson is sent again after each start of the server. A lesson that the car refuses is not repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from picar.client.connection import Connection, Place, Turns, frame_of
from picar.client.session import CarError, read
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


def stop_frame() -> bytes:
    """Return a stop for `Link.send_stop`."""
    return frame_of('{"type":"stop"}')


class Link:
    """A quiet connection to one car, made again whenever it ends. A subclass finds the car, and follows what happens.

    `lesson` is the newest answer about the lesson, `wanted` are the lessons for the car by scope.
    """

    def __init__(self) -> None:
        self.lesson: dict[str, Any] = {}
        self.wanted: dict[str, Lesson] = {}
        self._turns: Turns | None = None  # of a program with many links
        self._place: Place | None = None  # of the open connection
        self._connection: Connection | None = None
        self._hello: dict[str, Any] = {}  # until the first state
        self._ending: asyncio.Future[CarError] | None = None
        self.was_shut_down = False  # whether the car has ended the newest connection in order
        self._heard_at, self._is_moving = 0.0, False
        self._taught: dict[str, Lesson] = {}  # by scope: the newest lesson that this server has answered
        self._teacher: asyncio.Task[None] | None = None
        self._has_news = False

    async def run(self) -> None:
        """Stay connected, without end."""
        tries = -2
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except (CarError, AccessError, OSError) as error:
                self._failed(error)
            tries = -1 if time.monotonic() - began > LONGEST_PAUSE_S else tries + 1
            await self._rest(self._pause_s(tries))

    def send_stop(self, frame: bytes = b"") -> bool:
        """Send a stop on the WebSocket at once; `frame` is one of `stop_frame`, for many cars. Returns whether it is open."""
        if self._connection:
            self._connection.send_frame(frame or stop_frame())
        return self._connection is not None

    async def ask_stop(self) -> dict[str, Any]:
        """Stop the car over HTTP, also between two connections; returns its state. Raises CarError."""
        try:
            place = self._place or self._find()
        except AccessError as error:
            raise CarError("no_answer", str(error)) from None
        return await place.ask("POST", "api/v1/stop")

    def teach(self, scope: str, lesson: Lesson | None) -> None:
        """Send a lesson to the car as soon as possible. None: forget the lesson of this scope."""
        self.wanted.pop(scope, None)
        if lesson:
            self.wanted[scope] = lesson
            self._learn()

    def has(self, scope: str) -> bool:
        """Return whether the car has answered the lesson of this scope."""
        return self._connection is not None and self._taught.get(scope) == self.wanted.get(scope)

    def check(self, now: float) -> float:
        """End a connection that is silent for too long. Returns the time in s to the next check."""
        left_s = self._heard_at + (SILENT_S if self._is_moving else SILENT_AT_REST_S) - now
        if left_s <= 0.0:
            self._end(CarError("no_answer", "The car sends no state."))
        return left_s

    def _find(self) -> Place:
        """Return the place of the car; raises CarError or AccessError."""
        raise NotImplementedError

    def _met(self, session: dict[str, Any]) -> None:
        """Take the answer of `GET /api/v1/session`, and raise CarError for the wrong car."""

    def _opened(self, hello: dict[str, Any]) -> None:
        """Follow a new connection; `_took` gets its first state afterwards."""

    def _took(self, state: dict[str, Any]) -> None:
        """Follow a state of picar.v1."""

    def _learned(self) -> None:
        """Follow a new `lesson`."""

    def _closed(self) -> None:
        """Follow the end of a connection that was open."""

    def _failed(self, error: Exception) -> None:
        """Follow the reason why a connection has ended or could not begin."""

    def _refused(self, scope: str, error: CarError) -> None:
        """Follow the refusal of a lesson."""
        log.warning("the car refuses the lesson for %s: %s", scope, error)

    async def _rest(self, pause_s: float) -> None:
        """Wait before the next try."""
        await asyncio.sleep(pause_s)

    def _pause_s(self, tries: int) -> float:
        """Return the pause before the next try."""
        return pause_s(tries, LONGEST_PAUSE_S, random.random())  # noqa: S311

    async def _live(self) -> None:
        """Connect, and receive until the end; raises CarError."""
        place = self._find()
        session = await place.ask("GET", "api/v1/session")
        self._met(session)
        lesson = await place.ask("GET", "api/v1/lesson")
        if not session.get("id") or not lesson.get("boot"):
            raise CarError("no_car", "The server is another version of picar. Restart picar.")
        early: list[str | bytes | None] = []  # messages before `connect` returns
        receive: Callable[[str | bytes | None], None] = early.append
        connection = await place.connect(
            "ws?quiet=1",
            SUBPROTOCOL,
            lambda text: receive(text),  # noqa: PLW0108
            self._turns,
        )
        self._ending = asyncio.get_running_loop().create_future()
        self._hello, self._heard_at, self._is_moving, self.was_shut_down = {}, time.monotonic(), False, False
        receive = functools.partial(self._receive, place, connection, lesson)
        try:
            for text in early:
                receive(text)
            await self._wait(self._ending)
            raise self._ending.result()
        finally:
            self._ending = None
            connection.hang_up()
            self._close()

    async def _wait(self, ending: asyncio.Future[CarError]) -> None:
        """Wait for the end of the connection, and check its silence."""
        while not ending.done():
            await asyncio.wait([ending], timeout=max(0.1, self.check(time.monotonic())))

    def _receive(
        self, place: Place, connection: Connection, lesson: dict[str, Any], text: str | bytes | None
    ) -> None:
        if text is None:
            self.was_shut_down = connection.was_shut_down
            self._end(connection.end)
            return
        try:
            message = read(text)
            moves = message["type"] == "state" and is_moving(message)
        except (ProtocolError, AttributeError):
            self._end(CarError("bad_message", f"The car sends a message that is not of {SUBPROTOCOL}."))
            return
        if message["type"] == "hello":
            self._hello = message
        elif message["type"] == "state" and (self._hello or self._connection):
            self._heard_at, self._is_moving = time.monotonic(), moves
            if self._connection is None:
                self._open(place, connection, lesson)
            self._took(message)

    def _open(self, place: Place, connection: Connection, lesson: dict[str, Any]) -> None:
        if lesson["boot"] != self.lesson.get("boot"):
            self._taught.clear()
        self._place, self._connection, self.lesson = place, connection, lesson
        hello, self._hello = self._hello, {}
        self._taught |= {
            scope: one for scope, one in self.wanted.items() if lesson.get(scope) == one._asdict()
        }
        self._opened(hello)
        if any(self._taught.get(scope) != one for scope, one in self.wanted.items()):
            self._learn()

    def _close(self) -> None:
        if self._teacher:
            self._teacher.cancel()
        was_open, self._connection, self._place, self._teacher = self._connection, None, None, None
        if was_open:
            self._closed()

    def _end(self, error: CarError) -> None:
        if self._ending and not self._ending.done():
            self._ending.set_result(error)

    async def _ask(self, method: str, path: str, **members: Any) -> dict[str, Any]:
        if self._place is None:
            raise CarError("no_answer", "The car does not answer. Start picar on this machine.")
        return await self._place.ask(method, path, **members)

    def _learn(self) -> None:
        """Send and read lessons soon, if the car is connected."""
        self._has_news = True
        if self._connection and (self._teacher is None or self._teacher.done()):
            self._teacher = asyncio.create_task(self._teach())

    async def _teach(self) -> None:
        """Send the lessons that the car has not answered yet, and read the lesson in force."""
        while self._has_news:
            self._has_news = False
            try:
                found = None
                for scope in SCOPES:
                    lesson = self.wanted.get(scope)
                    if lesson and lesson != self._taught.get(scope):
                        found = await self._put(scope, lesson)
                self.lesson = found or await self._ask("GET", "api/v1/lesson")
                self._learned()
            except CarError as error:
                self._failed(CarError(error.code, f"The lesson did not reach the car: {error}"))
                await asyncio.sleep(1.0)
                self._has_news = True

    async def _put(self, scope: str, lesson: Lesson) -> dict[str, Any] | None:
        """Send a lesson. Returns the car's answer, None if it refuses the lesson; raises CarError."""
        answer = None
        try:
            answer = await self._ask("PUT", "api/v1/lesson", scope=scope, **lesson._asdict())
        except CarError as error:
            if error.code not in ("old_lesson", "bad_request"):
                raise
            self._refused(scope, error)
        self._taught[scope] = lesson
        return answer


class CarLink(Link):
    """The link of the bridge to the car on this machine.

    Args:
        find: returns the car's place; raises CarError or AccessError.
        on_open: called with a new connection, when `session`, `hello` and `lesson` are known.
        on_state: called after `on_open`, with each state and each answer about the lesson.
        on_end: called when the connection has ended.

    `session` is the newest answer of `GET /api/v1/session`, `hello` and `state` are the newest messages of picar.v1.
    """

    def __init__(
        self,
        find: Callable[[], Here],
        on_open: Callable[[], None],
        on_state: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__()
        self._find_here = find
        self._on_open, self._on_state, self._on_end = on_open, on_state, on_end
        self._found: Here | None = None
        self.here: Here | None = None  # while it is connected
        self.session: dict[str, Any] = {}
        self.hello: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self._complain = Complaints()
        self._arrived = asyncio.Event()

    async def stopped(self) -> None:
        """Wait until the car is stopped; without an answer, send the stop over HTTP too. Raises CarError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._connection:
                    if self.state["state"] == "stopped":
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
        self.state = await self.ask_stop()
        self._on_state()

    async def cap(self, speed: float) -> None:
        """Set the fleet's speed cap, a share of `max_speed`; raises CarError."""
        self.lesson = await self._ask("POST", "api/v1/fleet-cap", speed=speed)
        self._on_state()

    def _find(self) -> Place:
        self._found = self._find_here()
        return self._found.place

    def _met(self, session: dict[str, Any]) -> None:
        self.session = session

    def _opened(self, hello: dict[str, Any]) -> None:
        self.here, self.hello, self.state = self._found, hello, {}

    def _took(self, state: dict[str, Any]) -> None:
        before, self.state = self.state, state
        if not before:
            self._on_open()
        elif state.get("lesson") != before.get("lesson"):
            self._learn()
        self._arrived.set()
        self._on_state()

    def _learned(self) -> None:
        self._on_state()

    def _closed(self) -> None:
        self.here = None
        self._on_end()

    def _failed(self, error: Exception) -> None:
        self._complain(f"the car does not answer: {error}")


async def end(tasks: Sequence[asyncio.Task[Any]], again_s: float) -> None:
    """Cancel tasks until all have ended: `wait_for` of Python 3.11, which aiomqtt uses, may lose a cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_s)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # asyncio logs one that nothing retrieves
