"""A page like those of the tutorials, jQuery with `$.post` and `setInterval`, in Chromium behind a relay that stalls.

Run it with `-s` to see the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy
from tests.peers.pages import crash
from tests.peers.tools import npm
from tests.support.product import Product
from tests.support.stalls import LATER_S, seconds_high
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route
    from playwright.async_api import Page as Tab

ON = "[classic]\nenabled = true\n"
PAGE = """<!doctype html>
<title>car</title>
<script src="/jquery.js"></script>
<button id="w">forward</button>
<script>
  let timer = 0;
  const send = () => $.post("/", { k: "w" });
  $("#w").on("mousedown", () => { send(); timer = setInterval(send, 100); });
  $("#w").on("mouseup", () => clearInterval(timer));
</script>
"""
LEASE_S, SLACK_S = 0.25, 0.05  # of a POST; of the motor process's own turn
GOES_ON_S = 1.0  # after a queue, for a held button
DRIVES_S = 0.5
TAP_S = 0.02  # shorter than the page's interval: one POST
PAUSE_S = 0.4  # between two taps
pytestmark = [pytest.mark.slow, pytest.mark.peers]


class Tutorial:
    """The page; `sent` counts its POSTs."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self.sent = 0

    async def load(self, url: str) -> None:
        """Load it from the car's own address; the car serves another page there."""
        jquery = npm("jquery") / "jquery/dist/jquery.min.js"

        async def page(route: Route) -> None:
            await route.fulfill(body=PAGE, content_type="text/html")

        async def script(route: Route) -> None:
            await route.fulfill(path=jquery)

        await self._tab.route(f"{url}/car.html", page)
        await self._tab.route(f"{url}/jquery.js", script)
        await self._tab.goto(f"{url}/car.html")
        await self._tab.unroute_all()  # the POSTs take the browser's own way
        self._tab.on("request", lambda request: self._count(request.method))
        await self._tab.locator("#w").hover()

    def _count(self, method: str) -> None:
        self.sent += method == "POST"

    async def press(self) -> None:
        """Hold its button."""
        await self._tab.mouse.down()

    async def release(self) -> None:
        """Let go."""
        await self._tab.mouse.up()

    async def tap(self) -> None:
        """Send one POST."""
        await self.press()
        await asyncio.sleep(TAP_S)
        await self.release()

    async def die(self) -> None:
        """End without a word."""
        await crash(self._tab)


Act = Callable[[Tutorial, float], Awaitable[None]]


async def hold(page: Tutorial, stall_s: float) -> None:
    await asyncio.sleep(stall_s)


async def let_go(page: Tutorial, stall_s: float) -> None:
    await asyncio.sleep(stall_s / 2)
    await page.release()
    await asyncio.sleep(stall_s / 2)


async def die(page: Tutorial, stall_s: float) -> None:
    await asyncio.sleep(stall_s * 0.9)
    await page.die()
    await asyncio.sleep(stall_s * 0.1)


async def tap(page: Tutorial, stall_s: float) -> None:
    await page.tap()
    await asyncio.sleep(stall_s)


async def tap_twice(page: Tutorial, stall_s: float) -> None:
    await page.tap()
    await asyncio.sleep(PAUSE_S)
    await tap(page, stall_s)


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `stuck` are the POSTs of a driver who presses only during the stall; None for many, which move nothing."""

    name: str
    act: Act
    stall_s: float = 5.0
    stuck: int | None = None
    vanishes: bool = False


CASES = (
    Case("let go", let_go),
    Case("1.3 s, let go", let_go, 1.3),
    Case("the page dies", die),
    Case("the phone dies", die, vanishes=True),
    Case("one tap", tap, stuck=1),
    Case("two taps", tap_twice, stuck=2),
)


@contextlib.asynccontextmanager
async def driving(browser: Browser, *, presses: bool) -> AsyncIterator[tuple[Product, Proxy, Tutorial]]:
    """Give a car, a link to it, and the page in a browser at the other end, which drives if it `presses`."""
    async with Product(config=ON) as car, Proxy(car.port) as link:
        context = await browser.new_context()
        page = Tutorial(await context.new_page())
        await page.load(link.url)
        if presses:
            await page.press()
            await car.until_driving()
            await asyncio.sleep(DRIVES_S)
        yield car, link, page
        await context.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_stuck_posts_of_a_tutorials_page_turn_the_wheels_for_a_lease_each_at_most(
    case: Case, browser: Browser
) -> None:
    async with driving(browser, presses=case.stuck is None) as (car, link, page):
        before = page.sent
        link.stall()
        await case.act(page, case.stall_s)
        await car.until_low()
        stuck = page.sent - before
        assert stuck == case.stuck if case.stuck else stuck > 5, "these POSTs are stuck"
        flushed_at = time.monotonic()
        link.flush(ends=not case.vanishes)
        await asyncio.sleep(LATER_S)
        on_s = seconds_high(car.trace(), flushed_at, time.monotonic())
        print(f"{case.name}: {stuck} POSTs were stuck, and an enable pin was high for {on_s:.3f} s")
        assert on_s <= (case.stuck * LEASE_S + SLACK_S if case.stuck else 0.0)
        assert car.is_low()


async def goes_on_after(car: Product, link: Proxy, page: Tutorial) -> float:
    """Return how long after a stall of a held button an enable pin is high again."""
    link.stall()
    await hold(page, 5.0)
    await car.until_low()
    flushed_at = time.monotonic()
    link.flush()
    await until(lambda: seconds_high(car.trace(), flushed_at, time.monotonic()) > LEASE_S, "it goes on")
    on_at = [float(write["t"]) for write in car.trace() if write["value"]]
    return min(at for at in on_at if at > flushed_at) - flushed_at


async def test_a_held_button_goes_on_soon_after_a_stall(browser: Browser) -> None:
    async with driving(browser, presses=True) as (car, link, page):
        delays = [await goes_on_after(car, link, page) for _ in range(3)]
        print("held: an enable pin was high again after", ", ".join(f"{delay:.3f} s" for delay in delays))
        assert min(delays) <= GOES_ON_S, "a busy machine may be later now and then"
        await page.release()
        await car.until_low()
