"""A guest whose link stalls, and the time for which an enable pin is then high on stale commands.

`CASES` are what its page does meanwhile. The page publishes 20 times a second while it is pressed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tornado.websocket import WebSocketClosedError

from tests.faults.proxy import Proxy
from tests.support.product import EN_PINS, Product
from tests.support.ros import FULL, PERIOD_S, SETTLED_S, ZERO, Ros
from tests.support.waiting import DEADLINE_S, until

ON = "[rosbridge]\nenabled = true\nport = 0\n"
SLOW_BYTES_PER_S = 6000.0
DRIVES_S = 0.5  # before the stall: then the car's pings come 20 times a second
HAND_S = 0.2  # between a release and a press
LATER_S = 1.5  # longer than any command counts


class Page(Protocol):
    """A page on the guest's side of the link. `published_at` has the monotonic time of each message, `connections` counts."""

    published_at: list[float]
    connections: int

    async def open(self) -> None:
        """Connect."""

    async def press(self) -> None:
        """Publish full throttle 20 times a second."""

    async def release(self) -> None:
        """Publish zero once, and no more."""

    async def die(self) -> None:
        """End without a word."""


Act = Callable[[Page, Proxy, float], Awaitable[None]]


async def _held(page: Page, link: Proxy, stall_s: float) -> None:
    await asyncio.sleep(stall_s)


async def _let_go(page: Page, link: Proxy, stall_s: float) -> None:
    await asyncio.sleep(stall_s / 2)
    await page.release()
    await asyncio.sleep(stall_s / 2)


async def _dies(page: Page, link: Proxy, stall_s: float) -> None:
    await asyncio.sleep(stall_s * 0.9)
    await page.die()
    await asyncio.sleep(stall_s * 0.1)


async def _pressed_again_and_dies(page: Page, link: Proxy, stall_s: float) -> None:
    await _let_go(page, link, stall_s / 2)
    await page.press()
    await _dies(page, link, stall_s / 2)
    link.queue(SLOW_BYTES_PER_S)


async def _reconnects(page: Page, link: Proxy, stall_s: float) -> None:
    await asyncio.sleep(stall_s / 4)
    link.abort_clients()
    await asyncio.sleep(stall_s * 3 / 4)


