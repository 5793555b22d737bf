"""The page of a car with a steering servo and an ESC: its start, its warning, and its tuning."""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import IN_EACH_LANGUAGE, clean
from tests.browser.test_boards import SERVO_AND_ESC, STEERED
from tests.browser.test_page import SIZES
from tests.browser.test_tuning import Eyes, held_until, let_go, opened, step, words
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WARNING = "If the Pi hangs, this board keeps driving. Only its switch stops it."
CUT_LABELS = """() => [...document.querySelectorAll(".meter")].filter((meter) => {
  const [label, box] = [meter.lastElementChild, meter].map((part) => part.getBoundingClientRect());
  return label.left < box.left || label.right > box.right || label.bottom > box.bottom;
}).map((meter) => meter.id)"""
# The car in the first two seconds, for as long as `arming` is true: it refuses every command of a driver.
ARMING = """globalThis.arming = true;
globalThis.WebSocket = class extends WebSocket {
  set onmessage(handler) {
    this.handler = handler;
    super.onmessage = handler && (({ data }) => {
      const message = JSON.parse(data);
      if (arming && message.type === "state") Object.assign(message, { state: "disarmed", reason: "arming" });
      handler({ data: JSON.stringify(message) });
    });
  }
  send(text) {
    if (!arming || JSON.parse(text).type !== "drive") return super.send(text);
    setTimeout(() => this.handler?.({ data: JSON.stringify({ type: "error", code: "arming", message: "" }) }));
  }
};"""


@pytest.fixture
async def esc() -> AsyncIterator[Product]:
    async with Product(pins="sim", config=SERVO_AND_ESC) as car:
        yield car


async def opened_when_ready(phone: Phone, car: Product) -> None:
    """Open the page, and the dialog once the ESC has started."""
    await phone.open(car.url)
    await until(lambda: phone.state["reason"] != "arming", "a car that may drive")
    await opened(phone)


async def calibration(car: Product) -> dict[str, Any]:
    """Return the values that the car follows."""
    answer = await AsyncHTTPClient().fetch(f"{car.url}/api/v1/calibration")
    values: dict[str, Any] = json.loads(answer.body)["calibration"]
    return values


@pytest.mark.parametrize(
    ("locale", "state"), [("en-GB", "Speed controller starts"), ("zh-CN", "电调正在启动")]
)
async def test_while_the_esc_starts_the_page_says_so_and_a_stick_held_since_then_does_not_drive(
    esc: Product, new_phone: NewPhone, locale: str, state: str
) -> None:
    phone = await new_phone(locale=locale)
    await phone.page.add_init_script(ARMING)
    await phone.open(esc.url)
    say = words(locale[:2] if locale == "en-GB" else locale)
    await phone.reads("state", state)
    await phone.reads("why", say["reason.arming"])
    await phone.down("throttle", y=1)
    await phone.reads("why", say["why.again"])
    await until(lambda: phone.state["reason"] != "arming", "a car that may drive")
    await phone.page.evaluate("() => { arming = false; }")
    await phone.reads("state", say["state.disarmed"])
    await phone.hears(20)
    assert phone.drives() == []
    await phone.lift("throttle")
    await phone.hold_until("throttle", lambda: phone.drives()[-1:] == [(1.0, 0.0)], y=1)
    await phone.lift("throttle")
    assert phone.complaints == []


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_a_board_that_keeps_driving_is_named_on_the_drive_screen_and_in_the_health_panel(
    esc: Product, new_phone: NewPhone, locale: str, looks: tuple[str, ...]
) -> None:
    phone = await new_phone(esc.url, locale=locale)
    sentence = words("en" if locale == "en-GB" else locale)["hazard"]
    assert locale != "en-GB" or sentence == WARNING
    await phone.reads("hazard", sentence)
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        parts = ("hazard span", "state", "menu", "left", "right", "throttle", "steering", "gear1", "stop")
        assert await phone.covered(*parts) == []
        assert await phone.page.evaluate(CUT_LABELS) == [], (width, height)
    await phone.page.set_viewport_size({"width": 844, "height": 390})
    await clean(phone, "ready", looks)
    await phone.tap("hazard")
    await phone.seen("#settings[open]")
    await phone.page.wait_for_selector("#health-hazard:visible")
    await phone.reads("health-hazard", sentence)
    assert "OE" in await phone.page.inner_text("#health-hazard")
    await clean(phone, "health", looks)
    await phone.page.keyboard.press("Escape")
    await phone.page.wait_for_selector("#settings-health:visible")
    assert phone.complaints == []


async def test_a_board_that_falls_silent_with_the_pi_has_no_warning(new_phone: NewPhone) -> None:
    async with Product(pins="sim", config=STEERED) as car:
        phone = await new_phone(car.url)
        assert await phone.page.locator("#hazard").is_hidden()
        await phone.settings("health")
        assert await phone.page.locator("#health-hazard").is_hidden()


