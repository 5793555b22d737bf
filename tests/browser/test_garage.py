"""The page of the garage: STOP ALL, the lesson, the cards, the dialogs; what it says when something is missing."""

from __future__ import annotations

import asyncio
import re
import signal
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.classroom import LINK, MISSING, Classroom, SimulatedClass, card, simulated, troubled
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import IN_EACH_LANGUAGE, clean
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SIZES = [(360, 640), (412, 915), (844, 390), (768, 1024), (1920, 1080), (3840, 2160)]
DESKTOP = {"width": 1280, "height": 800}
# What is wider than the window or than its place; names and drivers end in an ellipsis.
CUT = """() => [
  ...(document.documentElement.scrollWidth > innerWidth ? [`page: ${document.documentElement.scrollWidth}`] : []),
  ...[...document.querySelectorAll("main *:not(svg, path, .name, .driver, [data-view=table] .problem, #round, #missing, #lost, #stop-all)")]
    .filter((e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
      && e.clientWidth && getComputedStyle(e).display !== "inline")
    .map((e) => `${e.id || e.className || e.tagName}: ${e.scrollWidth} in ${e.clientWidth}, ${e.scrollHeight} in ${e.clientHeight}`)]"""
# From the press of STOP ALL to the WebSocket, in ms.
RECORD_STOPS = """() => {
  globalThis.stops = [];
  let pressed = 0;
  addEventListener("pointerdown", ({ timeStamp }) => (pressed = timeStamp), true);
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    send.call(this, data);
    if (data.includes('"stop"')) stops.push(performance.now() - pressed);
  };
}"""
RECORD_WRITES = """() => {
  globalThis.writes = [];
  new MutationObserver((all) => writes.push(...all.map(({ target }) => target.textContent ?? "")))
    .observe(document.querySelector("#cars"), { subtree: true, childList: true, characterData: true, attributes: true });
}"""
HOSTILE = [
    "<img src=x onerror=globalThis.hacked=1>",
    "A" * 200,
    "\u202eevil\u202d \u05e9\u05dc\u05d5\u05dd",
    "{name} ${1} &amp;",
]


NewRoom = Callable[..., Classroom]


@pytest.fixture
async def new_room(tmp_path: Path) -> AsyncIterator[NewRoom]:
    """Makes a garage with these cards."""
    async with AsyncExitStack() as stack:

        def make(cars: list[dict[str, Any]], pairing: str = "local") -> Classroom:
            room = Classroom(tmp_path / "garage", cars, pairing)
            stack.push_async_callback(room.close)
            return room

        yield make


@pytest.fixture
async def room(new_room: NewRoom) -> Classroom:
    """A garage with a car of each kind; the page is the teacher's."""
    made = new_room(troubled())
    made.garage.put_lesson("hold", 1.0, "", "Ms Lin", "car00011")
    return made


async def opened(new_phone: NewPhone, room: Classroom | SimulatedClass, **options: Any) -> Phone:
    phone = await new_phone(**({"viewport": DESKTOP, "has_touch": False} | options))
    await phone.page.goto(room.url)
    await phone.seen("html[data-complete]")
    await phone.seen("body[data-link=good]")
    return phone


async def stops(room: Classroom, count: int = 1) -> None:
    await until(lambda: room.stops >= count, "STOP ALL arrives")
    assert room.stops == count


async def lessons(phone: Phone, count: int = 1) -> dict[str, Any]:
    """Wait for a lesson from the page; return it."""
    await until(lambda: len(phone.sent("lesson")) >= count, "the page sends a lesson")
    return phone.sent("lesson")[count - 1]


def words(phone: Phone, car: int, part: str) -> Any:
    return phone.page.locator(f'li[data-id="car{car:05}"] .{part}')


# -- STOP ALL ------------------------------------------------------------------------------------------


