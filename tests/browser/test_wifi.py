"""The car's own WiFi on the page: its state, joining another network, the return, and a link that makes the car slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import DRESS, IN_EACH_LANGUAGE, clean, violations
from tests.browser.test_failures import talked
from tests.browser.test_page import COVERS, SIZES
from tests.browser.test_pairing import pin_of
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until
from tests.support.watcher import AT_THIS_SOCKET, STATUS, FakeWatcher

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HOME = {"ssid": "Home Net", "password": "homepassword"}
TOO_SHORT = {"password": "short"}
AT_HOME = STATUS | {"mode": "wifi", "ssid": "Home Net", "address": "192.168.1.7", "next_look_s": None}
CODES = {
    "wrong_password": "the password is wrong",
    "not_seen": "it does not see this network",
    "no_address": "the network gave it no address",
    "other": "could not join Home Net",
}


def failed(code: str) -> dict[str, Any]:
    """Return the state after a failure."""
    return STATUS | {"last": {"ssid": "Home Net", "code": code, "text": "A sentence of nmcli."}}


@pytest.fixture
async def watcher(tmp_path: Path) -> AsyncIterator[FakeWatcher]:
    async with FakeWatcher(tmp_path / "ctl") as fake:
        yield fake


@pytest.fixture
async def car(watcher: FakeWatcher) -> AsyncIterator[Product]:
    async with Product(env=watcher.env, program=("-c", AT_THIS_SOCKET)) as product:
        yield product


async def opened(phone: Phone) -> None:
    """Open the dialog from the settings."""
    await phone.settings("car")
    await phone.page.click("#wifi-open")
    await phone.seen("#wifi[open]")
    await phone.seen("#wifi-now li")


async def close(phone: Phone) -> None:
    """Return to the drive screen."""
    await phone.page.click("#wifi .done")
    await phone.page.click("#settings .done")


async def ask(phone: Phone, pin: str, **more: str) -> None:
    """Fill in the form, and send it."""
    for name, value in (HOME | {"pin": pin} | more).items():
        await phone.page.fill(f"#wifi-{name}", value)
    await phone.page.press("#wifi-pin", "Enter")


def joins(watcher: FakeWatcher) -> list[dict[str, Any]]:
    """Return the requests to join a network."""
    return [asked for asked in watcher.asked if asked["verb"] == "join"]


async def test_a_car_without_a_wifi_of_its_own_does_not_offer_it(new_phone: NewPhone) -> None:
    async with Product() as car:
        phone = await new_phone(car.url)
        await phone.settings("car")
        await expect(phone.page.locator("#tune-open")).to_be_visible()
        await expect(phone.page.locator("#wifi-open")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "hotspot", "home", "cable"),
    [
        (
            "en-GB",
            ["Networkits own WiFi, picar-3f2a", "Address10.42.0.1", "Phones in it1", "Looks for other WiFiin 2:20"],
            ["NetworkHome Net", "Address192.168.1.7"],
            ["Networkcable"],
        ),
        (
            "zh-CN",
            ["网络小车自己的 WiFi picar-3f2a", "地址10.42.0.1", "已连接手机1", "寻找其他 WiFi2:20 后"],
            ["网络Home Net", "地址192.168.1.7"],
            ["网络网线"],
        ),
    ],
)  # fmt: skip
async def test_the_network_is_shown_and_follows_the_car(
    car: Product,
    watcher: FakeWatcher,
    new_phone: NewPhone,
    locale: str,
    hotspot: list[str],
    home: list[str],
    cable: list[str],
) -> None:
    phone = await new_phone(car.url, locale=locale)
    await opened(phone)
    rows = expect(phone.page.locator("#wifi-now li"))
    await rows.to_have_text(hotspot, timeout=DEADLINE_S * 1000)
    watcher.answers["status"] = AT_HOME
    await rows.to_have_text(home, timeout=DEADLINE_S * 1000)
    watcher.answers["status"] = STATUS | {"mode": "cable", "ssid": "", "address": "", "next_look_s": None}
    await rows.to_have_text(cable, timeout=DEADLINE_S * 1000)
    assert phone.complaints == []


async def test_a_join_is_announced_explained_while_the_link_is_lost_and_confirmed_at_the_return(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    await ask(phone, pin_of(car))
    await phone.reads("wifi-answer", "The network goes in 5 s. The car tries Home Net for 60 s.")
    assert joins(watcher) == [{"verb": "join", **HOME, "replace": False}]
    await expect(phone.page.locator("#wifi-go")).to_be_hidden()
    assert await phone.page.input_value("#wifi-password") == ""
    await close(phone)
    await phone.context.set_offline(True)
    await phone.reads("title", "Changing network")
    await phone.reads("why", "Put this phone on Home Net too")
    await phone.reads("state", "Signal lost")
    assert await phone.page.inner_text("#alert") == ""
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        assert await phone.page.evaluate(COVERS) == [], (width, height)
    await phone.page.set_viewport_size({"width": 800, "height": 360})
    watcher.answers["status"] = AT_HOME
    await phone.context.set_offline(False)
    await phone.reads("why", "The car is on Home Net now.")
    await phone.context.set_offline(True)
    await phone.reads("title", "Signal lost")


@pytest.mark.parametrize(
    ("locale", "texts"),
    [
        ("en-GB", ["type a name", "Home Net, 80 %", "Old, 60 %, known", "Café, 40 %, open"]),
        ("zh-CN", ["输入名称", "Home Net，80%", "Old，60%，已知", "Café，40%，无密码"]),  # noqa: RUF001
    ],
)  # fmt: skip
async def test_a_network_in_sight_is_chosen_or_a_name_is_typed(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone, locale: str, texts: list[str]
) -> None:
    phone = await new_phone(car.url, locale=locale)
    await opened(phone)
    choice, name = phone.page.locator("#wifi-seen"), phone.page.locator("#wifi-ssid")
    await expect(choice.locator("option")).to_have_text(texts)
    await choice.select_option("Café")
    await expect(name).to_have_value("Café")
    await name.fill("Hidden")
    await expect(choice).to_have_value("")
    await name.fill("Old")
    await expect(choice).to_have_value("Old")
    watcher.answers["status"] = STATUS | {"seen": []}
    await expect(choice).to_be_hidden(timeout=DEADLINE_S * 1000)
    assert phone.complaints == []


async def test_the_same_failure_again_counts_only_after_the_return(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone
) -> None:
    watcher.answers["status"] = failed("wrong_password")
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.reads("wifi-answer", "the password is wrong")
    assert await phone.page.input_value("#wifi-ssid") == "Home Net"
    await ask(phone, pin_of(car))
    await phone.reads("wifi-answer", "The network goes in 5 s.")
    asked = len(watcher.asked)
    await until(lambda: len(watcher.asked) >= asked + 4, "four looks later, more than 5 s")
    await phone.reads("wifi-answer", "The network goes in 5 s.")
    await phone.context.set_offline(True)
    await phone.seen("body[data-link=gone]")
    await phone.seen("#wifi-now:empty")
    await phone.context.set_offline(False)
    await phone.reads("wifi-answer", "The car could not join Home Net: the password is wrong.")
    await expect(phone.page.locator("#wifi-go")).to_be_visible()


@pytest.mark.parametrize("code", CODES)
async def test_the_last_failure_is_said_in_words(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone, code: str
) -> None:
    watcher.answers["status"] = failed(code)
    phone = await new_phone(car.url)
    await opened(phone)
    await phone.reads("wifi-answer", CODES[code])
    assert await phone.page.inner_text("#wifi-why") == ("A sentence of nmcli." if code == "other" else "")


async def test_nobody_s_network_goes_while_somebody_drives(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone
) -> None:
    phone, other = await new_phone(car.url), await new_phone(car.url)
    await opened(phone)
    await other.hold_until("throttle", y=0.5)
    await other.in_state("armed")
    await ask(phone, pin_of(car))
    await phone.reads("wifi-answer", "Someone drives. Let the car come to a standstill first.")
    assert joins(watcher) == []
    await other.lift("throttle")


async def test_refusals_are_explained_and_a_known_network_is_asked_for_twice(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    await ask(phone, "12")
    await phone.reads("wifi-answer", "The PIN has six digits.")
    await ask(phone, f"{(int(pin_of(car)) + 1) % 10**6:06d}")
    await phone.reads("wifi-answer", "This PIN is wrong.")
    await ask(phone, pin_of(car), **TOO_SHORT)
    await phone.reads("wifi-answer", "A password has 8 to 63 characters")
    assert joins(watcher) == []
    watcher.answers["join"] = {"error": "busy", "text": "A sentence."}
    await ask(phone, pin_of(car))
    await phone.reads("wifi-answer", "the network is changing already")
    watcher.answers["join"] = {"error": "known", "text": "A sentence."}
    await ask(phone, pin_of(car))
    await phone.reads("wifi-answer", "already has a password for Home Net")
    watcher.answers["join"] = {"text": "The network goes in 5 s."}
    await expect(phone.page.locator("#wifi-go")).to_have_text("Use the new password")
    await phone.page.click("#wifi-go")
    await phone.reads("wifi-answer", "The network goes in 5 s.")
    assert [asked["replace"] for asked in joins(watcher)] == [False, False, True]


async def test_a_password_is_shown_on_request_and_forgotten_with_the_dialog(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(car.url)
    await opened(phone)
    password = phone.page.locator("#wifi-password")
    await password.fill("homepassword")
    await expect(password).to_have_attribute("type", "password")
    await phone.page.locator("#wifi-show").check()
    await expect(password).to_have_attribute("type", "text")
    await phone.page.click("#wifi .done")
    await phone.page.click("#wifi-open")
    await expect(password).to_have_value("")
    await expect(password).to_have_attribute("type", "password")


async def test_panel_and_words_are_loaded_when_it_is_opened(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    asked: list[str] = []
    phone.page.on("request", lambda request: asked.append(request.url))
    await phone.open(car.url)
    await phone.settings("car")
    await expect(phone.page.locator("#wifi-open")).to_be_visible()
    assert not [url for url in asked if "wifi." in url]
    await phone.page.click("#wifi-open")
    await phone.seen("#wifi-now li")
    for file in ("js/panels/wifi.js", "i18n/wifi.en.json"):
        assert [url for url in asked if url.endswith(f"/static/{file}")], file


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_axe_finds_nothing_on_dialog_card_and_help(
    car: Product, watcher: FakeWatcher, new_phone: NewPhone, locale: str, looks: Sequence[str]
) -> None:
    watcher.answers["status"] = failed("other")
    phone = await new_phone(car.url, locale=locale, viewport={"width": 844, "height": 390})
    await opened(phone)
    await phone.seen("#wifi-why:not(:empty)")
    await clean(phone, "wifi", looks)
    await ask(phone, pin_of(car))
    await phone.seen("#wifi-go[hidden]")
    await close(phone)
    await phone.context.set_offline(True)
    await phone.seen("body[data-card=gone]")
    await clean(phone, "the network changes", looks)
    await phone.context.set_offline(False)
    await phone.page.goto(f"{car.url}/help/wifi")
    for scheme in ("light", "dark"):
        await phone.page.emulate_media(color_scheme=scheme, forced_colors="none")
        assert await violations(phone, {}) == []


async def test_the_help_needs_no_pairing_and_obeys_its_own_policy(new_phone: NewPhone) -> None:
    async with Product(config='[access]\npairing = "on"\n') as car:
        phone = await new_phone()
        await phone.page.goto(f"{car.url}/help/wifi")
        words = "Stay connected? Yes. If the page does not open: mobile data off."
        await expect(phone.page.locator("main")).to_contain_text(words)
        assert phone.complaints == []
        assert await phone.context.cookies() == []


@pytest.mark.parametrize(
    ("locale", "words"), [("en-GB", "slow: late link"), ("zh-CN", "网络延迟")]
)  # fmt: skip
async def test_a_late_link_is_named_beside_the_other_caps(
    new_phone: NewPhone, locale: str, words: str
) -> None:
    async with Product() as car:
        phone = await new_phone(locale=locale)
        change: dict[str, Any] = {"state": {"link": {"cap": 0.6}, "speed_cap": 0.9}}
        await talked(phone, change)
        await phone.open(car.url)
        await phone.reads("cap", words)
        await phone.seen("#hud[data-capped=true]")
        for look in ("light", "dark", "outdoor"):
            await phone.page.evaluate(DRESS, look)
            assert await phone.covered("cap", "stop", "menu", "throttle", "steering") == []
        change["state"] = {"link": {"cap": 1.0}, "speed_cap": 0.9}
        await expect(phone.page.locator("#cap")).not_to_have_text(words, timeout=DEADLINE_S * 1000)
