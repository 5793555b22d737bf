"""Faults that a hunt through the cockpit found: each would let the car drive on, lift a stop or say something false."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.browser.wheels import Wheels
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PINCHED = 3.0
# The finger comes down on the place of Reset just before it appears, and comes up just after.
BEFORE_RESET = """() => {
  new MutationObserver(() => { globalThis.resetIsThere = !document.querySelector("#reset").hidden; })
    .observe(document.querySelector("#reset"), { attributeFilter: ["hidden"] });
  globalThis.early = [];
  const note = ({ type, target }) => early.push(`${type} ${target.id}`);
  for (const kind of ["pointerdown", "pointerup", "click"]) addEventListener(kind, note, true);
}"""
HANG = "() => { const began = performance.now(); while (performance.now() - began < 1600); }"
# A thumb comes up at the moment at which the page says that the signal is lost; from then on, note what it says.
LIFTED_WHEN_LOST = """() => {
  globalThis.seen = new Set();
  let lifted = false;
  new MutationObserver(() => {
    if (document.body.dataset.link !== "gone" && !lifted) return;
    if (!lifted) dispatchEvent(new KeyboardEvent("keyup", { code: "KeyW", key: "w" }));
    lifted = true;
    seen.add(`${document.body.dataset.link} ${document.querySelector("#state").textContent}`);
  }).observe(document.body, { attributes: true });
}"""


async def stopped(phone: Phone) -> tuple[float, float]:
    """Stop the car as its driver; return the place of Reset, which is not there yet."""
    await phone.take_the_wheel()
    await phone.tap("stop")
    await phone.seen("#reset:not([hidden])")
    box = await phone.page.locator("#reset").bounding_box()
    assert box
    await phone.insist("reset", "body[data-state=disarmed]")
    phone.said.clear()
    await phone.page.evaluate(BEFORE_RESET)
    await phone.tap("stop")
    await phone.in_state("stopped")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def finger(phone: Phone, kind: str, *place: float) -> None:
    points = [{"x": place[0], "y": place[1], "id": 99}] if place else []
    await phone.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def test_a_finger_that_was_there_before_reset_lifts_no_stop(phone: Phone) -> None:
    for _ in range(10):
        place = await stopped(phone)
        # Reset appears after a second; a press of over half a second would be no click.
        await asyncio.sleep(0.8)
        await finger(phone, "touchStart", *place)
        there = False
        for _ in range(40):
            there = there or await phone.page.evaluate("() => globalThis.resetIsThere === true")
            await asyncio.sleep(0 if there else 0.01)
        await finger(phone, "touchEnd")
        began = await phone.page.evaluate("() => early.findLast((note) => note.startsWith('pointerdown'))")
        if there and began != "pointerdown reset":
            break  # else the press was too early or too late
    else:
        pytest.fail("no press began before Reset and ended after it")
    await phone.hears(4)
    assert phone.sent("reset") == [], await phone.page.evaluate("() => early.slice(-3)")
    await phone.insist("reset", "body[data-state=disarmed]")


async def test_a_finger_in_a_hung_page_lifts_no_stop_that_it_could_not_see(phone: Phone) -> None:
    place = await stopped(phone)
    hang = asyncio.create_task(phone.page.evaluate(HANG))
    await asyncio.sleep(0.2)
    await asyncio.gather(finger(phone, "touchStart", *place), finger(phone, "touchEnd"), hang)
    await phone.seen("#reset:not([hidden])")
    await phone.hears(4)
    assert phone.sent("reset") == []
    await phone.insist("reset", "body[data-state=disarmed]")


async def test_a_press_that_slid_off_reset_is_over(phone: Phone) -> None:
    x, y = await stopped(phone)
    await phone.seen("#reset:not([hidden])")
    mouse = phone.page.mouse
    for start, end in ((0, 150), (150, 0)):
        await mouse.move(x, y + start)
        await mouse.down()
        await mouse.move(x, y + end)
        await mouse.up()
    await phone.hears(4)
    assert phone.sent("reset") == []


async def test_a_dialog_that_loads_late_releases_the_press_that_began_meanwhile(
    phone: Phone, wheels: Wheels
) -> None:
    loaded = asyncio.Event()

    async def wait(route: Route) -> None:
        await loaded.wait()
        await route.continue_()

    await phone.page.route("**/settings.js", wait)
    await phone.tap("menu")
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.6)
    loaded.set()
    await phone.seen("#settings[open]")
    await wheels.rest()
    await phone.says_zero()


async def test_lifting_the_thumb_does_not_bring_a_lost_signal_back(phone: Phone) -> None:
    await phone.hold_until("KeyW")
    await phone.in_state("armed")
    await phone.page.evaluate(LIFTED_WHEN_LOST)
    await phone.context.set_offline(True)
    await phone.seen("body[data-state=gone]")
    assert await phone.page.evaluate("() => [...seen]") == ["gone Signal lost"]


async def test_a_cap_that_rises_does_not_uncover_the_speed_limit_of_an_earlier_driver(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(fresh=True)
    change: dict[str, Any] = {"state": {"speed_cap": 0.05, "speed_limit": 0.05}}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.take_the_wheel()
    await phone.hears(4)
    change["state"] = {"speed_cap": 1.0, "speed_limit": 1.0}
    await until(lambda: [m["speed"] for m in phone.sent("limit")] == [0.3], "the first gear again")


async def test_stop_is_on_the_screen_again_after_a_dialog_was_pinched(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url, is_mobile=True)
    await phone.settings()
    await phone.cdp.send("Emulation.setPageScaleFactor", {"pageScaleFactor": PINCHED})
    await phone.page.wait_for_function("(scale) => visualViewport.scale === scale", arg=PINCHED)
    await phone.page.keyboard.press("Escape")
    await phone.page.wait_for_function("() => visualViewport.scale === 1")


async def test_a_driver_cannot_refuse_or_put_off_whoever_waits_for_the_end_of_a_turn(
    car: Product, phone: Phone, new_phone: NewPhone
) -> None:
    second = await new_phone(car.url)
    await phone.take_the_wheel()
    await phone.settings("car")
    await phone.page.click("label:has([name=turn][value='300'])")
    await until(lambda: (phone.state["turn"] or {}).get("for_s") == 300, "turns of five minutes")
    await second.press("ask")
    await phone.reads("turn-note", "Somebody waits for the end of this turn.")
    await expect(phone.page.locator("[name=turn]").first).to_be_disabled()
    await phone.page.keyboard.press("Escape")
    await phone.seen("#give:not([hidden])")
    await expect(phone.page.locator("#refuse")).to_be_hidden()
    await phone.tap("give")
    await second.seen("body[data-you=driver]")
