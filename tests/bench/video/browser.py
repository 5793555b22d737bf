"""Chromium looks at the picture: on the page, and as a plain <img> of `/stream.mjpg`."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from tests.bench.measure import Spread
from tests.bench.page import find_browser
from tests.bench.video.camera import FPS
from tests.support.chromium import ARGUMENTS

PAGE, IMG = "#picture:not([hidden])", "img"
STREAM = f"() => document.body.append(Object.assign(new Image(), {{ src: '/stream.mjpg?fps={FPS}' }}))"
# The age of the shown picture at each animation frame, by the clock of the test card (picar/camera/sources/test.py).
AGES = """async ([selector, settle_ms, ms]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 2 });
  const small = canvas.getContext("2d", { willReadFrequently: true });
  small.imageSmoothingEnabled = false;
  const ages = [], begin = performance.now() + settle_ms;
  for (;;) {
    const now = await new Promise(requestAnimationFrame);
    if (now > begin + ms) return ages;
    const shown = document.querySelector(selector);
    const [wide, high] = [shown.naturalWidth || shown.width, shown.naturalHeight || shown.height];
    if (now < begin || !high) continue;
    small.drawImage(shown, 0, high * 5 / 6, wide, high / 6, 0, 0, 16, 2);
    const { data } = small.getImageData(0, 0, 16, 2);
    let clock = 0;
    for (let at = 0; at < 32; at += 1) clock = clock * 2 + (data[at * 4 + 1] > 127);
    ages.push([now / 1000, ((Date.now() - clock) | 0) / 1000]);
  }
}"""
SEEN = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    if (text.includes('"seen"')) globalThis.seenAt ??= performance.now();
    send.call(this, text);
  };
}"""
Ages = list[tuple[float, float]]  # when, and the age then


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def ages(
    browser: Browser,
    url: str,
    selector: str,
    settle_s: float,
    seconds: float,
    ready: asyncio.Event | None = None,
) -> Ages:
    """Read the age of the picture on the page (PAGE), as a driver, or in a plain <img> (IMG), after a time to settle."""
    page = await browser.new_page()
    try:
        if selector == IMG:  # beside any small file of the car: no page of the car has one
            await page.goto(f"{url}static/manifest.json")
            await page.evaluate(STREAM)
        else:
            await page.goto(url)
            await page.wait_for_selector("body[data-link=good]")
            await page.evaluate("() => document.querySelector('#ask').click()")
            await page.wait_for_selector(
                "body[data-you=driver]"
            )  # a driver's pictures become smaller, not fewer
        await page.wait_for_selector(selector)
        if ready:
            ready.set()
        found: Ages = await page.evaluate(AGES, [selector, settle_s * 1000, seconds * 1000])
        return found
    finally:
        await page.close()


async def first_picture_s(browser: Browser, url: str) -> float:
    """Open the page, wait for its first picture, and close the page. Returns the time from its opening to the picture."""
    page = await browser.new_page()
    await page.add_init_script(f"({SEEN})()")
    await page.goto(url, wait_until="commit")
    await page.wait_for_function("() => globalThis.seenAt")
    seen_ms: float = await page.evaluate("() => seenAt")
    await page.close()
    return seen_ms / 1000


def figures(found: Ages) -> dict[str, float]:
    """Return the usual figures of ages, and how the last second compares with the first."""
    values = [age for _, age in found]
    begin, end = found[0][0], found[-1][0]
    first = statistics.mean(age for at, age in found if at <= begin + 1)
    last = statistics.mean(age for at, age in found if at >= end - 1)
    p95 = sorted(values)[round(0.95 * (len(values) - 1))]
    return {"age_p50_s": Spread.of(values).p50, "age_p95_s": p95, "last_by_first": last / first}
