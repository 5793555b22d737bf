"""The record button, the panel of the recordings, and replay: what drives, and each rule that ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser import test_layout, test_viewports
from tests.browser.camera import jpeg
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.recorder import LIMIT, Recorder, commands, drive
from tests.browser.test_a11y import LOOKS, clean
from tests.browser.test_letting_go import HIDE
from tests.browser.wheels import Wheels
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

NAME = "2026-11-26_18-15-00"
FRAMES = test_layout.SETTLED
SHOWS = """(colour) => {
  const canvas = document.getElementById("player-picture");
  const [...shown] = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
  return colour.every((part, index) => Math.abs(part - shown[index]) < 12);
}"""
BUSY = "() => { const end = performance.now() + 400; while (performance.now() < end); }"
COLOURS = ("#c03030", "#30c030", "#3030c0", "#c0c030")
Cause = Callable[[Phone, Recorder], Awaitable[object]]


@pytest.fixture
def recorder() -> Recorder:
    """A car with a long drive that starts at once, and one with pictures and poses."""
    shelf = Recorder()
    shelf.add(NAME, commands((30, 0.5, -0.2)))
    return shelf


@pytest.fixture
async def phone(car: Product, new_phone: NewPhone, recorder: Recorder) -> Phone:
    """A phone whose car records."""
    phone = await new_phone()
    await recorder.connect(phone)
    await phone.open(car.url)
    return phone


async def opened(phone: Phone, name: str = NAME) -> None:
    """Open a recording in the panel."""
    await phone.settings("car")
    await phone.page.click("#recordings-open")
    await phone.seen("#recordings[open]")
    row = phone.page.locator(f'#recordings-list [value="{name}"]')
    await row.click()
    await phone.seen("#player:not([hidden])")


async def prepared(phone: Phone) -> None:
    """Choose the replay of a recording: the dialogs close, and the button is there."""
    await opened(phone)
    await phone.page.click("#recordings-replay")
    await phone.seen("#replay-hold:not(:disabled)")
    assert await phone.page.query_selector("dialog[open]") is None


def held(phone: Phone) -> Callable[[], bool]:
    """Return a condition: the page sends the recorded sticks."""
    return lambda: phone.drives()[-1:] == [(0.5, -0.2)]


async def test_the_driver_records_and_everybody_sees_the_red_dot(
    phone: Phone, car: Product, new_phone: NewPhone, recorder: Recorder
) -> None:
    other = await new_phone()
    watched = Recorder()
    await watched.connect(other)
    await other.open(car.url)
    await expect(phone.page.locator("#record")).to_be_hidden()  # without the wheel
    await phone.take_the_wheel()
    await phone.tap("record")
    await phone.seen("#record[aria-pressed=true][aria-label='Stop recording']")
    await phone.reads("taping", "0:01 · 0.")
    watched.recording = {"s": 3.0, "bytes": 900_000, "by": "c1", "dropped": 0}
    await other.reads("taping", " MB")
    await expect(other.page.locator("#record")).to_be_hidden()
    await phone.page.keyboard.press("r")
    await phone.seen("#record[aria-pressed=false]")
    await phone.seen("#taping[hidden]")
    await phone.reads("why", "Recording saved.")
    await other.page.keyboard.press("r")  # another one drives
    await other.reads("why", "Only the driver records.")
    assert recorder.recording is None
    assert phone.complaints == other.complaints == []


async def test_the_last_minute_plays_its_sticks_and_opens_at_the_top_of_the_panel(
    phone: Phone, recorder: Recorder
) -> None:
    for day in range(10, 20):
        recorder.add(f"2026-11-{day}_18-15-00-flight", commands((30, 0.5, -0.2)))
    await phone.page.set_viewport_size({"width": 360, "height": 640})
    await opened(phone, "2026-11-10_18-15-00-flight")  # it is below the edge of the list
    await phone.page.locator("#seek").fill("5.0")
    await phone.reads("player-left", "50%")
    await phone.reads("player-left", "throttle")
    await phone.reads("player-right", "-20%")
    await phone.reads("player-state", "The last minute has the commands alone")
    assert await phone.page.eval_on_selector("#recordings .fields", "fields => fields.scrollTop") == 0
    cut = "[...document.querySelectorAll('#stage .meter > span:last-child')].some((e) => e.scrollWidth > e.parentElement.clientWidth)"
    assert not await phone.page.evaluate(cut)


async def test_a_refusal_and_each_end_by_itself_are_told_in_words(phone: Phone, recorder: Recorder) -> None:
    await phone.take_the_wheel()
    said: set[str] = set()
    for code in ("recording_failed", "recording_off"):
        recorder.refuses = code
        await phone.tap("record")
        await phone.page.wait_for_function(
            "(before) => document.getElementById('why').textContent && !before.includes(document.getElementById('why').textContent)",
            arg=list(said),
        )
        said.add(await phone.page.inner_text("#why"))
    recorder.refuses = ""
    for why in ("limit", "full", "failed"):
        recorder.recording = {"ended": why}
        await phone.page.wait_for_function(
            "(before) => !before.includes(document.getElementById('why').textContent)", arg=list(said)
        )
        said.add(await phone.page.inner_text("#why"))
    assert len(said) == 5
    await phone.seen("#taping[hidden]")


async def test_a_recording_is_played_moved_downloaded_and_deleted(phone: Phone, recorder: Recorder) -> None:
    pictures = [jpeg(colour, (64, 48)) for colour in COLOURS for _ in range(10)]
    recorder.add("shown", drive(8, pictures), pictures)
    await opened(phone, "shown")
    seek = phone.page.locator("#seek")
    await expect(seek).to_have_attribute("max", "8.9")
    for at, (red, green, blue) in ((2.0, (192, 48, 48)), (4.0, (48, 192, 48)), (8.5, (192, 192, 48))):
        await seek.fill(str(at))  # as a thumb moves it
        await phone.page.wait_for_function(SHOWS, arg=[red, green, blue])
    assert max(_length(wanted) for _, _, wanted in recorder.asked) <= 600_000
    await expect(phone.page.locator("#player-left b")).to_have_text("20%")
    await expect(phone.page.locator("#player-state")).to_have_text("Driving")
    await seek.focus()
    await phone.page.keyboard.press("Home")
    await phone.page.keyboard.press("ArrowRight")
    await expect(seek).to_have_attribute("aria-valuetext", "0:00 of 0:08")
    await phone.press("play")
    await phone.seen("#play[aria-label=Pause]")
    await phone.page.wait_for_function("() => document.getElementById('seek').valueAsNumber > 1")
    await phone.press("play")
    await phone.seen("#play[aria-label=Play]")
    async with phone.page.expect_download() as download:
        await phone.page.click("#recordings-download")
    assert (await download.value).suggested_filename == "shown.mcap"
    await phone.page.click("#recordings-delete")
    await phone.reads("recordings-delete", "Really delete?")
    await phone.page.focus("#recordings-download")  # no
    await phone.reads("recordings-delete", "Delete")
    assert ("DELETE", "shown.mcap", "") not in recorder.asked
    await phone.press("recordings-delete")
    await phone.press("recordings-delete")
    await phone.reads("recordings-answer", "Recording deleted.")
    assert list(recorder.lines) == [NAME]
    await phone.page.click("#recordings-save")
    await phone.reads("recordings-answer", "The last minute is saved.")
    await expect(phone.page.locator("#recordings-list button")).to_have_count(2)
    assert [each for each in phone.complaints if "getImageData" not in each] == []


async def test_a_real_drive_is_recorded_played_replayed_and_deleted(
    new_phone: NewPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands between the page and the car, whose camera and wheels are simulated."""
    monkeypatch.setenv("PICAR_CAMERA__SOURCE", "sim")
    async with Product("sim", config="[session]\nidle_s = 60.0\n") as car:
        phone = await new_phone(car.url)
        await phone.take_the_wheel()
        await phone.seen("#picture:not([hidden])")
        await phone.insist("record", "#taping:not([hidden])")
        await phone.hold_until("throttle", lambda: phone.state["applied"]["left"] > 0, y=0.8)
        await until(lambda: phone.state["recording"]["s"] > 2, "two seconds")
        await phone.lift("throttle")
        await until(lambda: not any(phone.state["applied"].values()), "rest")
        await phone.insist("record", "#taping[hidden]")
        await until(lambda: phone.state["recording"] is None, "its end in the state")
        await phone.settings("car")
        await phone.page.click("#recordings-open")
        await phone.page.wait_for_function(
            "() => document.querySelector('#recordings-list img')?.naturalWidth"
        )
        await phone.page.click("#recordings-save")
        await phone.reads("recordings-answer", "The last minute is saved.")
        await expect(phone.page.locator("#recordings-list small", has_text="last minute")).to_have_count(1)
        await phone.page.locator("#recordings-list button", has=phone.page.locator("img")).click()
        for part in ("picture", "map"):
            await phone.seen(f"#player-{part}:not([hidden])")
        await phone.press("play")
        await phone.page.wait_for_function("() => document.getElementById('player-picture').width === 640")
        await phone.page.wait_for_function(
            "() => document.getElementById('player-state').textContent === 'Driving'"
        )
        async with phone.page.expect_download() as download:
            await phone.page.click("#recordings-download")
        assert (await (await download.value).path()).read_bytes()[1:5] == b"MCAP"
        await phone.page.click("#recordings-replay")
        await phone.seen("#replay-hold:not(:disabled)")
        before = phone.state["pose"]
        await phone.hold_until("replay-hold", lambda: phone.state["applied"]["left"] > 0)
        await phone.lift("replay-hold")
        await until(lambda: not any(phone.state["applied"].values()), "rest")
        assert phone.state["pose"] != before
        await phone.settings("car")
        await phone.page.click("#recordings-open")
        await phone.page.locator("#recordings-list button", has=phone.page.locator("img")).click()
        for _ in range(2):
            await phone.press("recordings-delete")
        await phone.reads("recordings-answer", "Recording deleted.")
        assert [each.stem.endswith("flight") for each in car.folder.rglob("*.mcap")] == [True]
        assert phone.complaints == []


