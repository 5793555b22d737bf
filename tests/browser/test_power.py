"""Switching the car off from the page: offered where the car can, asked once more, and then said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import clean
from tests.support.logind import AS_THE_SERVICE, FakeLogind
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def logind(tmp_path: Path) -> FakeLogind:
    return FakeLogind(tmp_path / "bin")


@pytest.fixture
async def service(logind: FakeLogind) -> AsyncIterator[Product]:
    async with Product(env=logind.path, program=("-c", AS_THE_SERVICE)) as product:
        yield product


async def ask(phone: Phone) -> None:
    """Open the settings, and from there what asks once more."""
    await phone.settings("car")
    await phone.page.click("#power-open")
    await phone.seen("#power[open]")


async def test_a_car_by_hand_offers_no_switch(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url)
    async with phone.page.expect_response("**/api/v1/power") as asked:
        await phone.page.click("#menu")
    assert (await (await asked.value).json()) == {"available": False}
    await phone.seen("#settings[open]")
    await phone.page.click("#settings-car")
    await expect(phone.page.locator("#tune-open")).to_be_visible()
    await expect(phone.page.locator("#power-open")).to_be_hidden()


@pytest.mark.parametrize(
    ("button", "method", "words"),
    [("power-off", "PowerOff", "switching off"), ("power-reboot", "Reboot", "restarting")],
)
async def test_it_is_asked_once_more_and_then_done(
    service: Product, logind: FakeLogind, new_phone: NewPhone, button: str, method: str, words: str
) -> None:
    phone = await new_phone(service.url)
    await ask(phone)
    assert f"{method} b false" not in logind.calls()
    await clean(phone, "power")
    await phone.page.click(f"#{button}")
    await expect(phone.page.locator("#power-text")).to_contain_text(words)
    await expect(phone.page.locator("#power-off")).to_be_disabled()
    assert logind.calls()[-1] == f"{method} b false"
    await phone.in_state("stopped")


async def test_closed_it_does_nothing(service: Product, logind: FakeLogind, new_phone: NewPhone) -> None:
    phone = await new_phone(service.url)
    await ask(phone)
    await phone.page.click("#power .done")
    await phone.seen("#power:not([open])")
    await phone.hears(3)
    assert not [call for call in logind.calls() if not call.startswith("Can")]


async def test_a_refusal_is_shown_and_it_may_be_tried_again(
    service: Product, logind: FakeLogind, new_phone: NewPhone
) -> None:
    logind.answers(do="echo 'Call failed: Operation inhibited by \"apt\"' >&2; exit 1")
    phone = await new_phone(service.url)
    await ask(phone)
    await phone.page.click("#power-off")
    await phone.reads("power-text", "The car's computer refused, for this reason:")
    await phone.reads("power-why", 'systemd refuses: Operation inhibited by "apt".')
    logind.answers(do=":")
    await phone.page.click("#power-off")
    await phone.reads(
        "power-text", "The car is switching off. When its light has stopped blinking, unplug it."
    )
    await until(lambda: logind.calls().count("PowerOff b false") == 2, "two tries")


async def test_stop_is_in_reach(service: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(service.url)
    await ask(phone)
    await phone.page.click("#power .stop")
    await phone.in_state("stopped")
