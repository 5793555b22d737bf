"""Behind a reverse proxy: what works, and what the car says where a proxy is set up wrong."""

from __future__ import annotations

from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask

PAGE = {"Host": "127.0.0.1", "Origin": "http://127.0.0.1:8472"}  # the proxy left the port out of the Host
FIX = "must pass on the Host header with its port"


async def test_the_page_and_its_files_load_whatever_a_proxy_does_to_the_host(car: Product) -> None:
    for path in (
        "/",
        "/static/js/main.js",
        "/static/js/link.js",
        "/static/style.css",
        "/static/i18n/en.json",
    ):
        for method in ("GET", "HEAD"):
            answer = await ask(("127.0.0.1", car.port), method, path, PAGE)
            assert answer.status == 200
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_they_are_refused_all_the_same_under_a_foreign_name_and_for_other_methods(car: Product) -> None:
    for path in ("/", "/static/js/main.js"):
        rebound = await ask(
            ("127.0.0.1", car.port), "GET", path, {"Host": "evil.example", "Origin": "http://evil.example"}
        )
        assert rebound.code == "wrong_host"
        assert (await ask(("127.0.0.1", car.port), "POST", path, PAGE)).code == "foreign_origin"


async def test_what_is_refused_names_both_origins_and_the_fix(car: Product) -> None:
    for method, path in (
        ("GET", "/api/v1/state"),
        ("POST", "/api/v1/stop"),
        ("GET", "/ws"),
        ("GET", "/healthz"),
    ):
        answer = await ask(("127.0.0.1", car.port), method, path, UPGRADE | PAGE)
        assert answer.code == "foreign_origin"
        sentence = answer.json["error"]["message"]
        assert "at http://127.0.0.1:8472, and reached the car as 127.0.0.1." in sentence
        assert FIX in sentence


async def test_the_log_says_it_too_and_not_for_each_request(car: Product) -> None:
    for _ in range(50):
        await ask(("127.0.0.1", car.port), "GET", "/ws", UPGRADE | PAGE)
    lines = [line for line in car.log().splitlines() if FIX in line]
    assert "http://127.0.0.1:8472, and reached the car as 127.0.0.1." in lines[0]
    assert len(lines) < 20


async def test_a_long_origin_is_cut_and_cannot_forge_a_line_of_the_log(car: Product) -> None:
    long = "http://" + "x" * 3000 + "\x1b[31m"
    answer = await ask(("127.0.0.1", car.port), "GET", "/healthz", {"Origin": long})
    assert answer.status in (400, 403)
    assert len(answer.body) < 500
    assert "\x1b" not in car.log()


async def test_a_websocket_without_its_upgrade_is_named_in_the_answer_and_in_the_log(car: Product) -> None:
    passed_on = {name: value for name, value in UPGRADE.items() if name.startswith("Sec-")}
    answer = await ask(("127.0.0.1", car.port), "GET", "/ws", passed_on)
    assert (answer.status, answer.code) == (426, "not_websocket")
    assert "without its Upgrade header" in answer.json["error"]["message"]
    assert "without its Upgrade header" in car.log()


async def test_a_page_can_find_out_that_a_proxy_changed_its_host() -> None:
    async with Household() as house:
        for host in ("127.0.0.1", "localhost:9"):
            session = await house.ask("GET", "/api/v1/session", headers={"Host": host})
            assert session.json["host"] == host
