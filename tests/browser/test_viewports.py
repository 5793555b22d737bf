"""Windows of every size: the page stays alive, STOP is whole and on top, and every other control can be reached.

It goes by ids, roles and names: how the page is laid out is its own business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WIDTHS = (240, 280, 320, 640, 800, 1920)
HEIGHTS = (120, 200, 240, 360, 653, 1080)
GRID = [(width, height) for width in WIDTHS for height in HEIGHTS]
LANDSCAPE = [(1280, 800), (640, 240), (800, 200), (320, 240), (240, 120), (1920, 120), (1280, 800)]
SIZES = [
    *(
        (240, 120),
        (320, 256),
        (400, 360),
        (640, 240),
        (800, 200),
        (1920, 120),
    ),  # 1280 x 1024 at 400 %, and others
    *((568, 320), (800, 360), (1280, 800)),
    *((240, 320), (280, 653), (320, 568), (360, 440), (360, 800), (240, 1080)),
]
LAYOUTS = ("thumbs", "stick", "arrows", "tilt")
ALIVE_S = 1.0
FRAMES = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
FAULTS = """() => {
  const dialog = [...document.querySelectorAll("dialog:modal")].at(-1); // the later one is above
  const root = dialog ?? document.body;
  const name = (e) => e.id || e.getAttribute("aria-label") || e.textContent.trim();
  const parts = (from, to, inset) => [from + inset, (from + to) / 2, to - inset];
  const reached = (e, inset) => {
    const { left, right, top, bottom } = e.getBoundingClientRect();
    const hit = (x, y) => e.contains(document.elementFromPoint(x, y));
    return parts(left, right, inset).every((x) => parts(top, bottom, inset).every((y) => hit(x, y)));
  };
  const label = document.getElementById("stop").textContent;
  const isStop = (e) => e.textContent === label;
  const seen = [...root.querySelectorAll("button, a[href], input, [role=slider], [role=application]")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .map((e) => (e.matches("input") ? (e.closest("label") ?? e) : e));
  const stops = seen.filter(isStop);
  const faults = new Set();
  const look = (when) => {
    for (const stop of stops) {
      const box = stop.getBoundingClientRect();
      const words = document.createRange();
      words.selectNodeContents(stop);
      const text = words.getBoundingClientRect();
      if (!reached(stop, 2)) faults.add(`STOP is covered or outside ${when}`);
      if (box.width < 96 || box.height < 48) faults.add("STOP is small");
      if (text.left < box.left || text.right > box.right || text.top < box.top || text.bottom > box.bottom) faults.add("STOP's label is cut");
    }
  };
  if (stops.length !== (dialog?.id === "pair" ? 0 : 1)) faults.add(`${stops.length} STOPs`);
  look("");
  for (const control of seen.filter((e) => !isStop(e))) {
    control.querySelector("input")?.focus(); // a browser scrolls to what has the focus
    look(`with the focus on ${name(control)}`);
    control.scrollIntoView({ block: "center" });
    const { left, right, top, bottom, width, height } = control.getBoundingClientRect();
    const middle = control.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
    const whole = Math.max(width, height) > 90 || reached(control, 7); // a long one may be longer than the room
    if (!middle || !whole) faults.add(`${name(control)} is not reached`);
    if (control.matches("[role=slider], [role=application]") && Math.min(width, height) < 90) faults.add(`${name(control)} is small`);
    look(`beside ${name(control)}`);
  }
  for (const each of root.querySelectorAll("*")) if (each.scrollTop) each.scrollTop = 0;
  return [...faults];
}"""


@pytest.fixture(params=["mock", "sim"])
async def any_car(request: pytest.FixtureRequest) -> AsyncIterator[Product]:
    async with Product(pins=request.param) as product:
        yield product


async def resize(phone: Phone, width: int, height: int) -> None:
    await phone.page.set_viewport_size({"width": width, "height": height})


async def sound(phone: Phone, screen: str) -> None:
    """STOP and every control of this screen can be used in windows of every size."""
    for width, height in SIZES:
        await resize(phone, width, height)
        assert await phone.page.evaluate(FAULTS) == [], (screen, width, height)
    await resize(phone, 1280, 800)


async def draws(phone: Phone, where: object) -> None:
    """Two frames are drawn in time."""
    try:
        await asyncio.wait_for(phone.page.evaluate(FRAMES), ALIVE_S)
    except TimeoutError:
        pytest.fail(f"the page hangs: {where}")


def more_stops(phone: Phone, before: int) -> bool:
    return len(phone.sent("stop")) > before


def elsewhere(phone: Phone, before: dict[str, float]) -> bool:
    return bool(phone.state["pose"] != before)


async def test_the_page_lives_and_stop_acts_in_every_window(any_car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(any_car.url)
    if "simulated" in await phone.page.inner_text("#badge"):
        await phone.seen("#sim:not([hidden])")
    for width, height in GRID:
        await resize(phone, width, height)
        await draws(phone, (width, height))
        stops = len(phone.sent("stop"))
        await phone.tap("stop")
        await until(partial(more_stops, phone, stops), f"STOP in {width} x {height}", ALIVE_S)
    assert phone.complaints == []


async def test_the_car_drives_on_while_the_window_changes(new_phone: NewPhone) -> None:
    async with Product(pins="sim") as car:
        phone = await new_phone(car.url)
        await phone.seen("#sim:not([hidden])")

        async def drive(view: str) -> None:
            await phone.hold_until("KeyW")
            await phone.in_state("armed")
            for width, height in LANDSCAPE:
                await resize(phone, width, height)
                await draws(phone, (view, width, height))
            await until(partial(elsewhere, phone, phone.state["pose"]), "the car moves")
            await phone.page.keyboard.up("KeyW")

        for view in ("follow", "fit"):
            await phone.undisturbed(partial(drive, view), "KeyW")
            await phone.tap("look")
        await phone.page.keyboard.press("Space")
        await phone.in_state("stopped")
        assert phone.complaints == []


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_stop_is_whole_and_all_controls_are_reached_in_every_layout(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(locale=locale)
    for layout in LAYOUTS:
        await phone.page.add_init_script(f'localStorage.picar = \'{{"layout": "{layout}"}}\'')
        await phone.open(car.url)
        await phone.seen(f"body[data-layout={layout}][data-card=ready]")
        if layout == "arrows":
            await (
                phone.page.get_by_role("button", name="forward", exact=True)
                .or_(phone.page.get_by_role("button", name="前进", exact=True))
                .wait_for()
            )
        await sound(phone, layout)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_stop_is_whole_and_all_controls_are_reached_with_any_card_and_dialog(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(car.url, locale=locale)
    other = await new_phone(car.url, locale=locale)
    await phone.settings()
    await sound(phone, "settings")
    for section in ("phone", "health", "help", "car"):
        await phone.page.click(f"#settings-{section}")
        await sound(phone, section)
        await phone.page.click("#settings-back")
    await phone.page.click("#settings-car")
    for dialog in ("invite", "tune"):
        await phone.page.click(f"#{dialog}-open")
        await phone.seen(f"#{dialog}[open]")
        await sound(phone, dialog)
        await phone.page.keyboard.press("Escape")
    await phone.page.click("#settings .done")
    await phone.page.evaluate("() => (location.hash = 'pair=old')")
    await phone.seen("#pair-error:not(:empty)")
    await sound(phone, "pair")
    await phone.page.keyboard.press("Escape")
    await phone.take_the_wheel()
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.seen("#give:not([hidden])")
    await sound(phone, "asked")
    await other.tap("stop")
    await phone.in_state("stopped")
    await sound(phone, "stopped")
    await sound(other, "watching")
