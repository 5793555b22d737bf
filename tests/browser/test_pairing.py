"""A phone comes in by PIN or QR code, adds others, and the owner's cap holds; against the real car."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route, expect
from tornado.httpclient import AsyncHTTPClient

from picar.access.store import AccessStore
from picar.network.qr import qr_image
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SIZES = [(844, 390), (667, 375), (390, 844), (1280, 800)]
PAIRED = '[access]\npairing = "on"\n'


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(pins="mock", config=PAIRED) as product:
        yield product


async def invitation(car: Product, phone: Phone) -> dict[str, str]:
    answer = await phone.context.request.post(f"{car.url}/api/v1/invite", data={})
    invited: dict[str, str] = await answer.json()
    return invited


async def stranger(car: Product, new_phone: NewPhone, locale: str = "en-GB") -> Phone:
    phone = await new_phone(locale=locale)
    await phone.page.goto(car.url)
    await phone.seen("#pair[open]")
    return phone


async def pair(phone: Phone, pin: str, name: str = "") -> None:
    await phone.page.fill("#pin", pin)
    await phone.page.fill("#pair-name", name)
    await phone.page.press("#pin", "Enter")


async def paired(car: Product, new_phone: NewPhone) -> Phone:
    """A phone that is in."""
    phone = await stranger(car, new_phone)
    await pair(phone, pin_of(car))
    await phone.seen("body[data-link=good]")
    return phone


async def add_a_phone(phone: Phone) -> None:
    """Open what another phone needs."""
    await phone.settings("car")
    await phone.page.click("#invite-open")
    await phone.seen("#invite[open]")


def pin_of(car: Product) -> str:
    """Read the PIN where the car keeps it."""
    kept = next(car.folder.rglob("access.json"))
    return str(json.loads(kept.read_text(encoding="utf-8"))["pin"])


async def test_a_stranger_is_asked_for_the_pin_and_drives_with_it(car: Product, new_phone: NewPhone) -> None:
    phone = await stranger(car, new_phone)
    await phone.reads("pair-title", "Pair this phone")
    await pair(phone, "12")
    await phone.reads("pair-error", "six digits")
    wrong = "000000" if pin_of(car) != "000000" else "111111"
    await pair(phone, wrong)
    await phone.reads("pair-error", "This PIN is wrong.")
    await pair(phone, pin_of(car), "Mia")
    await phone.seen("#pair:not([open])")
    await phone.seen("body[data-link=good]")
    await phone.reads("why", "This phone is paired.")
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    await phone.lift("throttle")
    other = await stranger(car, new_phone)
    await pair(other, pin_of(car), "Ben")
    await other.seen("body[data-link=good]")
    await other.reads("driver", "Driver: Mia")
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.reads("asks", "Ben wants to drive.")


@pytest.mark.parametrize(
    "typed",
    [
        "723 681",
        "723-681",
        "\u00a0723\u2009681 ",
        "٧٢٣٦٨١",
        "۷۲۳۶۸۱",
        "\uff17\uff12\uff13\uff16\uff18\uff11",
        "७२३६८१",
    ],
)
async def test_a_pin_in_any_digits_keeps_all_six(car: Product, new_phone: NewPhone, typed: str) -> None:
    phone = await stranger(car, new_phone)
    await phone.page.focus("#pin")
    await phone.page.keyboard.insert_text(typed)  # as a paste, or a keyboard of another script
    assert await phone.page.input_value("#pin") == "723681"


async def test_seven_digits_are_no_pin_and_are_not_sent(car: Product, new_phone: NewPhone) -> None:
    phone = await stranger(car, new_phone)
    asked: list[str] = []
    phone.page.on("request", lambda request: asked.append(request.method))
    await pair(phone, "723 6811")
    await phone.reads("pair-error", "six digits")
    assert "POST" not in asked


@pytest.mark.parametrize("by", ["pin", "link"])
async def test_a_browser_without_cookies_is_told_so_once(car: Product, new_phone: NewPhone, by: str) -> None:
    phone = await new_phone()
    asked: list[str] = []

    async def drop_the_cookie(route: Route) -> None:
        body = route.request.post_data if by == "pin" else json.dumps({"pin": pin_of(car)})
        answer = await AsyncHTTPClient().fetch(
            f"{car.url}/api/v1/pair", method="POST", body=body, headers={"Content-Type": "application/json"}
        )
        await route.fulfill(status=answer.code, content_type="application/json", body=answer.body)

    await phone.page.route("**/api/v1/pair", drop_the_cookie)
    phone.page.on("request", lambda request: asked.append(f"{request.method} {request.url[len(car.url) :]}"))
    phone.page.on("websocket", lambda _: asked.append("WebSocket"))
    await phone.page.clock.install()
    await phone.page.goto(f"{car.url}/#pair=token" if by == "link" else car.url)
    await phone.seen("#pair[open]")
    if by == "pin":
        await pair(phone, pin_of(car))
    else:
        await phone.page.click("#pair-go")
    await phone.reads("pair-error", "This browser keeps no cookies")
    assert asked[-2:] == ["POST /api/v1/pair", "GET /api/v1/session"] or by == "link"
    asked.clear()
    await phone.page.clock.run_for(10_000)
    assert asked == []


async def test_ten_wrong_pins_lock_the_form_and_say_for_how_long(car: Product, new_phone: NewPhone) -> None:
    phone = await stranger(car, new_phone)
    wrong = "000000" if pin_of(car) != "000000" else "111111"
    for _ in range(10):
        await phone.context.request.post(f"{car.url}/api/v1/pair", data={"pin": wrong})
    await pair(phone, wrong)
    await phone.reads("pair-error", "Too many wrong PINs. Wait")
    await phone.seen("#pair-go:disabled")


async def test_a_qr_code_of_a_paired_phone_lets_another_in_and_leaves_the_address(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await paired(car, new_phone)
    await add_a_phone(phone)
    assert pin_of(car) not in await phone.page.content()
    await phone.page.click("#invite .done")
    invited = await invitation(car, phone)
    token = (invited["link"] or "#pair=none").split("#")[1]
    other = await new_phone()
    await other.page.goto(f"{car.url}/#{token}")
    await other.reads("pair-how", "Tell the others your name, then drive picar.")
    await expect(other.page.locator("#pair-name")).to_be_focused()
    await expect(other.page.locator("#pin")).to_be_hidden()
    assert "#" not in other.page.url
    await other.page.fill("#pair-name", "Zoe")
    await other.page.press("#pair-name", "Enter")
    if invited["link"]:
        await other.seen("body[data-link=good]")
        await other.take_the_wheel()
        await phone.reads("driver", "Zoe")


async def test_an_old_token_is_called_old_and_the_pin_still_works(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.page.goto(f"{car.url}/#pair=long-gone")
    await phone.page.click("#pair-go")
    await phone.reads("pair-error", "This code is too old.")
    assert "#" not in phone.page.url
    await expect(phone.page.locator("#pin")).to_be_focused()
    await pair(phone, pin_of(car))
    await phone.seen("body[data-link=good]")


async def test_the_owners_cap_is_lowered_by_anyone_and_raised_by_the_pin(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await paired(car, new_phone)
    await phone.settings("car")
    await set_cap(phone, 0.5)
    await phone.reads("cap-answer", "The cap is now 50%.")
    await until(lambda: phone.state["speed_cap"] == 0.5, "the cap is 0.5")
    await phone.reads("cap", "owner's cap 50%")
    await set_cap(phone, 0.8)
    await phone.page.fill("#cap-pin", pin_of(car))
    await phone.page.click("#cap-save")
    await until(lambda: phone.state["speed_cap"] == 0.8, "the cap is 0.8")


async def set_cap(phone: Phone, speed: float) -> None:
    await phone.page.fill("#cap-speed", str(speed))
    await phone.page.click("#cap-save", timeout=DEADLINE_S * 1000)


async def test_a_chinese_stranger_reads_chinese(car: Product, new_phone: NewPhone) -> None:
    phone = await stranger(car, new_phone, "zh-CN")
    await phone.reads("pair-title", "配对此手机")
    await phone.page.click("#pair .done")
    await phone.reads("title", "此手机尚未配对")
    await phone.tap("enter")
    await phone.seen("#pair[open]")


async def test_what_another_phone_needs_is_all_on_the_screen(car: Product, new_phone: NewPhone) -> None:
    phone = await paired(car, new_phone)
    link = "http://192.0.2.7:8000/#pair=12345.abcdefghijklmnopqrstuv"
    invited = {"url": "http://192.0.2.7:8000", "link": link, "expires_in_s": 600}
    invited |= {"qr": qr_image(link)}
    await phone.page.route("**/api/v1/invite", lambda route: route.fulfill(json=invited))
    await add_a_phone(phone)
    await phone.seen("#qr[src]")
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        for element in ("qr", "invite-how", "invite-url", "invite-left"):
            box = await phone.page.locator(f"#{element}").bounding_box()
            assert box, element
            assert box["width"] > 40
            assert box["x"] >= 0, (element, width, height)
            assert box["y"] >= 0, (element, width, height)
            assert box["x"] + box["width"] <= width, (element, width, height)
            assert box["y"] + box["height"] <= height, (element, width, height)


@pytest.mark.parametrize("size", [(844, 390), (667, 375), (390, 844)])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_pairing_fits_above_the_keyboard_of_a_phone(
    car: Product, new_phone: NewPhone, size: tuple[int, int], locale: str
) -> None:
    width, height = size
    phone = await new_phone(locale=locale, viewport={"width": width, "height": height})
    await phone.page.goto(car.url)
    await phone.seen("#pair[open]")
    await expect(phone.page.locator("#pin")).to_be_focused()
    tops = []
    for element in ("#pin", "#pair-name", "#pair-go", "#pair .done"):
        box = await phone.page.locator(element).bounding_box()
        assert box, element
        tops.append((box["y"], box["x"]))
        keyboard = height * (0.6 if height > width else 0.5)
        assert box["y"] + box["height"] <= (keyboard if element != "#pair .done" else height), element
    assert tops == sorted(tops), "PIN, name, Pair, then Close"
    go, close = [await phone.page.locator(each).bounding_box() for each in ("#pair-go", "#pair .done")]
    assert go
    assert close
    assert go["width"] * go["height"] >= close["width"] * close["height"]
    await expect(phone.page.locator("#pair-key")).to_be_visible()
    assert await phone.page.evaluate(
        "[...document.querySelectorAll('#pair, #pair .fields')].every((e) => e.scrollHeight <= e.clientHeight)"
    )
    order = []
    for _ in range(5):
        order.append(
            await phone.page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
        await phone.page.keyboard.press("Tab")
    assert order == ["pin", "pair-name", "pair-go", "SUMMARY", "done"]


async def test_only_a_qr_code_has_a_time_to_live(car: Product, new_phone: NewPhone) -> None:
    phone = await paired(car, new_phone)
    invited = {"url": None, "link": None, "qr": None, "expires_in_s": 600}
    await phone.page.route("**/api/v1/invite", lambda route: route.fulfill(json=invited))
    await add_a_phone(phone)
    await phone.reads("invite-how", "No phone can reach this car")
    assert await phone.page.inner_text("#invite-left") == ""


async def guest_link(car: Product, phone: Phone) -> str:
    """Invite a guest for an hour, and return the link."""
    answer = await phone.context.request.post(f"{car.url}/api/v1/invite", data={"for_s": 3600, "name": "Ada"})
    return str((await answer.json())["link"])


def end_all_guests(car: Product) -> None:
    """Begin a new round, which ends guests as the end of their time does."""
    AccessStore(next(car.folder.rglob("access.json")).parent).new_pin()


@pytest.mark.parametrize(
    ("locale", "welcome", "over"),
    [
        (
            "en-GB",
            "You are a guest of picar: drive until your time is over.",
            "Your time with picar is over. To drive again, ask for a new QR code.",
        ),
        ("zh-CN", "你是 picar 的访客", "你驾驶 picar 的时间已到"),
    ],
)
async def test_a_guest_s_link_pairs_without_a_question_and_the_page_says_when_the_time_is_over(
    car: Product, new_phone: NewPhone, locale: str, welcome: str, over: str
) -> None:
    phone = await paired(car, new_phone)
    guest = await new_phone(locale=locale)
    await guest.page.goto(await guest_link(car, phone))
    await guest.seen("body[data-link=good]")
    await guest.reads("why", welcome)
    assert await guest.page.locator("#pair[open]").count() == 0
    assert "#" not in guest.page.url
    await expect(guest.page.locator("#record")).to_be_hidden()
    await guest.hold_until("throttle", y=0.5)
    await phone.reads("driver", "Ada")
    end_all_guests(car)
    await guest.reads("pair-error", over)
    await guest.seen("#pair[open]")
    await expect(guest.page.locator("#pin")).to_be_focused()
    await phone.in_state("disarmed")
    await phone.take_the_wheel()
    await guest.page.reload()
    await guest.reads("pair-error", over)  # also when the page was closed at the end
    await pair(guest, pin_of(car), "Ada")
    await guest.seen("body[data-link=good]")
    await guest.page.reload()
    await guest.seen("body[data-link=good]")


async def test_a_guest_s_link_that_another_phone_has_used_is_refused_in_plain_words(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await paired(car, new_phone)
    link = await guest_link(car, phone)
    guest, late = await new_phone(), await new_phone()
    await guest.page.goto(link)
    await guest.seen("body[data-link=good]")
    await late.page.goto(link)
    await late.reads("pair-error", "This invitation is too old, or another phone has used it.")
    await expect(late.page.locator("#pin")).to_be_focused()
    await guest.page.goto("about:blank")
    await guest.page.goto(link)  # the same phone opens it again
    await guest.seen("body[data-link=good]")
    assert await guest.page.locator("#pair[open]").count() == 0


async def test_a_guest_reads_what_guests_cannot_do(car: Product, new_phone: NewPhone) -> None:
    phone = await paired(car, new_phone)
    guest = await new_phone()
    await guest.page.goto(await guest_link(car, phone))
    await guest.seen("body[data-link=good]")
    await guest.hold_until("throttle", y=0.5)
    await guest.lift("throttle")
    await guest.page.keyboard.press("r")  # record
    await add_a_phone(guest)
    await guest.reads("invite-error", "Guests cannot do that.")
    assert guest.sent("record") == []
