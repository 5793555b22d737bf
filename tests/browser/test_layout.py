"""The drive screen in twelve window sizes, two languages and six states: nothing jumps, overlaps or is cut.

The texts are readable over any picture: behind them a white, a black and a noisy one is laid, and the contrast of each
text with what is really drawn behind it is measured in pixels.
"""

from __future__ import annotations

import asyncio
import functools
import io
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from PIL import Image

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SIZES = [
    *((280, 653), (320, 568), (360, 640), (390, 844), (820, 1180)),
    *((568, 320), (667, 375), (844, 390), (1024, 600), (1280, 800), (1920, 1080), (3840, 2160)),
]
SCROLLING = (320, 256)  # 1280 x 1024 at 400 %
FIXED = ("status", "wheel", "link", "menu", "info", "hud", "gears", "fine", "stop", "throttle", "steering")
STATES = ("ready", "driving", "asked", "stopped", "lost", "unknown", "watching")
RECTANGLES = """(names) => Object.fromEntries(names.map((name) => {
  const { left, top, width, height } = document.getElementById(name).getBoundingClientRect();
  return [name, [left, top, width, height].map(Math.round)];
}))"""
FAULTS = """(stopIsAbove) => {
  const plates = [...document.querySelectorAll("#status, #asks, #link, main button, .pad, .meter, #card, #fine p")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.textContent.trim() + e.ariaLabel && e.getBoundingClientRect().width)
    .filter((e) => !(e.id === "stop" && stopIsAbove));
  const name = (e) => e.id || e.className || e.textContent;
  const faults = new Set();
  for (const plate of plates) {
    const box = plate.getBoundingClientRect();
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.add(`${name(plate)} is outside`);
    if (!stopIsAbove && (box.top < -0.5 || box.bottom > innerHeight + 0.5)) faults.add(`${name(plate)} is above or below`);
    for (const other of plates) {
      if (other === plate || plate.contains(other) || other.contains(plate)) continue;
      const b = other.getBoundingClientRect();
      const apart = box.right <= b.left + 0.5 || b.right <= box.left + 0.5 || box.bottom <= b.top + 0.5 || b.bottom <= box.top + 0.5;
      if (!apart) faults.add([name(plate), name(other)].sort().join(" overlaps "));
    }
    const words = document.createRange();
    for (const part of [plate, ...plate.querySelectorAll("*")]) {
      if (![...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || part.id === "driver") continue;
      if (!part.checkVisibility({ visibilityProperty: true })) continue;
      words.selectNodeContents(part);
      const text = words.getBoundingClientRect();
      const cut = text.left < box.left || text.right > box.right || text.top < box.top || text.bottom > box.bottom;
      if (cut) faults.add(`${part.id || part.textContent} is cut in ${name(plate)}`);
    }
    if (plate.id === "card" && plate.scrollHeight > plate.clientHeight + 1) faults.add("the card scrolls");
  }
  return [...faults];
}"""
SETTLED = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(pins="sim", config="[session]\nidle_s = 60.0\n") as product:
        yield product


async def driving(phone: Phone) -> None:
    """Drive without a hold: what the screen shows must not depend on how fast this machine is."""
    await phone.hold_until("KeyW")
    await phone.in_state("armed")
    await phone.page.keyboard.up("KeyW")
    await phone.seen("body[data-card='']")


async def screens(car: Product, new_phone: NewPhone, locale: str) -> AsyncIterator[tuple[Phone, str]]:
    phone = await new_phone(car.url, locale=locale, has_touch=True, is_mobile=False)
    await phone.seen("#sim:not([hidden])")
    yield phone, "ready"
    await driving(phone)
    yield phone, "driving"
    other = await new_phone(car.url, locale=locale)
    await other.seen("body[data-card=watching]")
    yield other, "watching"
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.seen("body[data-card=asked]")
    yield phone, "asked"
    await phone.page.keyboard.press("Space")
    await phone.seen("#reset:not([hidden])")
    yield phone, "stopped"
    await phone.context.set_offline(True)
    await phone.seen("body[data-card=gone]")
    yield phone, "lost"
    await phone.seen("#why:not(:empty)")
    yield phone, "unknown"


