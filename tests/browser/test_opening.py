"""The page comes in parts over a slow link: STOP works first, and what was said meanwhile is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.conftest import LANDSCAPE, NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import violations
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

LOST = 2  # by the preload, and by the first import
SIZES = [(320, 256), (800, 360), (390, 844)]
WAYS_OUT = ("Reload the page", "the car's own address", "刷新页面", "直接打开小车自己的地址")
TEXT_ON_STOP = """() => {
  const stop = document.getElementById("stop").getBoundingClientRect();
  return [...document.querySelectorAll("#incomplete :is(h2, p, a)")].filter((text) =>
    [...text.getClientRects()].some((box) =>
      Math.min(box.right, stop.right) > Math.max(box.left, stop.left) &&
      Math.min(box.bottom, stop.bottom) > Math.max(box.top, stop.top))).map((text) => text.textContent);
}"""


@asynccontextmanager
async def late(phone: Phone, *files: str) -> AsyncIterator[None]:
    """Keep these files back until the block ends."""
    come = asyncio.Event()

    async def hold(route: Route) -> None:
        await come.wait()
        await route.continue_()

    for file in files:
        await phone.page.route(f"**/{file}", hold)
    yield
    come.set()


async def test_stop_works_before_the_rest_of_the_page_is_there(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    async with late(phone, "hud.js"):
        await phone.page.goto(car.url, wait_until="commit")
        await until(lambda: any(message["type"] == "state" for message in phone.heard), "the car answers")
        await phone.tap("stop")
        await until(lambda: phone.state["state"] == "stopped", "the car has stopped")
    await phone.reads("state", "Stopped")
    assert phone.complaints == []


async def test_words_that_come_before_the_pads_are_on_them(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    async with late(phone, "hands.js"):
        await phone.page.goto(car.url, wait_until="commit")
        await phone.reads("stop", "STOP")
    await phone.seen("#throttle[aria-valuetext=centre]")
    await phone.seen("#stick[aria-label='stick: centre, centre']")


async def test_a_refusal_that_comes_before_the_rest_of_the_page_asks_for_the_pin(new_phone: NewPhone) -> None:
    async with Product(config='[access]\npairing = "on"\n') as car:
        phone = await new_phone()
        async with late(phone, "hud.js"):
            await phone.page.goto(car.url, wait_until="commit")
            await until(
                lambda: any("WebSocket" in said for said in phone.complaints), "the socket is refused"
            )
        await phone.seen("#pair[open]")


@asynccontextmanager
async def lost_at_first(phone: Phone, file: str) -> AsyncIterator[None]:
    """Lose the first answers with this file; by the end of the block it has come."""
    asked = 0

    async def lose(route: Route) -> None:
        nonlocal asked
        asked += 1
        await (route.abort() if asked <= LOST else route.continue_())

    await phone.page.route(f"**/{file}", lose)
    yield
    assert asked > LOST


@pytest.mark.parametrize("file", ["hud.js", "bar.js", "hands.js", "en.json"])
async def test_a_part_that_does_not_come_is_asked_for_again(
    car: Product, new_phone: NewPhone, file: str
) -> None:
    phone = await new_phone()
    async with lost_at_first(phone, file):
        await phone.open(car.url)
        await phone.seen("body[data-link=good]")


@pytest.mark.parametrize("file", ["pair.js", "dialog.js"])
@pytest.mark.parametrize("address", ["/", "/#pair=a-token"])
async def test_a_pairing_dialog_that_does_not_come_is_asked_for_again(
    new_phone: NewPhone, file: str, address: str
) -> None:
    async with Product(config='[access]\npairing = "on"\n') as car:
        phone = await new_phone()
        async with lost_at_first(phone, file):
            await phone.page.goto(f"{car.url}{address}")
            await phone.seen("#pair[open]")


async def test_a_dialog_whose_style_was_lost_requests_it_again(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    lost = True

    async def lose(route: Route) -> None:
        await (route.abort() if lost else route.continue_())

    await phone.page.route("**/panels.css", lose)
    await phone.open(car.url)
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    await phone.page.keyboard.press("Escape")
    lost = False
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    looks = "() => getComputedStyle(document.getElementById('settings')).borderRadius !== '0px'"
    await phone.page.wait_for_function(looks)


async def test_a_slow_answer_about_the_car_does_not_call_it_full_once_it_is_there(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    tries = 0

    def connect(socket: WebSocketRoute) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            asyncio.get_running_loop().create_task(socket.close())
        else:
            socket.connect_to_server()

    await phone.page.route_web_socket("**/ws", connect)
    async with late(phone, "session"):
        await phone.page.goto(car.url)
        await phone.seen("body[data-link=good]")
    await phone.hears(4)
    await phone.seen("body[data-card=ready]")


async def loses(phone: Phone, url: str, lost: str) -> None:
    """Open the page without these files, and let the time pass until it says so."""
    await phone.page.route(lost, lambda route: route.abort())
    await phone.page.goto(url)
    sentence = phone.page.locator("#incomplete")
    assert await sentence.is_hidden(), "a page that is only slow says nothing yet"
    delay, _ = await sentence.evaluate(
        "(e) => [e.getAnimations()[0].effect.getTiming().delay, e.getAnimations()[0].finish()]"
    )
    assert 3_000 <= delay <= 10_000


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lost", ["**/*.js", "**/main.js", "**/sticks.js"])
async def test_a_page_without_its_scripts_is_a_screen_that_says_so(
    car: Product, new_phone: NewPhone, lost: str, size: tuple[int, int]
) -> None:
    phone = await new_phone(viewport={"width": size[0], "height": size[1]})
    await loses(phone, car.url, lost)
    screen = phone.page.locator("#incomplete")
    assert await screen.bounding_box() == {"x": 0, "y": 0, "width": size[0], "height": size[1]}
    assert not await phone.page.locator("#stop").is_visible(), "a STOP that cannot stop is not shown"
    for words in ("It can neither drive nor stop the car.", "此页面既不能驾驶小车", *WAYS_OUT):
        text = screen.get_by_text(words)
        await text.scroll_into_view_if_needed()
        await expect(text).to_be_in_viewport(ratio=1)
    assert await violations(phone, {}) == []
    await phone.page.unroute(lost)
    await screen.get_by_role("link", name="Reload the page").click()
    await phone.seen("body[data-link=good]")
    await expect(screen).to_be_hidden()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lost", ["**/hud.js", "**/hands.js", "**/en.json"])
async def test_a_page_without_a_part_says_so_beside_a_stop_that_works(
    car: Product, new_phone: NewPhone, lost: str, size: tuple[int, int]
) -> None:
    phone = await new_phone(viewport={"width": size[0], "height": size[1]})
    await loses(phone, car.url, lost)
    strip = phone.page.locator("#incomplete")
    for words in WAYS_OUT:
        await expect(strip.get_by_text(words)).to_be_in_viewport(ratio=1)
    await expect(strip.get_by_text("It can neither")).to_be_hidden()
    assert await phone.page.evaluate(TEXT_ON_STOP) == []
    await strip.evaluate("(e) => (e.style.pointerEvents = 'auto')")  # else it would cover nothing anyway
    assert await phone.covered("stop") == []
    await until(lambda: any(message["type"] == "state" for message in phone.heard), "the car answers")
    await phone.tap("stop")
    await until(lambda: phone.state["state"] == "stopped", "the car has stopped")
    await phone.page.unroute(lost)
    await expect(strip).to_be_hidden(timeout=DEADLINE_S * 1000)


async def test_a_page_that_is_complete_after_all_takes_the_sentence_back(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    async with late(phone, "hud.js"):
        await phone.page.goto(car.url, wait_until="commit")
        styled = "() => document.getElementById('incomplete')?.getAnimations()[0]"  # the style sheet has come
        await phone.page.wait_for_function(styled)
        await phone.page.locator("#incomplete").evaluate("(e) => e.getAnimations()[0].finish()")
        await expect(phone.page.locator("#incomplete")).to_be_visible()
    await expect(phone.page.locator("#incomplete")).to_be_hidden()
    await phone.seen("body[data-link=good]")


async def test_a_browser_without_javascript_reads_what_to_do_at_once(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone(java_script_enabled=False)
    await phone.page.goto(car.url)
    screen = phone.page.locator("#incomplete")
    looks = "(e) => [getComputedStyle(e).visibility, getComputedStyle(e).animationName, e.clientHeight]"
    assert await screen.evaluate(looks) == ["visible", "none", LANDSCAPE["height"]]
    for text in await screen.locator("noscript p").all():
        await expect(text).to_be_visible(timeout=DEADLINE_S * 1000)
    assert ["JavaScript" in text for text in await screen.locator("noscript p").all_inner_texts()] == [
        True
    ] * 2
    for words in WAYS_OUT:
        await expect(screen.get_by_text(words)).to_be_visible(timeout=DEADLINE_S * 1000)
