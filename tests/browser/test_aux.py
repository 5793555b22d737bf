"""The buttons of lights and horns, and the second stick for pan and tilt, on a car that has them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.browser import test_layout, test_viewports
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import IN_EACH_LANGUAGE, clean
from tests.browser.test_battery import opened, told
from tests.support.chromium import GAMEPAD
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HORN, LIGHT, GLOW, GRIP, PAN, TILT = 16, 17, 20, 21, 18, 19
OUTPUTS = f"""
[session]
idle_s = 60.0
[aux.horn]
kind = "momentary"
pin = {HORN}
label = "Horn"
icon = "horn"
key = "h"
button = 0
max_on_s = 30.0
[aux.light]
pin = {LIGHT}
label = "Headlight"
icon = "light"
key = "F"
button = 3
[aux.glow]
kind = "dimmer"
pin = {GLOW}
label = "Glow"
icon = "lamp"
[aux.fan]
pin = {GRIP}
label = "Fan"
[aux.back]
pin = 26
follow = "reverse"
"""
AXES = f"""
[aux.pan]
kind = "servo"
pin = {PAN}
axis = "pan"
[aux.tilt]
kind = "servo"
pin = {TILT}
axis = "tilt"
"""
MANY = """
[aux.siren]
kind = "momentary"
pin = 11
label = "A long name of a siren"
[range]
source = "sim"
stop_m = 1.8
slow_m = 2.6
"""
FRAMES = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product("sim", config=OUTPUTS + AXES) as product:
        yield product


@pytest.fixture
async def phone(car: Product, new_phone: NewPhone) -> Phone:
    phone = await new_phone()
    await phone.page.add_init_script(GAMEPAD)
    await phone.open(car.url)
    await phone.seen("#aux-fan:not(:disabled)")
    return phone


def sent(phone: Phone, name: str) -> list[float]:
    return [message["value"] for message in phone.sent("aux") if message["name"] == name]


async def shines(car: Product, pin: int, value: float) -> None:
    await until(lambda: car.levels().get(pin) == value, f"{pin} at {value}")


async def test_a_car_without_outputs_loads_nothing_for_them(new_phone: NewPhone) -> None:
    async with Product() as car:
        phone = await new_phone()
        asked: list[str] = []
        phone.page.on("request", lambda request: asked.append(request.url))
        await phone.open(car.url)
        await phone.hears(5)
        assert not [url for url in asked if "aux" in url]
        assert await phone.page.query_selector("#aux, #look2") is None


async def test_a_tap_switches_a_light_and_takes_the_free_wheel(
    car: Product, phone: Phone, new_phone: NewPhone
) -> None:
    other = await new_phone(car.url)
    await phone.tap("aux-light")
    await shines(car, LIGHT, 1)
    await phone.seen("body[data-you=driver]")
    for watcher in (phone, other):
        await watcher.seen('#aux-light[aria-pressed=true][aria-label="Headlight"]')
    await other.seen("#aux-light:disabled")
    await other.seen("#look2.idle")
    await phone.press("aux-light")  # with Enter
    await shines(car, LIGHT, 0)
    await phone.page.keyboard.press("f")
    await shines(car, LIGHT, 1)
    for percent in (34, 67, 100, 0):
        await phone.tap("aux-glow")
        await shines(car, GLOW, percent / 100)
        await phone.seen(f'#aux-glow[aria-label="Glow: {percent} %"]')
    await other.page.keyboard.press("f")
    await other.hears(5)
    assert sent(other, "light") == []
    assert car.levels()[LIGHT] == 1
    await phone.press("ask")  # release the wheel: the light stays
    await phone.seen("body[data-you=free], body:not([data-you=driver])")
    await other.seen("#aux-light:not(:disabled).on")
    assert phone.complaints == other.complaints == []


@pytest.mark.parametrize("control", ["aux-horn", "H", "Enter"])
async def test_a_horn_sounds_while_it_is_held(car: Product, phone: Phone, control: str) -> None:
    async def press(down: bool) -> None:
        if control == "aux-horn":
            await (phone.down(control) if down else phone.lift(control))
        else:
            await phone.page.focus("#aux-horn")
            key = "h" if control == "H" else "Enter"
            await (phone.page.keyboard.down(key) if down else phone.page.keyboard.up(key))

    await phone.take_the_wheel()
    for _ in range(2):
        await press(True)
        await shines(car, HORN, 1)
        await phone.seen("#aux-horn.on")
        await until(lambda: sent(phone, "horn")[-3:] == [1, 1, 1], "renewals")
        await press(False)
        await shines(car, HORN, 0)
        await until(lambda: sent(phone, "horn")[-1] == 0, "the release")


async def test_stop_and_a_page_in_the_background_silence_a_held_horn(car: Product, phone: Phone) -> None:
    await phone.take_the_wheel()
    await phone.down("aux-horn")
    await shines(car, HORN, 1)
    await phone.tap("stop")
    await shines(car, HORN, 0)
    await phone.lift("aux-horn")
    await phone.seen("#reset:not([hidden])")
    await phone.insist("reset", "body:not([data-state=stopped])")
    await phone.down("aux-horn")
    await shines(car, HORN, 1)
    await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")
    await shines(car, HORN, 0)
    await phone.reported()
    count = len(sent(phone, "horn"))
    await phone.hears(5)
    assert len(sent(phone, "horn")) <= count + 1


async def test_a_finger_moves_pan_and_tilt_and_a_double_tap_centres(car: Product, phone: Phone) -> None:
    await phone.take_the_wheel()
    await phone.touch("look2")
    await phone.slide("look2", 27, -100)
    await shines(car, TILT, 2000)
    await phone.lift("look2")
    await until(lambda: car.levels()[PAN] == 1750, "half to the right")
    label = await phone.page.get_attribute("#look2", "aria-label")
    assert label == "camera: pan 50 %, tilt 100 %; a double tap centres"
    await phone.double_tap("look2")
    await shines(car, PAN, 1500)
    await shines(car, TILT, 1500)
    assert phone.sent("drive") == [m for m in phone.sent("drive") if not m["throttle"] and not m["steering"]]


async def test_keys_and_the_right_stick_of_a_gamepad_move_pan_and_tilt(car: Product, phone: Phone) -> None:
    await phone.take_the_wheel()
    await phone.page.keyboard.down("i")
    await phone.page.keyboard.down("j")
    await shines(car, TILT, 2000)
    await shines(car, PAN, 1000)
    await phone.page.keyboard.up("i")
    await phone.page.keyboard.up("j")
    looks = await phone.page.evaluate("() => { plug(); return looks; }")
    await phone.page.wait_for_function("(looks) => globalThis.looks > looks + 1", arg=looks)
    await phone.page.evaluate("() => plug([0, 0, 0.9, 0.9])")
    await shines(car, PAN, 2000)
    await shines(car, TILT, 1000)
    await phone.page.evaluate("() => plug([0, 0, 0, 0], { 0: 1 })")
    await shines(car, HORN, 1)
    await phone.page.evaluate("() => plug([0, 0, 0, 0], { 3: 1 })")
    await shines(car, HORN, 0)
    await shines(car, LIGHT, 1)
    await phone.page.evaluate("() => plug([0, 0, 0, 0], { 11: 1 })")
    await shines(car, PAN, 1500)
    await shines(car, TILT, 1500)
    assert not any(message["steering"] for message in phone.sent("drive")), "the right stick does not steer"


async def test_the_messages_of_a_page_that_does_everything_at_once_are_few_enough(
    car: Product, phone: Phone
) -> None:
    await phone.hold_until("throttle", y=1)
    await phone.down("aux-horn")
    await phone.touch("look2")
    mark = len(phone.said)
    first = phone.state["tick"]
    for step in range(60):
        await phone.slide("look2", step % 30, -(step % 20))
        await phone.move("throttle", y=1 - step / 120)
    assert phone.state["tick"] != first
    assert not [m for m in phone.heard if m.get("code") == "rate_limited"], len(phone.said) - mark
    await phone.cancel()
    await shines(car, HORN, 0)


@pytest.mark.parametrize("config", [OUTPUTS, OUTPUTS + AXES, AXES], ids=["buttons", "both", "stick"])
async def test_nothing_overlaps_or_is_cut_in_any_window(new_phone: NewPhone, config: str) -> None:
    async with Product("sim", config=config) as car:
        for locale in ("en-GB", "zh-CN"):
            phone = await new_phone(car.url, locale=locale)
            await phone.seen("#aux-light, #look2")
            found = {}
            for layout in ("thumbs", "stick"):
                await phone.page.evaluate("(layout) => (document.body.dataset.layout = layout)", layout)
                for width, height in test_layout.SIZES:
                    await phone.page.set_viewport_size({"width": width, "height": height})
                    await phone.page.evaluate(FRAMES)
                    if faults := await phone.page.evaluate(test_layout.FAULTS, False):
                        found[layout, width, height] = faults
                for width, height in test_viewports.SIZES:
                    await phone.page.set_viewport_size({"width": width, "height": height})
                    await phone.page.evaluate(FRAMES)
                    if faults := await phone.page.evaluate(test_viewports.FAULTS):
                        found[layout, width, height] = faults
            assert not found, found


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_small_phones_show_the_buttons_of_sensor_and_battery_whole(
    new_phone: NewPhone, locale: str
) -> None:
    async with Product("sim", config=OUTPUTS + MANY + AXES) as car:
        phone = await new_phone(locale=locale, viewport={"width": 844, "height": 390})
        change = await opened(car, phone, told({}))
        await phone.hold_until("KeyW", lambda: phone.state["obstacle"]["cap"] == 0 or None)
        await whole(phone, "past")
        change["state"] = told({"level": "stop", "off_in_s": 30})
        await whole(phone, "stay")
        await expect(phone.page.locator("#past")).to_be_hidden()  # the car refuses to drive


async def whole(phone: Phone, button: str) -> None:
    """Wait for a button, and look for it on each small phone."""
    await phone.seen(f"#{button}:not([hidden])")
    for width, height in ((390, 844), (844, 390), (360, 640), (640, 360)):
        await phone.page.set_viewport_size({"width": width, "height": height})
        await phone.page.evaluate(FRAMES)
        assert await phone.covered(button, "stop", "look2") == []


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_axe_finds_nothing(
    car: Product, new_phone: NewPhone, locale: str, looks: tuple[str, ...]
) -> None:
    phone = await new_phone(car.url, locale=locale, viewport={"width": 844, "height": 390})
    await phone.take_the_wheel()
    await phone.tap("aux-light")
    await shines(car, LIGHT, 1)
    await phone.seen("#aux-light.on")
    await clean(phone, "lights", looks)
