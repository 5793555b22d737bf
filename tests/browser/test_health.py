"""How the car's computer is: the bar warns, the settings tell all, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.support.pi import ALARM, BITS, HEAT, RADIO, FakePi
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def pi(tmp_path: Path) -> FakePi:
    return FakePi(tmp_path)


@pytest.fixture
async def car(pi: FakePi) -> AsyncIterator[Product]:
    async with Product(program=pi.program()) as product:
        yield product


async def test_low_voltage_is_told_while_driving_and_the_page_offers_no_more_speed(
    car: Product, pi: FakePi, phone: Phone
) -> None:
    await phone.take_the_wheel()
    await phone.insist("gear3", "#gear3[aria-pressed=true]")
    await phone.hold_until("throttle", y=1.0)
    await phone.in_state("armed")
    await phone.reads("facts", "51.2 °C · WiFi -52 dBm")
    await phone.reads("speed", "100%")
    assert await phone.page.inner_text("#host") == ""
    pi.write(ALARM, "1")
    await phone.reads("host", "low voltage: max 50%")
    await phone.reads("speed", "50%")
    await phone.seen("#hud[data-capped=true]")
    await phone.seen("#faster:disabled")
    await phone.seen("#gear3[aria-pressed=true][aria-label='3, fast: 50%']")
    assert await phone.covered("host", "stop", "menu", "throttle", "steering") == []
    pi.write(ALARM, "0")
    await phone.lift("throttle")
    await phone.seen("#host:empty")
    await phone.reads("speed", "100%")


@pytest.mark.parametrize(
    ("locale", "known", "left", "gone"),
    [
        (
            "en-GB",
            ["Supplywas too low since startup", "Slowed downnow", "Temperature84 °C", "WiFi signal-52 dBm", "Running for1 h 2 min"],
            ["Supplygood now", "Running for1 h 2 min"],
            ["Slowed down", "Temperature", "WiFi signal", "CPU"],
        ),
        (
            "zh-CN",
            ["供电开机后曾电压过低", "降频正在降频", "温度84 °C", "WiFi 信号-52 dBm", "已运行1 小时 2 分"],
            ["供电当前正常", "已运行1 小时 2 分"],
            ["降频", "温度", "WiFi 信号", "CPU"],
        ),
    ],
)  # fmt: skip
async def test_the_settings_have_a_row_for_each_known_fact_and_none_for_the_others(
    car: Product,
    pi: FakePi,
    new_phone: NewPhone,
    locale: str,
    known: list[str],
    left: list[str],
    gone: list[str],
) -> None:
    pi.write(BITS, "f0002")
    pi.write(HEAT, "84000")
    phone = await new_phone(car.url, locale=locale)
    await phone.settings("health")
    for words in known:
        await phone.reads("health", words)
    await phone.seen("#health .bad")
    for path in (BITS, HEAT, RADIO):
        pi.remove(path)
    await expect(phone.page.locator("#health li")).to_have_count(len(left), timeout=DEADLINE_S * 1000)
    for words in left:
        await phone.reads("health", words)
    for words in gone:
        await expect(phone.page.locator("#health")).not_to_contain_text(words)
    assert await phone.page.inner_text("#health-note") == ""
    assert phone.complaints == []


async def test_without_any_fact_a_sentence_says_so(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    change: dict[str, Any] = {}
    await talked(phone, change)
    await phone.open(car.url)
    change["state"] = {"host": dict.fromkeys(phone.state["host"])}
    await phone.settings("health")
    await phone.reads("health-note", "This car reports no facts about its computer.")
    assert await phone.page.locator("#health li").count() == 0


async def test_settings_keep_the_owner_s_cap_apart_from_that_of_low_voltage(
    car: Product, pi: FakePi, phone: Phone
) -> None:
    pi.write(ALARM, "1")
    await phone.seen("#hud[data-capped=true]")
    await phone.settings("car")
    assert await phone.page.input_value("#cap-speed") == "1"
    assert await phone.page.inner_text("#cap") == ""
