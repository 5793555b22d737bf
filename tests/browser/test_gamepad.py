"""A gamepad drives once it was seen at rest, and each of its faults stops the car."""

from __future__ import annotations

import time

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.wheels import Wheels
from tests.support.chromium import GAMEPAD
from tests.support.product import EN_PINS, Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SLOW_AFTER_S = 1.5
LINK_S = 0.55  # a command on its way, and the longest that the car follows one


@pytest.fixture
async def phone(car: Product, new_phone: NewPhone) -> Phone:
    """A phone with a gamepad that can be plugged in."""
    phone = await new_phone()
    await phone.page.add_init_script(GAMEPAD)
    await phone.open(car.url)
    return phone


async def rest_the_gamepad(phone: Phone) -> None:
    """Plug it in, or let its sticks go, and wait until the page has looked at it."""
    looks = await phone.page.evaluate("() => { plug(); return looks; }")
    await phone.page.wait_for_function("(looks) => globalThis.looks > looks + 1", arg=looks)


async def test_a_gamepad_drives_once_it_was_seen_at_rest(phone: Phone, wheels: Wheels) -> None:
    page = phone.page
    await page.evaluate("() => plug([0, -1, 0, 0])")  # a stick that hangs
    await phone.reads("why", "Release its sticks")
    mark = wheels.mark()
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await rest_the_gamepad(phone)
    await page.evaluate("() => plug([0, 0, 0, 0], { 7: 0.8 })")
    await wheels.turn(+1, +1)
    await page.evaluate("() => plug([0.9, 0, 0, 0])")
    await wheels.turn(+1, -1)
    await page.evaluate("() => plug([0.05, 0.08, 0, 0])")  # within the dead zone
    await wheels.rest()
    await phone.says_zero()
    await page.evaluate("() => plug([0, 0, 0, 0], { 1: 1 })")
    await phone.in_state("stopped")


async def test_a_gamepad_that_goes_stops_the_car_and_has_to_rest_again(phone: Phone, wheels: Wheels) -> None:
    page = phone.page
    await rest_the_gamepad(phone)
    await phone.reads("why", "Gamepad connected")
    await page.evaluate("() => plug([0, -1, 0, 0])")
    await wheels.turn(+1, +1)
    await page.evaluate("() => unplug()")
    await wheels.rest()
    await phone.says_zero()
    mark = wheels.mark()
    await page.evaluate("() => plug([0, -1, 0, 0])")
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await page.evaluate("() => dispatchEvent(new Event('blur'))")
    await rest_the_gamepad(phone)
    await page.evaluate("() => plug([0, 1, 0, 0])")
    await wheels.turn(-1, -1)


async def test_a_gamepad_held_at_a_blur_has_to_rest_again(phone: Phone, wheels: Wheels) -> None:
    await rest_the_gamepad(phone)
    await phone.reads("why", "Gamepad connected")
    await phone.page.evaluate("() => plug([0, -1, 0, 0])")
    await wheels.turn(+1, +1)
    await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")
    await wheels.rest()
    mark = wheels.mark()
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def test_a_gamepad_out_of_reach_is_slow_after_1_5_s_and_stops_the_car_within_4_55_s(
    phone: Phone, wheels: Wheels
) -> None:
    await rest_the_gamepad(phone)
    await phone.reads("why", "Gamepad connected")
    mark = wheels.mark()
    await phone.page.evaluate("() => plug([0, -1, 0, 0])")  # the last report: its stick stays up
    last_report_at = time.monotonic()
    await wheels.turn(+1, +1)
    await phone.reads("why", "Move the stick")
    await until(lambda: 0 < max(wheels.speeds()) < 0.6, "a slow car")
    await phone.reads("why", "No signal from the gamepad for 4 s.")
    await wheels.rest()
    assert wheels.rested_at() - last_report_at <= 4 + LINK_S
    full = [line["t"] for line in wheels.since(mark) if line["value"] == 1 and line["pin"] in EN_PINS]
    assert max(full) - last_report_at <= SLOW_AFTER_S + LINK_S
    mark = wheels.mark()
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await rest_the_gamepad(phone)
    await phone.page.evaluate("() => plug([0, -1, 0, 0])")
    await wheels.turn(+1, +1)


async def test_a_gamepad_of_an_unknown_layout_is_named_and_stops_the_car_and_so_does_a_second_gamepad(
    phone: Phone, wheels: Wheels
) -> None:
    page = phone.page
    odd = "{ index: 2, mapping: '', id: 'Odd Pad (Vendor: 1234 Product: 5678)' }"
    await page.evaluate(f"() => plug([0, 0], {{}}, {odd})")
    await phone.reads("why", "Odd Pad has an unknown layout: it cannot drive")
    await rest_the_gamepad(phone)
    await page.evaluate("() => plug([0, 0, 0, 0], {}, { index: 1 })")
    await page.evaluate("() => plug([0, -1, 0, 0])")
    await wheels.turn(+1, +1)
    await page.evaluate("() => plug([0, 0, 0, 0], { 1: 1 }, { index: 1 })")
    await phone.in_state("stopped")
    await wheels.rest()
    await phone.reported()
    assert len(phone.sent("stop")) == 1
    await page.evaluate(f"() => plug([0, 0], {{ 3: 1 }}, {odd})")
    await until(lambda: len(phone.sent("stop")) == 2, "the unknown pad's STOP")
