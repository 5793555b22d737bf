"""The battery on the page: its charge, its warnings, and the countdown to switching off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
GOOD = {"level": "ok", "plausible": True, "at_rest": True, "off_in_s": None, "may_stay": True}


def told(battery: dict[str, Any], percent: int | None = 62, volts: float | None = 7.64) -> dict[str, Any]:
    return {"battery": GOOD | battery, "host": {"battery_v": volts, "battery_percent": percent}}


async def opened(car: Product, phone: Phone, state: dict[str, Any]) -> dict[str, Any]:
    change = {"state": state}
    await talked(phone, change)
    await phone.open(car.url)
    return change


async def test_a_car_without_a_meter_shows_none(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url)
    await phone.seen("body[data-link=good]")
    await expect(phone.page.locator("#battery")).to_be_hidden()
    await phone.settings("health")
    await expect(phone.page.locator("#health")).not_to_contain_text("Battery")


@pytest.mark.parametrize(
    ("locale", "words", "row", "empty", "left"),
    [
        ("en-GB", "battery 62%", "Battery62%", "Battery empty", "The car switches itself off in 42 s."),
        ("zh-CN", "电池 62%", "电池62%", "电池已耗尽", "小车将在 42 秒后自动关机。"),
    ],
)
async def test_charge_warning_stop_and_countdown(
    car: Product, new_phone: NewPhone, locale: str, words: str, row: str, empty: str, left: str
) -> None:
    phone = await new_phone(locale=locale)
    change = await opened(car, phone, told({}))
    await phone.reads("battery", words)
    assert await phone.page.inner_text("#battery") == words, "at rest: no dot"
    change["state"] = told({"at_rest": False})
    await phone.reads("battery", f"{words} •")
    change["state"] = told({"level": "warn"})
    await phone.seen("#battery[data-grade=warn]")
    change["state"] = told({}, percent=None)
    await phone.reads("battery", "7.64 V")
    change["state"] = told({}, percent=None, volts=None)
    await expect(phone.page.locator("#battery")).to_be_hidden()
    change["state"] = told({"level": "stop", "off_in_s": 42})
    await phone.reads("title", empty)
    await phone.reads("why", left)
    await expect(phone.page.locator("#stay")).to_be_hidden()  # it does not drive
    await phone.settings("health")
    await phone.reads("health", row)


async def test_the_driver_puts_the_countdown_off(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    change = await opened(car, phone, told({"level": "stop"}))
    await phone.reads("why", "The car does not drive. Charge its battery.")
    await phone.tap("ask")
    await phone.seen("body[data-you=driver]")
    await expect(phone.page.locator("#stay")).to_be_hidden()
    change["state"] = told({"level": "stop", "off_in_s": 30})
    await phone.seen("#stay:not([hidden])")
    assert await phone.covered("stay", "stop", "menu") == []
    await phone.tap("stay")
    await until(lambda: len(phone.sent("stay_on")) == 1, "the message")
    change["state"] = told({"level": "stop", "off_in_s": 30, "may_stay": False})
    await expect(phone.page.locator("#stay")).to_be_hidden()
