"""The settings sheet: what is chosen counts at once and is kept on this phone; both languages, every theme."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SECTIONS = {"phone": "This phone", "car": "This car", "health": "Health", "help": "Help"}


async def choose(phone: Phone, name: str, value: str) -> None:
    await phone.page.locator(f"#settings label:has([name={name}][value='{value}'])").click()


async def test_what_is_chosen_counts_at_once_and_is_kept(phone: Phone) -> None:
    await phone.settings()
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
    await phone.settings()
    await expect(phone.page.locator("[name=expo]")).to_have_value("0.5")
    assert await phone.page.get_attribute("#line", "d") == curve


async def test_the_language_changes_under_the_open_page(phone: Phone) -> None:
    await phone.settings()
    await choose(phone, "language", "zh-CN")
    await phone.reads("settings-title", "设置")
    await phone.reads("state", "就绪")
    await phone.seen("#throttle[aria-valuetext='居中']")
    await choose(phone, "language", "en")
    await phone.reads("settings-title", "Settings")


async def test_stop_is_in_reach_while_the_settings_are_open(phone: Phone) -> None:
    await phone.settings()
    box = await phone.page.locator("#settings .stop").bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 96
    await phone.page.locator("#settings .done").focus()
    await phone.page.keyboard.press("Space")
    await phone.in_state("stopped")
    await phone.seen("#settings[open]")


async def test_on_plain_http_tilt_is_disabled_with_its_reason(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
    await phone.open(car.url)
    await phone.settings()
    tile = phone.page.locator("#settings label:has([value=tilt])")
    await expect(tile).to_contain_text("needs https")
    await expect(tile.locator("input")).to_be_disabled()
    await tile.click(force=True)
    await phone.page.click("#settings-phone")
    await phone.reads("secure", "Driving by tilting: not on this link")
    await phone.reads("secure-how", "https")
    await phone.seen("body[data-layout=thumbs]")
    await expect(phone.page.locator("[name=layout][value=thumbs]")).to_be_checked()


async def test_a_phone_without_a_tilt_sensor_is_told_so_and_led_back(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await phone.page.add_init_script(
        "addEventListener('deviceorientation', (e) => e.stopImmediatePropagation())"
    )
    await phone.open(car.url)
    await phone.settings()
    await choose(phone, "layout", "tilt")
    await phone.seen("#tilt[data-sensor=absent]")
    await phone.page.click("#settings .done")
    await phone.reads("tilt", "This device has no tilt sensor.")
    await phone.insist("untilt", "body[data-layout=thumbs]")
    await expect(phone.page.locator("#throttle")).to_be_visible()


async def test_a_sensor_that_wakes_late_is_used_all_the_same(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.page.add_init_script(
        """globalThis.asleep = true;
        addEventListener('deviceorientation', (e) => asleep && e.stopImmediatePropagation())"""
    )
    await phone.open(car.url)
    await phone.settings()
    await choose(phone, "layout", "tilt")
    await phone.seen("#tilt[data-sensor=absent]")
    await phone.page.evaluate(
        """() => { asleep = false;
        dispatchEvent(new DeviceOrientationEvent('deviceorientation', { beta: 0, gamma: -60 })) }"""
    )
    await phone.seen("#tilt[data-sensor=live]")
    await expect(phone.page.locator("#untilt")).to_be_hidden()


async def test_a_browser_without_storage_keeps_its_choice_while_the_page_is_open(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await phone.page.add_init_script(
        "Object.defineProperty(globalThis, 'localStorage', { get() { throw new Error('no'); } })"
    )
    await phone.open(car.url)
    await phone.settings()
    await choose(phone, "layout", "stick")
    await phone.seen("body[data-layout=stick]")
    assert phone.complaints == []


async def test_sections_are_pages_of_the_dialog_and_escape_goes_back_one_level(phone: Phone) -> None:
    page = phone.page
    await page.locator("#menu").focus()
    await page.keyboard.press("Enter")
    await phone.seen("#settings[open]")
    for section, title in SECTIONS.items():
        await page.locator(f"#settings-{section}").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#settings-title")).to_have_text(title)
        await expect(page.locator("#settings-title")).to_be_focused()
        await expect(page.locator("#settings section:visible")).to_have_count(1)
        await expect(page.locator("[name=layout]").first).to_be_hidden()
        if section == "phone":
            await page.click("#settings-back")
        else:
            await page.keyboard.press("Escape")
        await expect(page.locator("#settings-title")).to_have_text("Settings")
        await expect(page.locator(f"#settings-{section}")).to_be_focused()
        await expect(page.locator("#settings-back")).to_be_hidden()
    await page.keyboard.press("Escape")
    await phone.seen("#settings:not([open])")
    await expect(page.locator("#menu")).to_be_focused()


@pytest.mark.parametrize("dialog", ["tune", "invite"])
@pytest.mark.parametrize("way", ["Escape", "Done"])
async def test_another_dialog_returns_to_the_section_that_opened_it(
    phone: Phone, dialog: str, way: str
) -> None:
    page = phone.page
    await phone.settings("car")
    await page.click(f"#{dialog}-open")
    await phone.seen(f"#{dialog}[open]")
    await expect(page.locator(".stop:visible")).to_have_count(2)  # the page has one as well
    if way == "Escape":
        await page.keyboard.press("Escape")
    else:
        await page.click(f"#{dialog} .done")
    await phone.seen(f"#{dialog}:not([open])")
    await expect(page.locator("#settings-title")).to_have_text("This car")
    await expect(page.locator(f"#{dialog}-open")).to_be_focused()


async def test_a_dialog_that_was_open_before_the_settings_is_seen_above_them(phone: Phone) -> None:
    await phone.page.evaluate("() => (location.hash = 'pair=old')")
    await phone.reads("pair-error", "This code is too old.")
    await phone.page.click("#pair .done")
    await phone.settings()
    await phone.page.evaluate("() => (location.hash = 'pair=older')")
    await phone.seen("#pair[open]")
    await expect(phone.page.locator("#pin")).to_be_visible()
    await expect(phone.page.locator("#settings .stop")).to_be_hidden()
    await phone.page.click("#pair .done")
    await expect(phone.page.locator("#settings .stop")).to_be_visible()


async def test_what_does_not_work_now_says_why_while_the_settings_are_open(
    phone: Phone, car: Product, new_phone: NewPhone
) -> None:
    page = phone.page
    await phone.settings("car")
    await expect(page.locator("#tune-open")).to_be_enabled()
    await phone.reads("turn-note", "Take the wheel first")
    await expect(page.locator("[name=turn]").first).to_be_disabled()
    other = await new_phone(car.url)
    await other.take_the_wheel()
    for element in ("tune-open", "turn-note"):
        await phone.reads(element, "drives. Ask for the wheel first.")
    await page.click("#tune-open", force=True)
    await phone.seen("#settings[open]")
    assert await page.locator("#tune").count() == 0
    await other.tap("ask")
    await phone.reads("turn-note", "Take the wheel first")
    await page.click("#settings .stop")
    await phone.reads("tune-open", "Stopped: reset first.")
    await expect(page.locator("#invite-open")).to_be_enabled()
    await phone.context.set_offline(True)
    for element in ("tune-open", "invite-open", "turn-note", "cap-note"):
        await phone.reads(element, "No link to the car.")
    await expect(page.locator("#cap-speed")).to_be_disabled()
    await page.click("#settings-back")
    await page.click("#settings-health")
    await phone.reads("health-note", "No link to the car.")


async def test_the_driver_sets_the_turns_and_the_others_see_them(new_phone: NewPhone) -> None:
    async with Product(pins="mock") as car:
        phone, other = await new_phone(car.url), await new_phone(car.url)
        await phone.take_the_wheel()
        for each in (phone, other):
            await each.settings("car")
            await expect(each.page.locator("[name=turn][value='0']")).to_be_checked()
        await expect(phone.page.locator("[name=turn]").first).to_be_enabled(timeout=DEADLINE_S * 1000)
        await phone.reads("turn-note", "When a turn is over, the next in line drives.")
        await choose(phone, "turn", "120")
        await until(lambda: (phone.state["turn"] or {}).get("for_s") == 120, "turns of two minutes")
        for each in (phone, other):
            await each.reads("turn-note", "This turn ends in 1:")
            await expect(each.page.locator("[name=turn][value='120']")).to_be_checked()
        await other.reads("turn-note", "drives. Ask for the wheel first.")
        await expect(other.page.locator("[name=turn]").first).to_be_disabled()


async def test_help_explains_the_controls_and_leads_to_the_wiring(phone: Phone) -> None:
    await phone.settings("help")
    page = phone.page
    for words in ("Keyboard", "Gamepad", "STOP", "Reset", "Signal lost", "version"):
        await expect(page.locator("#settings section:visible")).to_contain_text(words)
    async with phone.context.expect_page() as opened:
        await page.click("#settings section:visible a")
    assert (await opened.value).url.endswith("/wiring")
    await phone.seen("#settings[open]")


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