async def test_a_car_that_does_not_record_has_neither_button_nor_panel(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    recorder = Recorder(enabled=False)
    await recorder.connect(phone)
    await phone.open(car.url)
    asked: list[str] = []
    phone.page.on("request", lambda request: asked.append(request.url))
    await phone.take_the_wheel()
    await phone.page.keyboard.press("r")
    await phone.settings("car")
    await expect(phone.page.locator("#record")).to_be_hidden()
    await expect(phone.page.locator("#recordings-open")).to_be_hidden()
    assert not [url for url in asked if "record" in url]


async def test_replay_drives_while_the_button_is_held_at_most_as_fast_as_recorded(
    phone: Phone, wheels: Wheels, recorder: Recorder
) -> None:
    recorder.add(NAME, commands((1, 0.5, -0.2), (0.3, 0.0, 0.0), (0.3, -0.5, 0.0)))
    await prepared(phone)
    assert not phone.drives(), "to choose it moves nothing"
    for _ in range(5):  # a busy machine may end it first
        await phone.hold_until("replay-hold", wheels.turning(+1, +1))
        await until(
            lambda: LIMIT in (each.get("speed_limit") for each in phone.heard), "the limit in a state"
        )
        await phone.seen("#replay[data-phase=idle]")
        if await phone.page.inner_text("#replay p") == "Done.":
            break
        await phone.lift("replay-hold")
    else:
        pytest.fail("it never came to its end")
    sent = [each for each, before in zip(phone.drives()[1:], phone.drives(), strict=False) if each != before]
    assert sent[-4:] == [(0.5, -0.2), (0, 0), (-0.5, 0), (0, 0)]
    await phone.says_zero()
    await wheels.rest()
    count = len([each for each in phone.drives() if each != (0, 0)])
    await phone.hears(5)  # the finger is still down
    assert len([each for each in phone.drives() if each != (0, 0)]) == count
    await phone.lift("replay-hold")
    await phone.tap("replay-close")
    await phone.seen("#replay[hidden]")
    assert phone.complaints == []


async def lift(phone: Phone, _: Recorder) -> None:
    await phone.lift("replay-hold")


async def cancel(phone: Phone, _: Recorder) -> None:
    await phone.cancel()


async def blur(phone: Phone, _: Recorder) -> None:
    await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")


async def hide(phone: Phone, _: Recorder) -> None:
    await phone.page.evaluate(HIDE)


async def refuse(_: Phone, recorder: Recorder) -> None:
    recorder.refuse("stale")


async def hang(phone: Phone, _: Recorder) -> None:
    await phone.page.evaluate(BUSY)


ENDS: dict[str, tuple[Cause, str]] = {
    "letting go": (lift, "Ended. The next"),
    "the system takes the finger": (cancel, "Ended. The next"),
    "blur": (blur, "Ended. The next"),
    "a refusal": (refuse, "refused"),
    "a page that hangs": (hang, "too slow"),
    "another speed limit": (lambda phone, _: phone.tap("slower"), "speed limit changed"),
    "the wheel given up": (lambda phone, _: phone.press("ask"), "Ended"),
    "STOP": (lambda phone, _: phone.tap("stop"), "Ended"),
    "a hidden page": (hide, "Ended. The next"),
}


async def test_each_rule_ends_the_replay_at_once_and_for_good(
    phone: Phone, wheels: Wheels, recorder: Recorder
) -> None:
    await prepared(phone)
    for name, (cause, why) in ENDS.items():
        for _ in range(3):  # a busy machine may end it first
            await phone.hold_until("replay-hold", held(phone), what=name)
            await cause(phone, recorder)
            await phone.seen("#replay[data-phase=idle]")
            if name != "STOP":  # which is more than a zero
                await phone.says_zero()
            await wheels.rest()
            told = await phone.page.inner_text("#replay p")
            await phone.reported()
            mark = len(phone.said)
            await phone.hears(3)
            assert {each for each in phone.drives(mark) if each != (0, 0)} == set(), name
            if cause not in (lift, cancel):
                await phone.cancel()
            if phone.state["state"] == "stopped":
                await phone.seen("#reset:not([hidden])")
                await phone.insist("reset", "body:not([data-state=stopped])")
            if why in told:
                break
            assert "too slow" in told or "weak" in told, (name, told)
        else:
            pytest.fail(f"{name}: {told}")


async def test_a_thumb_on_a_pad_takes_over_and_a_lost_link_ends_it(phone: Phone, wheels: Wheels) -> None:
    await prepared(phone)
    await phone.hold_until("replay-hold", held(phone))
    mark = len(phone.said)
    await phone.down("throttle", y=-1)
    await until(lambda: phone.drives()[-1:] == [(-1, 0)], "the pad drives")
    sent = phone.drives(mark)
    assert (0, 0) in sent, "zero comes first"
    assert (0.5, -0.2) not in sent[sent.index((0, 0)) :]
    await phone.seen("#replay[data-phase=idle]")
    await phone.cancel()
    await wheels.rest()
    await phone.hold_until("replay-hold", held(phone))
    await phone.context.set_offline(True)
    await phone.seen("#replay[data-phase=idle]")
    await wheels.rest()


async def test_enter_holds_the_button_and_a_dialog_or_a_drive_of_zeros_does_not_replay(
    phone: Phone, recorder: Recorder
) -> None:
    await prepared(phone)
    assert await phone.page.evaluate("() => document.activeElement.id") == "replay-hold"
    await phone.hold_until("Enter", held(phone))
    await phone.page.keyboard.up("Enter")
    await phone.says_zero()
    recorder.add("empty", commands((2, 0.0, 0.0)))
    await opened(phone, "empty")
    await phone.page.click("#recordings-replay")
    await phone.reads("replay", "no drive to repeat")
    await phone.seen("#replay-hold:disabled")


@pytest.mark.parametrize(("locale", "looks"), [("en-GB", LOOKS), ("zh-CN", ())])
async def test_nothing_is_cut_covered_or_out_of_reach_and_axe_finds_nothing(
    car: Product, new_phone: NewPhone, recorder: Recorder, locale: str, looks: tuple[str, ...]
) -> None:
    phone = await new_phone(locale=locale, viewport={"width": 844, "height": 390})
    await recorder.connect(phone)
    recorder.add("shown", drive(4, [jpeg()] * 8), [jpeg()] * 8)
    await phone.open(car.url)
    await phone.take_the_wheel()
    await phone.tap("record")
    await phone.seen("#taping:not([hidden])")
    await clean(phone, "recording", looks)
    await whole(phone, "recording")
    await opened(phone, "shown")
    await clean(phone, "player", looks)
    await whole(phone, "player")
    await phone.page.click("#recordings-back")
    await clean(phone, "list", looks)
    await phone.page.keyboard.press("Escape")
    await phone.page.click("#settings .done")
    await prepared(phone)
    await clean(phone, "replay", looks)
    await whole(phone, "replay")


async def whole(phone: Phone, screen: str) -> None:
    """Look for faults of the layout in every window."""
    found = {}
    dialog = screen == "player"
    await phone.page.emulate_media(forced_colors="none")
    for width, height in test_viewports.SIZES if dialog else test_layout.SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        await phone.page.evaluate(FRAMES)
        if not dialog and (faults := await phone.page.evaluate(test_layout.FAULTS, False)):
            found[width, height] = faults
        if dialog and (faults := await phone.page.evaluate(test_viewports.FAULTS)):
            found[width, height] = faults
    await phone.page.set_viewport_size({"width": 844, "height": 390})
    assert not found, (screen, found)


def _length(wanted: str) -> int:
    start, _, end = wanted.removeprefix("bytes=").partition("-")
    return int(end) - int(start) + 1 if end else 0
