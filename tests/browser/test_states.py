"""What the page says when the signal is lost, the car is stopped, or somebody wants to drive: texts and places."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import FloatRect, expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LOCALES = ["en-GB", "zh-CN"]
LOST = {"en-GB": "Signal lost", "zh-CN": "信号中断"}
LOST_DRIVER = {
    "en-GB": "Your commands no longer reach the car; it stops by itself.",
    "zh-CN": "你的指令已无法到达小车",
}
LOST_UNKNOWN = {"en-GB": "What the car does is unknown.", "zh-CN": "此处无法得知小车现在的状态。"}
UNSENT = {"en-GB": "STOP could not be sent", "zh-CN": "急停未能发出"}
READY = {"en-GB": "Ready", "zh-CN": "就绪"}
STOPPED = {"en-GB": "Stopped", "zh-CN": "已急停"}
OTHER = {"en-GB": "Someone else is driving", "zh-CN": "他人正在驾驶"}
MINE = {"en-GB": "You have the wheel", "zh-CN": "驾驶权在你手中"}
WANTS = {"en-GB": "Someone else wants to drive.", "zh-CN": "其他人想驾驶。"}


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(pins="mock", config="[session]\nidle_s = 60.0\ngrace_s = 3.0\n") as product:
        yield product


async def box_of(phone: Phone, name: str) -> FloatRect:
    box = await phone.page.locator(f"#{name}").bounding_box()
    assert box, f"#{name} is not on the screen"
    return box


async def driving(new_phone: NewPhone, url: str, **options: Any) -> Phone:
    """Open a phone that drives straight on until the key W comes up."""
    phone = await new_phone(url, **options)
    await phone.hold_until("KeyW")
    await phone.in_state("armed")
    return phone


def apart(one: FloatRect, other: FloatRect) -> bool:
    return (
        one["x"] + one["width"] <= other["x"]
        or other["x"] + other["width"] <= one["x"]
        or one["y"] + one["height"] <= other["y"]
        or other["y"] + other["height"] <= one["y"]
    )


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_driver_without_signal_reads_that_the_car_stops_and_later_that_nothing_is_known(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await driving(new_phone, car.url, locale=locale)
    stop = await box_of(phone, "stop")
    await phone.context.set_offline(True)
    await phone.reads("alert", LOST_DRIVER[locale])
    await phone.reads("state", LOST[locale])
    await phone.reads("title", LOST[locale])
    size = await phone.page.locator("#title").evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 20, "it is said large"
    assert await phone.page.locator("#left .scale").evaluate("(e) => getComputedStyle(e).opacity") == "0.4"
    assert await box_of(phone, "stop") == stop
    await expect(phone.page.locator("#ask")).to_be_hidden()
    await phone.tap("stop")
    await phone.reads("why", UNSENT[locale])
    await phone.reads("alert", LOST_UNKNOWN[locale])
    await phone.page.keyboard.up("KeyW")
    await phone.context.set_offline(False)
    await phone.seen("body[data-link=good]")


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_spectator_without_signal_knows_nothing(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await driving(new_phone, car.url, locale=locale)
    other = await new_phone(car.url, locale=locale)
    await other.reads("state", OTHER[locale])
    await other.context.set_offline(True)
    await other.reads("title", LOST[locale])
    await other.reads("alert", LOST_UNKNOWN[locale])
    await phone.page.keyboard.up("KeyW")


@pytest.mark.parametrize("locale", LOCALES)
async def test_stop_keeps_its_place_and_reset_comes_a_second_later_beside_the_state(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await driving(new_phone, car.url, locale=locale)
    stop = await box_of(phone, "stop")
    await phone.page.evaluate(
        """() => {
          globalThis.seen = {};
          const look = () => {
            if (document.body.dataset.state === "stopped") seen.stopped ??= performance.now();
            if (seen.stopped && !document.getElementById("ask").hidden) seen.ask ??= performance.now();
            if (!document.getElementById("reset").hidden) seen.reset ??= performance.now();
            setTimeout(look, 4);
          };
          look();
        }"""
    )
    for _ in range(8):  # in panic
        await phone.tap("stop")
    await phone.reads("state", STOPPED[locale])
    assert await box_of(phone, "stop") == stop
    await phone.seen("#reset:not([hidden])")
    gap_ms = await phone.page.evaluate("() => seen.reset - seen.stopped")
    assert gap_ms >= 950
    assert await phone.page.evaluate("() => seen.ask - seen.stopped") >= 950, (
        "no other button was there meanwhile"
    )
    assert phone.sent("reset") == [], "no tap on STOP has lifted it"
    reset, state = await box_of(phone, "reset"), await box_of(phone, "status")
    assert reset["x"] - (state["x"] + state["width"]) <= 16, "beside the state"
    assert reset["width"] >= 96
    assert reset["height"] >= 48
    assert apart(reset, await box_of(phone, "stop"))
    await phone.page.locator("#reset").focus()
    await phone.cdp.send("Input.dispatchKeyEvent", ENTER | {"type": "keyDown", "autoRepeat": True})
    await phone.hears(3)
    assert phone.sent("reset") == [], "a repeated key does not count"
    await phone.cdp.send("Input.dispatchKeyEvent", ENTER | {"type": "keyUp"})
    await phone.cdp.send("Input.dispatchKeyEvent", ENTER | {"type": "keyDown"})
    await phone.reads("state", READY[locale])
    await phone.cdp.send("Input.dispatchKeyEvent", ENTER | {"type": "keyUp"})
    await phone.page.keyboard.up("KeyW")


ENTER = {
    "key": "Enter",
    "code": "Enter",
    "windowsVirtualKeyCode": 13,
    "nativeVirtualKeyCode": 13,
    "text": "\r",
}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("size", [(844, 390), (390, 844), (320, 568)])
async def test_a_request_is_a_slim_bar_that_covers_nothing_of_the_driving(
    car: Product, new_phone: NewPhone, locale: str, size: tuple[int, int]
) -> None:
    phone = await driving(new_phone, car.url, locale=locale, viewport={"width": size[0], "height": size[1]})
    names = ("left", "right", "news", "gears", "stop", "throttle", "steering")
    before = {name: await box_of(phone, name) for name in names}
    other = await new_phone(car.url, locale=locale)
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.reads("asks", WANTS[locale])
    bar = [await box_of(phone, name) for name in ("asks", "give", "refuse")]
    assert len({round(part["y"] + part["height"] / 2) for part in bar}) == 1, "in one line"
    assert max(part["height"] for part in bar) <= 52
    for name in names:
        now = await box_of(phone, name)
        assert now == before[name], f"{name} stays where it was"
        assert all(apart(now, part) for part in bar), name
    assert await phone.covered("give", "refuse") == []
    await phone.page.keyboard.up("KeyW")
    await phone.insist("give", "body[data-you=spectator]")
    await other.reads("driver", MINE[locale])
    await phone.reads("state", OTHER[locale])


async def test_a_turn_is_counted_down_beside_the_driver_and_its_end_is_announced(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    change: dict[str, Any] = {"state": {"turn": {"for_s": 60, "left_s": 42.4}}}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.take_the_wheel()
    await phone.reads("driver", "0:42 · You have the wheel")
    other = await new_phone(car.url)
    await other.insist("ask", "#ask[data-does=waiting]")
    change["state"] = {"turn": {"for_s": 60, "left_s": 9.6}}
    await phone.reads("why", "Your turn ends in 10 s.")
    await phone.reads("driver", "0:09")


async def test_the_meters_show_the_wheel_speed_that_the_car_heads_for_and_it_is_reached(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url)
    await phone.page.keyboard.down("KeyD")

    def value(side: str, name: str) -> str:
        return f"#{side}[style*='--{name}: {phone.state['target'][side]:.3f}']"

    await phone.hold_until(
        "KeyW",
        lambda: phone.state["target"] == phone.state["applied"] and phone.state["target"]["left"] > 0.1,
        what="the wheels turn as wanted",
    )
    for side in ("left", "right"):
        await phone.seen(value(side, "wanted"))
        await phone.seen(value(side, "applied"))
    await phone.page.keyboard.up("KeyW")
    await phone.page.keyboard.up("KeyD")


async def test_a_cap_is_a_line_in_the_meters_and_the_page_says_whose_it_is(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    change: dict[str, Any] = {"state": {"speed_cap": 0.6}}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.reads("cap", "owner's cap 60%")
    scale = await phone.page.locator("#left .scale").bounding_box()
    room = await phone.page.locator("#left .room").bounding_box()
    assert scale
    assert room
    assert abs(room["height"] / scale["height"] - 0.6) < 0.05
    line = "(e) => getComputedStyle(e).borderTopWidth"
    assert await phone.page.locator("#left .room").evaluate(line) == "2px"
    change["state"] = {"speed_cap": 1.0}
    await phone.seen("#hud[data-capped=false]")
    await expect(phone.page.locator("#cap")).to_be_hidden()
    assert await phone.page.locator("#left .room").evaluate(line) == "0px"


async def test_the_first_hint_fits_the_device(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url, is_mobile=True)
    await phone.reads("why", "Touch a pad to drive.")
    await expect(phone.page.locator("#keys")).to_be_hidden()
    await expect(phone.page.locator("#ask")).to_have_css("opacity", "0")
    await phone.page.locator("#ask").press("Enter")
    await phone.seen("body[data-you=driver]")
    await phone.page.close()
    laptop = await new_phone(car.url, has_touch=False, viewport={"width": 1280, "height": 800})
    await laptop.reads("why", "Space: STOP.")
    key = await box_of(laptop, "keys")
    assert key["height"] >= 80, "the keys are shown large"
    await laptop.page.evaluate("() => dispatchEvent(new Event('gamepadconnected'))")
    await laptop.reads("why", "Left stick: drive.")


async def test_a_gear_takes_a_free_wheel_and_is_the_limit(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url)
    await phone.tap("gear2")
    await phone.seen("body[data-you=driver]")
    await phone.seen("#gear2[aria-pressed=true]")
    await until(lambda: phone.state["speed_limit"] == 0.6, "the second gear")
    other = await new_phone(car.url)
    await other.seen("#gear3[disabled]")


async def test_a_keyboard_finds_reset(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url, has_touch=False)
    await phone.hold_until("KeyW")
    await phone.in_state("armed")
    await phone.page.keyboard.press("Space")
    await phone.page.keyboard.up("KeyW")
    await phone.seen("#reset:focus")
    await phone.page.keyboard.press("Space")
    await phone.hears(3)
    await phone.in_state("stopped")
    await phone.page.keyboard.press("Enter")
    await phone.in_state("disarmed")


async def test_no_notice_replaces_what_a_car_without_signal_does(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url)
    change: dict[str, Any] = {"state": {"state": "failsafe", "reason": "commands_stale"}}
    laptop = await new_phone()
    await talked(laptop, change)
    await laptop.open(car.url)
    await laptop.seen("body[data-card=failsafe]")
    await laptop.page.evaluate("() => dispatchEvent(new Event('gamepadconnected'))")
    await laptop.reads("why", "No commands for 0.5 s")
    await phone.page.close()
