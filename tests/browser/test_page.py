"""The page itself: its words, its weight, its manners."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SIZES = [(800, 360), (360, 800), (1280, 800), (667, 375), (320, 568)]
LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"forced_colors": "active"},
    {"contrast": "more"},
    {"reduced_motion": "reduce"},
]
RECORD_TURNS = """() => {
  globalThis.turns = [];
  const rotate = CanvasRenderingContext2D.prototype.rotate;
  CanvasRenderingContext2D.prototype.rotate = function (angle) {
    turns.push(angle);
    rotate.call(this, angle);
  };
}"""
COVERS = """() => {
  const seen = [...document.querySelectorAll("button, .pad, #status, .meter, #why:not(:empty), #asks:not(:empty), #link")];
  const boxes = seen.filter((e) => e.checkVisibility()).map((e) => [e.id, e.getBoundingClientRect()]);
  const faults = [];
  for (const [id, b] of boxes) {
    if (b.left < 0 || b.top < 0 || b.right > innerWidth || b.bottom > innerHeight) faults.push(`${id} is cut off`);
    for (const [other, c] of boxes) {
      const apart = b.right <= c.left || c.right <= b.left || b.bottom <= c.top || c.bottom <= b.top;
      if (id < other && !apart) faults.push(`${id} and ${other} overlap`);
    }
  }
  return faults;
}"""


def dictionary(language: str) -> dict[str, str]:
    """Return the words of the page, and of the dialogs that have a dictionary of their own."""
    words: dict[str, str] = {}
    for part in ("", "aux.", "garage.", "obstacle.", "recording.", "tune.", "wifi."):
        file = ROOT / f"static/i18n/{part}{language}.json"
        more: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        assert all(key.startswith(part.removesuffix(".")) for key in more)
        assert not words.keys() & more.keys()
        words |= more
    return words


def test_both_dictionaries_have_the_same_keys_and_the_same_blanks() -> None:
    english, chinese = dictionary("en"), dictionary("zh-CN")
    assert list(english) == list(chinese)
    for key, words in english.items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", chinese[key])), key


def test_every_key_of_the_page_is_in_the_dictionary_and_every_word_of_the_dictionary_is_used() -> None:
    pages = [ROOT / "templates" / name for name in ("index.html", "garage.html")]
    page = "".join(path.read_text(encoding="utf-8") for path in pages)
    modules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "static/js").rglob("*.js"))
    words = set(dictionary("en"))
    on_page = set(re.findall(r'data-i18n(?:-label)?="([^"$]+)"', page + modules))
    on_page |= {f"{dialog}.title" for dialog in re.findall(r'new Dialog\("(\w+)"', modules)}
    said = set(re.findall(r'(?:words\.say|#say|hud\.note|this\.note)\(\s*"([^"]+)"', modules))
    assert on_page <= words
    assert said <= words
    in_modules = set(re.findall(r'["`]([a-z]+(?:\.[a-z]+)*)["`]', modules))
    prefixes = tuple(re.findall(r"[`\"]([a-z]+\.(?:[a-z]+\.)?)\${", modules))
    choices = [f"{name}." for name in re.findall(r'choice\("(\w+)"', modules)]
    built = (*prefixes, *choices, "throttle.", "steering.")
    replaced = {key for key in words if key.removeprefix("garage.") in words - {key}}  # on the garage page
    titles = {f"garage.{dialog}.title" for dialog in re.findall(r'formOf\("(\w+)"', modules)}
    assert {
        key for key in words - on_page - in_modules - replaced - titles if not key.startswith(built)
    } == set()


def test_the_page_has_words_only_in_the_dictionaries() -> None:
    page = (ROOT / "templates/index.html").read_text(encoding="utf-8")
    body = re.sub(
        r"<div id=\"incomplete\".*?</div>|<title>.*?</title>|<kbd>.</kbd>", "", page, flags=re.DOTALL
    )
    words = re.findall(r">([^<>]*[A-Za-z\u4e00-\u9fff][^<>]*)<", body)
    assert [text for text in words if text.strip()] == []


async def test_a_chinese_phone_reads_chinese_and_nothing_complains(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url, locale="zh-CN")
    await phone.reads("stop", "急停")
    await phone.reads("state", "就绪")
    assert await phone.page.get_attribute("html", "lang") == "zh-CN"
    assert await phone.page.get_attribute("#throttle", "aria-valuetext") == "居中"
    text = await phone.page.inner_text("main")
    assert "undefined" not in text
    assert phone.complaints == []


async def test_a_language_without_a_dictionary_reads_english(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone(car.url, locale="fi-FI")
    await phone.reads("stop", "STOP")


async def test_the_first_visit_is_light_and_the_second_only_asks_whether_anything_is_new(
    new_phone: NewPhone,
) -> None:
    phone = await new_phone()
    await phone.cdp.send("Network.enable")
    answers: dict[str, int] = {}
    weights: dict[str, float] = {}
    video: set[str] = set()  # requests of the picture of a camera, which loads after everything else
    phone.page.on("response", lambda response: answers.update({response.url: response.status}))

    def note(event: dict[str, Any]) -> None:
        if "/video" in event["request"]["url"]:
            video.add(event["requestId"])

    phone.cdp.on("Network.requestWillBeSent", note)
    phone.cdp.on(
        "Network.loadingFinished", lambda e: weights.update({e["requestId"]: e["encodedDataLength"]})
    )
    async with Product(pins="sim") as car:  # a real car has no view from above to load
        await phone.open(car.url)
        await phone.seen("#sim:not([hidden])")
        await until(lambda: len(weights) >= len(answers), "all was weighed")
        manifest = f"{car.url}/static/manifest.json"  # headless never asks for it
        assert all(url.startswith((car.url, "data:")) for url in answers)
        requests = {url for url in answers if url.startswith(car.url) and "/video" not in url} | {manifest}
        assert len(requests) <= 12, requests
        assert sum(weights[each] for each in weights.keys() - video) + 1000 <= 60_000, weights
        answers.clear()
        weights.clear()
        await phone.page.reload()
        await phone.seen("#sim:not([hidden])")
        await until(lambda: len(weights) >= len(answers), "all was weighed")
        again = [url for url in answers if url.startswith(car.url) and "/video" not in url]
        assert len(again) == len(requests) - 1
        assert max(weights.values()) < 700, f"heads only: {weights}"


async def test_the_page_obeys_its_own_security_policy(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (e) => console.error(e.violatedDirective))"
    )
    await phone.open(car.url)
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    await phone.lift("throttle")
    await phone.tap("stop")
    await phone.in_state("stopped")
    assert phone.complaints == []


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_nothing_is_cut_off_or_covered_on_any_screen(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(car.url, locale=locale)
    other = await new_phone(car.url, locale=locale)
    await phone.hold_until("throttle")
    await phone.in_state("armed")
    await phone.lift("throttle")
    await other.insist("ask", "#ask[data-does=waiting]")
    await phone.seen("#give:not([hidden])")
    await nothing_covered(phone)
    await other.tap("stop")
    await phone.in_state("stopped")
    await nothing_covered(phone)
    await nothing_covered(other)


async def nothing_covered(phone: Phone) -> None:
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        assert await phone.page.evaluate(COVERS) == [], (width, height)


async def test_a_simulated_car_is_drawn_and_says_that_it_is_simulated(new_phone: NewPhone) -> None:
    async with Product(pins="sim") as car:
        phone = await new_phone(car.url)
        await phone.reads("badge", "simulated car")
        await phone.seen("#sim:not([hidden])")
        before = await phone.page.locator("#sim").screenshot()
        await phone.hold_until(
            "throttle", lambda: phone.state["pose"]["x"] > 0.3, y=0.8, what="the car has gone a way"
        )
        await phone.lift("throttle")
        await phone.in_state("armed")
        assert await phone.page.locator("#sim").screenshot() != before


@pytest.mark.alone
async def test_a_simulated_car_that_turns_is_drawn_without_halts(new_phone: NewPhone) -> None:
    async with Product(pins="sim") as car:
        phone = await new_phone(car.url)
        await phone.seen("#sim:not([hidden])")
        await phone.page.evaluate(RECORD_TURNS)
        await phone.hold_until("steering", x=0.9)
        await phone.in_state("armed")

        async def share_of_halts() -> float:
            await phone.page.evaluate("() => { turns.length = 0; }")
            await phone.page.wait_for_function("() => turns.length > 120")
            turns: list[float] = await phone.page.evaluate("() => turns.slice(0, 120)")
            return sum(a == b for a, b in itertools.pairwise(turns)) / len(turns)

        shares: list[float] = []
        while not shares or min(shares) > 0.06:
            shares.append(await share_of_halts())
            assert len(shares) < 15, shares
        await phone.lift("steering")


async def test_test_pins_are_called_test_pins_and_draw_nothing(phone: Phone) -> None:
    await phone.reads("badge", "test pins")
    assert await phone.page.locator("#sim").is_hidden()


async def test_the_page_drives_in_every_look(phone: Phone) -> None:
    await phone.down("throttle", y=0.5)
    for look in LOOKS:
        await phone.page.emulate_media(**look)
        await phone.hears(2)
        await phone.in_state("armed")
    assert phone.complaints == []
