"""The direct way of a garage to one car: a quiet WebSocket once the car is adopted, before that a question for its name."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from picar.client.connection import Place, Turns
from picar.client.session import CarError
from picar.core.lesson import Lesson
from picar.fleet.car import Link
from picar.garage.store import Adopted

ASK_AGAIN_S = 30.0  # a car that is not adopted
LEAST_PAUSE_S = 0.25  # between two tries, however often mDNS calls
HURRY_S = 1.0  # the longest pause while a STOP ALL misses the car
MOST_URLS = 4


class Watcher(Protocol):
    """The owner of the ways. No method waits. `lesson_slots` bounds the lessons that are on their way at a time, `turns` reads."""

    lesson_slots: asyncio.Semaphore
    turns: Turns

    def on_met(self, way: Way, session: dict[str, Any]) -> None:
        """Take the public facts about the car at `way.url`; their id may be that of another car."""

    def on_opened(self, way: Way) -> None:
        """Take note of a new connection."""

    def on_direct_state(self, way: Way, state: dict[str, Any]) -> None:
        """Take a state of picar.v1."""

    def on_lessons(self, way: Way) -> None:
        """Take the lessons that the car has: `way.lesson`."""

    def on_closed(self, way: Way) -> None:
        """Take note that a connection has ended; `way.was_shut_down`: in order, by the car."""

    def on_failed(self, way: Way, error: Exception) -> None:
        """Take the reason why the direct way is not there."""

    def misses(self, car: str) -> bool:
        """Return whether the newest STOP ALL has no answer of this car."""


class Way(Link):
    """The direct way to one car.

    Args:
        car: its id, or its address while its id is not known.
        watcher: the owner.

    `urls` are addresses of its page, the best first. `adopted` is its entry in the store, `task` runs this way.
    """

    def __init__(self, car: str, watcher: Watcher) -> None:
        super().__init__()
        self.car, self._watcher, self._turns = car, watcher, watcher.turns
        self.urls: list[str] = []
        self.adopted: Adopted | None = None
        self.task: asyncio.Task[None] | None = None
        self.stops = 0  # over HTTP, under way
        self._awake = asyncio.Event()
        self._turn = 0  # of the addresses
        self._last = ""  # address of the newest connection

    @property
    def url(self) -> str:
        """The address of the page that is open, or tried: the best every second time, since others may swallow packets."""
        if self._place:
            return self._place.url
        others = [url for url in self.urls if url != self._best]
        return others[self._turn // 2 % len(others)] if self._turn % 2 and others else self._best

    @property
    def _best(self) -> str:
        return self._last if self._last in self.urls else self.urls[0]

    def add(self, *urls: str) -> None:
        """Add addresses. The one from the store stays the first: anybody may answer for mDNS."""
        first = (self.adopted.url,) if self.adopted else ()
        self.urls = list(dict.fromkeys((*first, *urls, *self.urls)))[:MOST_URLS]

    def place(self) -> Place:
        """Return the way for a request; raises CarError."""
        return self._place or self._at(self._best)

    def wake(self) -> None:
        """Connect soon, after a pause or the try that is under way: anybody may call for it by mDNS."""
        self._awake.set()

    def start(self) -> None:
        """Connect now, unless the car is connected."""
        if self._connection is None:
            if self.task:
                self.task.cancel()
            self._last = ""
            self.task = asyncio.create_task(self.run())

    def _find(self) -> Place:
        return self._at(self.url)

    def _at(self, url: str) -> Place:
        return Place(url, self.adopted.token if self.adopted else "", None)

    async def _live(self) -> None:
        if self.adopted:
            await super()._live()
        else:
            self._met(await self._find().ask("GET", "api/v1/session"))
            await self._rest(ASK_AGAIN_S)

    async def _rest(self, pause_s: float) -> None:
        least_s = min(pause_s, LEAST_PAUSE_S)
        await asyncio.sleep(least_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s - least_s):
                await self._awake.wait()
        self._awake.clear()

    async def _wait(self, ending: asyncio.Future[CarError]) -> None:
        await ending  # the owner calls `check`

    def _met(self, session: dict[str, Any]) -> None:
        self._watcher.on_met(self, session)
        if self.adopted and session.get("id") != self.car:
            other = f"At {self.url} is another car: {session.get('car')}, {session.get('id')}."
            raise CarError("other_car", f"{other} If the card was moved to another Pi, adopt the car again.")

    def _opened(self, hello: dict[str, Any]) -> None:  # noqa: ARG002
        self._last, self._turn = self.url, -1
        self._watcher.on_opened(self)
        self._watcher.on_lessons(self)

    def _took(self, state: dict[str, Any]) -> None:
        self._watcher.on_direct_state(self, state)

    def _learned(self) -> None:
        self._watcher.on_lessons(self)

    def _closed(self) -> None:
        self._watcher.on_closed(self)

    def _failed(self, error: Exception) -> None:
        if self._connection is None:
            self._turn += 1
        self._watcher.on_failed(self, error)

    def _refused(self, scope: str, error: CarError) -> None:
        """The owner compares the numbers: `on_lessons`."""

    def _pause_s(self, tries: int) -> float:
        longest_s = super()._pause_s(tries)
        return min(longest_s, HURRY_S) if self._watcher.misses(self.car) else longest_s

    async def _put(self, scope: str, lesson: Lesson) -> dict[str, Any] | None:
        async with self._watcher.lesson_slots:
            return await super()._put(scope, lesson)