async def test_stop_all_is_sent_on_the_press_and_counts_answers(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await phone.page.hover("#stop-all")
    await phone.page.mouse.down()
    await stops(room)
    await phone.reads("round-line", "0 of 11 have stopped (under 0.1\u00a0s). Not heard:")
    room.hear(0.21, MISSING)
    await phone.reads("round-line", "9 of 11 have stopped (0.2\u00a0s). Not heard:")
    names = phone.page.locator("#missing span")
    await expect(names).to_have_text(["Car 2, silent for 31 s", "Car 3, lost 40 s ago"])
    await phone.page.mouse.up()
    room.hear(7.04, [])
    await phone.seen("#round[data-done=true]")
    await phone.reads("round-line", "11 of 11 have stopped (7.0\u00a0s).")
    await stops(room)


async def test_each_car_that_was_not_heard_is_dismissed_by_name(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await phone.page.click("#stop-all")
    await stops(room)
    room.hear(0.2, MISSING)
    await phone.page.get_by_role("button", name="Dismiss Car 3").click()
    await expect(phone.page.locator("#missing li")).to_have_count(1)
    await phone.reads("missing", "Car 2")
    await phone.reads("round-line", "9 of 11 have stopped")
    await phone.page.get_by_role("button", name="Dismiss Car 2").click()
    await expect(phone.page.locator("#missing li")).to_have_count(0)
    await phone.reads("round-line", "9 of 11 have stopped")
    assert await phone.page.get_attribute("#round", "data-done") == "false", "dismissed is not stopped"


async def test_space_is_stop_wherever_the_focus_is_but_in_a_text_field(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    press = phone.page.keyboard.press
    first = 'li[data-id="car00001"]'
    places = ["#mode-hold", "#theme", "#lesson-cap", f"{first} .hold", f"{first} .drive"]
    for count, place in enumerate(places, 1):
        await phone.page.focus(place)
        await press("Space")
        await stops(room, count)
    await phone.page.focus("#lesson-text")
    await press("Space")
    await press("Escape")
    assert await phone.page.evaluate("() => document.activeElement === document.body")
    await press("Space")
    await stops(room, len(places) + 1)
    await phone.page.click("#add-car")
    await phone.page.focus("#adopt .done")
    await press("Space")
    await stops(room, len(places) + 2)
    assert await phone.page.query_selector("#adopt[open]"), "Space pressed no button"
    await phone.page.focus("#adopt-address")
    await press("Space")
    await press("Escape")
    await phone.seen("#adopt:not([open])")
    await stops(room, len(places) + 2)


async def test_stop_all_is_in_every_dialog(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await phone.page.click("#add-car")
    await phone.page.click("#adopt .stop")
    await stops(room)


async def test_the_line_goes_away_when_all_have_stopped_and_may_drive_again(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    await phone.page.click("#stop-all")
    await stops(room)
    room.hear(0.3, [])
    room.garage.put_lesson("hold", 0.6, "", "Ms Lin")
    await phone.seen("#mode-hold[aria-pressed=true]")
    await phone.seen("#round[data-done=true]:not([hidden])")
    await phone.page.click("#mode-drive")
    await phone.seen("#round[data-rests=true]")
    await phone.reads("round-line", "stops all cars")
    room.garage.put_lesson("hold", 0.6, "", "Ms Lin")
    await phone.seen("#mode-hold[aria-pressed=true]")
    assert await phone.page.get_attribute("#round", "data-rests") == "true", "the round is over"
    await phone.page.reload()
    await phone.seen("#mode-hold[aria-pressed=true]")
    assert await phone.page.get_attribute("#round", "data-rests") == "true", (
        "also for a page that opens later"
    )
    room.garage.stop_all("another page")
    await phone.reads("round-line", "0 of 11 have stopped")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (768, 1024), (844, 390), (1920, 1080)])
async def test_no_control_moves_when_cars_answer_a_stop(
    new_phone: NewPhone, room: Classroom, width: int, height: int
) -> None:
    phone = await opened(new_phone, room, viewport={"width": width, "height": height})
    await phone.seen("#cars li")
    places = "(all) => all.map((e) => [e.id || e.className, e.getBoundingClientRect().y])"
    controls = "#garage :is(button, input, select, a):not(#missing *)"
    before = await phone.page.eval_on_selector_all(controls, places)
    assert len(before) > 30
    await phone.page.keyboard.press("Space")
    for missing, count in [(list(room.garage.cards.written), 11), (MISSING, 2), ([], 0)]:
        await stops(room)
        room.hear(0.2, missing)
        await expect(phone.page.locator("#missing li")).to_have_count(count)
        assert await phone.page.eval_on_selector_all(controls, places) == before


async def test_a_round_that_began_before_the_page_opened_is_shown(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    room = new_room([card(1)])
    room.hear(3.2, ["car00001"])
    phone = await opened(new_phone, room)
    await phone.reads("round-line", "0 of 1 have stopped (3.2\u00a0s)")
    await phone.reads("missing", "Car 1, no answer yet")


async def test_a_garage_without_cars_says_that_there_was_nothing_to_stop(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    phone = await opened(new_phone, new_room([]))
    await phone.page.click("#stop-all")
    await phone.reads("round-line", "The garage knows no car that it could stop.")
    assert await phone.page.get_attribute("#round", "data-done") == "false"


async def test_a_lost_garage_is_said_large_and_stop_all_says_that_it_sends_nothing(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    await phone.context.set_offline(True)
    await phone.page.click("#stop-all")
    await phone.reads("round-line", "the garage does not answer")
    await phone.reads("lost", "This page has lost Room 4")
    await phone.reads("lost", "Cars stop by their own rules")
    await phone.reads("stop-all", "it cannot be sent now")
    assert await phone.page.is_disabled("#mode-hold")
    said = len(phone.said)
    await phone.page.click("#stop-all")
    await phone.reads("round-line", "STOP ALL could not be sent")
    assert len(phone.said) == said
    await phone.context.set_offline(False)
    await phone.seen("body[data-link=good]")
    await phone.seen("#lost[hidden]")
    assert len(phone.said) == said, "nothing was queued"


@pytest.mark.alone
async def test_stop_all_leaves_the_page_within_50_ms_while_300_cars_change(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    room = new_room([card(n) for n in range(1, 301)])
    phone = await opened(new_phone, room)
    await phone.seen("#cars[data-view=table]")
    await phone.page.evaluate(RECORD_STOPS)
    changing = asyncio.ensure_future(room.change_all())
    await phone.page.hover("#stop-all")
    for count in range(1, 31):
        await phone.page.mouse.down()
        await phone.page.mouse.up()
        await stops(room, count)
        await asyncio.sleep(0.037)  # the next press is at another moment of the 250 ms between two changes
    changing.cancel()
    times = await phone.page.evaluate("stops")
    print(f"pointer to socket: median {statistics.median(times):.1f} ms, most {max(times):.1f} ms")
    assert len(times) == 30
    assert statistics.median(times) <= 50


# -- cards ---------------------------------------------------------------------------------------------


async def test_each_card_says_how_its_car_is(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await expect(phone.page.locator("#cars .word")).to_have_text(
        [
            *("Driving", "Silent for 31 s", "Lost 40 s ago", "Stopped", "Off", "Last known"),
            *("Not ours yet", "Kept apart", "Signal lost", "Ready", "Held"),
        ]
    )
    icons = await phone.page.eval_on_selector_all(".icon", "(all) => all.map((e) => e.getAttribute('d'))")
    assert len(set(icons)) == 9
    await expect(words(phone, 1, "driver")).to_have_text("Driver: Ada")
    await expect(words(phone, 1, "facts")).to_have_text("61 msbattery 80%cap 60%")
    await expect(words(phone, 4, "capped")).to_have_text("")
    await expect(words(phone, 8, "problem")).to_contain_text("client isolation")
    await expect(words(phone, 9, "battery")).to_have_text("low voltage")
    await expect(words(phone, 11, "battery")).to_have_text("battery 7.4 V")
    await expect(words(phone, 10, "problem")).to_contain_text("Adopt it again")
    offers = {
        number: await phone.page.locator(f'li[data-id="car{number:05}"] .acts :visible').all_inner_texts()
        for number in (1, 7, 8, 10)
    }
    assert offers == {1: ["Drive", "Hold", "QR"], 7: ["Adopt"], 8: [], 10: ["Hold", "Adopt"]}
    assert await phone.page.title() == "Room 4"


async def test_filters_count_and_show_only_their_cars(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    for name, label, numbers in [
        ("unheard", "Not heard 4", ["2", "3", "6", "8"]),
        ("low", "Low battery 2", ["5", "9"]),
        ("all", "All 11", [str(n) for n in range(1, 12)]),
    ]:
        await phone.page.click(f"#filter-{name}")
        await phone.seen(f"#filter-{name}[aria-pressed=true]")
        await phone.reads(f"filter-{name}", label)
        await expect(phone.page.locator(".number")).to_have_text(numbers)


async def test_a_change_writes_only_what_differs(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await phone.page.evaluate(RECORD_WRITES)
    room.change("car00001", battery_percent=79)
    await expect(words(phone, 1, "battery")).to_have_text("battery 79%")
    assert set(await phone.page.evaluate("writes")) == {"battery 79%"}
    room.remove("car00002")
    room.put(card(12, name=None))
    await expect(words(phone, 12, "name")).to_have_text("car00012")
    await expect(words(phone, 2, "name")).to_have_count(0)


async def test_a_table_of_300_cars_draws_only_the_rows_on_the_screen(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    phone = await opened(new_phone, new_room([card(n) for n in range(1, 301)]))
    await phone.seen("#cars[data-view=table]")
    assert await phone.page.locator("#cars li").count() < 30
    await phone.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    await expect(phone.page.locator('li[aria-posinset="300"]')).to_be_visible()
    assert await phone.page.locator("#cars li").count() < 30
    await phone.page.focus("li:last-child .code")
    for _ in range(60):
        await phone.page.keyboard.press("Shift+Tab")
    number = await phone.page.evaluate("() => document.activeElement.closest('li').ariaPosInSet")
    assert number == "280", "the focus reaches rows that were not drawn"


async def test_hostile_names_are_text(new_phone: NewPhone, new_room: NewRoom) -> None:
    cars = [
        card(n, name=name, driver=name, colour="red;}", problem={"code": "x", "message": name})
        for n, name in enumerate(HOSTILE, 1)
    ]
    room = new_room(cars)
    room.garage.put_lesson("drive", 0.6, HOSTILE[0], HOSTILE[0])
    phone = await opened(new_phone, room, viewport={"width": 360, "height": 640})
    assert await phone.page.locator(".name").all_text_contents() == HOSTILE
    await phone.page.click("#stop-all")
    await phone.reads("missing", HOSTILE[0])
    await words(phone, 1, "code").click()
    await phone.reads("guest-how", HOSTILE[0])
    hacked = "() => [globalThis.hacked ?? null, document.querySelectorAll('main img').length]"
    assert await phone.page.evaluate(hacked) == [None, 0]
    assert await phone.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert phone.complaints == []


# -- lesson, dialogs, pairing --------------------------------------------------------------------------


async def test_every_action_works_by_the_keyboard_alone(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    page, press = phone.page, phone.page.keyboard.press
    seen: set[str] = set()
    for _ in range(120):
        await press("Tab")
        seen.add(await page.evaluate("() => document.activeElement.id || document.activeElement.className"))
    assert seen >= {
        *("stop-all", "mode-drive", "mode-hold", "lesson-text", "lesson-cap", "filter-all", "filter-unheard"),
        *("filter-low", "drive", "hold", "code", "adopt", "add-car", "add-phone", "language", "theme"),
    }
    await page.focus("#stop-all")
    await press("Enter")
    await stops(room)
    await page.focus("#lesson-text")
    await page.keyboard.type("Come to me.")
    await press("Tab")
    lesson = {"type": "lesson", "cap": 0.6, "text": "Come to me."}
    assert await lessons(phone) == lesson
    await press("ArrowRight")
    assert await lessons(phone, 2) == lesson | {"cap": 0.65}
    await page.focus("#mode-hold")
    await press("Enter")
    assert (await lessons(phone, 3))["mode"] == "hold"
    await phone.seen("#mode-hold[aria-pressed=true]")
    await words(phone, 1, "hold").focus()
    await press("Enter")
    assert await lessons(phone, 4) == {
        "type": "lesson",
        "mode": "hold",
        "cap": 1,
        "text": "",
        "car": "car00001",
    }
    await phone.seen('li[data-id="car00001"] .hold[aria-pressed=true]')
    await words(phone, 11, "hold").focus()
    await press("Enter")
    assert (await lessons(phone, 5))["mode"] == "drive"
    await phone.seen('li[data-id="car00011"] .hold[aria-pressed=false]')
    await words(phone, 7, "adopt").focus()
    await press("Enter")
    await phone.seen("#adopt-pin:focus")
    await page.keyboard.type("123 456")
    await press("Enter")
    await phone.reads("note", "Car 1 belongs to the garage now")
    assert room.garage.adopted == ("car00007", "123456")


async def test_the_lesson_in_force_is_shown_and_kept_while_a_text_is_typed(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    await phone.seen("#mode-drive[aria-pressed=true]")
    await phone.reads("cap-shown", "60%")
    await phone.page.focus("#lesson-text")
    await phone.page.keyboard.type("Wait")
    room.garage.put_lesson("hold", 0.3, "Other", "Mr Ito")
    await phone.reads("cap-shown", "30%")
    await phone.seen("#mode-hold[aria-pressed=true]")
    assert await phone.page.input_value("#lesson-text") == "Wait"


async def test_the_speed_cap_keeps_what_the_user_sets_while_lessons_are_on_their_way(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    await phone.reads("cap-shown", "60%")
    await phone.page.focus("#lesson-cap")
    await phone.page.evaluate("() => { const at = performance.now(); performance.now = () => at; }")
    for count in range(1, 9):  # in no time, as far as the page can tell
        await phone.page.keyboard.press("ArrowLeft")
        await lessons(phone, count)
        mode = ("drive", "hold")[count % 2]
        room.garage.put_lesson(mode, 1.0, "", "Ms Lin")  # before the next key
        await phone.seen(f"#mode-{mode}[aria-pressed=true]")
    await phone.reads("cap-shown", "20%")
    await phone.page.evaluate("() => { delete performance.now; }")
    room.garage.put_lesson("drive", 0.8, "", "Mr Ito")
    await phone.reads("cap-shown", "80%")
    box = await phone.page.locator("#lesson-cap").bounding_box()
    assert box
    await phone.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await phone.page.mouse.down()
    await phone.reads("cap-shown", "55%")
    room.garage.put_lesson("hold", 0.3, "", "Mr Ito")
    await phone.seen("#mode-hold[aria-pressed=true]")
    await phone.reads("cap-shown", "55%")
    await phone.page.mouse.up()
    await until(lambda: room.garage.lesson.cap == 0.55, "the garage receives the cap")
    await phone.reads("cap-shown", "55%")


async def test_the_speed_cap_shows_nothing_before_the_garage_has_sent_it(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    phone = await new_phone()
    await phone.page.goto(new_room([card(1)], pairing="on").url)
    await phone.seen("#pair[open]")
    assert await phone.page.text_content("#cap-shown") == ""


async def test_a_paired_phone_that_is_no_teacher_stops_and_drives_and_reads_why_it_does_no_more(
    new_phone: NewPhone, new_room: NewRoom, car: Product
) -> None:
    room = new_room([card(1), card(2, presence="new", adopted=False)], pairing="on")
    room.garage.answer = {"link": f"{car.url}/#pair=g.5e1f"}
    phone = await new_phone(viewport=DESKTOP, has_touch=False)
    name, _, value = room.device("Lin", by="another")["Cookie"].partition("=")
    await phone.context.add_cookies([{"name": name, "value": value, "url": room.url}])
    await phone.page.goto(room.url)
    await phone.reads("teacher", "Only a device that has entered the garage's PIN")
    for place in ("#mode-hold", "#mode-drive", "#lesson-text", "#lesson-cap", "#add-car"):
        assert await phone.page.is_disabled(place), place
    for part in ("hold", "code"):
        await expect(words(phone, 1, part)).to_be_disabled()
        await expect(words(phone, 1, part)).to_have_accessible_description(re.compile("Only a device that"))
    await expect(words(phone, 2, "adopt")).to_be_disabled()
    await phone.page.click("#stop-all")
    await stops(room)
    await expect(phone.page.locator("#missing button").first).to_be_disabled()
    await words(phone, 1, "drive").click()
    await phone.page.wait_for_url(f"{car.url}/**")
    assert room.garage.invited == ("car00001", "Lin", 3600)


async def test_a_paired_phone_becomes_a_teachers_by_the_pin(new_phone: NewPhone, new_room: NewRoom) -> None:
    room = new_room([card(1)], pairing="on")
    phone = await new_phone()
    name, _, value = room.device("Lin", by="another")["Cookie"].partition("=")
    await phone.context.add_cookies([{"name": name, "value": value, "url": room.url}])
    await phone.page.goto(room.url)
    await phone.page.get_by_role("button", name="Enter the PIN").click()
    await phone.page.fill("#pin", "000000" if room.store.pin != "000000" else "111111")
    await phone.page.keyboard.press("Enter")
    await phone.reads("pair-error", "This PIN is wrong.")
    assert await phone.page.is_disabled("#mode-hold")
    await phone.page.fill("#pin", str(room.store.pin))
    await phone.page.keyboard.press("Enter")
    await phone.seen("#mode-hold:not(:disabled)")
    await phone.seen("#pupil[hidden]")
    assert [(one.name, one.by) for one in room.store.paired] == [("Lin", "PIN")]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_the_problem_of_a_car_is_said_in_a_teachers_words(
    new_phone: NewPhone, new_room: NewRoom, locale: str
) -> None:
    codes = ["refused", "no_answer", "other_car", "old_lesson", "not_paired", "no_link"]
    problems = [card(n, problem={"code": code, "message": "Errno 111"}) for n, code in enumerate(codes, 1)]
    phone = await opened(new_phone, new_room(problems), locale=locale)
    said = await phone.page.locator(".problem").all_text_contents()
    assert len(set(said)) == len(codes)
    assert all(said)
    assert "Errno" not in "".join(said)


async def test_a_teacher_keeps_the_garage_page_when_a_car_opens(
    new_phone: NewPhone, room: Classroom, car: Product
) -> None:
    room.garage.answer = {"link": f"{car.url}/#pair=g.5e1f"}
    phone = await opened(new_phone, room)
    async with phone.context.expect_page() as opening:
        await words(phone, 1, "drive").click()
    await (await opening.value).wait_for_url(f"{car.url}/**")
    await phone.seen("body[data-link=good]")


async def test_the_qr_code_of_a_car_is_for_the_name_in_the_field(
    new_phone: NewPhone, room: Classroom
) -> None:
    phone = await opened(new_phone, room)
    await words(phone, 1, "code").click()
    await phone.seen("#guest-qr:not([hidden])")
    assert room.garage.invited == ("car00001", "", 3600)
    await phone.page.fill("#guest-name", "Ada")
    await phone.page.keyboard.press("Enter")
    await until(lambda: room.garage.invited == ("car00001", "Ada", 3600), "the page asks for Ada's code")
    await phone.reads("guest-link", "http://192.168.7.20:8000/")
    assert await phone.page.get_attribute("#guest-link", "href") == LINK
    assert (await phone.page.get_attribute("#guest-qr", "src") or "").startswith("data:image/")
    room.refuse("too_many_guests", "This car has 32 guests.")
    await phone.page.keyboard.press("Enter")
    await phone.reads("guest-error", "This car has too many guests.")
    await phone.seen("#guest-qr[hidden]")
    room.refuse("strange", "The car is upside down.")
    await phone.page.keyboard.press("Enter")
    await phone.reads("guest-error", "The car is upside down.")


async def test_adopting_by_an_address_says_what_is_wrong(new_phone: NewPhone, new_room: NewRoom) -> None:
    room = new_room([])
    room.garage.mdns, room.garage.trouble = False, "The broker refuses the password."
    phone = await opened(new_phone, room)
    await phone.reads("empty", "No cars yet.")
    await phone.reads("trouble", "The broker refuses the password.")
    await phone.reads("empty", "New cars on this network do not appear by themselves.")
    assert "mDNS" not in await phone.page.inner_text("body")
    await phone.page.click("#add-car")
    await phone.page.fill("#adopt-address", " 192.168.7.20:8000 ")
    await phone.page.fill("#adopt-pin", "12345")
    await phone.page.keyboard.press("Enter")
    await phone.reads("adopt-error", "six digits")
    assert room.garage.adopted is None
    room.refuse("wrong_pin", "Wrong.")
    await phone.page.fill("#adopt-pin", "\uff11\uff12\uff13\uff14\uff15\uff16")
    await phone.page.keyboard.press("Enter")
    await phone.reads("adopt-error", "This PIN is wrong.")
    assert room.garage.adopted == ("192.168.7.20:8000", "123456")


async def test_a_browser_that_is_not_paired_is_asked_for_the_garages_pin(
    new_phone: NewPhone, new_room: NewRoom
) -> None:
    room = new_room([card(1)], pairing="on")
    phone = await new_phone()
    await phone.page.goto(room.url)
    await phone.seen("#pair[open]")
    await phone.reads("pair-title", "Pair with the garage")
    await phone.reads("pair-how", "Type the PIN of Room 4 once.")
    await phone.page.keyboard.press("Escape")
    await phone.reads("lost", "Not paired")
    await phone.page.click("#enter")
    await phone.page.fill("#pin", str(room.store.pin))
    await phone.page.keyboard.press("Enter")
    await phone.seen("#cars li")
    await phone.seen("#mode-hold:not(:disabled)")


# -- looks ---------------------------------------------------------------------------------------------


async def screens(new_phone: NewPhone, room: Classroom, locale: str) -> AsyncIterator[tuple[Phone, str]]:
    phone = await opened(new_phone, room, locale=locale, viewport={"width": 412, "height": 915})
    await phone.seen("#cars li")
    yield phone, "cards"
    await phone.page.click("#stop-all")
    await stops(room)
    room.hear(0.2, MISSING)
    await phone.seen("#missing li")
    yield phone, "stopped"
    await words(phone, 1, "code").click()
    await phone.seen("#guest-qr:not([hidden])")
    yield phone, "code"
    await phone.page.click("#guest .done")
    await phone.page.click("#add-car")
    await phone.page.fill("#adopt-pin", "1")
    await phone.page.keyboard.press("Enter")
    yield phone, "adopt"
    await phone.page.click("#adopt .done")
    room.put(*[card(n) for n in range(20, 90)])
    await phone.seen("#cars[data-view=table]")
    yield phone, "table"
    await phone.context.set_offline(True)
    await phone.seen("body[data-link=gone]")
    yield phone, "lost"


@pytest.mark.parametrize(("locale", "looks"), IN_EACH_LANGUAGE)
async def test_axe_finds_nothing_in_any_look(
    new_phone: NewPhone, room: Classroom, locale: str, looks: Sequence[str]
) -> None:
    async for phone, screen in screens(new_phone, room, locale):
        await clean(phone, screen, looks)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_nothing_is_cut_off_on_any_screen(
    new_phone: NewPhone, room: Classroom, width: int, height: int, locale: str
) -> None:
    phone = await opened(new_phone, room, viewport={"width": width, "height": height}, locale=locale)
    await phone.seen("#cars li")
    assert await phone.page.evaluate(CUT) == []
    await phone.page.click("#stop-all")
    await stops(room)
    room.hear(0.2, MISSING)
    await phone.seen("#missing li")
    assert await phone.page.evaluate(CUT) == []
    for down in (60, 10_000):
        await phone.page.evaluate("(down) => scrollTo(0, down)", down)
        assert await phone.covered("stop-all") == [], "STOP ALL stays on top"
    box = await phone.page.locator("#stop-all").bounding_box()
    assert box
    assert box["height"] >= 96
    assert 0 <= box["y"] < 30, "STOP ALL stays at the top"
    assert box["width"] >= (width - 40 if width < 800 else width / 3)
    room.put(*[card(n, driver="Ada", link_ms=333) for n in range(20, 90)])
    await phone.seen("#cars[data-view=table]")
    assert await phone.page.evaluate(CUT) == []


async def test_the_language_and_the_look_are_chosen_on_the_page(new_phone: NewPhone, room: Classroom) -> None:
    phone = await opened(new_phone, room)
    await expect(phone.page.locator("footer label span")).to_have_text(["Language", "Look"])
    await phone.page.select_option("#language", "zh-CN")
    await phone.reads("stop-all", "全部急停")
    await expect(words(phone, 1, "word")).to_have_text("驾驶中")
    await expect(words(phone, 1, "drive")).to_have_text("驾驶")
    await phone.page.select_option("#theme", "outdoor")
    await phone.seen("html[data-theme=outdoor]")
    assert phone.complaints == []


# -- a class of simulated cars -------------------------------------------------------------------------


async def watched(new_phone: NewPhone, garage: SimulatedClass, cars: int) -> Phone:
    """Open the page of a running garage, and wait until all of its cars are live."""
    phone = await opened(new_phone, garage)
    await expect(phone.page.locator('li[data-presence="live"]')).to_have_count(
        cars, timeout=3000 * DEADLINE_S
    )
    return phone


async def driven(new_phone: NewPhone, garage: SimulatedClass, phone: Phone, driver: str) -> Phone:
    """Open the page of the first car as a guest, and drive."""
    car = await phone.page.locator("#cars li").first.get_attribute("data-id")
    guest = await new_phone(viewport=DESKTOP, has_touch=False)
    await guest.open(f"{garage.url}/drive/{car}?name={driver}")
    await guest.hold_until("KeyW")
    return guest


@pytest.mark.alone
async def test_stop_all_stops_a_driving_class_and_drive_lets_it_drive_again(new_phone: NewPhone) -> None:
    async with simulated(3) as garage:
        phone = await watched(new_phone, garage, 3)
        guest = await driven(new_phone, garage, phone, "Ada")
        first = phone.page.locator("#cars li").first
        await expect(first).to_contain_text("Driving")
        await expect(first).to_contain_text("Driver: Someone else")  # of this machine, without a name
        await phone.page.keyboard.press("Space")
        await phone.reads("round-line", "3 of 3 have stopped")
        await guest.in_state("stopped")
        await phone.seen("#mode-hold[aria-pressed=true]")
        await expect(phone.page.locator("#cars .word")).to_have_text(["Stopped"] * 3)
        await phone.page.fill("#lesson-text", "Slowly, please.")
        await phone.page.click("#mode-drive")
        await phone.seen("#round[data-rests=true]")
        await guest.page.keyboard.up("KeyW")
        await guest.seen("#reset:not([hidden])")
        await guest.press("reset")
        await guest.in_state("disarmed")
        await expect(first).to_contain_text("Ready")


@pytest.mark.alone
async def test_a_hung_garage_is_noticed_and_changes_nothing_for_a_driving_car(new_phone: NewPhone) -> None:
    async with simulated(2) as garage:
        phone = await watched(new_phone, garage, 2)
        guest = await driven(new_phone, garage, phone, "Ada")
        garage.signal(signal.SIGSTOP)
        await phone.page.click("#stop-all")
        await phone.reads("round-line", "the garage does not answer")
        await phone.reads("lost", "This page has lost garage")
        await guest.hold_until("KeyW")
        garage.signal(signal.SIGCONT)
        await phone.seen("body[data-link=good]")
        await guest.in_state("stopped")  # the garage has found the stop in its socket