async def _reconnects_with_zero_then_full(page: Page, link: Proxy, stall_s: float) -> None:
    await asyncio.sleep(stall_s / 4)
    link.abort_clients()
    await asyncio.sleep(stall_s / 4)
    await page.release()
    await page.press()
    await asyncio.sleep(stall_s / 2)


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `stall_s` is None for the stall of the test; `dies`: the page is not there afterwards, and with
    `vanishes` the car never gets the end of its connection; `slow`: what is stuck arrives over seconds;
    `goes_on`: a new command may move the car without neutral, because the stall is short (`rearm_s`).
    """

    name: str
    act: Act
    stall_s: float | None = None
    dies: bool = False
    vanishes: bool = False
    slow: bool = False
    reconnects: bool = False
    goes_on: bool = False

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("held", _held),
    Case("let go", _let_go),
    Case("the page dies", _dies, dies=True),
    Case("1.3 s, held", _held, 1.3, goes_on=True),
    Case("1.3 s, the page dies", _dies, 1.3, dies=True),
    Case("the phone dies", _dies, dies=True, vanishes=True),
    Case("1.3 s, the phone dies", _dies, 1.3, dies=True, vanishes=True),
    Case(
        "pressed again, then the phone dies; slow link",
        _pressed_again_and_dies,
        dies=True,
        vanishes=True,
        slow=True,
    ),
    Case("the page reconnects", _reconnects, reconnects=True),
    Case("the page reconnects with zero, then full queued", _reconnects_with_zero_then_full, reconnects=True),
)


async def stale_seconds(
    case: Case,
    stall_s: float,
    car: Product,
    page_of: Callable[[str], contextlib.AbstractAsyncContextManager[Page]],
) -> float:
    """Return for how long an enable pin is high on commands from before the end of the stall.

    Args:
        case: one of `CASES`.
        stall_s: the length of the stall, if the case has none of its own.
        car: with rosbridge.
        page_of: makes a page that connects to /rosbridge at a URL like `http://127.0.0.1:1234`.

    Raises:
        AssertionError: the car does not drive before the stall, or not after it with neutral.
    """
    async with Proxy(car.port) as link, page_of(link.url) as page:
        await _drive(page, car)
        await asyncio.sleep(DRIVES_S)
        connections = page.connections
        link.stall()
        stalled_at = time.monotonic()
        await case.act(page, link, case.stall_s or stall_s)
        await car.until_low()
        flushed_at = time.monotonic()
        link.flush(ends=not case.vanishes)
        stuck = [t for t in page.published_at if stalled_at < t < flushed_at]
        assert len(stuck) > (case.stall_s or stall_s) / PERIOD_S / 4, "too few commands are stuck"
        if case.slow:
            await link.drained()
        if case.reconnects:
            await until(lambda: page.connections > connections, "the page connects again")
        await asyncio.sleep(LATER_S)
        fresh = [t for t in page.published_at if t >= flushed_at]
        last = fresh[0] if case.goes_on else time.monotonic()
        stale_s = seconds_high(car.trace(), flushed_at, last)
        if not case.dies:
            await page.release()
            await car.until_low()
            await _press(page, car)
            return stale_s
    async with page_of(car.url) as page:
        await _drive(page, car)
    return stale_s


async def _drive(page: Page, car: Product) -> None:
    await page.open()
    await asyncio.sleep(SETTLED_S)
    await _press(page, car)


async def _press(page: Page, car: Product) -> None:
    """Let go and press as a hand does, again if the car does not drive."""
    give_up_at = time.monotonic() + DEADLINE_S
    while not car.is_driving():
        assert time.monotonic() < give_up_at, "the car does not drive after neutral"
        await page.release()
        await asyncio.sleep(HAND_S)
        await page.press()
        await asyncio.sleep(2 * HAND_S)


def seconds_high(writes: list[dict[str, Any]], since: float, last: float) -> float:
    """Return for how long any enable pin is high between two times."""
    levels, total, at = dict.fromkeys(EN_PINS, 0.0), 0.0, since
    for write in sorted(writes, key=lambda each: float(each["t"])):
        if write["pin"] not in levels:
            continue
        now = min(max(write["t"], since), last)
        total += (now - at) * any(levels.values())
        levels[write["pin"]], at = write["value"], now
    return total + (last - at) * any(levels.values())


class PlainPage:
    """A page without roslib: like roslib, it connects again, and then sends all that it has published meanwhile."""

    def __init__(self, url: str) -> None:
        self.published_at: list[float] = []
        self.connections = 0
        self._url, self._guest = url, Ros(url)
        self._queue: list[Any] = []
        self._pressed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect."""
        await self._guest.open()
        self.connections += 1
        self._tasks = [asyncio.create_task(self._repeat()), asyncio.create_task(self._come_back())]

    async def press(self) -> None:
        """Publish full throttle 20 times a second."""
        self._pressed = True

    async def release(self) -> None:
        """Publish zero once, and no more."""
        self._pressed = False
        await self._publish(ZERO)

    async def die(self) -> None:
        """End without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._guest.closed:
            self._guest.stream.close()
        self._guest.socket.close()

    async def _repeat(self) -> None:
        while True:
            if self._pressed:
                await self._publish(FULL)
            await asyncio.sleep(PERIOD_S)

    async def _come_back(self) -> None:
        while True:
            if self._guest.closed:
                again = Ros(self._url)
                await again.open()
                self._guest.socket.close()
                self._guest, queue, self._queue = again, self._queue, []
                for message in queue:
                    await again.publish(message)
                self.connections += 1
            await asyncio.sleep(PERIOD_S)

    async def _publish(self, message: Any) -> None:
        self.published_at.append(time.monotonic())
        try:
            await self._guest.publish(message)
        except WebSocketClosedError:
            self._queue.append(message)


@contextlib.asynccontextmanager
async def plain_page(url: str) -> AsyncIterator[Page]:
    """Give a page, and end it."""
    page = PlainPage(url)
    try:
        yield page
    finally:
        await page.die()
