"""The HTTP interface, and who may open it under which name."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from picar.web.site import GzipCache, accepts_gzip
from tests.support.client import Client
from tests.support.product import Product
from tests.support.raw import ask

NAME = socket.gethostname().lower()


async def fetch(car: Product, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"{}" if method == "POST" else None
    return await AsyncHTTPClient().fetch(
        car.url + path, method=method, headers=names, body=body, raise_error=False
    )


def error_of(response: HTTPResponse) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(response.body)["error"]
    assert error.keys() == {"code", "message"}
    return error


async def test_the_page_is_served_with_strict_headers(standing_car: Product) -> None:
    page = await fetch(standing_car, "/")
    assert page.code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (await fetch(standing_car, "/", If_None_Match=page.headers["Etag"])).code == 304


@pytest.mark.parametrize("path", ["js/main.js", "style.css", "i18n/en.json"])
async def test_a_file_of_the_page_has_short_headers(standing_car: Product, path: str) -> None:
    file = await fetch(standing_car, f"/static/{path}")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert file.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert sum(len(name) + len(value) + 4 for name, value in file.headers.get_all()) < 430
    drawing = await fetch(standing_car, "/static/icon.svg")  # a document, where it is opened alone
    assert "default-src 'none'" in drawing.headers["Content-Security-Policy"]


async def test_health_is_ok_while_both_processes_are_fresh(standing_car: Product) -> None:
    response = await fetch(standing_car, "/healthz")
    assert (response.code, json.loads(response.body)["status"]) == (200, "ok")


async def test_the_newest_state_can_be_read_without_a_socket(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        state = json.loads((await fetch(car, "/api/v1/state")).body)
        assert (state["type"], state["state"], state["driver"]) == ("state", "armed", phone.id)
        assert state.keys() == phone.state.keys()


async def test_a_post_stops_the_car_and_says_so(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await car.until_driving()
        response = await fetch(car, "/api/v1/stop", method="POST")
        assert (response.code, json.loads(response.body)["state"]) == (200, "stopped")
        await phone.let_go(zero=False)
        await car.until_low()


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nothing", "GET", 404, "not_found"),
        ("/static/nothing.js", "GET", 404, "not_found"),
        ("/static/../picar.toml", "GET", 403, "forbidden"),
        ("/api/v1/stop", "GET", 405, "method_not_allowed"),
        ("/api/v1/state", "POST", 405, "method_not_allowed"),
    ],
)
async def test_errors_are_json(standing_car: Product, path: str, method: str, status: int, code: str) -> None:
    response = await fetch(standing_car, path, method=method)
    assert (response.code, error_of(response)["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/state", "/static/style.css", "/nothing"])
async def test_a_foreign_host_is_refused_everywhere_with_the_line_to_add(
    standing_car: Product, path: str
) -> None:
    response = await fetch(standing_car, path, Host="evil.example")
    assert response.code == 421
    assert 'allowed_hosts = ["evil.example"]' in error_of(response)["message"]


@pytest.mark.parametrize(
    "host", [f"{NAME}.local", f"{NAME}-2.local:8000", "LOCALHOST.", "10.0.0.7", "[fe80::1]:80"]
)
async def test_the_cars_own_names_are_welcome(standing_car: Product, host: str) -> None:
    assert (await fetch(standing_car, "/", Host=host)).code == 200


async def test_a_foreign_stop_is_refused(standing_car: Product) -> None:
    response = await fetch(standing_car, "/api/v1/stop", method="POST", Origin="http://evil.example")
    assert (response.code, error_of(response)["code"]) == (403, "foreign_origin")
    response = await fetch(standing_car, "/api/v1/stop", method="POST", Origin="null")
    assert response.code == 403
    assert json.loads((await fetch(standing_car, "/api/v1/state")).body)["state"] == "disarmed"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),  # DNS rebinding
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_foreign_page_cannot_open_the_socket(
    standing_car: Product, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await Client(standing_car.url, headers=headers).open()
    assert refused.value.code == status


async def test_the_cars_own_page_and_a_script_open_the_socket(standing_car: Product) -> None:
    async with Client(standing_car.url, headers={"Origin": standing_car.url}), Client(standing_car.url):
        pass


async def test_configured_names_are_allowed() -> None:
    async with Product(config='[server]\nallowed_hosts = ["car.example"]\n') as car:
        assert (await fetch(car, "/", Host="Car.Example:443")).code == 200
        assert (await fetch(car, "/", Host="x.car.example")).code == 421


MULTIPART = "multipart/form-data; boundary=x"
BODIES = {
    "junk": ("text/plain", b"\xff\x00junk"),
    "multipart without a boundary": ("multipart/form-data", b"abc"),
    "broken multipart": (MULTIPART, b"--y\r\nabc"),
    "form with a thousand arguments": ("application/x-www-form-urlencoded", b"a=1&" * 1000),
    "said to be zipped": ("application/x-www-form-urlencoded", b"a=1"),
    "too big": ("application/octet-stream", b"x" * 200_000),
    "none": ("application/json", b""),
}


@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES)
async def test_a_stop_stops_whatever_its_body_is(car: Product, kind: str, body: bytes) -> None:
    async with Client(car.url) as phone:
        headers = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        if kind.endswith("urlencoded") and len(body) < 10:
            headers += "Content-Encoding: gzip\r\n"
        await raw(
            car, f"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode() + body[:100_000]
        )
        await phone.until(lambda s: s["state"] == "stopped")


async def test_a_stop_does_not_wait_for_a_body_that_never_comes(car: Product) -> None:
    async with Client(car.url) as phone:
        await raw(car, b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx")
        await phone.until(lambda s: s["state"] == "stopped")


async def test_a_path_that_no_file_can_have_is_not_found(standing_car: Product) -> None:
    for path in ("/static/%00", "/static/a%00b", "/static/%ff", "/static/..%2f..%2fetc/passwd"):
        assert (await fetch(standing_car, path)).code in (400, 403, 404)


async def test_nobody_can_forge_a_line_of_the_log_or_talk_to_the_terminal(car: Product) -> None:
    await fetch(car, "/static/..%2f%0a14:00:00%20CRITICAL%20all%20is%20well%1b[31m")
    await raw(car, b"GET / HTTP/1.1\r\nHost: @@@\x1b[31m\r\n\r\n")
    assert "\x1b" not in car.log()
    assert not [line for line in car.log().splitlines() if line.startswith("14:00:00 CRITICAL")]


async def test_the_log_stays_readable_under_a_storm(car: Product) -> None:
    request = b"GET /static/..%2fx HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
    for _ in range(4):
        await asyncio.gather(*(raw(car, request) for _ in range(10)))
    assert len(car.log().splitlines()) < 100


async def test_an_http_request_to_the_socket_is_answered_in_json(standing_car: Product) -> None:
    answer = await fetch(standing_car, "/ws")
    assert answer.code == 426
    assert error_of(answer)["code"] == "not_websocket"


async def raw(car: Product, request: bytes) -> bytes:
    """Send bytes as they are, and return what comes back within a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", car.port)
    writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.2):
            while part := await reader.read(65536):
                answer += part
    writer.close()
    return answer


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/static/js/main.js", "/static/manifest.json"])
async def test_a_file_is_the_same_packed_and_unpacked_and_knows_its_length(
    standing_car: Product, path: str
) -> None:
    plain = await fetch(standing_car, path)
    assert "Content-Encoding" not in plain.headers
    answer = await raw(
        standing_car, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"Vary: Accept-Encoding" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert gzip.decompress(body) == plain.body
    etag = next(line for line in head.decode().split("\r\n") if line.startswith("Etag: "))[6:]
    assert (await fetch(standing_car, path, Accept_Encoding="gzip", If_None_Match=etag)).code == 304


ENCODINGS = {
    "gzip": True,
    "GZIP": True,
    "x-gzip": True,
    "deflate, gzip;q=1.0, *;q=0.5": True,
    "gzip, *;q=0": True,
    "gzip;q=0.5, identity;q=0.5": True,
    "gzip;q=0": False,
    "gzip;q=0.0": False,
    "gzip; q=0.000": False,
    "x-gzip;q=0": False,
    "gzip;q=0, x-gzip": False,
    "identity;q=1, *;q=0": False,
    "gzip;q=0.5, identity": False,
    "gzipped": False,
    "br": False,
    "*": False,
    "gzip;q=nan": False,
    "": False,
}


@pytest.mark.parametrize(
    ("accepted", "packed"), ENCODINGS.items(), ids=[one or "nothing" for one in ENCODINGS]
)
def test_gzip_is_for_those_who_take_it(accepted: str, packed: bool) -> None:
    assert accepts_gzip(accepted) is packed


async def test_the_weight_of_gzip_counts_for_files_and_for_other_answers(standing_car: Product) -> None:
    for path in ("/", "/static/style.css", "/static/js/main.js", "/api/v1/openapi.json", "/wiring"):
        for accepted in ("gzip", "gzip;q=0", "identity;q=1, *;q=0", "x-gzip"):
            answer = await ask(("127.0.0.1", standing_car.port), "GET", path, {"Accept-Encoding": accepted})
            packed = answer.headers.get("content-encoding") == "gzip"
            assert packed is ENCODINGS[accepted], (path, accepted)
            assert "Accept-Encoding" in answer.headers["vary"].split(", ")


def test_a_file_that_has_changed_is_packed_anew(tmp_path: Path) -> None:
    cache, file = GzipCache(), tmp_path / "page.js"
    file.write_text("old")
    assert gzip.decompress(cache.get(file)) == b"old"
    first = cache.get(file)
    assert cache.get(file) is first
    file.write_text("newer")
    assert gzip.decompress(cache.get(file)) == b"newer"
