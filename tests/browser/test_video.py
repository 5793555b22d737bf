"""The picture of the camera on the page: drawn, acknowledged, honest when it is old, and never in the way of the link.

The camera is a fake of the car's end (`camera.py`); the last test asks the real car, where it has a camera.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Route

from tests.browser.camera import Camera, jpeg
from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_a11y import clean
from tests.browser.test_layout import FAULTS, SETTLED, unreadable
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

RED, GREEN = "#c03030", "#30a040"
PIXEL = """([x, y]) => {
  const canvas = document.getElementById("picture");
  return [...canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
}"""
FILTER = "() => getComputedStyle(document.getElementById('picture')).filter"
HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
SLEEP = f"""() => {{
  ({HIDDEN})(true);
  ({HIDDEN})(false);
  return [document.body.dataset.picture, document.getElementById("lens").hidden];
}}"""
HANG = """() => {
  const until = performance.now() + 2500;
  while (performance.now() < until);
  window.ages = [];
  const seen = document.getElementById("seen");
  new MutationObserver(() => window.ages.push(seen.textContent)).observe(seen, { childList: true });
}"""
CUT_AGES = """(ages) => {
  const [seen, words, link] = [document.getElementById("seen"), document.createRange(), document.getElementById("link")];
  const said = seen.textContent;
  const fits = ([age, grade]) => {
    document.body.dataset.picture = grade;
    seen.textContent = said.replace(/[\\d.]+.*$/, age);
    words.selectNodeContents(seen);
    const [text, box] = [words.getBoundingClientRect(), link.getBoundingClientRect()];
    return seen.textContent.includes(age) && text.left >= box.left && text.right <= box.right;
  };
  return ages.filter((age) => !fits(age));
}"""
WINDOWS = ((360, 640), (390, 844), (820, 1180), (568, 320), (667, 375), (740, 360), (844, 390), (1280, 800))
AGES = {  # the longest of each grade
    "en-GB": [["390 ms", ""], ["1.4 s", "late"], ["99.9 s", "old"]],
    "zh-CN": [["390 毫秒", ""], ["1.4 秒", "late"], ["99.9 秒", "old"]],
}
BUZZES = "() => { window.buzzes = []; navigator.vibrate = (ms) => window.buzzes.push(ms); }"


@pytest.fixture
async def simulated() -> AsyncIterator[Product]:
    async with Product(pins="sim", env={"PICAR_CAMERA__SOURCE": "auto"}) as car:
        yield car


async def watching(new_phone: NewPhone, car: Product, camera: Camera, **options: Any) -> Phone:
    """Return a phone that shows a picture of this camera."""
    phone = await new_phone(**options)
    await camera.connect(phone)
    await phone.open(car.url)
    await phone.seen("#picture:not([hidden])")
    return phone


async def more_pictures(camera: Camera) -> None:
    """Wait until the page has drawn some more."""
    goal = len(camera.sent("seen")) + 3
    await until(lambda: len(camera.sent("seen")) > goal, "more pictures")


async def reddish(phone: Phone, x: float = 0.5, y: float = 0.5) -> bool:
    red, green, _ = await phone.page.evaluate(PIXEL, [x, y])
    return bool(red > green)


async def test_pictures_are_drawn_and_acknowledged_one_by_one(car: Product, new_phone: NewPhone) -> None:
    camera = Camera(pictures=[jpeg(RED)])
    phone = await watching(new_phone, car, camera)
    await until(lambda: len(camera.sent("seen")) > 5, "pictures are acknowledged")
    acknowledged = [message["seq"] for message in camera.sent("seen")]
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert await reddish(phone)
    assert [address.split("/ws")[1] for address in camera.opened] == ["", f"/video?client={phone.client}"]
    assert await phone.page.evaluate("() => document.elementFromPoint(400, 120).id") != "picture"
    assert phone.complaints == []


async def test_a_car_without_a_camera_loads_no_video(car: Product, new_phone: NewPhone) -> None:
    camera = Camera(hello=None)
    phone = await new_phone()
    await camera.connect(phone)
    loaded: list[str] = []
    phone.page.on("request", lambda request: loaded.append(request.url))
    await phone.open(car.url)
    await phone.hears(3)
    assert [url for url in loaded if "video" in url] == []
    assert len(camera.opened) == 1


async def test_an_overtaken_picture_is_not_drawn(car: Product, new_phone: NewPhone) -> None:
    camera = Camera(plays=False)
    phone = await new_phone()
    await camera.connect(phone)
    await phone.open(car.url)
    await until(lambda: len(camera.sockets) == 1, "the page asks for pictures")
    camera.show(jpeg(GREEN), seq=9)
    await until(lambda: [m["seq"] for m in camera.sent("seen")] == [9], "the newest is drawn")
    camera.show(jpeg(RED), seq=8)
    camera.show(jpeg(GREEN), seq=10)
    await until(lambda: [m["seq"] for m in camera.sent("seen")] == [9, 10], "the old one is left out")
    assert not await reddish(phone)


async def test_a_turned_camera_is_turned_on_the_page(car: Product, new_phone: NewPhone) -> None:
    halves = Image.new("RGB", (64, 48), RED)
    halves.paste(GREEN, (32, 0, 64, 48))
    file = io.BytesIO()
    halves.save(file, "JPEG", quality=90)
    camera = Camera(pictures=[file.getvalue()])
    phone = await watching(new_phone, car, camera)
    assert await reddish(phone, 0.2)
    assert not await reddish(phone, 0.8)
    for turn, left_is_red in (
        ({"rotation": 180}, False),
        ({"mirror": True}, False),
        ({"rotation": 180, "mirror": True}, True),
    ):
        camera.tell(**turn)
        await more_pictures(camera)
        assert await reddish(phone, 0.2) is left_is_red, turn


async def test_the_age_is_an_upper_bound_and_an_old_picture_is_grey_and_said_once(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera(age_s=0.1, trip_s=0.05)
    phone = await watching(new_phone, car, camera)
    await phone.page.evaluate(BUZZES)
    await phone.take_the_wheel()
    age = await phone.page.inner_text("#seen")
    assert age.endswith(" ms")
    assert int(age.split()[1]) >= 150
    assert await phone.page.evaluate(FILTER) == "none"
    camera.age_s = 0.6
    await phone.seen("body[data-picture=late]")
    await phone.reads("seen", " s")
    assert await phone.page.evaluate(FILTER) == "none"
    assert await phone.page.is_hidden("#lens")
    await phone.page.evaluate(
        """() => {
          window.alerts = [];
          new MutationObserver(() => window.alerts.push(document.querySelector("#lens [role=alert]").textContent))
            .observe(document.querySelector("#lens [role=alert]"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    camera.plays = False
    await phone.seen("body[data-picture=old]")
    await phone.reads("lens", "Picture frozen 2.")
    assert "grayscale" in await phone.page.evaluate(FILTER)
    assert await phone.page.evaluate("() => [window.alerts, window.buzzes]") == [["Picture frozen"], [[80]]]
    camera.age_s, camera.plays = 0.02, True
    camera.show()
    await phone.seen("body[data-picture='']")
    await phone.page.wait_for_selector("#lens", state="hidden")


async def test_a_picture_that_waited_in_a_hung_page_is_not_called_new(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await more_pictures(camera)
    camera.plays = False
    await phone.hears(4)  # the last one is drawn
    hang = asyncio.create_task(phone.page.evaluate(HANG))
    camera.show()
    await hang
    await until(lambda: camera.sent("seen")[-1]["seq"] == camera.seq, "the picture is drawn after the hang")
    ages = await phone.page.evaluate("() => window.ages")
    assert ages
    assert not [age for age in ages if "ms" in age], ages


async def test_a_hidden_page_pauses_the_pictures_and_does_not_call_them_frozen(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await phone.page.evaluate(HIDDEN, True)
    await until(lambda: camera.sent("want")[-1:] == [{"type": "want", "fps": 0}], "paused")
    camera.plays = False
    await asyncio.sleep(1.7)  # the picture grows old
    graded = "() => document.body.dataset.picture"
    assert await phone.page.evaluate(f"{{ ({HIDDEN})(false); ({graded})() }}") == "old", "at once"
    await until(lambda: camera.sent("want")[-1:] == [{"type": "want", "fps": 30}], "wanted again")
    assert await phone.page.is_hidden("#lens")
    camera.plays = True
    camera.show()
    await phone.seen("body[data-picture='']")


async def test_low_data_asks_for_ten_small_pictures_a_second(car: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await phone.settings("phone")
    await phone.page.check("[name=quality][value=low]", force=True)
    await until(lambda: camera.sent("want")[-1:] == [{"type": "want", "fps": 10, "level": 3}], "less data")
    await phone.page.check("[name=quality][value=auto]", force=True)
    await until(lambda: camera.sent("want")[-1:] == [{"type": "want", "fps": 30}], "all pictures")


async def test_a_tap_swaps_map_and_picture_and_the_look_button_goes_through_all(
    simulated: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, simulated, camera)

    async def shows(scene: str, by_camera: bool, small: str | None) -> None:
        await phone.seen(f"body[data-scene='{scene}']")
        await until(
            lambda: camera.sent("by")[-1]["camera"] is by_camera, f"driving by the picture: {by_camera}"
        )
        inset = await phone.page.query_selector_all("#inset:not([hidden]) canvas")
        assert [await canvas.get_attribute("id") for canvas in inset] == ([small] if small else [])
        for name in ("sim", "picture"):
            box = await phone.page.locator(f"#{name}").bounding_box()
            wide = 0 if name[0] not in scene.replace("camera", "p").replace("map", "s") else 800
            width = box["width"] if box else 0
            assert (100 < width < 165) if name == small else width == wide, (scene, name, width)

    async def named(name: str) -> None:
        await phone.seen(f"#look[aria-label='View: {name}']")

    await shows("camera+map", True, "sim")
    await named("camera, small map")
    assert await phone.covered("inset", "photo", "stop", "look", "menu") == []
    await phone.tap("inset")
    await shows("map+camera", False, "picture")
    await named("map, small camera")
    await phone.tap("inset")
    await shows("camera+map", True, "sim")
    await phone.tap("look")
    await shows("camera", True, None)
    await named("camera")
    await phone.tap("look")
    await shows("map", False, None)
    await named("map around the car")
    assert camera.sent("want")[-1] == {"type": "want", "fps": 0}
    await phone.tap("look")
    await phone.seen("body[data-view=fit]")
    await shows("map", False, None)
    await named("whole map")
    await phone.tap("look")
    await phone.seen("body[data-view=follow]")
    await shows("camera+map", True, "sim")
    await phone.page.reload()
    await phone.seen("body[data-scene='camera+map']")


async def test_a_car_without_a_map_shows_its_camera_or_nothing(car: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await phone.seen("#look[aria-label='View: camera']:not([hidden])")
    await until(lambda: camera.sent("by")[-1]["camera"], "driving by the picture")
    await phone.tap("look")
    await phone.seen("#look[aria-label='View: no picture']")
    assert await phone.page.is_hidden("#picture")
    await until(lambda: not camera.sent("by")[-1]["camera"], "driving by eye")
    assert camera.sent("want")[-1] == {"type": "want", "fps": 0}
    await phone.tap("look")
    await phone.seen("#look[aria-label='View: camera']")
    await until(lambda: camera.sent("by")[-1]["camera"], "driving by the picture again")


async def test_swapping_while_driving_releases_nothing(simulated: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, simulated, camera)

    async def swap() -> None:
        while await phone.page.get_attribute("body", "data-scene") != "camera+map":
            await phone.tap("look")
            await phone.hears(1)
        await phone.hold_until("throttle", y=0.5)
        await phone.in_state("armed")
        await phone.says_more_than_zero()
        mark = len(phone.said)
        await phone.tap("inset")
        await phone.seen("body[data-scene='map+camera']")
        await phone.hears(5)
        assert (0, 0) not in phone.drives(mark)
        assert await phone.page.get_attribute("body", "data-state") == "armed"
        await phone.tap("look")
        await phone.seen("body[data-view=fit]")
        for view in ("camera", "map around the car", "whole map"):
            await phone.tap("look")
            await phone.seen(f"#look[aria-label='View: {view}']")
        await phone.hears(5)
        assert (0, 0) not in phone.drives(mark)
        await phone.lift("throttle")

    await phone.undisturbed(swap)


async def test_a_photo_is_saved_on_the_phone(car: Product, new_phone: NewPhone) -> None:
    camera = Camera(pictures=[jpeg(GREEN, (320, 240))])
    phone = await watching(new_phone, car, camera)
    async with phone.page.expect_download() as download:
        await phone.tap("photo")
    file = await download.value
    assert file.suggested_filename.startswith("picar-20")
    assert file.suggested_filename.endswith(".jpg")
    with Image.open(await file.path()) as photo:
        assert photo.size == (320, 240)
    await phone.reads("why", "Photo saved")
    assert phone.complaints == []


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_each_fault_of_the_camera_is_said_in_words(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    camera = Camera(plays=False)
    phone = await new_phone(locale=locale)
    await camera.connect(phone)
    await phone.open(car.url)
    await until(lambda: len(camera.sockets) == 1, "the page asks for pictures")
    camera.tell(state="starting")
    await phone.seen("#lens:not([hidden])")
    said = {await phone.page.inner_text("#lens p")}
    codes = [
        *("missing", "busy", "permission", "unplugged", "frozen", "stuck", "crashed", "bad_stream"),
        *("wrong_format", "no_library", "hidden_library", "no_pillow", "out_of_memory"),
    ]
    for code in codes:
        before = await phone.page.inner_text("#lens p")
        state, sentence = (
            ("frozen" if code == "frozen" else "trouble"),
            "A sentence" if locale == "zh-CN" else code,
        )
        camera.tell(state=state, code=code, message=f"{sentence}. Run: mend --it, then wait.")
        await phone.page.wait_for_function(
            "(before) => ![before.trim(), ''].includes(document.querySelector('#lens p').innerText.trim())",
            arg=before,
        )
        said.add(await phone.page.inner_text("#lens p"))
    assert len(said) == len(codes) + 1
    if locale == "zh-CN":
        assert sum("mend --it" in each for each in said) == 5
        assert not any("A sentence" in each or "{" in each for each in said)
    else:
        assert {f"{code}. Run: mend --it, then wait." for code in codes} < said
    camera.tell(state="trouble", code="new_code", message="A sentence of tomorrow.")
    await phone.reads("lens", "A sentence of tomorrow.")


async def test_the_page_connects_again_and_after_4401_it_does_not(car: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await camera.sockets[-1].close(code=1001)
    await until(lambda: len(camera.sockets) == 2, "connected again")
    seen = len(camera.sent("seen"))
    await until(lambda: len(camera.sent("seen")) > seen, "pictures again")
    camera.refuses = 4408
    await camera.sockets[-1].close(code=4408)
    await phone.reads("lens", "Too many phones")
    tries = len(camera.opened)
    await until(lambda: len(camera.opened) > tries, "it tries again")
    camera.refuses = 4401
    tries = len(camera.opened)
    await until(lambda: len(camera.opened) > tries, "one more try")
    tries = len(camera.opened)
    await asyncio.sleep(4)  # longer than the longest pause between two tries
    assert len(camera.opened) == tries


async def test_after_each_new_connection_the_page_repeats_that_the_driver_drives_by_the_picture(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    for new in (camera.sockets, camera.links):
        camera.said.clear()
        tries = len(camera.sockets)
        await new[-1].close(code=1001)
        await until(lambda tries=tries: len(camera.sockets) > tries, "connected again")  # type: ignore[misc]
        await until(lambda: camera.sent("by") != [], "the page repeats it")
        assert camera.sent("by")[0] == {"type": "by", "camera": True}
    assert phone.complaints == []


async def test_a_sleep_of_the_phone_makes_the_picture_old_though_its_clock_stood(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    camera.plays = False
    shown = await phone.page.evaluate(SLEEP)
    assert shown == ["old", True], "old, and without a notice: the next picture is on its way"
    camera.plays = True
    camera.show()
    await phone.seen("body[data-picture='']")


async def test_one_viewer_too_many_reads_so_and_asks_seldom(new_phone: NewPhone) -> None:
    env = {"PICAR_CAMERA__SOURCE": "test", "PICAR_CAMERA__MAX_VIEWERS": "1"}
    async with Product(pins="sim", env=env) as car:
        first = await new_phone(car.url)
        await first.seen("#picture:not([hidden])")
        second = await new_phone(car.url)
        await second.reads("lens", "Too many phones show the picture")
        complaints, since = len(second.complaints), time.monotonic()
        await second.hears(60)
        assert len(second.complaints) - complaints <= 1 + (time.monotonic() - since) / 5, second.complaints
        assert await second.page.is_hidden("#picture")
        await first.page.close()
        await second.seen("#picture:not([hidden])")


async def test_units_are_in_the_language_of_the_page(car: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera, locale="zh-CN")
    await phone.reads("seen", "毫秒")
    camera.plays = False
    await phone.seen("#lens:not([hidden])")
    assert "秒" in await phone.page.inner_text("#lens b")
    assert "毫秒" not in await phone.page.inner_text("#seen")


async def test_a_picture_that_is_none_is_not_acknowledged(car: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    camera.plays = False
    camera.show(b"\xff\xd8 no picture", seq=5000)
    await until(lambda: len(camera.sockets) == 2, "the page begins again")
    assert 5000 not in [message["seq"] for message in camera.sent("seen")]
    assert camera.closed == 0, "a close would mean that the driver drives by eye"
    await until(lambda: camera.sent("by")[-1] == {"type": "by", "camera": True}, "by the picture, as before")
    assert phone.complaints == []


async def test_without_the_link_there_is_no_picture_and_a_new_link_brings_it_back(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    first = phone.client
    await car.terminate()
    await phone.seen("body[data-link=gone]")
    await until(lambda: camera.closed == 1, "the pictures end with the link")
    await car.start()
    await until(lambda: len(camera.sockets) == 2, "a picture again")
    assert camera.opened[-1].endswith(f"client={phone.client}")
    assert "/video" not in camera.opened[-2], "the link came first"
    assert first in camera.opened[1]


@pytest.mark.parametrize("file", ["video.css", "video.js", "faults.js"])
async def test_a_part_that_did_not_load_is_requested_again(
    car: Product, new_phone: NewPhone, file: str
) -> None:
    camera = Camera()
    camera.camera |= {"state": "trouble", "code": "busy", "message": "It is in use."}
    phone = await new_phone(locale="zh-CN")
    tries: list[str] = []

    async def answer(route: Route) -> None:
        tries.append(route.request.url)
        await (route.abort() if len(tries) == 1 else route.continue_())

    await phone.page.route(f"**/{file}", answer)
    await camera.connect(phone)
    await phone.open(car.url)
    await phone.reads("lens", "摄像头正被其他程序使用")
    await phone.page.wait_for_function(
        "() => getComputedStyle(document.getElementById('picture')).objectFit === 'cover'"
    )
    assert len(tries) == 2


async def test_an_input_that_did_not_load_is_requested_again(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url)
    tries: list[str] = []

    async def answer(route: Route) -> None:
        tries.append(route.request.url)
        await (route.abort() if len(tries) == 1 else route.continue_())

    await phone.page.route("**/arrows.js", answer)
    await phone.settings()
    await phone.page.check("[name=layout][value=arrows]", force=True)
    await phone.seen("#arrows .forward")
    assert len(tries) == 2


async def test_a_driver_whose_camera_dies_reads_why_the_car_is_slow_and_drives_by_eye(
    simulated: Product, new_phone: NewPhone
) -> None:
    camera = Camera(state={"video": {"viewers": 1, "fps": 0.0, "size": [640, 480], "age_s": 2.0, "cap": 0.5}})
    phone = await watching(new_phone, simulated, camera)
    await phone.take_the_wheel()
    assert await phone.page.is_hidden("#eye")
    camera.plays = False
    camera.tell(state="trouble", code="unplugged", message="Gone.")
    await phone.seen("#eye:not([hidden])")
    await phone.reads("lens", "Picture frozen")
    await phone.reads("lens", "Gone. The car drives slowly")
    await phone.tap("eye")
    await phone.seen("body[data-scene=map]")
    await until(lambda: camera.sent("by")[-1] == {"type": "by", "camera": False}, "driving by eye")
    await phone.page.wait_for_selector("#lens", state="hidden")
    assert await phone.page.is_hidden("#picture")


async def test_an_old_picture_that_slows_the_car_is_named(car: Product, new_phone: NewPhone) -> None:
    camera = Camera(state={"video": {"viewers": 1, "fps": 9.0, "size": [640, 480], "age_s": 0.7, "cap": 0.5}})
    phone = await watching(new_phone, car, camera)
    await phone.reads("cap", "slow: old picture")
    await phone.seen("#hud[data-capped=true]")
    assert (
        await phone.page.evaluate("() => document.getElementById('hud').style.getPropertyValue('--cap')")
        == "0.5"
    )


async def test_a_car_that_refuses_an_old_picture_wants_the_controls_released(
    car: Product, new_phone: NewPhone
) -> None:
    camera = Camera()
    phone = await watching(new_phone, car, camera)
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    camera.refuse("picture_old")
    await phone.says_zero()
    await phone.reads("why", "Old picture")
    await phone.lift("throttle")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_nothing_overlaps_or_is_cut_with_a_picture(
    simulated: Product, new_phone: NewPhone, locale: str
) -> None:
    camera = Camera()
    phone = await watching(new_phone, simulated, camera, locale=locale)
    faults = []
    for state in ("live", "frozen"):
        if state == "frozen":
            camera.plays = False
            await phone.seen("body[data-picture=old]")
            await phone.seen("#lens:not([hidden])")
        for size in WINDOWS:
            await phone.page.set_viewport_size({"width": size[0], "height": size[1]})
            await phone.page.evaluate(SETTLED)
            faults += [(state, size, fault) for fault in await phone.page.evaluate(FAULTS, False)]
            faults += [(state, size, age) for age in await phone.page.evaluate(CUT_AGES, AGES[locale])]
            hidden = [] if state == "frozen" and size[1] < 400 else await phone.covered("inset", "photo")
            faults += [(state, size, name) for name in hidden]
            faults += [
                (state, size, name)
                for name in await phone.covered("stop")
                + (["lens"] if state == "frozen" and await phone.covered("lens") else [])
            ]
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize("theme", ["dark", "light", "outdoor"])
async def test_texts_are_readable_over_a_noisy_picture(car: Product, new_phone: NewPhone, theme: str) -> None:
    noise = Image.effect_noise((160, 120), 120).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=90)
    camera = Camera(pictures=[file.getvalue()], age_s=0.9)
    phone = await watching(new_phone, car, camera)
    await phone.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    await phone.seen("body[data-picture=late]")
    seen = [set(await unreadable(phone)) for _ in range(3)]
    assert set.intersection(*seen) == set()


async def test_axe_finds_nothing_over_a_picture(simulated: Product, new_phone: NewPhone) -> None:
    camera = Camera()
    phone = await watching(new_phone, simulated, camera, viewport={"width": 844, "height": 390})
    await phone.seen("#inset:not([hidden])")
    await clean(phone, "live", ("dark", "light", "forced"))
    camera.plays = False
    camera.tell(state="trouble", code="busy", message="It is in use.")
    await phone.reads("lens", "It is in use.")
    await phone.seen("body[data-picture=old]")
    await clean(phone, "frozen", ("dark", "outdoor"))


async def test_the_real_car_shows_its_camera(new_phone: NewPhone) -> None:
    async with Product(pins="sim", env={"PICAR_CAMERA__SOURCE": "auto"}) as car:
        phone = await new_phone()
        pictures: list[str] = []
        await phone.page.expose_function("acknowledged", lambda text: pictures.append(str(text)))
        await phone.page.add_init_script(
            """const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (text) {
              if (this.url.includes("/ws/video") && text.includes("seen")) acknowledged(text);
              return send.call(this, text);
            };"""
        )
        await phone.page.goto(car.url)
        await until(lambda: any(m["type"] == "hello" for m in phone.heard), "the car says hello")
        hello = next(m for m in phone.heard if m["type"] == "hello")
        if not hello["car"].get("camera"):
            pytest.skip("this car has no camera")
        await phone.seen("#picture:not([hidden])")
        await until(lambda: len(pictures) > 20, "the picture moves")
        assert json.loads(pictures[-1])["seq"] > json.loads(pictures[0])["seq"]
        await phone.seen("body[data-picture='']")
