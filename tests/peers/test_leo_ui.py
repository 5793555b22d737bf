"""The page of Leo Rover (LeoRover/leo_ui at de0c8f9), unmodified, in Chromium: its joystick drives the simulated car.

It is not shipped. Clone it, and give its folder: PICAR_LEO_UI=FOLDER scripts/test tests/peers/test_leo_ui.py
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.pages import served
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

PORT = 9090  # in the source of the page
FILES = ("index.html", "js/leo.js", "js/nipplejs.js", "js/roslib.min.js")
DIGEST = (
    "164ce9835ec909abe1a1e6cc5357d88417c409e02fdca2a84fa643b052fde0e9"  # of the files, one after the other
)
STATES = 40  # 2 s, longer than the car settles
pytestmark = pytest.mark.peers


def leo_ui() -> Path:
    """Return the folder of the page."""
    folder = Path(os.environ.get("PICAR_LEO_UI", ""))
    if not (folder / FILES[0]).is_file() or not os.environ.get("PICAR_LEO_UI"):
        pytest.skip("needs a clone of LeoRover/leo_ui at de0c8f9, and its folder in PICAR_LEO_UI")
    found = hashlib.sha256(b"".join((folder / name).read_bytes() for name in FILES)).hexdigest()
    assert found == DIGEST, f"{folder} is not leo_ui at de0c8f9, or it was changed"
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError as error:
        pytest.skip(f"needs port {PORT}, which leo_ui has in its source: {error.strerror}")
    return folder


async def stick(page: Page) -> tuple[float, float]:
    """Return the centre of its joystick."""
    box = await page.locator("#joystick .nipple").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_the_joystick_of_leo_ui_drives_and_letting_go_stops(browser: Browser) -> None:
    with served(leo_ui()) as origin:
        config = f'[rosbridge]\nenabled = true\nport = {PORT}\nallowed_origins = ["{origin}"]\n'
        async with Product("sim", config=config) as car, Client(car.url) as watcher:
            page = await browser.new_page()
            await page.goto(f"{origin}/index.html")
            await watcher.until(lambda s: s["clients"] == 2)
            seen = len(watcher.states)
            await watcher.until(lambda _: len(watcher.states) >= seen + STATES)
            assert not any(state["driver"] for state in watcher.states), "its zeros take no wheel"
            assert watcher.state["state"] == "disarmed"
            start = watcher.state["pose"]
            x, y = await stick(page)
            await page.mouse.move(x, y)
            await page.mouse.down()
            await page.mouse.move(x, y - 60, steps=5)
            await watcher.until(lambda s: min(s["applied"].values()) > 0.2)
            assert car.is_driving()
            await watcher.until(lambda s: s["pose"] != start)
            await page.mouse.move(x + 60, y, steps=5)
            await watcher.until(
                lambda s: s["applied"]["left"] > 0.1 > -0.1 > s["applied"]["right"]
            )  # to the right
            await page.mouse.up()
            await car.until_low()
            await until(lambda: not any(watcher.state["applied"].values()), "the wheels stand still")
            await watcher.until(lambda s: s["driver"] is None)  # though it publishes zeros for ever
            await page.close()
            await watcher.until(lambda s: s["clients"] == 1)
