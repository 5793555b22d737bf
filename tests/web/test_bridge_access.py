"""Who may connect to a foreign protocol: the credentials, the names and the pages, on the page's port and on its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

import pytest

from picar.access.store import AccessStore
from picar.web.bridges.socket import Origins
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, Answer, ask, read_answer
from tests.support.ros import Ros
from tests.support.secure import SecureHousehold

PROTOCOLS = ("rosbridge", "classic", "foxglove")
ALL = "".join(f"[{name}]\nenabled = true\n" for name in PROTOCOLS)
BLITZ = "http://blitz.local:1234"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def house(pairing: str = "on", more: str = "") -> AsyncIterator[tuple[Household, int]]:
    """Start a car with rosbridge on two ports; yield it with the second port."""
    port = free_port()
    async with Household(pairing, f"[rosbridge]\nenabled = true\nport = {port}\n{more}") as car:
        yield car, port


async def shake(car: Household, port: int, headers: Mapping[str, str], query: str = "") -> Answer:
    path = "/rosbridge" if port == car.port else "/any/path"
    return await ask(("127.0.0.1", port), "GET", path + query, UPGRADE | dict(headers))


def view_token(car: Household) -> str:
    store = AccessStore(car.state)
    return store.credential(store.pair("watcher", "view"))


async def test_the_same_rules_hold_on_both_ports() -> None:
    async with house() as (car, own):
        script, viewer, phone = car.token("robot"), view_token(car), await car.phone("Mia")
        bearer = {"Authorization": f"Bearer {script}"}
        refused: list[tuple[Mapping[str, str], str, str]] = [
            ({}, "", "not_paired"),
            ({}, "?token=nonsense", "not_paired"),
            ({}, f"?token={viewer}", "not_paired"),
            ({"Authorization": f"Bearer {viewer}"}, "", "not_paired"),
            (bearer | {"Origin": "http://evil.example"}, "", "foreign_origin"),
            (bearer | {"Origin": "null"}, "", "foreign_origin"),
            (bearer | {"Origin": ""}, "", "foreign_origin"),
            (phone | {"Origin": f"http://127.0.0.1:{own + 1}"}, "", "foreign_origin"),
            (bearer | {"Host": "evil.example"}, "", "wrong_host"),
            (
                bearer | {"Host": f"evil.example:{own}", "Origin": f"http://evil.example:{own}"},
                "",
                "wrong_host",
            ),
            (bearer | {"X-Forwarded-For": "10.0.0.1"}, "", "proxied"),
            (bearer | {"Forwarded": "for=10.0.0.1"}, "", "proxied"),
            ({"Via": "1.1 proxy"}, f"?token={script}", "proxied"),
            ({"X-Real-IP": "10.0.0.1"}, "", "proxied"),
        ]
        admitted: list[tuple[Mapping[str, str], str]] = [
            (bearer, ""),
            (phone, ""),
            ({}, f"?token={script}"),
            (phone | {"Origin": f"http://127.0.0.1:{car.port}"}, ""),
        ]
        for port in (car.port, own):
            for headers, query, code in refused:
                answer = await shake(car, port, headers, query)
                assert answer.code == code, (port, headers, query)
            for headers, query in admitted:
                assert (await shake(car, port, headers, query)).status == 101, (port, headers, query)
            plain = await ask(("127.0.0.1", port), "GET", "/rosbridge", bearer)
            assert plain.code == "not_websocket"
        assert script not in car.log()
        assert viewer not in car.log()
        flight = await car.ask("GET", "/api/v1/flight", headers=bearer)
        assert script.encode() not in flight.body


async def test_a_token_in_the_url_opens_nothing_else() -> None:
    async with house() as (car, _own):
        query = f"?token={car.token('robot')}"
        for path in ("/ws", "/ws/video", "/api/v1/state", "/api/v1/flight"):
            assert (await ask(car.address, "GET", path + query, UPGRADE)).code == "not_paired", path


async def test_pairing_local_needs_a_loopback_name() -> None:
    async with house("local") as (car, own):
        for port in (car.port, own):
            assert (await shake(car, port, {})).status == 101
            assert (await shake(car, port, {"Host": f"localhost:{port}"})).status == 101
            assert (await shake(car, port, {"Host": f"192.168.7.7:{port}"})).code == "not_paired"
            assert (await shake(car, port, {"X-Forwarded-For": "10.0.0.1"})).code == "proxied"


async def test_a_listed_page_may_connect_with_a_token() -> None:
    async with house(more='allowed_origins = ["http://blitz.local:*"]\n') as (car, own):
        query = f"?token={car.token('robot')}"
        for port in (car.port, own):
            headers = {"Origin": BLITZ, "Sec-Fetch-Site": "cross-site"}
            assert (await shake(car, port, headers, query)).status == 101
            assert (await shake(car, port, headers)).code == "not_paired"
            assert (
                await shake(car, port, {"Origin": "https://blitz.local:1234"}, query)
            ).code == "foreign_origin"
        assert (
            await ask(car.address, "GET", f"/ws{query}", UPGRADE | {"Origin": BLITZ})
        ).code == "foreign_origin"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://pc.lan", True),
        ("http://PC.lan:80", True),
        ("http://pc.lan:81", False),
        ("https://pc.lan", False),
        ("http://[fd00::1]:5", True),
        ("http://pc.lan.evil.example", False),
        ("http://evil.example/pc.lan", False),
        ("http://pc.lan:*", False),
        ("http://car.lan:8000", True),
        ("http://car.lan:9090", True),
        ("http://car.lan", False),
        ("https://car.lan:8000", True),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_the_cars_own_or_listed(origin: str, allowed: bool) -> None:
    assert (
        Origins(("http://pc.lan", "http://[fd00::1]:*"), 8000).allow(origin, "car.lan:9090", False) is allowed
    )


@pytest.mark.parametrize("whose", ["another program", "the page"])
async def test_a_port_that_is_in_use_leaves_the_path_and_one_line(whose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house = Household("local", f"[rosbridge]\nenabled = true\nport = {port}\n")
        if whose == "the page":
            taken.close()
            house.port = port
        async with house as car:
            async with Ros(car.url) as guest:
                await guest.call("/rosapi/nodes")
            lines = [line for line in car.log().splitlines() if "rosbridge" in line]
            assert len(lines) == 1
            assert f"port {port} cannot be opened (Address already in use" in lines[0]
            assert "--port" not in lines[0], "that is the port of the page"


async def test_without_the_option_there_is_nothing() -> None:
    async with Household("local") as car:
        query = f"?token={car.token('robot')}"
        assert (await ask(car.address, "GET", f"/rosbridge{query}", UPGRADE)).status == 404


async def test_a_script_that_is_unpaired_is_disconnected() -> None:
    async with house() as (car, own):
        headers = {"Authorization": f"Bearer {car.token('robot')}"}
        async with Ros(f"http://127.0.0.1:{own}", headers, "/") as guest:
            await guest.call("/rosapi/nodes")
            await car.cli("pair", "--revoke", "robot")
            await guest.until_closed()
            assert guest.close_code == 4401


@pytest.mark.parametrize("name", ["rosbridge", "classic", "foxglove"])
async def test_a_car_loads_only_the_protocol_that_is_on(name: str) -> None:
    program = ("-X", "importtime", "-m", "picar")
    async with Product(config=f"[{name}]\nenabled = true\n", program=program) as car:
        loaded = {each for each in PROTOCOLS if f"picar.web.bridges.{each}\n" in car.log()}
        assert loaded == {name}


async def test_a_guest_drives_over_wss_and_the_page_of_https_may_connect() -> None:
    async with SecureHousehold("on", ALL) as car:
        script, phone = car.token("robot"), await car.secure_phone("Mia")
        viewer = view_token(car)
        cases: list[tuple[Mapping[str, str], str, str]] = [
            ({}, "/rosbridge", "not_paired"),
            (await car.phone("Zoe"), "/rosbridge", "not_paired"),
            (phone | {"Origin": car.url.rstrip("/")}, "/rosbridge", "foreign_origin"),
            (phone | {"Origin": "null"}, "/rosbridge", "foreign_origin"),
            (phone | {"Host": "evil.example"}, "/rosbridge", "wrong_host"),
            ({"Via": "1.1 proxy"}, f"/rosbridge?token={script}", "proxied"),
            ({}, f"/rosbridge?token={viewer}", "not_paired"),
            ({}, f"/foxglove?token={script}", "not_paired"),
            (phone | {"Origin": car.secure_url}, "/rosbridge", ""),
            ({}, f"/rosbridge?token={script}", ""),
            ({}, f"/foxglove?token={viewer}", ""),
        ]
        for headers, path, code in cases:
            known = UPGRADE | {"Sec-WebSocket-Protocol": "foxglove.sdk.v1"} | dict(headers)
            answer = await ask(("127.0.0.1", car.secure_port), "GET", path, known, secure=car.trust)
            assert (answer.status, answer.code) == (101, "") if not code else answer.code == code, path
        bearer = {"Authorization": f"Bearer {script}"}
        async with Ros(car.secure_url, bearer, secure=car.trust) as guest:
            await guest.drive()
            await car.until_driving()
            await guest.let_go()
            guest.stream.close()
            await car.until_low()
        assert script not in car.log()
        assert viewer not in car.log()


async def test_posts_that_wait_behind_one_another_over_tls_turn_no_wheel() -> None:
    async with SecureHousehold("local", ALL) as car:
        reader, writer = await asyncio.open_connection("127.0.0.1", car.secure_port, ssl=car.trust)
        writer.write(50 * b"POST /?k=w HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        codes = {(await read_answer(reader, "POST")).code for _ in range(50)}
        assert codes == {"too_fast"}
        assert car.is_low()
        writer.close()


async def test_with_https_only_no_guest_comes_over_http() -> None:
    async with SecureHousehold("local", f"http_drives = false\n{ALL}") as car:
        for method, path in (("GET", "/rosbridge"), ("GET", "/foxglove"), ("POST", "/?k=w")):
            headers = UPGRADE if method == "GET" else {}
            assert (await ask(car.address, method, path, headers)).code == "https_only", path
