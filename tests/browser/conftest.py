"""A browser for the whole session; for each test a car that is as new, and a phone of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.garage import Garage
from tests.browser.phone import Phone, tell
from tests.browser.wheels import Wheels
from tests.support import chromium
from tests.support.product import Product

NewPhone = Callable[..., Awaitable[Phone]]
LANDSCAPE = {"width": 800, "height": 360}
# A phone that has driven at full speed before; otherwise each test would leave a slow car behind.
USED = """try { localStorage.picar ??= '{"limit": 1}'; } catch { /* a blank page keeps nothing */ }"""


def find_chromium() -> str:
    """Return the browser's path; skip without one, but never in CI."""
    path = chromium.find()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(chromium.ADVICE)
    return str(path)


@pytest.fixture(autouse=True)
def no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the cars of browser tests no camera, unless the test's environment chooses one: it would draw all the time."""
    monkeypatch.setenv("PICAR_CAMERA__SOURCE", "off")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, started once."""
    path = find_chromium()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
async def garage() -> AsyncIterator[Garage]:
    """The cars of this session."""
    async with Garage() as cars:
        yield cars


@pytest.fixture
async def car(garage: Garage) -> Product:
    """The real product on mock pins, nobody at the wheel."""
    return await garage.car()


@pytest.fixture
def wheels(car: Product) -> Wheels:
    """What the motor pins of the car do."""
    return Wheels(car)


@pytest.fixture
async def new_phone(browser: Browser) -> AsyncIterator[NewPhone]:
    """Makes phones; `new_phone(url)` opens the page, `new_phone()` leaves it to the test; `fresh` ones never drove."""
    async with AsyncExitStack() as stack:

        async def make(url: str | None = None, fresh: bool = False, **options: Any) -> Phone:
            settings: dict[str, Any] = {"viewport": LANDSCAPE, "has_touch": True, "locale": "en-GB"} | options
            context = await browser.new_context(**settings)
            stack.push_async_callback(context.close)
            if not fresh:
                await context.add_init_script(USED)
            page = await context.new_page()
            phone = Phone(page, context, await context.new_cdp_session(page))
            phone.listen()
            stack.push_async_callback(tell, page, phone.diary)
            if url:
                await phone.open(url)
            return phone

        yield make


@pytest.fixture
async def phone(car: Product, new_phone: NewPhone) -> Phone:
    """A phone in landscape with the car's page open."""
    return await new_phone(car.url)