async def resized(phone: Phone, size: tuple[int, int]) -> None:
    await phone.page.set_viewport_size({"width": size[0], "height": size[1]})
    await phone.page.evaluate(SETTLED)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_nothing_overlaps_or_is_outside_at_any_width(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(car.url, locale=locale)
    await driving(phone)
    faults = []
    for size in [
        *((width, 360) for width in range(580, 1000, 20)),
        *((width, 750) for width in range(320, 740, 20)),
    ]:
        await resized(phone, size)
        faults += [(size, fault) for fault in await phone.page.evaluate(FAULTS, False)]
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_nothing_jumps_overlaps_or_is_cut(car: Product, new_phone: NewPhone, locale: str) -> None:
    places: dict[tuple[int, int], dict[str, Any]] = {}
    shown: list[str] = []
    faults: list[tuple[Any, ...]] = []
    async for phone, state in screens(car, new_phone, locale):
        shown.append(state)
        for size in SIZES:
            await resized(phone, size)
            faults += [(state, size, fault) for fault in await phone.page.evaluate(FAULTS, False)]
            now = await phone.page.evaluate(RECTANGLES, FIXED)
            before = places.setdefault(size, now)
            faults += [
                (state, size, name, before[name], now[name]) for name in FIXED if now[name] != before[name]
            ]
        await resized(phone, SCROLLING)
        faults += [(state, SCROLLING, fault) for fault in await phone.page.evaluate(FAULTS, True)]
        await resized(phone, (1280, 800))
    assert not faults, "\n".join(map(str, faults))
    assert sorted(shown) == sorted(STATES)


@pytest.mark.parametrize("layout", ["stick", "arrows", "tilt"])
async def test_every_layout_fits(car: Product, new_phone: NewPhone, layout: str) -> None:
    faults: list[tuple[Any, ...]] = []
    for swap in ("false", "true"):
        phone = await new_phone()
        await phone.page.add_init_script(f'localStorage.picar = \'{{"layout": "{layout}", "swap": {swap}}}\'')
        await phone.open(car.url)
        for size in SIZES:
            await resized(phone, size)
            faults += [(swap, size, fault) for fault in await phone.page.evaluate(FAULTS, False)]
    assert not faults, "\n".join(map(str, faults))


PICTURES = {
    "white": "#fff",
    "black": "#000",
    "noisy": "repeating-linear-gradient(45deg, #fff 0 7px, #000 7px 14px, #f33 14px 20px, #3f3 20px 27px, #33f 27px 31px)",
}
LAY = """(picture) => {
  document.getElementById("sim").style.visibility = "hidden";
  document.getElementById("view").style.background = picture;
}"""
# Every text of the drive screen, with its colour; a text that is drawn large may have less contrast (WCAG 1.4.3).
TEXTS = """() => {
  const found = [];
  const words = document.createRange();
  for (const part of document.querySelectorAll("main *")) {
    const text = [...part.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !part.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || part.closest("#incomplete, :disabled")) continue;
    words.selectNodeContents(text);
    const { left, top, right, bottom } = words.getBoundingClientRect();
    const inside = part.closest("#info") === null || bottom <= document.getElementById("info").getBoundingClientRect().bottom;
    if (!inside || right - left < 2) continue;
    const style = getComputedStyle(part);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ name: part.id || part.textContent, box: [left, top, right, bottom], colour: style.color, large });
  }
  return found;
}"""
HIDE_TEXTS = (
    "main, main * { color: transparent !important; -webkit-text-fill-color: transparent !important; }"
)


@functools.cache
def luminance(colour: tuple[int, ...]) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [c / 255 for c in colour[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@functools.cache
def rgb(colour: str) -> tuple[int, ...]:
    return tuple(round(float(part)) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])


async def unreadable(phone: Phone) -> list[str]:
    """Return the texts of which some pixel behind has too little contrast."""
    texts = await phone.page.evaluate(TEXTS)
    assert len(texts) > 8
    sheet = await phone.page.evaluate_handle(
        "(css) => { const s = new CSSStyleSheet(); s.replaceSync(css); document.adoptedStyleSheets = [s]; return s; }",
        HIDE_TEXTS,
    )
    picture = Image.open(io.BytesIO(await phone.page.screenshot())).convert("RGB")
    await phone.page.evaluate("() => { document.adoptedStyleSheets = []; }")
    await sheet.dispose()
    faults = []
    for text in texts:
        box = picture.crop(tuple(round(edge) for edge in text["box"]))
        behind = cast("list[tuple[int, tuple[int, ...]]]", box.getcolors(box.width * box.height))
        worst = min(contrast(rgb(text["colour"]), colour) for _, colour in behind)
        if worst < (3 if text["large"] else 4.5):
            faults.append(f"{text['name']}: {worst:.2f}")
    return faults


@pytest.mark.parametrize("theme", ["dark", "light", "outdoor"])
async def test_all_texts_are_readable_over_any_picture(car: Product, new_phone: NewPhone, theme: str) -> None:
    faults = []
    async for phone, state in screens(car, new_phone, "en-GB"):
        await phone.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        for name, picture in PICTURES.items():
            await phone.page.evaluate(LAY, picture)
            for size in ((844, 390), (390, 844))[: 2 if name == "noisy" else 1]:
                await resized(phone, size)
                await asyncio.sleep(0.15)  # the knobs come to rest
                seen = [set(await unreadable(phone))]
                while (
                    seen[-1] and len(seen) < 3
                ):  # a text may have moved between the look at its place and the picture
                    seen.append(set(await unreadable(phone)))
                faults += [(state, name, size, fault) for fault in set.intersection(*seen)]
        await phone.page.evaluate(LAY, "none")
        await resized(phone, (1280, 800))
    assert not faults, "\n".join(map(str, faults))
