"""The settings sheet: what is chosen counts at once and is kept on this phone; both languages, every theme."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product

pytestmark = pytest.mark.browser


async def choose(phone: Phone, name: str, value: str) -> None:
    await phone.page.locator(f"#settings label:has([name={name}][value='{value}'])").click()


async def settings(phone: Phone) -> None:
    await phone.tap("menu")
    await phone.seen("#settings[open]")


async def test_what_is_chosen_counts_at_once_and_is_kept(phone: Phone) -> None:
    await settings(phone)
    await choose(phone, "layout", "arrows")
    await choose(phone, "theme", "outdoor")
    await phone.page.fill("[name=expo]", "0.5")
    await phone.seen("body[data-layout=arrows]")
    await phone.seen("html[data-theme=outdoor]")
    curve = await phone.page.get_attribute("#line", "d")
    await phone.page.reload()
    await phone.seen("body[data-layout=arrows]")
    await phone.seen("html[data-theme=outdoor]")
    await phone.seen("body[data-link=good]")
    await settings(phone)
    await expect(phone.page.locator("[name=expo]")).to_have_value("0.5")
    assert await phone.page.get_attribute("#line", "d") == curve


async def test_the_language_changes_under_the_open_page(phone: Phone) -> None:
    await settings(phone)
    await choose(phone, "language", "zh-CN")
    await phone.reads("settings-title", "设置")
    await phone.reads("state", "就绪")
    await phone.seen("#throttle[aria-valuetext='居中']")
    await choose(phone, "language", "en")
    await phone.reads("settings-title", "Settings")


async def test_stop_is_in_reach_while_the_settings_are_open(phone: Phone) -> None:
    await settings(phone)
    box = await phone.page.locator("#settings .stop").bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 96
    await phone.page.locator("#settings .done").focus()
    await phone.page.keyboard.press("Space")
    await phone.in_state("stopped")
    await phone.seen("#settings[open]")


async def test_plain_http_is_told_what_needs_a_secure_link_and_keeps_its_layout(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await phone.page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
    await phone.open(car.url)
    await settings(phone)
    await phone.reads("secure", "Driving by tilting: not on this link")
    await phone.reads("secure-how", "https")
    await choose(phone, "layout", "tilt")
    await phone.reads("tilt-note", "needs a secure link")
    await phone.seen("body[data-layout=thumbs]")
    await expect(phone.page.locator("[name=layout][value=thumbs]")).to_be_checked()


async def test_a_browser_without_storage_keeps_its_choice_while_the_page_is_open(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await phone.page.add_init_script(
        "Object.defineProperty(globalThis, 'localStorage', { get() { throw new Error('no'); } })"
    )
    await phone.open(car.url)
    await settings(phone)
    await choose(phone, "layout", "stick")
    await phone.seen("body[data-layout=stick]")
    assert phone.complaints == []


async def test_everything_can_be_reached_by_keyboard_and_the_focus_is_seen(phone: Phone) -> None:
    page = phone.page
    seen = []
    for _ in range(14):
        await page.keyboard.press("Tab")
        name, outline = await page.evaluate(
            "() => [document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"
        )
        seen.append(name)
        if name:
            assert outline == "solid", name
    assert {"ask", "menu", "throttle", "steering", "stop"} <= set(seen)
    await page.locator("#menu").focus()
    await page.keyboard.press("Enter")
    await phone.seen("#settings[open]")
    await page.keyboard.press("Escape")
    await phone.seen("#settings:not([open])")
    await expect(page.locator("#menu")).to_be_focused()


async def test_the_manifest_and_its_icons_are_there(car: Product, phone: Phone) -> None:
    manifest = await (await phone.context.request.get(f"{car.url}/static/manifest.json")).json()
    page = await (await phone.context.request.get(car.url)).text()
    icons = [icon["src"] for icon in manifest["icons"]] + re.findall(r'apple-touch-icon" href="([^"]+)', page)
    assert len(icons) >= 4
    for icon in icons:
        assert (await phone.context.request.get(f"{car.url}{icon}")).ok, icon
