"""Tuning on the page: a simulated car that is wired, turned and matched all wrong drives straight in the end.

The test looks at the car as a person would, through where it goes: it never reads what the page knows.
"""

from __future__ import annotations

import asyncio
import math
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

from picar.motor.simcar import DEAD_ZONE, TRACK_M
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import IN_EACH_LANGUAGE, clean
from tests.browser.wheels import Wheels
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.browser
T = TypeVar("T")

# The wires of the simulated car are right, so that a wrong configuration is what a wrong wiring is to a right one.
WRONG = """
[l298n]
swap = true
[left]
invert = true
trim = 0.85
[motors]
min_duty = 0.55
"""
REST_S = 3.0  # a press that asks the car for nothing after this time has ended
HANG = "() => { const end = performance.now() + 700; while (performance.now() < end); }"
HANG_DURING_THE_FIRST_PRESS = f"""() => document.querySelector("#tune-hold").addEventListener(
  "pointerdown", () => setTimeout({HANG}, 300), {{ once: true }})"""
TURNS_M_S = 0.02  # a wheel that a person sees turning


@pytest.fixture
async def sim() -> AsyncIterator[Product]:
    async with Product(pins="sim", config=WRONG) as product:
        yield product
        await product.terminate()
        assert "Traceback" not in product.log()


