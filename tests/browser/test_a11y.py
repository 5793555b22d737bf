"""axe finds nothing, on every screen in every theme; touch targets are large."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product

pytestmark = pytest.mark.browser

RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map(
  ({ id, nodes }) => [id, nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).slice(0, 3)])"""
THEMES = ["light", "dark", "outdoor"]
SMALL = """() => [...document.querySelectorAll("button, [role=slider], label:has(input)")]
  .filter((e) => e.checkVisibility())
  .map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
  .filter(([, b]) => b.width < 48 || b.height < 48)
  .map(([name, b]) => `${name}: ${b.width} x ${b.height}`)"""


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    """A car that leaves the wheel to a page that axe keeps busy."""
    async with Product(pins="mock", config="[session]\nidle_s = 60.0\n") as product:
        yield product


def axe_source() -> str:
    """Return axe-core, which comes with a test dependency from PyPI."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found, "run scripts/venv test"
    assert found.submodule_search_locations
    return next(Path(found.submodule_search_locations[0]).rglob("axe.min.js")).read_text(encoding="utf-8")


async def violations(phone: Phone) -> list[Any]:
    await phone.page.evaluate(axe_source())  # not a script element: the policy of the page forbids it
    found: list[Any] = await phone.page.evaluate(RUN)
    return found


async def clean(phone: Phone, screen: str) -> None:
    await phone.page.wait_for_timeout(200)  # a transition of colours would count
    assert await violations(phone) == [], screen
    assert await phone.page.evaluate(SMALL) == [], screen


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("theme", THEMES)
async def test_axe_finds_nothing_on_any_screen(
    car: Product, new_phone: NewPhone, theme: str, locale: str
) -> None:
    phone = await new_phone(locale=locale, viewport={"width": 844, "height": 390})
    kept = json.dumps(json.dumps({"theme": theme}))
    await phone.page.add_init_script(f"localStorage.picar ??= {kept}")
    await phone.open(car.url)
    await clean(phone, "ready")
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    await clean(phone, "settings")
    for layout in ("stick", "arrows", "tilt", "thumbs"):
        await phone.page.locator(f"#settings label:has([value={layout}])").click()
        await phone.seen(f"body[data-layout={layout}]")
        await phone.page.keyboard.press("Escape")
        await clean(phone, layout)
        await phone.tap("menu")
        await phone.seen("#settings[open]")
    await phone.page.click("#invite-open")
    await phone.seen("#invite[open]")
    await clean(phone, "invite")
    await phone.page.keyboard.press("Escape")
    await phone.page.evaluate("() => (location.hash = 'pair=old')")
    await phone.seen("#pair[open]")
    await phone.seen("#pair-error:not(:empty)")
    await clean(phone, "pair")
    await phone.page.keyboard.press("Escape")
    await phone.down("throttle", y=0.5)
    await phone.in_state("armed")
    await clean(phone, "driving")
    other = await new_phone(car.url)
    await other.tap("ask")
    await phone.seen("#give:not([hidden])")
    await clean(phone, "asked")
    await clean(other, "watching")
    await phone.tap("stop")
    await phone.in_state("stopped")
    await clean(phone, "stopped")
    await phone.context.set_offline(True)
    await phone.seen("body[data-link=weak]")
    await clean(phone, "weak")
    await phone.seen("body[data-link=gone]")
    await clean(phone, "gone")


async def test_axe_is_able_to_find_something(phone: Phone) -> None:
    await phone.page.evaluate("() => document.querySelector('#menu').removeAttribute('aria-label')")
    assert [rule for rule, _ in await violations(phone)] == ["button-name"]
