"""The wiring page and the page of an unknown address in a real browser: nothing is cut off, and they need no script."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from picar.wiring.presets import PRESETS, as_toml
from tests.browser.conftest import NewPhone
from tests.support.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SIZES = {"phone": (360, 800), "landscape": (800, 360), "laptop": (1280, 800)}
CONFIGS = {
    "enabled": "",
    "jumpers": '[l298n]\nena = "jumper"\nenb = "jumper"\nin1 = 17\nin2 = 18\n',
    "mixed and swapped": '[l298n]\nenb = "jumper"\nin3 = 26\nin4 = 21\nswap = true\n',
    "TB6612, four motors": as_toml(PRESETS["howchoo"])
    .replace("[board]", '[layout]\nkind = "four"\n\n[board]')
    .replace("motor.left", "motor.front_left")
    .replace("motor.right", "motor.rear_left")
    + "[motor.front_right]\npwm = 25\nin1 = 5\nin2 = 6\n[motor.rear_right]\npwm = 13\nin1 = 20\nin2 = 21\n",
    "DRV8833, steering motor": as_toml(PRESETS["rpi-car-control"]),
    "TB6612": as_toml(PRESETS["alphabot2"]),
    "L293D without a drawing": as_toml(PRESETS["motozero"]),
    "BTS7960 without a drawing": '[board]\nkind = "bts7960"\nstandby = 26\n[motor.left]\nin1 = 23\nin2 = 24\n'
    "[motor.right]\nin1 = 27\nin2 = 22\n",
}
OVERLAPS = """() => {
    const texts = [...document.querySelectorAll('svg.wiring text')].map((e) => [e.textContent, e.getBoundingClientRect()])
    const found = []
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left)
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top)
        if (wide > 0.5 && high > 4) found.push([a, b, wide, high])
    }))
    const picture = document.querySelector('svg.wiring').getBoundingClientRect()
    texts.forEach(([a, p]) => { if (p.left < picture.left || p.right > picture.right) found.push([a, 'cut off']) })
    return found
}"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('svg.wiring text')]
    .filter((e) => !/^\\d+$/.test(e.textContent)).map((e) => Math.round(e.getBoundingClientRect().height * 1000) / 1000))"""


async def open_page(
    browser: Browser, car: Product, locale: str, size: tuple[int, int], path: str = "/wiring", **more: Any
) -> tuple[Page, list[str]]:
    """Open it, and return it with the list of what the console says."""
    context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale, **more)
    page, complaints = await context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(car.url + path)
    return page, complaints


@pytest.mark.parametrize("config", CONFIGS)
async def test_no_label_lies_on_another_and_none_is_cut_off(browser: Browser, config: str) -> None:
    async with Product(config=CONFIGS[config]) as car:
        for locale in ("en-GB", "zh-CN"):
            for name, size in SIZES.items():
                page, complaints = await open_page(browser, car, locale, size)
                assert await page.evaluate(OVERLAPS) == [], (locale, name)
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                    locale,
                    name,
                )
                assert await page.evaluate(SMALLEST) >= 9, (locale, name)
                assert complaints == []
                await page.context.close()


@pytest.mark.parametrize("size", [(320, 256), *SIZES.values()])
async def test_an_unknown_address_is_a_centred_page_with_ways_out(
    browser: Browser, car: Product, size: tuple[int, int]
) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page, complaints = await open_page(
            browser, car, "en-GB", size, "/nothing?<b>", color_scheme=scheme, java_script_enabled=False
        )
        for words in ("Page not found", "找不到页面", "404 not_found"):
            await expect(page.get_by_text(words)).to_be_visible()
        card = await page.locator("section").bounding_box()
        assert card
        assert abs(2 * card["x"] + card["width"] - size[0]) <= 20, "a scroll bar takes some"
        if size[1] == 800:
            assert abs(2 * card["y"] + card["height"] - size[1]) <= 40
        grounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [complaint for complaint in complaints if "404" not in complaint] == []
        await page.get_by_role("link", name="Wiring").click()
        await expect(page.locator("h1")).to_contain_text("Wiring of this car")
        await page.context.close()
    assert len(grounds) == 2


async def test_it_is_light_by_day_and_dark_by_night(browser: Browser, car: Product) -> None:
    async def colours(scheme: str) -> tuple[str, str]:
        page, _ = await open_page(browser, car, "en-GB", SIZES["phone"], color_scheme=scheme)
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = await page.evaluate("getComputedStyle(document.querySelector('svg.wiring text.ink')).fill")
        await page.context.close()
        return ground, ink

    day, night = await colours("light"), await colours("dark")
    assert day != night
    assert all(sum(map(int, pair[0][4:-1].split(", "))) > 600 for pair in (day, night[::-1]))


async def test_it_reads_well_without_its_script_and_comes_from_the_car_alone(
    new_phone: NewPhone, car: Product
) -> None:
    phone = await new_phone(None, java_script_enabled=False)
    asked: list[str] = []
    phone.page.on("request", lambda request: asked.append(request.url))
    await phone.page.goto(car.url + "/wiring")
    assert await phone.page.locator("table tbody tr").count() == 7
    assert all(url.startswith(car.url) for url in asked)
    assert len(asked) <= 3
