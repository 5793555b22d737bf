"""STOP stops whoever drives, stays, and is lifted only on purpose."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.wheels import Wheels
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.browser


async def test_stop_by_a_third_finger_holds_until_a_deliberate_reset(phone: Phone, wheels: Wheels) -> None:
    await phone.down("throttle", y=0.6)
    await phone.hold_until("steering", wheels.turning(+1, +1), x=0.2)
    await phone.down("stop")
    await phone.in_state("stopped")
    await wheels.rest()
    await phone.lift("stop")
    mark = wheels.mark()
    for _ in range(3):
        await phone.tap("stop")  # frantic, on the same spot
    await phone.move("throttle", y=0.9)
    await phone.hears(4)
    await phone.in_state("stopped")
    await phone.reads("alert", "You pressed STOP. The car stays stopped until you reset it.")
    await phone.seen("#reset:not([hidden])")
    await phone.insist("reset", "body[data-state=disarmed]")
    await phone.reads("state", "Ready")
    await phone.move("throttle", y=0.5)
    await phone.hears(4)
    assert not wheels.turned_since(mark), "the thumbs are still down from before the stop"
    await phone.lift("throttle")
    await phone.lift("steering")
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.6)


@pytest.mark.parametrize("focus", ["body", "#throttle", "#ask"])
async def test_space_is_stop_wherever_the_focus_is(phone: Phone, wheels: Wheels, focus: str) -> None:
    await phone.page.locator(focus).focus()
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.page.keyboard.press("Space")
    await phone.in_state("stopped")
    await wheels.rest()
    await phone.reported()
    assert {message["type"] for message in phone.said} == {"take", "drive", "stop"}


@pytest.mark.parametrize("key", [" ", "Spacebar"])
async def test_space_without_a_code_stops_while_a_key_is_held(phone: Phone, wheels: Wheels, key: str) -> None:
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.cdp.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": " "})
    await phone.in_state("stopped")
    await wheels.rest()


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Shift", "Meta"])
async def test_space_stops_with_a_modifier_that_sticks(phone: Phone, wheels: Wheels, modifier: str) -> None:
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.page.keyboard.press(f"{modifier}+Space")
    await phone.in_state("stopped")
    await wheels.rest()


async def test_space_stops_on_every_control_of_the_settings_and_presses_none(phone: Phone) -> None:
    await phone.tap("menu")
    await phone.seen("#settings[open] #health li")
    controls = phone.page.locator("#settings :is(button, input, .fields):visible")
    await phone.page.evaluate(
        """() => {
          globalThis.touched = [];
          for (const kind of ["click", "input", "change", "submit"]) addEventListener(kind, () => touched.push(kind), true);
        }"""
    )
    count = await controls.count()
    assert count >= 20
    for number in range(count):
        await controls.nth(number).evaluate("(control) => control.focus()")
        await phone.page.keyboard.press("Space")
    await until(lambda: len(phone.sent("stop")) == count, f"{count} STOPs")
    assert await phone.page.evaluate("() => touched") == []
    await phone.seen("#settings[open]")


async def test_a_blank_in_a_text_field_is_no_stop_and_enter_flips_a_switch(phone: Phone) -> None:
    await phone.tap("menu")
    await phone.seen("#settings[open] #health li")
    await phone.page.locator("[name=swap]").focus()
    await phone.page.keyboard.press("Enter")
    await phone.seen("body[data-swap=true]")
    await phone.page.click("#settings-car")
    await phone.page.evaluate(  # and stay shown, whatever the page learns about the cap meanwhile
        """() => {
            const lock = document.querySelector("#cap-lock");
            lock.hidden = false;
            Object.defineProperty(lock, "hidden", { get: () => false, set: () => {} });
        }"""
    )
    await phone.page.locator("#cap-pin").focus()
    await phone.page.keyboard.press("Space")
    await expect(phone.page.locator("#cap-pin")).to_have_value(" ")
    await phone.hears(2)
    assert phone.sent("stop") == []


async def test_stop_acts_when_the_finger_comes_down(phone: Phone) -> None:
    await phone.down("stop")
    await phone.in_state("stopped")


async def test_a_spectator_stops_the_car_and_has_to_take_the_wheel_before_a_reset(
    phone: Phone, wheels: Wheels, car: Product, new_phone: NewPhone
) -> None:
    watcher = await new_phone(car.url)
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.6)
    await watcher.tap("stop")
    await wheels.rest()
    await watcher.in_state("stopped")
    await watcher.reads("alert", "You pressed STOP.")
    await phone.reads("alert", "Someone pressed STOP.")
    await watcher.reads("ask", "Ask for the wheel")
    await phone.lift("throttle")
    await phone.seen("#reset:not([hidden])")
    await phone.tap("ask")  # gives up the wheel
    await watcher.reads("ask", "Take the wheel")
    await watcher.take_the_wheel()
    await watcher.seen("#reset:not([hidden])")
    assert watcher.sent("reset") == []
    await watcher.insist("reset", "body[data-state=disarmed]")
    assert len(watcher.sent("reset")) == 1


async def test_stop_reaches_both_thumbs_and_is_large(phone: Phone) -> None:
    for width, height in ((844, 390), (800, 360), (360, 800), (1280, 800)):
        await phone.page.set_viewport_size({"width": width, "height": height})
        box = await phone.page.locator("#stop").bounding_box()
        assert box
        assert box["width"] >= 96
        assert max(48, 0.1 * height) <= box["height"] <= 0.151 * height
        assert abs(box["x"] + box["width"] / 2 - width / 2) <= 1, "in the middle, between the thumbs"
