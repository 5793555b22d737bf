"""A gamepad that drives through the real page in a real browser, and falls silent; needs Playwright and Chromium."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tests.support import chromium
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from playwright.async_api import Page

_THIRD_GEAR = """try { localStorage.picar ??= '{"limit": 1}'; } catch { /* a blank page keeps nothing */ }"""
# A stick trembles while a hand holds it: each report differs.
_HOLD = """([throttle, steering]) => {
  let reports = 0;
  globalThis.reporting = setInterval(() => plug([steering, -throttle, 0, (reports++ % 2) / 100]), 16);
}"""


def obstacle() -> str:
    """Return why there is no page here, "" where there is."""
    if importlib.util.find_spec("playwright") is None:
        return "no Playwright here: pip install playwright"
    return "" if chromium.find() else chromium.ADVICE


@contextlib.asynccontextmanager
async def gamepad(url: str) -> AsyncIterator[Page]:
    """Open the car's page with a gamepad that rests."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
        try:
            page = await browser.new_page()
            await page.add_init_script(chromium.GAMEPAD)
            await page.add_init_script(_THIRD_GEAR)
            await page.goto(url)
            await page.wait_for_selector("body[data-link=good]", state="attached", timeout=DEADLINE_S * 1000)
            await page.evaluate("() => plug()")
            await page.wait_for_function("() => looks > 2")
            yield page
        finally:
            await browser.close()


async def hold(page: Page, sticks: tuple[float, float]) -> None:
    """Hold throttle and steering, as a hand does."""
    await page.evaluate(_HOLD, sticks)


async def fall_silent(page: Page) -> None:
    """No report comes any more; the browser keeps the last."""
    await page.evaluate("() => clearInterval(reporting)")