async def test_a_servo_and_an_esc_are_tuned_and_the_wheels_turn_only_while_a_button_is_held(
    esc: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(viewport={"width": 390, "height": 844})
    eyes = Eyes(phone)

    def steering() -> float:
        return float(phone.state["applied"]["steering"])

    await opened_when_ready(phone, esc)
    await phone.page.click("#tune-begin")
    await step(phone, "Does the motor stand still?")
    await phone.reads("tune-step", "Step 1 of 7")
    await phone.seen("#tune-more:enabled")
    await phone.press("tune-more")
    await phone.reads("tune-us", "1505 µs")
    await phone.page.click("#tune-neutral-good:enabled")
    await step(phone, "Which way does the motor turn?")
    assert "Left and right" not in await phone.page.inner_text("#tune-how")
    aligned = "([id]) => getComputedStyle(document.getElementById(id)).textAlign"
    assert await phone.page.evaluate(aligned, ["tune-hold"]) == "left"  # with the power beside it
    await held_until(phone, eyes.turning, "the drive wheels")
    await phone.page.click("#tune-saw-driveback")
    await phone.reads("tune-told", "Exchange two of the motor's wires")
    await phone.page.click("#tune-saw-driveforward")
    await step(phone, "Do the wheels point straight ahead?")
    assert await phone.page.evaluate(aligned, ["tune-hold"]) == "center"
    await eyes.at_rest()
    await phone.page.click("#tune-center-good:enabled")

    await step(phone, "How far do the wheels turn left?")
    mark = len(phone.said)
    await phone.hold_until("tune-hold", lambda: steering() == -1.0, what="front wheels, left")
    await let_go(phone)
    await until(lambda: steering() == 0.0, "front wheels ahead")
    assert set(phone.drives(mark)) == {(0.0, 0.0), (0.0, -1.0)}
    calibrated = phone.sent("calibrate")
    assert [each["steering_left_us"] for each in calibrated] == [1000] * len(calibrated)
    await phone.hold_until(
        "tune-more", lambda: phone.sent("calibrate")[-1]["steering_left_us"] <= 970, what="three steps"
    )
    assert steering() == -1.0
    await let_go(phone, "tune-more")
    await until(lambda: steering() == 0.0, "front wheels ahead")
    await phone.page.wait_for_selector("#tune-left-good:enabled")
    left_us = phone.sent("calibrate")[-1]["steering_left_us"]
    assert await phone.page.inner_text("#tune-us") == f"{left_us} µs"
    assert (await calibration(esc))["steering_left_us"] == left_us
    await phone.page.click("#tune-mirrored")
    await phone.reads("tune-us", "2000 µs")
    await phone.page.click("#tune-left-good:enabled")

    await step(phone, "How far do the wheels turn right?")
    await phone.reads("tune-us", f"{left_us} µs")
    await phone.hold_until("tune-hold", lambda: steering() == 1.0, what="front wheels, right")
    await let_go(phone)
    await phone.page.click("#tune-right-good:enabled")
    await step(phone, "When does it begin to turn?")
    await held_until(phone, eyes.turning, "the drive wheels")
    await phone.page.click("#tune-begins")
    await step(phone, "The car is tuned")
    found = tomllib.loads(await phone.page.input_value("#tune-toml"))
    start_us = found["esc"]["start_us"]
    assert found["esc"]["neutral_us"] == 1505
    assert 30 <= start_us <= 60  # the dead zone of the simulated motor: a fifth of 150 µs
    assert found["steering"] == {"left_us": 2000, "center_us": 1500, "right_us": left_us}
    assert (await phone.page.inner_text("#tune-result")).split("\n") == [
        "The motor stands still at 1505 µs.",
        f"The motor starts {start_us} µs from neutral.",
        f"Steering: left 2000, middle 1500, right {left_us} µs.",
    ]
    for sent in phone.sent("calibrate"):
        assert all(type(value) is int for name, value in sent.items() if name.endswith("_us")), sent
    assert phone.complaints == []


async def test_stop_ends_the_change_of_a_pulse(esc: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(viewport={"width": 390, "height": 844})
    await opened_when_ready(phone, esc)
    await phone.page.click("#tune-begin")
    await phone.seen("#tune-more:enabled")
    await phone.hold_until("tune-more", lambda: phone.sent("calibrate"), what="a change")
    await phone.page.keyboard.press("Space")
    await phone.in_state("stopped")
    await phone.seen("#tune-more:disabled:not(.held)")
    await phone.lift("tune-more")
    await phone.reads("tune-told", "STOP is pressed.")
    changes = len(phone.sent("calibrate"))
    await phone.page.wait_for_selector("#tune-neutral-good:enabled")
    await phone.hears(20)
    assert {each["esc_neutral_us"] for each in phone.sent("calibrate")[changes:]} <= {
        phone.sent("calibrate")[changes - 1]["esc_neutral_us"]
    }


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_axe_finds_nothing_in_the_steps_of_a_servo_and_an_esc(
    esc: Product, new_phone: NewPhone, locale: str, looks: tuple[str, ...]
) -> None:
    phone = await new_phone(locale=locale, viewport={"width": 390, "height": 844})
    eyes = Eyes(phone)
    await opened_when_ready(phone, esc)
    await phone.page.click("#tune-begin")
    await clean(phone, "neutral", looks)
    await phone.page.click("#tune-neutral-good")
    await clean(phone, "which", looks)
    await held_until(phone, eyes.turning, "the drive wheels")
    await phone.page.click("#tune-saw-driveforward")
    for name in ("center", "left", "right"):
        await phone.page.wait_for_selector(f"#tune-{name}-good:enabled")
        await clean(phone, name, looks)
        await phone.down("tune-more")
        await phone.seen("#tune-more.held")
        await clean(phone, f"{name}, held", looks)
        await phone.lift("tune-more")
        await phone.page.click(f"#tune-{name}-good:enabled")
    await phone.seen("#tune-begins")
    assert "undefined" not in await phone.page.inner_text("#tune")
