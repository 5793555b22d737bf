"""How each picture is set up: one function for each name of the album. Each gets a car of its own and an open page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from playwright.async_api import Browser, Locator, expect

from tests.browser.classroom import simulated
from tests.browser.phone import Phone
from tests.browser.test_tuning import WRONG, Eyes, held_until, look_and_say, opened, step
from tests.pictures.driver import begin, drive
from tests.support.waiting import until

Scene = Callable[[Phone], Awaitable[None]]
UNPAIRED = '[access]\npairing = "on"\n'
CONFIGS = {"pair": UNPAIRED, "tune-which": WRONG, "tune-straight": WRONG, "tune-end": WRONG}
PATHS = {"wiring": "/wiring"}
CARS = 8
CLASS_MS = 40_000  # until a class has started
SETTLES_S = 0.4  # dialogs and meters glide


async def driving(phone: Phone) -> None:
    """Drive to the place where the track forks."""
    thumbs = await begin(phone)
    await drive(phone, thumbs, 0.16)


async def by_camera(phone: Phone) -> None:
    """Drive two thirds of the track, to a view over the room."""
    thumbs = await begin(phone)
    await drive(phone, thumbs, 0.62)


async def by_keyboard(phone: Phone) -> None:
    """Hold W, and steer to the right."""
    page = phone.page
    await page.click("#ask")
    await page.click("#gear3")
    await phone.seen("#gear3[aria-pressed=true]")
    await page.keyboard.down("KeyW")
    await until(lambda: phone.state["pose"]["x"] > 1.1, "the car drives")
    await page.keyboard.down("KeyD")
    await until(lambda: phone.state["pose"]["heading"] < -0.08, "the car turns")
    await page.keyboard.up("KeyD")
    await until(lambda: phone.state["pose"]["x"] > 1.35, "the car drives on")


async def settings(phone: Phone) -> None:
    """Open the settings."""
    await phone.settings()
    await asyncio.sleep(SETTLES_S)


async def pairing(phone: Phone) -> None:
    """Wait for the dialog that asks for the PIN, and type most of it."""
    await phone.seen("#pair[open]")
    await phone.page.fill("#pin", "4071")
    await asyncio.sleep(SETTLES_S)


async def still(phone: Phone) -> None:
    """Show the page as it opens."""
    await phone.page.wait_for_load_state("networkidle")


async def which(phone: Phone) -> None:
    """Hold the button until the first wheel turns."""
    await opened(phone)
    await phone.page.click("#tune-begin")
    await phone.hold_until("tune-hold", Eyes(phone).turning, what="a wheel that turns")
    await asyncio.sleep(2 * SETTLES_S)


async def straight(phone: Phone) -> None:
    """Go to the last step, and hold the button until the car drifts."""
    await _to_straight(phone)
    x = phone.state["pose"]["x"]
    await phone.hold_until(
        "tune-hold", lambda: abs(phone.state["pose"]["x"] - x) > 0.3, what="the way that shows a drift"
    )


async def tuned(phone: Phone) -> None:
    """Answer each step, to the end."""
    eyes = await _to_straight(phone)
    for answer in ("right", "right", "right", "none"):
        await held_until(phone, eyes.turning, "the car drives")
        await eyes.at_rest()
        await phone.page.click(f"#tune-drift-{answer}")
    await step(phone, "The car is tuned")


async def _to_straight(phone: Phone) -> Eyes:
    eyes = Eyes(phone)
    await opened(phone)
    await phone.page.click("#tune-begin")
    for _ in ("the left motor", "the right motor"):
        await look_and_say(phone, eyes)
        await eyes.at_rest()
    for _ in ("the left motor", "the right motor"):
        await held_until(phone, eyes.turning, "a wheel that turns")
        await phone.page.click("#tune-begins")
        await eyes.at_rest()
    return eyes


async def classroom(browser: Browser, look: dict[str, Any]) -> bytes:
    """Make a picture of the garage page: a simulated class, two of its cars driven, one of them held."""
    async with simulated(CARS) as room, await browser.new_context(**look) as context:
        page = await context.new_page()
        await page.goto(room.url)
        cars = page.locator('#cars li[data-presence="live"]')
        await expect(cars).to_have_count(CARS, timeout=CLASS_MS)
        await page.fill("#lesson-text", "Two laps, then stop at the line.")
        await page.fill("#lesson-cap", "60")
        await cars.nth(5).locator(".hold").click()
        async with AsyncExitStack() as stack:
            for name, number in (("Ada", 1), ("Grace", 2)):
                driver = await stack.enter_async_context(await browser.new_context(**look))
                await _drive(
                    Phone(at := await driver.new_page(), driver, await driver.new_cdp_session(at)),
                    room.url,
                    name,
                    cars.nth(number),
                )
            await expect(page.locator("#cars [data-tone=good]")).to_have_count(2, timeout=CLASS_MS)
            await expect(page.locator(".capped:not(:empty)")).to_have_count(CARS, timeout=CLASS_MS)
            return await page.screenshot()


async def _drive(phone: Phone, garage: str, name: str, car: Locator) -> None:
    """Open a car as a guest, and drive in a circle."""
    phone.listen()
    await phone.open(f"{garage}/drive/{await car.get_attribute('data-id')}?name={name}")
    await phone.page.reload()  # a page of this machine was let in before it had its name
    await phone.seen("body[data-you]:not([data-you=''])")
    await phone.page.keyboard.down("KeyD")
    await phone.hold_until("KeyW")


SCENES: dict[str, Scene] = {
    "drive": driving,
    "drive-upright": driving,
    "camera": by_camera,
    "drive-desktop": by_keyboard,
    "settings": settings,
    "pair": pairing,
    "tune-which": which,
    "tune-straight": straight,
    "tune-end": tuned,
    "wiring": still,
}
