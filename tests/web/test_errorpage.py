"""What a person sees who opens an address that the car refuses: a small page, and programs the JSON they know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser

import pytest

from picar.web.errorpage import error_page, prefers_page, weights
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import Answer, ask

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
BROWSER = {"Accept": CHROME, "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
async def car() -> AsyncIterator[Product]:
    """Start one car for all."""
    async with Product() as product:
        yield product
        await product.terminate()
        assert "Traceback" not in product.log()


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href" and tag == "a"]

    def handle_data(self, data: str) -> None:
        self.text += data


def is_small_page(answer: Answer) -> Tags:
    """Check that this is the page, and return it."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in answer.headers["vary"].split(", ")
    assert "script" not in answer.body.decode()
    assert len(answer.body) < 2000
    page = Tags(answer.body)
    refused = answer.status == 421  # under a wrong name the car's page is refused too
    assert page.links == ([] if refused else ["/", "/wiring"])
    assert ("驾驶" in page.text) != refused
    return page


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("GET", "/nothing", {}, 404, "The page is at /."),
        ("GET", "/static/nothing.js", {}, 404, "The page is at /."),
        ("GET", "/static/../picar.toml", {}, 403, "This path is not a file of the page."),
        ("GET", "/api/v1/stop", {}, 405, "Use one of the methods in the header Allow."),
        ("GET", "/", {"Host": "evil.example"}, 421, 'allowed_hosts = ["evil.example"]'),
        ("GET", "/healthz", {"Origin": "null"}, 403, "from a page at null"),
        ("GET", "/ws", {}, 426, "speaks WebSocket only"),
    ],
)
async def test_a_browser_gets_a_page_and_a_program_gets_json(
    car: Product, method: str, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    shown = await ask(("127.0.0.1", car.port), method, path, BROWSER | headers)
    assert shown.status == status
    assert words in is_small_page(shown).text
    told = await ask(("127.0.0.1", car.port), method, path, {"Accept": "*/*"} | headers)
    assert (told.status, told.headers["content-type"]) == (status, "application/json; charset=UTF-8")
    assert words in told.json["error"]["message"]
    assert told.headers["vary"] == shown.headers["vary"]
    for name in ("content-security-policy", "x-content-type-options", "cache-control"):
        assert shown.headers[name] == told.headers[name]


async def test_a_browser_that_is_not_paired_gets_the_page_and_how_to_pair() -> None:
    async with Household() as house:
        shown = await house.ask("GET", "/api/v1/state", headers=BROWSER)
        assert (shown.status, shown.headers["www-authenticate"]) == (401, "Bearer")
        assert "enter its PIN" in is_small_page(shown).text


async def test_a_head_request_gets_the_headers_of_the_page_alone(car: Product) -> None:
    shown = await ask(("127.0.0.1", car.port), "HEAD", "/nothing", BROWSER)
    assert (shown.status, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("status", "code", "title", "chinese"),
    [
        (404, "not_found", "Page not found", "找不到页面"),
        (401, "not_paired", "Not paired", "尚未配对"),
        (400, "bad_request", "Request refused", "请求被拒绝"),
        (500, "error", "The car cannot answer", "小车无法应答"),
        (503, "not_saved", "The car cannot answer", "小车无法应答"),
    ],
)
def test_the_title_says_in_both_languages_what_happened(
    status: int, code: str, title: str, chinese: str
) -> None:
    text = Tags(error_page(status, code, "The fix.")).text
    assert f"{title} {chinese}" in text
    assert "The fix." in text
    assert f"{status} {code}" in text
    assert "无法打开这个地址" not in text, "this code has its own sentence"


@pytest.mark.parametrize(
    "host", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&lt;b", "' onload='x", "車.例"]
)
def test_what_the_request_says_is_text_and_never_markup(host: str) -> None:
    page = Tags(error_page(421, "wrong_host", f"This car does not answer to the name {host}."))
    assert host in page.text
    harmless = Tags(error_page(421, "wrong_host", "x"))
    assert page.tags == harmless.tags


@pytest.mark.parametrize("host", ["<b>x</b>", "<script>", 'a"b', "a&amp;b", "x'y"])
async def test_a_host_header_cannot_put_markup_into_the_page(car: Product, host: str) -> None:
    answer = await ask(("127.0.0.1", car.port), "GET", "/", BROWSER | {"Host": host})
    assert answer.status in (400, 421)
    assert host.encode() not in answer.body


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (CHROME, True),
        ("text/html", True),
        ("TEXT/HTML;level=1", True),
        ("application/json, text/html", True),
        ("application/json, text/html;q=0.9", False),
        ("application/json;q=0.5, text/html;q=0.9", True),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("", False),
        (",;q=1,;;", False),
    ],
)
def test_only_a_request_that_likes_html_best_gets_the_page(accept: str, page: bool) -> None:
    assert prefers_page({"Accept": accept}) is page
    assert prefers_page({"Accept": accept, "Sec-Fetch-Mode": "cors"}) is False
    assert prefers_page({}) is False


def test_a_weight_is_a_number_from_0_to_1_with_three_decimals() -> None:
    header = "a, b;q=0.5,c ; q=1.000, d;q=0, e;q=1.1, f;q=-1, g;q=nan, h;q=0.1234, i;x=1;Q=0.25"
    expected = {"a": 1, "b": 0.5, "c": 1, "d": 0, "e": 0, "f": 0, "g": 0, "h": 0, "i": 0.25}
    assert weights(header) == expected