class Eyes:
    """Watches the simulated car."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone

    def pose(self) -> tuple[float, float, float]:
        """Return x, y and heading."""
        pose = self.phone.state["pose"]
        return pose["x"], pose["y"], pose["heading"]

    def speeds(self) -> dict[str, float]:
        """Return what the wheels did between two states that are some time apart, in m a state."""
        states = [m["pose"] for m in self.phone.heard if m["type"] == "state"][-5:]
        before, after = states[0], states[-1]
        middle = (before["heading"] + after["heading"]) / 2
        way = (after["x"] - before["x"]) * math.cos(middle) + (after["y"] - before["y"]) * math.sin(middle)
        turn = (after["heading"] - before["heading"]) * TRACK_M / 2
        return {"left": (way - turn) / 0.2, "right": (way + turn) / 0.2}

    def turning(self) -> str:
        """Return which wheel turns, and which way; empty while none does."""
        wheel, speed = max(self.speeds().items(), key=lambda each: abs(each[1]))
        return f"{wheel}{'forward' if speed > 0 else 'back'}" if abs(speed) > TURNS_M_S else ""

    async def at_rest(self) -> None:
        """Wait until the car has rolled out."""
        await until(lambda: all(abs(speed) < 1e-9 for speed in self.speeds().values()), "a car at rest")


async def opened(phone: Phone) -> None:
    await phone.settings("car")
    await phone.page.click("#tune-open")
    await phone.seen("#tune[open] #tune-begin:enabled")


async def press(phone: Phone, button: str = "tune-hold", key: str = "") -> None:
    """Press a button: with a finger, or with a key while the button has the focus."""
    if key:
        return await phone.page.keyboard.down(key)
    await phone.page.locator(f"#{button}").scroll_into_view_if_needed()
    await phone.seen(f"#{button}:enabled")
    return await phone.down(button)


async def let_go(phone: Phone, button: str = "tune-hold", key: str = "") -> None:
    await (phone.page.keyboard.up(key) if key else phone.lift(button))


async def hold_until(
    phone: Phone, met: Callable[[], T], what: str, button: str = "tune-hold", key: str = ""
) -> T:
    """Press until `met()`, and return what it returned; the button is then still held.

    A hang of the page or late commands end a press: then the wheel rests until the button is pressed again. The helper
    presses again, as a person would.
    """
    give_up_at = time.monotonic() + 3 * DEADLINE_S
    while True:
        await press(phone, button, key)
        rests_from = time.monotonic() + REST_S
        while not (seen := met()) and (time.monotonic() < rests_from or any(phone.state["wanted"].values())):
            assert time.monotonic() < give_up_at, f"pressed #{button} in vain: {what}"
            await asyncio.sleep(0.01)
        if seen:
            return seen
        await let_go(phone, button, key)


async def held_until(phone: Phone, met: Callable[[], T], what: str, button: str = "tune-hold") -> T:
    """Press until `met()`, let go, and return what `met()` returned."""
    seen = await hold_until(phone, met, what, button)
    await let_go(phone, button)
    return seen


async def hold_until_turn(phone: Phone, wheels: Wheels, *ways: int, key: str = "") -> None:
    """Press until the left and right wheels turn these ways: 1 forward, 0 not at all."""
    await hold_until(phone, lambda: wheels.ways() == ways, f"the wheels turn {ways}", key=key)


async def step(phone: Phone, words: str) -> None:
    await phone.reads("tune-what", words)


async def look_and_say(phone: Phone, eyes: Eyes) -> str:
    """Hold the button until a wheel turns, let go, and answer what was seen."""
    saw = await held_until(phone, eyes.turning, "a wheel that turns")
    await phone.page.click(f"#tune-saw-{saw}")
    return saw


async def drives_off_by(phone: Phone, eyes: Eyes) -> float:
    """Drive straight on for half a metre, and back; return the drift in rad a metre, + to the left."""
    await eyes.at_rest()
    x, y, heading = eyes.pose()
    await held_until(phone, lambda: math.dist(eyes.pose()[:2], (x, y)) > 0.5, "half a metre")
    await eyes.at_rest()
    end = eyes.pose()
    gone = math.dist(end[:2], (x, y))
    await held_until(
        phone,
        lambda: math.dist(eyes.pose()[:2], end[:2]) > gone - 0.15,
        "the way back, but for what it rolls",
        "tune-back",
    )
    return (end[2] - heading) / gone


async def test_a_car_that_is_wired_turned_and_matched_wrong_drives_straight_in_the_end(
    sim: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(sim.url, viewport={"width": 844, "height": 390})
    eyes = Eyes(phone)
    await opened(phone)
    await phone.page.click("#tune-begin")
    await step(phone, "Which wheel turns?")
    assert await look_and_say(phone, eyes) == "rightback"
    await eyes.at_rest()
    assert await look_and_say(phone, eyes) == "leftforward"
    await step(phone, "When does it begin to turn?")
    for _ in ("left", "right"):
        await eyes.at_rest()
        await held_until(phone, eyes.turning, "a wheel that turns")
        await phone.page.click("#tune-begins")
    await step(phone, "Does it drive straight?")
    first = await drives_off_by(phone, eyes)
    drift = first
    for _ in range(14):
        if abs(drift) < 0.05:
            break
        await phone.page.click(f"#tune-drift-{'left' if drift > 0 else 'right'}")
        await phone.reads("tune-told", "The car uses this now.")
        if await phone.page.inner_text("#tune-what") == "The car is tuned":
            break
        drift = await drives_off_by(phone, eyes)
    assert abs(first) > 0.2, "there was nothing to trim"
    assert abs(drift) < 0.06
    if await phone.page.locator("#tune-drift-none").count():
        await phone.page.click("#tune-drift-none")
    await step(phone, "The car is tuned")
    found = tomllib.loads(await phone.page.input_value("#tune-toml"))
    assert found["l298n"]["swap"] is False
    assert (found["left"]["invert"], found["right"]["invert"]) == (False, False)
    assert DEAD_ZONE <= found["motors"]["min_duty"] <= DEAD_ZONE + 0.15
    assert found["left"]["trim"] < found["right"]["trim"] == 1.0  # the right motor is the weaker one
    assert phone.complaints == []
    await drives_after_a_restart(sim, found)


async def drives_after_a_restart(sim: Product, found: dict[str, Any]) -> None:
    """The same car, started again: ahead is ahead, and straight."""
    await sim.terminate()
    await sim.start()
    async with Client(sim.url) as driver:
        await driver.take()
        driver.hold(0.6)
        state = await driver.until(lambda s: s["pose"]["x"] > 1.0)
        await driver.let_go()
        assert abs(state["pose"]["y"]) < 0.1
    kept = (sim.folder / "state/picar/calibration-sim.toml").read_text(encoding="utf-8")
    assert tomllib.loads(kept) == found


async def test_a_finger_that_comes_up_ends_a_jog_and_so_does_all_that_ends_a_press(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone(car.url)
    page = phone.page
    await opened(phone)
    await page.click("#tune-begin")
    ends: dict[str, Callable[[], Awaitable[object]]] = {
        "lift": lambda: phone.lift("tune-hold"),
        "cancel": phone.cancel,
        "blur": lambda: page.evaluate("() => window.dispatchEvent(new Event('blur'))"),
        "close": lambda: page.evaluate("() => document.querySelector('#tune').close()"),
    }
    for name, end in ends.items():
        await hold_until_turn(phone, wheels, 1, 0)
        await end()
        await wheels.rest()
        await until(lambda: phone.sent("jog")[-1]["duty"] == 0, f"a zero after {name}")
        mark = wheels.mark()
        await phone.hears(5)
        assert not wheels.turned_since(mark), name
        if name == "blur":
            await phone.lift("tune-hold")


@pytest.fixture
async def jogging(car: Product, new_phone: NewPhone, wheels: Wheels) -> Phone:
    """A phone that holds the button, and the left wheel turns."""
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.page.click("#tune-begin")
    await hold_until_turn(phone, wheels, 1, 0)
    return phone


async def test_a_hang_of_the_page_ends_a_jog_though_the_finger_stays(jogging: Phone, wheels: Wheels) -> None:
    await jogging.page.evaluate(HANG)
    await wheels.rest()
    mark = wheels.mark()
    await jogging.hears(20)
    assert not wheels.turned_since(mark)


async def test_these_tests_press_again_after_a_hang_of_the_page(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.page.click("#tune-begin")
    await phone.page.evaluate(HANG_DURING_THE_FIRST_PRESS)
    await hold_until(phone, lambda: wheels.speeds()[0] > 0.2, "a fifth of the power, after 0.8 s")
    assert "failsafe" in [message["state"] for message in phone.heard if message["type"] == "state"]


async def test_stop_in_the_dialog_ends_a_jog_for_good(jogging: Phone, wheels: Wheels) -> None:
    phone = jogging
    await phone.page.locator("#tune .stop").evaluate(
        "(e) => e.dispatchEvent(new PointerEvent('pointerdown'))"
    )
    await phone.in_state("stopped")
    await wheels.rest()
    await phone.seen("#tune-hold:disabled")
    await phone.lift("tune-hold")


async def test_a_phone_that_loses_its_wifi_during_a_jog_turns_nothing_for_long(
    jogging: Phone, wheels: Wheels
) -> None:
    await jogging.context.set_offline(True)
    await wheels.rest()


async def test_all_of_it_works_from_a_keyboard(car: Product, new_phone: NewPhone, wheels: Wheels) -> None:
    phone = await new_phone(car.url)
    page = phone.page
    await page.locator("#menu").focus()
    await page.keyboard.press("Enter")
    await phone.seen("#settings[open]")
    await page.locator("#settings-car").focus()
    await page.keyboard.press("Enter")
    await page.locator("#tune-open").focus()
    await page.keyboard.press("Enter")
    await phone.seen("#tune-begin:enabled")
    await page.locator("#tune-begin").focus()
    await page.keyboard.press("Enter")
    await step(phone, "Which wheel turns?")
    assert await page.evaluate("() => document.activeElement.id") == "tune-what"
    await page.locator("#tune-hold").focus()
    await hold_until_turn(phone, wheels, 1, 0, key="Enter")
    await page.keyboard.up("Enter")
    await wheels.rest()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await phone.page.wait_for_function("() => document.activeElement.id === 'tune-what'")
    await page.locator("#tune-hold").focus()
    await hold_until_turn(phone, wheels, 0, 1, key="Enter")
    await page.keyboard.press("Space")  # STOP, wherever the focus is
    await phone.in_state("stopped")
    await wheels.rest()
    await page.keyboard.up("Enter")
    assert phone.complaints == []


async def test_twice_the_same_wheel_is_asked_again_and_nothing_changes(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.page.click("#tune-begin")
    for turning in ((1, 0), (0, 1)):
        await hold_until_turn(phone, wheels, *turning)
        await let_go(phone)
        await phone.page.click("#tune-saw-leftforward")
    await phone.reads("tune-told", "Both answers name the same wheel")
    assert phone.sent("calibrate") == []


async def test_the_way_back_to_the_configuration(car: Product, new_phone: NewPhone) -> None:
    async with Client(car.url) as other:
        await other.take()
        told = await (await (await new_phone()).context.request.get(f"{car.url}/api/v1/calibration")).json()
        await other.ask("calibrate", **(told["calibration"] | {"swap": True}))
        await other.send(type="release")
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.reads("tune-how", "found here before")
    await phone.page.click("#tune-reset")
    await phone.reads("tune-how", "uses its configuration")
    assert await phone.page.locator("#tune-reset").is_hidden()


async def test_one_who_watches_turns_nothing(car: Product, new_phone: NewPhone) -> None:
    async with Client(car.url) as other:
        await other.take()
        phone = await new_phone(car.url)
        await opened(phone)
        await phone.page.click("#tune-begin")
        await phone.seen("#tune-hold:disabled")


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_axe_finds_nothing_in_any_step(new_phone: NewPhone, locale: str, looks: Sequence[str]) -> None:
    async with Product(pins="sim", config="[session]\nidle_s = 60.0\n") as car:
        phone = await new_phone(locale=locale, viewport={"width": 390, "height": 844})
        await phone.open(car.url)
        eyes = Eyes(phone)
        await opened(phone)
        await clean(phone, "begin", looks)
        await phone.page.click("#tune-begin")
        await clean(phone, "which", looks)
        for side in ("left", "right"):
            await hold_until(phone, eyes.turning, "a wheel that turns")
            await clean(phone, f"{side} turns", looks)
            await let_go(phone)
            await phone.page.click(f"#tune-saw-{side}forward")
            await eyes.at_rest()
        for _ in range(2):
            await phone.seen("#tune-begins")
            await held_until(phone, eyes.turning, "a wheel that turns")
            await clean(phone, "least", looks)
            await phone.page.click("#tune-begins")
            await eyes.at_rest()
        await phone.seen("#tune-drift-none")
        await held_until(phone, eyes.turning, "a wheel that turns")
        await clean(phone, "straight", looks)
        await phone.page.click("#tune-drift-none")
        await phone.seen("#tune-toml:visible")
        await clean(phone, "end", looks)
        assert (
            await phone.page.evaluate("() => document.querySelector('#tune').innerText.includes('undefined')")
            is False
        )


async def test_what_tuning_needs_is_loaded_when_it_is_opened(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    asked: list[str] = []
    phone.page.on("request", lambda request: asked.append(request.url))
    await phone.open(car.url)
    await asyncio.sleep(0)
    assert not [url for url in asked if "tune" in url]
    await opened(phone)
    assert [url for url in asked if url.endswith("/static/tune.css")]
