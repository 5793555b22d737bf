"""Tuning on the page: a simulated car that is wired, turned and matched all wrong drives straight in the end.

The test looks at the car as a person would, through where it goes: it never reads what the page knows.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from picar.motor.simcar import DEAD_ZONE, TRACK_M
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import IN_EACH_LANGUAGE, clean
from tests.browser.wheels import Wheels
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
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
HANG = "() => { const end = performance.now() + 700; while (performance.now() < end); }"
HANG_DURING_THE_FIRST_PRESS = f"""() => document.querySelector("#tune-hold").addEventListener(
  "pointerdown", () => setTimeout({HANG}, 300), {{ once: true }})"""
RESET_IS_HIDDEN_AT_FIRST = """() => new MutationObserver(() => {
  if (document.body.dataset.state === "stopped") window.resetAtFirst ??= document.querySelector("#tune-fix").hidden ? "hidden" : "shown";
}).observe(document.querySelector("#tune-told"), { childList: true })"""
FAULTS = """() => {
  const dialog = document.querySelector("#tune");
  const faults = [];
  if (document.querySelector("#tune-hold").offsetHeight < 64) faults.push("the button is low");
  for (const e of dialog.querySelectorAll("p, h2, h3, button:not(.stop), span, b")) {
    if (e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 && e.clientWidth || e.getBoundingClientRect().right > innerWidth))
      faults.push(`${e.id || e.textContent} is cut`);
  }
  const { left, right, top, bottom } = dialog.querySelector(".stop").getBoundingClientRect();
  if (left < 0 || top < 0 || right > innerWidth || bottom > innerHeight) faults.push("STOP is outside");
  return faults;
}"""
SIZES = [(320, 256), (280, 653), (390, 844), (667, 375), (844, 390), (820, 1180), (1280, 800), (3840, 2160)]
PROGRESS = """() => [...document.querySelectorAll("#tune-steps i:not([hidden])")].map((part) =>
  parseFloat(getComputedStyle(part, "::before").width) / part.clientWidth)"""
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


async def let_go(phone: Phone, control: str = "tune-hold") -> None:
    await (phone.page.keyboard.up(control) if control[0].isupper() else phone.lift(control))


async def held_until(phone: Phone, met: Callable[[], T], what: str, button: str = "tune-hold") -> T:
    """Press until `met()`, let go, and return what `met()` returned."""
    seen = await phone.hold_until(button, met, what=what)
    await let_go(phone, button)
    return seen


async def hold_until_turn(phone: Phone, wheels: Wheels, *ways: int, key: str = "tune-hold") -> None:
    """Press until the left and right wheels turn these ways: 1 forward, 0 not at all."""
    await phone.hold_until(key, lambda: wheels.ways() == ways, what=f"the wheels turn {ways}")


async def step(phone: Phone, words: str) -> None:
    await phone.reads("tune-what", words)


async def progress(phone: Phone, words: str, steps: float) -> None:
    """Wait for the number of the step; the bar is filled up to it."""
    await phone.reads("tune-step", words)
    parts = await phone.page.evaluate(PROGRESS)
    assert sum(parts) == pytest.approx(steps, abs=0.05), parts


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
    await progress(phone, "Step 1 of 4, motor 1 of 2", 0.5)
    assert await look_and_say(phone, eyes) == "rightback"
    await progress(phone, "Step 1 of 4, motor 2 of 2", 1)
    await eyes.at_rest()
    assert await look_and_say(phone, eyes) == "leftforward"
    await step(phone, "When does it begin to turn?")
    for _ in ("left", "right"):
        await eyes.at_rest()
        await held_until(phone, eyes.turning, "a wheel that turns")
        await phone.page.click("#tune-begins")
    await step(phone, "Does it drive straight?")
    await progress(phone, "Step 3 of 4", 3)
    first = await drives_off_by(phone, eyes)
    drift = first
    for _ in range(14):
        if abs(drift) < 0.05:
            break
        await phone.page.click(f"#tune-drift-{'left' if drift > 0 else 'right'}")
        await phone.reads("tune-told", "Saved: the car uses the new values.")
        if await phone.page.inner_text("#tune-what") == "The car is tuned":
            break
        drift = await drives_off_by(phone, eyes)
    assert abs(first) > 0.2, "there was nothing to trim"
    assert abs(drift) < 0.06
    if await phone.page.locator("#tune-drift-none").count():
        await phone.page.click("#tune-drift-none")
    await step(phone, "The car is tuned")
    await progress(phone, "Step 4 of 4", 4)
    assert await phone.page.locator("#tune-toml").is_hidden()
    found = tomllib.loads(await phone.page.input_value("#tune-toml"))
    assert found["l298n"]["swap"] is False
    assert (found["left"]["invert"], found["right"]["invert"]) == (False, False)
    assert DEAD_ZONE <= found["motors"]["min_duty"] <= DEAD_ZONE + 0.15
    assert found["left"]["trim"] < found["right"]["trim"] == 1.0  # the right motor is the weaker one
    assert (await phone.page.inner_text("#tune-result")).split("\n") == [
        "The motors are wired correctly.",
        f"The wheels start at {found['motors']['min_duty'] * 100:.0f}% power.",
        f"The left side runs {(1 - found['left']['trim']) * 100:.0f}% slower.",
    ]
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
    await phone.hold_until(
        "tune-hold", lambda: wheels.speeds()[0] > 0.2, what="a fifth of the power, after 0.8 s"
    )
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
    await phone.reads("tune-told", "Two answers name the same wheel")
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
    await phone.reads("tune-result", "The motors are exchanged.")
    await phone.page.click("#tune-reset")
    assert await phone.page.evaluate("() => document.activeElement.id") == "tune-keep"
    await phone.page.click("#tune-keep")
    assert await phone.page.evaluate("() => document.activeElement.id") == "tune-reset"
    assert await phone.page.locator("#tune-sure").is_hidden()
    assert phone.sent("uncalibrate") == []
    await phone.page.click("#tune-reset")
    await phone.page.click("#tune-discard")
    await phone.reads("tune-how", "uses its configuration")
    assert await phone.page.locator("#tune-end").is_hidden()


def words(locale: str) -> dict[str, str]:
    """Return the dictionary of the page."""
    folder = Path(__file__).parents[2] / "static/i18n"
    page, tune = [
        json.loads((folder / f"{part}{locale}.json").read_text(encoding="utf-8")) for part in ("", "tune.")
    ]
    said: dict[str, str] = page | tune
    return said


async def grey_because(phone: Phone, text: str, fix: str) -> None:
    """Wait until the button is disabled with this reason close below it, and with this button beside the reason."""
    await phone.seen("#tune-hold:disabled")
    await phone.reads("tune-told", text)
    await phone.seen("#tune-fix:not([hidden])" if fix else "#tune-fix[hidden]")
    await phone.page.locator("#tune-told").scroll_into_view_if_needed()
    hold, told = [await phone.page.locator(f"#tune-{name}").bounding_box() for name in ("hold", "told")]
    assert hold
    assert told
    assert 0 <= told["y"] - hold["y"] - hold["height"] < 24
    assert await phone.page.locator("#tune-told").get_attribute("role") == "status"
    if fix:
        await phone.reads("tune-fix", fix)
        button = await phone.page.locator("#tune-fix").bounding_box()
        assert button
        assert button["y"] < told["y"] + told["height"] + 12
        await phone.page.locator(
            "#tune-fix"
        ).scroll_into_view_if_needed()  # the reason may have grown meanwhile
        assert await phone.covered("tune-fix") == []


@pytest.fixture(params=["en", "zh-CN"])
async def tuner(
    request: pytest.FixtureRequest, car: Product, new_phone: NewPhone
) -> tuple[Phone, dict[str, str]]:
    """A phone at the first step, and its words."""
    phone = await new_phone(car.url, locale=request.param, viewport={"width": 390, "height": 844})
    await opened(phone)
    await phone.page.click("#tune-begin")
    return phone, words(request.param)


async def test_after_a_stop_the_dialog_says_so_and_offers_reset(
    tuner: tuple[Phone, dict[str, str]], wheels: Wheels
) -> None:
    phone, say = tuner
    await hold_until_turn(phone, wheels, 1, 0)
    await phone.page.evaluate(RESET_IS_HIDDEN_AT_FIRST)
    await phone.page.keyboard.press("Space")
    await grey_because(phone, say["tune.stopped"], say["reset"])
    assert await phone.page.evaluate("() => window.resetAtFirst") == "hidden"
    await let_go(phone)
    await phone.page.click("#tune-fix")
    await phone.seen("#tune-hold:enabled")
    await hold_until_turn(phone, wheels, 1, 0)


async def test_after_a_stop_without_a_driver_the_dialog_offers_the_wheel_and_then_reset(
    tuner: tuple[Phone, dict[str, str]], car: Product
) -> None:
    phone, say = tuner
    async with Client(car.url) as other:
        await other.send(type="stop")
    await grey_because(phone, say["tune.stopped.free"], say["ask.take"])
    await phone.page.click("#tune-fix")
    await grey_because(phone, say["tune.stopped"], say["reset"])
    await phone.page.click("#tune-fix")
    await phone.seen("#tune-hold:enabled")


async def test_one_who_watches_turns_nothing_and_may_ask_for_the_wheel(
    tuner: tuple[Phone, dict[str, str]], car: Product, wheels: Wheels
) -> None:
    phone, say = tuner
    async with Client(car.url) as other:
        await other.take()
        reason = say["tune.other"].split("{client}")[1]
        await grey_because(phone, reason, say["ask.other"])
        await phone.page.click("#tune-fix")
        await grey_because(phone, say["tune.waiting"].split("{client}")[1], say["ask.waiting"])
        await other.ask("grant", client=phone.client)
        await phone.seen("#tune-hold:enabled")
        assert await phone.page.locator("#tune-fix").is_hidden()
        await hold_until_turn(phone, wheels, 1, 0)


async def test_without_a_link_the_dialog_says_that_it_tries_again(
    tuner: tuple[Phone, dict[str, str]],
) -> None:
    phone, say = tuner
    await phone.context.set_offline(True)
    await grey_because(phone, say["tune.gone"], "")
    await phone.context.set_offline(False)
    await phone.seen("#tune-hold:enabled")
    await phone.reads("tune-told", say["tune.first"])


async def faults(phone: Phone) -> list[str]:
    """Return what is wrong with the buttons and texts of the dialog in this window."""
    await phone.page.evaluate(
        "() => document.querySelectorAll('#tune, #tune .fields').forEach((e) => (e.scrollTop = 0))"
    )
    found: list[str] = await phone.page.evaluate(FAULTS)
    return found + await phone.covered("tune-hold")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_in_every_window_the_button_is_whole_and_large_and_no_text_is_cut(
    car: Product, new_phone: NewPhone, wheels: Wheels, locale: str
) -> None:
    phone = await new_phone(car.url, locale=locale, viewport={"width": 844, "height": 390})
    await opened(phone)
    await phone.page.click("#tune-begin")
    steps = ["#tune-saw-leftforward", "#tune-saw-rightforward", "#tune-begins", "#tune-begins", ""]
    for place, answer in enumerate(steps):
        for width, height in SIZES:
            await phone.page.set_viewport_size({"width": width, "height": height})
            await until_none(phone, f"step {place}, {width} x {height}")
        await phone.page.set_viewport_size({"width": 844, "height": 390})
        if answer:
            await hold_until_turn(phone, wheels, int(place in (0, 2)), int(place in (1, 3)))
            await let_go(phone)
            await wheels.rest()
            await phone.page.click(answer)


async def until_none(phone: Phone, where: str) -> None:
    """Wait until a window has no faults: a browser lays a resized page out some frames later."""
    give_up_at = time.monotonic() + 5.0
    while found := await faults(phone):
        assert time.monotonic() < give_up_at, (where, found)
        await asyncio.sleep(0.05)


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
            await phone.hold_until("tune-hold", eyes.turning, what="a wheel that turns")
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
        await phone.page.click("#tune summary")
        await phone.page.wait_for_selector("#tune-toml:visible")
        await phone.page.click("#tune-reset")
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
    for file in ("tune.css", "i18n/tune.en.json"):
        assert [url for url in asked if url.endswith(f"/static/{file}")], file


async def test_the_words_of_the_dialog_follow_the_language_and_stay_without_a_link(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.page.click("#tune .done")
    await phone.page.click("#settings-back")
    await phone.page.locator("#settings label:has([value=zh-CN])").click()
    await phone.page.click("#settings-car")
    await phone.page.click("#tune-open")
    await step(phone, words("zh-CN")["tune.begin.title"])
    await phone.page.click("#tune .done")
    await phone.context.set_offline(True)
    await phone.page.evaluate("() => document.querySelector('#tune-open').click()")
    await phone.seen("#tune[open]")
    await step(phone, words("zh-CN")["tune.begin.title"])
