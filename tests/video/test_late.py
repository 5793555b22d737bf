"""An old picture with the real product: the car becomes slow or stops, and goes on when the picture is fresh again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.together import at_once
from tests.support.viewer import Viewer

pytestmark = pytest.mark.slow

BROWSER = {"Cookie": "picar_session=one"}
CONFIG = '[camera]\nsource = "test"\n[drive]\naccel = 20.0\ndecel = 20.0\n'
STOPS = CONFIG.replace('"test"', '"test"\nlate = "stop"')


@asynccontextmanager
async def driving(config: str, *, by_camera: bool = True) -> AsyncIterator[tuple[Product, Client, Viewer]]:
    """Start a car, and drive it at full throttle with a picture on the screen."""
    async with (
        Product(config=config) as car,
        Client(car.url, cookie="one") as phone,
        Viewer(car.url, phone.id, BROWSER) as viewer,
    ):
        await phone.take()
        await viewer.sees(10)
        await viewer.send("by", camera=by_camera)
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        yield car, phone, viewer
        assert "Traceback" not in car.log()


async def freshen(viewer: Viewer) -> None:
    """Draw pictures again."""
    viewer.draws = True
    await viewer.draw()


async def test_a_fresh_picture_slows_nothing() -> None:
    async with driving(CONFIG) as (_, phone, viewer):
        await viewer.sees(30)
        assert all(state["video"]["cap"] == 1 for state in phone.states)
        assert phone.state["video"]["age_s"] < 0.4


async def test_an_old_picture_makes_the_car_slow_until_it_has_been_fresh_for_a_second() -> None:
    async with driving(CONFIG) as (_, phone, viewer):
        viewer.draws = False
        state = await phone.until(lambda s: s["video"]["cap"] == 0.5)
        assert state["video"]["age_s"] > 0.4
        await phone.until(lambda s: s["speed_limit"] == 0.5 and 0 < s["applied"]["left"] <= 0.5)
        await phone.hears(20)
        assert phone.state["state"] == "armed"
        assert phone.codes == []
        await freshen(viewer)
        await phone.until(lambda s: s["video"]["cap"] == 1 and s["applied"]["left"] == 1.0)


@at_once(["by eye", "paused", "closed"])
async def test_whoever_does_not_drive_by_the_picture_is_not_slowed(how: str) -> None:
    async with driving(STOPS) as (_, phone, viewer):
        if how == "by eye":
            await viewer.send("by", camera=False)
        elif how == "paused":
            await viewer.send("want", fps=0)
        else:
            await viewer.close()
        viewer.draws = False
        await phone.hears(40)
        assert phone.codes == []
        assert (phone.state["video"]["cap"], phone.state["applied"]["left"]) == (1, 1.0)


async def test_a_broken_connection_leaves_the_driver_with_an_old_picture() -> None:
    async with driving(CONFIG) as (car, phone, viewer):
        viewer.stream.close()
        await phone.until(lambda s: s["video"]["viewers"] == 0)
        await phone.until(lambda s: s["video"]["cap"] == 0.5)
        async with Viewer(car.url, phone.id, BROWSER) as again:
            await again.sees(5)
            await phone.until(lambda s: s["video"]["cap"] == 1)


@at_once(["hidden", "closed", "reloaded"])
async def test_no_way_back_to_a_dead_picture_lifts_the_stop(how: str) -> None:
    async with driving(STOPS) as (car, phone, viewer), AsyncExitStack() as stack:
        viewer.draws = False
        await phone.until_error("picture_old")
        await car.until_low()
        await phone.let_go()
        driver = phone
        if how == "hidden":
            await viewer.send("want", fps=0)
            await phone.hears(5)
            await viewer.send("want", fps=30)
        else:
            await viewer.close()
            if how == "reloaded":
                await phone.close()
                driver = await stack.enter_async_context(Client(car.url, cookie="one"))
                await driver.until(lambda s: s["you"] == "driver")
            await driver.hears(5)
            again = await stack.enter_async_context(Viewer(car.url, driver.id, BROWSER, draws=False))
            await again.send("by", camera=True)
        assert driver.state["video"]["cap"] == 0.5
        driver.hold(1.0)
        refusals = len(driver.codes)
        await driver.wait(lambda: len(driver.codes) > refusals + 20, "refusals")
        assert set(driver.codes[refusals:]) == {"picture_old"}
        assert driver.state["video"]["cap"] == 0.5
        assert car.is_low()


async def test_a_driver_who_waits_for_the_first_picture_is_slow() -> None:
    async with (
        Product(config=CONFIG) as car,
        Client(car.url, cookie="one") as phone,
        Viewer(car.url, phone.id, BROWSER, draws=False) as viewer,
    ):
        await phone.take()
        phone.hold(1.0)
        await viewer.send("by", camera=True)
        await phone.until(lambda s: s["video"]["cap"] == 0.5 and 0 < s["applied"]["left"] <= 0.5)
        await viewer.send("by", camera=False)
        await phone.until(lambda s: s["video"]["cap"] == 1 and s["applied"]["left"] == 1.0)


async def test_a_stop_before_the_first_picture_does_not_arm_the_car() -> None:
    async with (
        Product(config=STOPS) as car,
        Client(car.url, cookie="one") as phone,
        Viewer(car.url, phone.id, BROWSER, draws=False) as viewer,
    ):
        await phone.ask("take")
        await viewer.send("by", camera=True)
        await phone.until(lambda s: s["you"] == "driver" and (s["video"]["age_s"] or 0) > 1.0)
        await phone.drive(1.0)
        await phone.until_error("picture_old")
        assert {state["state"] for state in phone.states} == {"disarmed"}


async def test_a_cap_above_the_driver_s_limit_is_not_shown() -> None:
    async with driving(CONFIG) as (_, phone, viewer):
        await phone.ask("limit", speed=0.3)
        await phone.until(lambda s: s["speed_limit"] == 0.3)
        viewer.draws = False
        state = await phone.until(lambda s: (s["video"]["age_s"] or 0) > 0.8)
        assert (state["video"]["cap"], state["speed_limit"]) == (1, 0.3)
        await phone.ask("limit", speed=1.0)
        await phone.until(lambda s: s["video"]["cap"] == 0.5 and s["speed_limit"] == 0.5)


async def test_the_wheel_passes_on_without_the_cap() -> None:
    async with driving(CONFIG) as (car, phone, viewer), Client(car.url) as other:
        viewer.draws = False
        await phone.until(lambda s: s["video"]["cap"] == 0.5)
        await phone.let_go(zero=False)
        await phone.send(type="release")
        await phone.until(lambda s: s["driver"] is None)
        await other.take()
        other.hold(1.0)
        state = await other.until(lambda s: s["applied"]["left"] == 1.0)
        assert state["video"] == {**state["video"], "cap": 1, "age_s": None}


async def test_with_stop_the_car_stops_and_waits_for_a_fresh_picture_and_a_neutral_command() -> None:
    async with driving(STOPS) as (car, phone, viewer):
        viewer.draws = False
        await phone.until_error("picture_old")
        await car.until_low()
        assert phone.state["state"] in ("armed", "disarmed")
        await freshen(viewer)
        await phone.until(lambda s: s["video"]["cap"] == 1)  # fresh for a second, and the stick still held
        refusals = len(phone.codes)
        await phone.wait(lambda: len(phone.codes) > refusals + 5, "more refusals")
        assert car.is_low()
        await phone.let_go()
        await asyncio.sleep(0.3)  # a pulse at rest
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
