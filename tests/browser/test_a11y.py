"""axe finds nothing, on every screen in every look; touch targets are large.

Every screen is looked at in every look in English, and in Chinese in one. What does not hang on colours is asked once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_failures import talked
from tests.support.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RUN = """async (rules) => (await axe.run(document, { resultTypes: ["violations"], ...rules })).violations.map(
  ({ id, nodes }) => [id, nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).slice(0, 3)])"""
COLOURS = {"runOnly": ["color-contrast"]}
ALL_BUT_COLOURS = {"rules": {"color-contrast": {"enabled": False}}}  # forced ones are the user's own
LOOKS = ("light", "dark", "outdoor", "forced")
IN_EACH_LANGUAGE = [("en-GB", LOOKS), ("zh-CN", LOOKS[:1])]
DRESS = """async (theme) => {
  document.documentElement.dataset.theme = theme;
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const changes = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(changes.map((change) => change.finished));
}"""
SMALL = """() => [...document.querySelectorAll("button, [role=slider], label:has(input)")]
  .filter((e) => e.checkVisibility())
  .map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
  .filter(([, b]) => b.width < 48 || b.height < 48)
  .map(([name, b]) => `${name}: ${b.width} x ${b.height}`)"""
Screens = AsyncIterator[tuple[Phone, str]]


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


async def violations(phone: Phone, rules: dict[str, Any]) -> list[Any]:
    if not await phone.page.evaluate("() => 'axe' in globalThis"):
        await phone.page.evaluate(axe_source())  # not a script element: the policy of the page forbids it
    found: list[Any] = await phone.page.evaluate(RUN, rules)
    return found


async def clean(phone: Phone, screen: str, looks: Sequence[str] = ("dark",)) -> None:
    for look in looks:
        await phone.page.emulate_media(forced_colors="active" if look == "forced" else "none")
        await phone.page.evaluate(DRESS, "dark" if look == "forced" else look)
        rules = ALL_BUT_COLOURS if look == "forced" else {} if look == looks[0] else COLOURS
        assert await violations(phone, rules) == [], (screen, look)
        assert await phone.page.evaluate(SMALL) == [], (screen, look)


async def screens_of_a_phone(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(car.url, locale=locale, viewport={"width": 844, "height": 390})
    yield phone, "ready"
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    yield phone, "settings"
    for layout in ("stick", "arrows", "tilt", "thumbs"):
        await phone.page.locator(f"#settings label:has([value={layout}])").click()
        await phone.seen(f"body[data-layout={layout}]")
        await phone.page.keyboard.press("Escape")
        yield phone, layout
        await phone.tap("menu")
        await phone.seen("#settings[open]")
    for section in ("phone", "car", "health", "help"):
        await phone.page.click(f"#settings-{section}")
        yield phone, section
        await phone.page.click("#settings-back")
    await phone.page.click("#settings-car")
    await phone.page.click("#invite-open")
    await phone.seen("#invite[open]")
    yield phone, "invite"
    await phone.page.click("#invite .done")
    await phone.page.click("#settings .done")
    await phone.page.evaluate("() => (location.hash = 'pair=old')")
    await phone.seen("#pair[open]")
    await phone.seen("#pair-error:not(:empty)")
    yield phone, "pair"


async def screens_of_two_phones(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(car.url, locale=locale, viewport={"width": 844, "height": 390})
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    yield phone, "driving"
    other = await new_phone(car.url, locale=locale)
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.seen("#give:not([hidden])")
    yield phone, "asked"
    yield other, "watching"
    await phone.tap("stop")
    await phone.in_state("stopped")
    yield phone, "stopped"


async def screens_of_a_bad_link(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(car.url, locale=locale)
    await phone.context.set_offline(True)
    await phone.seen("body[data-link=gone]")
    yield phone, "gone"


async def screens_of_failures(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(locale=locale)
    change: dict[str, Any] = {"state": {"state": "failsafe", "reason": "commands_stale"}}
    sockets = await talked(phone, change)
    await phone.open(car.url)
    await phone.seen("body[data-card=failsafe]")
    yield phone, "failsafe"
    battery = {"level": "warn", "plausible": True, "at_rest": True, "off_in_s": None, "may_stay": True}
    volts = {"battery_v": 7.0, "battery_percent": 15}
    change["state"] = {"state": "armed", "reason": None, "battery": battery, "host": volts}
    await phone.seen("#battery[data-grade=warn]")
    yield phone, "battery low"
    change["state"] |= {
        "state": "disarmed",
        "you": "driver",
        "battery": battery | {"level": "stop", "off_in_s": 42},
    }
    await phone.seen("body[data-card=battery] #stay:not([hidden])")
    yield phone, "battery empty"
    change["state"] = {"state": "failsafe"}
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    change["hello"] = {"car": {"version": "99"}}
    await sockets[-1].close()
    await phone.seen("body[data-card=outdated]")
    yield phone, "outdated"


async def screens_of_a_held_car(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(locale=locale)
    lesson = {"mode": "hold", "cap": 1.0, "text": "Wait here.", "garage_s": 12.0}
    marks = {"colour": "d55e00", "number": 7, "moved": True}
    change: dict[str, Any] = {"hello": {"car": marks}, "state": {"reason": "held", "lesson": lesson}}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.seen("body[data-card=held]")
    for layout in ("stick", "arrows", "tilt", "thumbs"):
        await phone.page.evaluate("(layout) => (document.body.dataset.layout = layout)", layout)
        yield phone, f"held, {layout}"
    await phone.press("anyway")
    await phone.seen("#lift[open]")
    await phone.page.press("#lift-pin", "Enter")
    await phone.seen("#lift-error:not(:empty)")
    yield phone, "lift"
    await phone.page.click("#lift .done")
    change["state"] = {"reason": "held", "lesson": lesson | {"mode": "drive", "cap": 0.5}}
    await phone.seen("body[data-card=ready] #cap:not(:empty)")
    yield phone, "capped"


async def screens_of_the_turned_away(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(locale=locale)
    await phone.page.route_web_socket("**/ws", lambda socket: socket.close())
    await phone.page.goto(car.url)
    await phone.seen("body[data-card=full]")
    yield phone, "full"
    barred = await new_phone(locale=locale)
    await barred.page.route_web_socket("**/ws", lambda socket: socket.close())
    refusal = {"allowed": False, "pairing": "on", "name": None, "car": "picar"}
    await barred.page.route("**/api/v1/session", lambda route: route.fulfill(json=refusal))
    await barred.page.goto(car.url)
    await barred.seen("#pair[open]")
    await barred.page.click("#pair .done")
    await barred.seen("body[data-card=barred]")
    yield barred, "barred"


async def screens_after_a_restart(car: Product, new_phone: NewPhone, locale: str, looks: int) -> Screens:
    phone = await new_phone(locale=locale)
    change: dict[str, Any] = {}
    await talked(phone, change)
    for _ in range(looks):  # it passes by itself
        change["state"] = {"reason": "reset"}
        await phone.open(car.url)
        await phone.seen("body[data-card=ready]")
        change["state"] = {"reason": "started"}
        await phone.seen("body[data-card=restarted]")
        yield phone, "restarted"


PASSING = {"restarted"}
JOURNEYS = [
    screens_of_a_phone,
    screens_of_two_phones,
    screens_of_a_bad_link,
    screens_of_failures,
    screens_of_a_held_car,
    screens_of_the_turned_away,
    screens_after_a_restart,
]


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
@pytest.mark.parametrize("journey", JOURNEYS)
async def test_axe_finds_nothing_on_any_screen(
    car: Product, new_phone: NewPhone, journey: Any, locale: str, looks: Sequence[str]
) -> None:
    left = {screen: list(looks) for screen in PASSING}
    async for phone, screen in journey(car, new_phone, locale, len(looks)):
        if screen not in PASSING:
            await clean(phone, screen, looks)
        else:
            await clean(phone, screen, [left[screen].pop(0)])


async def test_axe_is_able_to_find_something(phone: Phone) -> None:
    await phone.page.evaluate("() => document.querySelector('#menu').removeAttribute('aria-label')")
    assert [rule for rule, _ in await violations(phone, {})] == ["button-name"]
    await phone.page.evaluate("() => (document.querySelector('#menu').ariaLabel = 'menu')")
    await phone.page.evaluate(
        "() => (document.querySelector('#why').style = 'color: #777; background: #888')"
    )
    await phone.page.evaluate(DRESS, "dark")
    assert [rule for rule, _ in await violations(phone, COLOURS)] == ["color-contrast"]
