"""The distance sensor on the page: why the car stands, the button that drives past it, and nothing without a sensor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

# The simulated car starts 3 m in front of a wall.
SENSOR = '[range]\nsource = "sim"\nstop_m = 1.8\nslow_m = 2.6\n'
HERE = {"en-GB": "obstacle 1", "zh-CN": "障碍物 1"}
WHY = {"en-GB": "drive back, or turn", "zh-CN": "请后退或转向"}
PAST = {"en-GB": "past the sensor: slow", "zh-CN": "正越过传感器"}
SHAKES = "globalThis.shaken = []; navigator.vibrate = (times) => shaken.push(times)"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(pins="sim", config=SENSOR) as product:
        yield product


def sensed(phone: Phone) -> dict[str, Any]:
    """Return the sensor in the newest state."""
    found: dict[str, Any] = phone.state["obstacle"]
    return found


async def at_the_wall(new_phone: NewPhone, url: str, **options: Any) -> Phone:
    """Open a phone, and hold W until the sensor stops the car."""
    phone = await new_phone(**options)
    await phone.page.add_init_script(SHAKES)
    await phone.open(url)
    await phone.hold_until("KeyW", lambda: sensed(phone)["cap"] == 0 or None)
    return phone


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_a_driver_reads_and_feels_why_the_car_stands_and_drives_past_the_sensor(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await at_the_wall(new_phone, car.url, locale=locale)
    await phone.reads("obstacle", HERE[locale])
    await phone.reads("why", WHY[locale])
    shaken = await phone.page.evaluate("shaken")
    assert shaken.count([40]) == 1, shaken  # a busy machine may add the one of a lost link
    await phone.seen("#past:not([hidden])")
    assert await phone.covered("past", "stop") == []

    async def drive_past() -> None:
        since = len(phone.sent("override"))
        await phone.hold_until("KeyW", lambda: phone.state["wanted"]["throttle"] > 0)
        await phone.down("past")
        await until(lambda: sensed(phone)["override"], "the override")
        await phone.lift("past")
        await phone.reads("obstacle", PAST[locale])
        await expect(phone.page.locator("#past")).to_be_hidden()
        await until(lambda: phone.state["applied"]["left"] == 0.3, "slow")
        assert len(phone.sent("override")) == since + 1

    await phone.undisturbed(drive_past, "KeyW")
    await phone.tap("stop")
    await until(lambda: not sensed(phone)["override"], "the end of the override")
    assert phone.complaints == []


async def test_a_short_press_overrides_nothing(car: Product, new_phone: NewPhone) -> None:
    phone = await at_the_wall(new_phone, car.url, viewport=PHONE)
    await phone.seen("#past:not([hidden])")
    assert await phone.covered("past", "stop", "throttle") == []
    await phone.tap("past")
    assert await phone.page.get_attribute("#past", "data-held") is None
    await phone.hears(30)
    assert phone.sent("override") == []


async def test_the_owner_may_forbid_it_and_a_spectator_has_no_button(new_phone: NewPhone) -> None:
    async with Product(pins="sim", config=f"{SENSOR}override = false\n") as car:
        phone = await at_the_wall(new_phone, car.url)
        await phone.reads("obstacle", "obstacle 1")
        await expect(phone.page.locator("#past")).to_be_hidden()
        other = await new_phone(car.url)
        await other.reads("obstacle", "obstacle 1")
        await expect(other.page.locator("#past")).to_be_hidden()


async def test_an_unknown_distance_is_said_in_words(
    new_phone: NewPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICAR_SIM_RANGE", "dead")
    async with Product(pins="sim", config=SENSOR) as car:
        phone = await new_phone(car.url)
        await phone.reads("obstacle", "distance unknown: slow")
        await expect(phone.page.locator("#past")).to_be_hidden()


async def test_a_car_without_a_sensor_shows_nothing_of_it(new_phone: NewPhone) -> None:
    async with Product(pins="sim") as car:
        phone = await new_phone()
        loaded: list[str] = []
        phone.page.on("request", lambda request: loaded.append(request.url))
        await phone.open(car.url)
        await phone.seen("#sim:not([hidden])")
        assert not [url for url in loaded if "obstacle" in url]
        assert await phone.page.query_selector("#obstacle, #past") is None
