"""Behind a reverse proxy: what works, and what the car says where a proxy is set up wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.support.client import Client
from tests.support.household import Household, cookie_of
from tests.support.product import Product
from tests.support.proxies import caddy, lines_for, nginx
from tests.support.raw import UPGRADE, ask

Proxy = Callable[[int, str], AbstractAsyncContextManager[int]]

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


PROXIES = {"nginx": (nginx, "nginx"), "Caddy": (caddy, "caddyfile")}
NAME = '[server]\nallowed_hosts = ["car.example"]\n'


@pytest.mark.parametrize(("proxy", "kind"), PROXIES.values(), ids=PROXIES)
async def test_the_documented_lines_carry_the_page_the_pairing_and_the_drive(proxy: Proxy, kind: str) -> None:
    async with Household("local", NAME) as house, proxy(house.port, lines_for(kind)) as port:
        here = ("127.0.0.1", port)
        page = {"Host": f"car.example:{port}", "Origin": f"http://car.example:{port}"}
        assert (await ask(here, "GET", "/", page)).status == 200
        assert (await ask(here, "GET", "/static/js/main.js", page)).status == 200
        assert (await ask(here, "GET", "/api/v1/session", page)).json["host"] == page["Host"]
        assert (await ask(here, "GET", "/api/v1/state", page)).code == "not_paired"
        body = json.dumps({"pin": house.pin, "name": "Mia"}).encode()
        paired = await ask(here, "POST", "/api/v1/pair", page | {"Content-Type": "application/json"}, body)
        assert paired.status == 200
        evil = page | {"Origin": "http://evil.example"} | cookie_of(paired) | UPGRADE
        assert (await ask(here, "GET", "/ws", evil)).code == "foreign_origin"
        async with Client(f"http://127.0.0.1:{port}", headers=page | cookie_of(paired)) as phone:
            await phone.take()
            phone.hold(1.0)
            await house.until_driving()
            await phone.let_go()
            await house.until_low()


WRONG = {
    "a Host without its port": (("$http_host", "$host"), 403, "foreign_origin", FIX),
    "no Host line": (("proxy_set_header Host $http_host;", ""), 403, "foreign_origin", FIX),
    "no Upgrade line": (("$http_upgrade", "''"), 426, "not_websocket", "without its Upgrade header"),
    "no Connection line": (
        ("proxy_set_header Connection $http_connection;", ""), 400, "bad_request", "must name Upgrade"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "status", "code", "words"), WRONG.values(), ids=WRONG)
async def test_lines_that_are_wrong_leave_a_page_and_a_sentence(
    change: tuple[str, str], status: int, code: str, words: str
) -> None:
    lines = lines_for("nginx")
    assert change[0] in lines
    async with Household("off", NAME) as house, nginx(house.port, lines.replace(*change)) as port:
        here = ("127.0.0.1", port)
        page = {"Host": f"car.example:{port}", "Origin": f"http://car.example:{port}"}
        assert (await ask(here, "GET", "/static/js/main.js", page)).status == 200
        answer = await ask(here, "GET", "/ws", page | UPGRADE)
        assert (answer.status, answer.code) == (status, code)
        assert words in answer.json["error"]["message"]
        assert words in house.log()
