"""What the page of a car in a garage shows: the hold and its end by PIN, the cap, the garage's absence, a moved card, the colour."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.browser.test_page import COVERS, SIZES
from tests.browser.test_pairing import pair
from tests.support.household import Household
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LOCALES = ["en-GB", "zh-CN"]
TEXT = "Come back to the <b>start</b> & wait."
HOLD = {"mode": "hold", "cap": 1.0, "text": TEXT, "garage_s": None}
HELD = {"state": {"state": "disarmed", "reason": "held", "lesson": HOLD}}
TITLE = {"en-GB": "The garage holds the car", "zh-CN": "车库已让小车暂停"}
WORD = {"en-GB": "Held", "zh-CN": "暂停驾驶"}
AWAY = {"en-GB": "The garage is out of reach.", "zh-CN": "无法联系到车库。"}
CAP = {"en-GB": "garage's cap 60%", "zh-CN": "车库限速 60%"}
CAP_AWAY = {"en-GB": "garage away: cap 60%", "zh-CN": "车库失联"}
# What has no room in the only line of the bar is wrapped to a hidden second one.
IN_THE_BAR = """() => {
  const [cap, bar] = ["cap", "info"].map((id) => document.getElementById(id).getBoundingClientRect());
  return cap.bottom <= bar.bottom + 1 && cap.right <= innerWidth;
}"""
OVER = {"en-GB": "The garage held the car.", "zh-CN": "车库曾让小车暂停。"}
WRONG = {"en-GB": "This PIN is wrong.", "zh-CN": "PIN 码不正确。"}
MOVED = {"en-GB": "This card was used in another Pi", "zh-CN": "此存储卡曾在另一台 Pi 上使用"}


async def held(car: Product, new_phone: NewPhone, **options: Any) -> tuple[Phone, dict[str, Any]]:
    """Open a page of a car that says that it is held, and return the change that makes it say so."""
    phone = await new_phone(**options)
    change: dict[str, Any] = {kind: dict(members) for kind, members in HELD.items()}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.seen("body[data-card=held]")
    return phone, change


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_held_car_says_so_in_large_words_and_its_inputs_do_nothing(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone, change = await held(car, new_phone, locale=locale)
    await phone.reads("title", TITLE[locale])
    size = await phone.page.locator("#title").evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 18, "it is said large"
    await phone.reads("state", WORD[locale])
    await expect(phone.page.locator("#why")).to_have_text(TEXT)
    assert await phone.page.query_selector("#why *") is None, "the text of a lesson is no markup"
    await phone.seen("body[data-idle=true]")
    await phone.seen("#throttle[aria-disabled=true]")
    for name in ("ask", "reset"):
        await expect(phone.page.locator(f"#{name}")).to_be_hidden()
    await phone.seen("#gear2[disabled]")
    since = len(phone.said)
    await phone.down("throttle", y=0.8)
    await phone.hears(20)
    await phone.lift("throttle")
    assert phone.said[since:] == [], "a press of a held car is not sent"
    change["state"] = {"lesson": None, "reason": "held"}
    await phone.reads("why", OVER[locale])
    await phone.seen("body[data-card=ready][data-idle=false]")


async def test_stop_works_on_a_held_car_and_is_shown_first(car: Product, new_phone: NewPhone) -> None:
    phone, change = await held(car, new_phone)
    change["state"] = {"lesson": HOLD}
    await phone.tap("stop")
    await phone.in_state("stopped")
    await phone.seen("body[data-card=stopped]")
    assert len(phone.sent("stop")) == 1
    await expect(phone.page.locator("#anyway")).to_be_hidden()


async def test_a_hold_takes_the_stick_out_of_the_hand(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    change: dict[str, Any] = {}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.hold_until("throttle", lambda: phone.state["applied"]["left"] > 0.1, y=0.8)
    change["state"] = {"lesson": HOLD}
    await phone.seen("body[data-card=held]")
    await phone.says_zero()
    sent = len(phone.drives())
    await phone.hears(20)
    assert len(phone.drives()) == sent
    change.clear()
    await phone.reads("why", "Let go and press again.")
    await phone.lift("throttle")


@pytest.mark.parametrize("locale", LOCALES)
async def test_the_owner_drives_anyway_with_the_pin(car: Product, new_phone: NewPhone, locale: str) -> None:
    phone, change = await held(car, new_phone, locale=locale)
    asked: list[tuple[str, Any]] = []
    answers: list[dict[str, Any]] = [
        {"status": 403, "json": {"error": {"code": "wrong_pin", "message": ""}}},
        {
            "status": 429,
            "json": {"error": {"code": "too_many_tries", "message": ""}},
            "headers": {"Retry-After": "42"},
        },
        {"status": 418, "json": {"error": {"code": "new", "message": ""}}},
        {"json": {"mode": "drive"}},
    ]

    async def answer(route: Route) -> None:
        asked.append((route.request.method, route.request.post_data_json))
        if len(asked) == 4:
            change["state"] = {"reason": "held"}
        await route.fulfill(**answers[len(asked) - 1])

    await phone.page.route("**/api/v1/lesson", answer)
    await phone.tap("anyway")
    await expect(phone.page.locator("#lift-pin")).to_be_focused()
    await phone.page.fill("#lift-pin", "12")
    await phone.page.press("#lift-pin", "Enter")
    await expect(phone.page.locator("#lift-error")).not_to_be_empty()
    assert asked == [], "too few digits cost no try"
    for words in (WRONG[locale], "42", ""):
        await phone.page.fill("#lift-pin", "723 681")
        await phone.page.press("#lift-pin", "Enter")
        await phone.reads("lift-error", words)
        await expect(phone.page.locator("#lift-pin")).to_have_value("")
    await expect(phone.page.locator("#lift-error")).not_to_be_empty()
    await phone.page.fill("#lift-pin", "723681")
    await phone.page.click("#lift-go")
    await phone.seen("#lift:not([open])")
    await phone.seen("body[data-card=ready]")
    assert asked == [("PUT", {"mode": "drive", "pin": "723681"})] * 4


async def test_the_dialog_has_a_stop_of_its_own_and_forgets_the_pin(
    car: Product, new_phone: NewPhone
) -> None:
    phone, _ = await held(car, new_phone)
    await phone.tap("anyway")
    await phone.page.fill("#lift-pin", "7236")
    await phone.page.click("#lift .stop")
    await until(lambda: phone.sent("stop"), "STOP was sent")
    await phone.page.click("#lift .done")
    await phone.page.evaluate("() => document.getElementById('anyway').click()")
    await expect(phone.page.locator("#lift-pin")).to_have_value("")


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_garages_cap_is_named_and_its_absence_after_ten_seconds(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(locale=locale)
    cap = {"mode": "drive", "cap": 0.6, "text": "", "garage_s": 9.0}
    change: dict[str, Any] = {"state": {"lesson": cap}}
    await talked(phone, change)
    await phone.open(car.url)
    await expect(phone.page.locator("#cap")).to_have_text(CAP[locale])
    await phone.seen("#hud[data-capped=true]")
    assert "60%" in str(await phone.page.get_attribute("#gear3", "aria-label"))
    change["state"] = {"lesson": cap | {"garage_s": 11.0}}
    await expect(phone.page.locator("#cap")).to_contain_text(CAP_AWAY[locale])
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        await phone.page.wait_for_function(IN_THE_BAR)
    change["state"] = {"lesson": HOLD | {"garage_s": 11.0}, "reason": "held"}
    await phone.reads("why", TEXT)
    await phone.reads("why", AWAY[locale])
    change["state"] = {"lesson": HOLD | {"text": "", "garage_s": None}, "reason": "held"}
    await expect(phone.page.locator("#why")).not_to_contain_text(AWAY[locale])
    await expect(phone.page.locator("#why")).not_to_be_empty()


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_card_from_another_pi_is_announced_and_explained_under_health(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(locale=locale)
    fresh = {"state": "disarmed", "reason": "started", "driver": None}
    change: dict[str, Any] = {"hello": {"car": {"moved": True}}, "state": fresh}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.reads("why", MOVED[locale])
    change["state"] = fresh | {"reason": "released"}
    await expect(phone.page.locator("#why")).not_to_contain_text(MOVED[locale])
    await phone.settings("health")
    await phone.reads("health-moved", "picar pair --new-identity")
    await expect(phone.page.locator("#health-moved")).to_be_visible()


async def test_a_car_shows_its_colour_and_its_number_where_there_is_room(new_phone: NewPhone) -> None:
    async with Product(pins="mock", config='[fleet]\ncolour = "0072b2"\nnumber = 7\n') as car:
        await shows_its_marks(car, await new_phone())


async def shows_its_marks(car: Product, phone: Phone) -> None:
    change: dict[str, Any] = {}
    sockets = await talked(phone, change)
    await phone.open(car.url)
    shown = phone.page.locator("#car")
    await expect(shown).to_have_css("border-left-color", "rgb(0, 114, 178)")
    number = "(e) => getComputedStyle(e, '::before').content"
    assert await shown.evaluate(number) == '"7 "'
    await phone.page.set_viewport_size({"width": 320, "height": 568})
    assert await shown.evaluate("(e) => getComputedStyle(e, '::before').display") == "none"
    change["hello"] = {"car": {"name": "Red 7"}}
    await sockets[-1].close()
    await phone.reads("car", "Red 7")
    assert await shown.get_attribute("data-number") == ""
    change["hello"] = {"car": {"name": "plain", "colour": None, "number": None}}
    await sockets[-1].close()
    await phone.reads("car", "plain")
    await expect(shown).to_have_css("border-left-color", "rgba(0, 0, 0, 0)")


@pytest.mark.parametrize("locale", LOCALES)
async def test_nothing_of_a_held_car_is_cut_off_or_covered(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone, change = await held(car, new_phone, locale=locale)
    long = HOLD | {
        "text": "Please bring all the cars back to the start, and wait for the next round there.",
        "garage_s": 99,
    }
    for state in (HELD["state"], HELD["state"] | {"lesson": long}):
        change["state"] = state
        await phone.hears(3)
        for width, height in [*SIZES, (360, 640), (640, 360), (844, 390)]:
            await phone.page.set_viewport_size({"width": width, "height": height})
            assert await phone.page.evaluate(COVERS) == [], (width, height)
            assert await phone.covered("stop") == [], (width, height)


async def test_a_real_garage_holds_a_driven_car_and_the_owner_lifts_it(new_phone: NewPhone) -> None:
    async with Household(pairing="on", config="[drive]\naccel = 20.0\ndecel = 20.0\n") as car:
        garage = {"Authorization": f"Bearer {car.token('Room 3', 'garage')}"}

        async def put(seq: int, **lesson: Any) -> None:
            body = {"scope": "all", "seq": seq, **lesson}
            assert (await car.ask("PUT", "/api/v1/lesson", body, garage)).status == 200

        phone = await new_phone()
        await phone.page.goto(car.url)
        await pair(phone, car.pin)
        await phone.seen("body[data-link=good]")
        await phone.hold_until("throttle", lambda: phone.state["applied"]["left"] > 0.1, y=0.8)
        await put(1, mode="hold", text="Look here")
        await phone.seen("body[data-card=held][data-state=disarmed]")
        await phone.reads("why", "Look here")
        await phone.lift("throttle")
        await phone.down("throttle", y=0.8)
        since = len(phone.heard)
        await phone.hears(20)
        assert not any(m["applied"]["left"] for m in phone.heard[since:] if m["type"] == "state")
        await phone.lift("throttle")
        await phone.tap("anyway")
        wrong = "000000" if car.pin != "000000" else "111111"
        for pin in (wrong, car.pin):
            await phone.page.fill("#lift-pin", pin)
            await phone.page.press("#lift-pin", "Enter")
            if pin == wrong:
                await phone.reads("lift-error", "This PIN is wrong.")
        await phone.seen("#lift:not([open])")
        await phone.seen("body[data-card=ready]")
        await phone.hold_until("throttle", lambda: phone.state["applied"]["left"] > 0.1, y=0.8)
        await phone.lift("throttle")
        await put(2, mode="drive", cap=0.5)
        await phone.reads("cap", "garage's cap 50%")
        await put(3, mode="hold")
        await phone.reads("why", "It drives again when the garage allows it.")
        await put(4, mode="drive")
        await phone.seen("body[data-card=ready]")
        await phone.seen("#hud[data-capped=false]")
