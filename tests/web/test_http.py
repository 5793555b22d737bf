"""The HTTP interface, and who may open it under which name."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from tornado.websocket import websocket_connect

from tests.support.client import Client
from tests.support.product import Product

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


async def test_the_page_is_served_with_strict_headers(car: Product) -> None:
    page = await fetch(car, "/")
    assert page.code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (await fetch(car, "/", If_None_Match=page.headers["Etag"])).code == 304


async def test_health_is_ok_while_both_processes_are_fresh(car: Product) -> None:
    response = await fetch(car, "/healthz")
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
async def test_errors_are_json(car: Product, path: str, method: str, status: int, code: str) -> None:
    response = await fetch(car, path, method=method)
    assert (response.code, error_of(response)["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/state", "/static/style.css", "/nothing"])
async def test_a_foreign_host_is_refused_everywhere_with_the_line_to_add(car: Product, path: str) -> None:
    response = await fetch(car, path, Host="evil.example")
    assert response.code == 421
    assert 'allowed_hosts = ["evil.example"]' in error_of(response)["message"]


@pytest.mark.parametrize(
    "host", [f"{NAME}.local", f"{NAME}-2.local:8000", "LOCALHOST.", "10.0.0.7", "[fe80::1]:80"]
)
async def test_the_cars_own_names_are_welcome(car: Product, host: str) -> None:
    assert (await fetch(car, "/", Host=host)).code == 200


async def test_a_foreign_stop_is_refused(car: Product) -> None:
    response = await fetch(car, "/api/v1/stop", method="POST", Origin="http://evil.example")
    assert (response.code, error_of(response)["code"]) == (403, "foreign_origin")
    response = await fetch(car, "/api/v1/stop", method="POST", Origin="null")
    assert response.code == 403
    assert json.loads((await fetch(car, "/api/v1/state")).body)["state"] == "disarmed"


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
    car: Product, headers: dict[str, str], status: int
) -> None:
    from tornado.httpclient import HTTPRequest

    with pytest.raises(HTTPClientError) as refused:
        await websocket_connect(HTTPRequest(car.url.replace("http", "ws") + "/ws", headers=headers))
    assert refused.value.code == status


async def test_the_cars_own_page_and_a_script_open_the_socket(car: Product) -> None:
    async with Client(car.url, headers={"Origin": car.url}), Client(car.url):
        pass


async def test_configured_names_are_allowed() -> None:
    async with Product(config='[server]\nallowed_hosts = ["car.example"]\n') as car:
        assert (await fetch(car, "/", Host="Car.Example:443")).code == 200
        assert (await fetch(car, "/", Host="x.car.example")).code == 421
