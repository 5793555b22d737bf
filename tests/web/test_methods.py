"""Which method each address takes, and in which forms a request may name it (RFC 9110, RFC 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.household import Household
from tests.support.raw import UPGRADE, Answer, ask, read_answer
from tests.support.waiting import DEADLINE_S

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "prepare")
READ = "GET, HEAD"
TAKEN = {
    "/": READ,
    "/static/style.css": READ,
    "/static/nothing.css": READ,
    "/wiring": READ,
    "/wiring.svg": READ,
    "/ws": "GET",
    "/ws/video": "GET",
    "/snapshot.jpg": READ,
    "/healthz": READ,
    "/api/v1/state": READ,
    "/api/v1/flight": READ,
    "/api/v1/session": READ,
    "/api/v1/calibration": READ,
    "/api/v1/openapi.json": READ,
    "/api/v1/power": "GET, HEAD, POST",
    "/api/v1/wifi": "GET, HEAD, POST",
    "/api/v1/stop": "POST",
    "/api/v1/pair": "POST",
    "/api/v1/invite": "POST",
    "/api/v1/speed-cap": "POST",
    "/api/v1/lesson": "GET, HEAD, PUT",
    "/api/v1/fleet-cap": "POST",
}
EVIL = {"Origin": "http://evil.example"}


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[Household]:
    async with Household() as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


def methods_of(answer: Answer) -> set[str]:
    return set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(("path", "taken"), TAKEN.items(), ids=TAKEN)
async def test_a_method_that_is_not_taken_gets_405_and_the_list_of_those_that_are(
    house: Household, mia: dict[str, str], path: str, taken: str
) -> None:
    for method in METHODS:
        if method in taken.split(", "):
            continue
        answer = await ask(house.address, method, path, mia)
        assert answer.status == 405, method
        assert methods_of(answer) == set(taken.split(", ")), method
        assert answer.code == "method_not_allowed" or method == "HEAD"


@pytest.mark.parametrize("path", [path for path, taken in TAKEN.items() if "HEAD" in taken])
async def test_head_is_answered_like_get_without_the_content(
    house: Household, mia: dict[str, str], path: str
) -> None:
    told = await ask(house.address, "GET", path, mia | {"Accept-Encoding": "gzip"})
    head = await ask(house.address, "HEAD", path, mia | {"Accept-Encoding": "gzip"})
    assert (head.status, head.body) == (told.status, b"")
    for name in ("content-type", "content-encoding", "cache-control", "vary"):
        assert head.headers.get(name) == told.headers.get(name), name


@pytest.mark.parametrize("method", ["BREW", "CONNECT", "OPTIONS", "DELETE"])
async def test_no_method_passes_by_the_checks(house: Household, method: str) -> None:
    wrong_host = await ask(house.address, method, "/api/v1/stop", {"Host": "evil.example"})
    assert wrong_host.code == "wrong_host"
    assert (await ask(house.address, method, "/api/v1/stop", EVIL)).code == "foreign_origin"
    assert (await ask(house.address, method, "/api/v1/stop")).code == "not_paired"


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("OPTIONS", "*", 405, "method_not_allowed"),
        ("CONNECT", "127.0.0.1:8000", 405, "method_not_allowed"),
        ("GET", "*", 400, "bad_request"),
        ("GET", "healthz", 400, "bad_request"),
        ("GET", "127.0.0.1:8000", 400, "bad_request"),
        ("GET", "ftp://127.0.0.1/healthz", 400, "bad_request"),
    ],
)
async def test_a_target_that_is_no_path_gets_a_clear_refusal(
    house: Household, method: str, target: str, status: int, code: str
) -> None:
    answer = await ask(house.address, method, target)
    assert (answer.status, answer.code) == (status, code)
    assert status == 400 or methods_of(answer) == {"GET", "HEAD", "POST", "DELETE"}


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
async def test_a_target_in_absolute_form_gets_the_same_answer_as_its_path(
    house: Household, mia: dict[str, str], scheme: str
) -> None:
    here = f"{scheme}://127.0.0.1:{house.port}"
    for path in ("/healthz", "/", "", "/api/v1/session?x=1", "/nothing", "/static/style.css"):
        plain = await ask(house.address, "GET", path or "/", mia)
        whole = await ask(house.address, "GET", here + path, mia)
        assert (whole.status, whole.headers.get("content-type")) == (
            plain.status,
            plain.headers["content-type"],
        )
        assert whole.body == plain.body or path == "/healthz"
    assert (await ask(house.address, "GET", f"{here}?x=1", mia)).status == 200
    assert (await ask(house.address, "POST", f"{here}/api/v1/stop", mia)).json["state"] == "stopped"
    assert (await ask(house.address, "GET", f"{here}/wiring.svg?lang=zh")).body.count("电机".encode())


async def test_the_socket_opens_in_absolute_form_too(house: Household, mia: dict[str, str]) -> None:
    own = {"Origin": f"http://127.0.0.1:{house.port}"}
    target = f"http://127.0.0.1:{house.port}/ws"
    assert (await ask(house.address, "GET", target, {**UPGRADE, **mia, **own})).status == 101
    assert (await ask(house.address, "GET", target, {**UPGRADE, **mia, **EVIL})).code == "foreign_origin"


@pytest.mark.parametrize(
    "authority", ["evil.example", "evil.example:8000", "", "user@127.0.0.1", "127.0.0.1@evil.example", "[::1"]
)
async def test_the_authority_of_a_target_is_checked_as_the_host_is(
    house: Household, mia: dict[str, str], authority: str
) -> None:
    for path in ("/healthz", "/static/style.css", "/api/v1/state"):
        answer = await ask(house.address, "GET", f"http://{authority}{path}", mia)
        assert (answer.status, answer.code) == (421, "wrong_host")
    stop = await ask(house.address, "POST", f"http://{authority}/api/v1/stop", mia)
    assert stop.code == "wrong_host"


async def test_the_origin_is_compared_with_the_authority_and_not_with_the_host(house: Household) -> None:
    target = f"http://localhost:{house.port}/healthz"
    of_the_target, of_the_host = f"http://localhost:{house.port}", f"http://127.0.0.1:{house.port}"
    assert (await ask(house.address, "GET", target, {"Origin": of_the_target})).status == 200
    assert (await ask(house.address, "GET", target, {"Origin": of_the_host})).code == "foreign_origin"


async def test_a_target_that_names_another_host_than_the_host_header_is_not_this_machine_itself() -> None:
    async with Household(pairing="local") as house:
        target = f"http://127.0.0.1:{house.port}/api/v1/state"
        assert (await ask(house.address, "GET", target)).status == 200
        for host in ("192.0.2.1", "car.example", "localhost"):
            assert (await ask(house.address, "GET", target, {"Host": host})).code == "not_paired"


async def test_requests_with_unknown_methods_are_answered_in_their_order_on_one_connection(
    house: Household,
) -> None:
    reader, writer = await asyncio.open_connection(*house.address)
    writer.write(
        b"BREW /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    async with asyncio.timeout(DEADLINE_S):
        assert (await read_answer(reader)).status == 405
        assert (await read_answer(reader)).status == 200
    writer.close()


@pytest.mark.parametrize(
    ("changed", "status", "code", "words"),
    [
        ({"Upgrade": "h2c"}, 426, "not_websocket", "speaks WebSocket only"),
        ({"Sec-WebSocket-Version": "99"}, 426, "not_websocket", "version 13"),
        ({"Sec-WebSocket-Version": ""}, 426, "not_websocket", "version 13"),
        ({"Connection": "keep-alive"}, 400, "bad_request", "must name Upgrade"),
        ({"Connection": "upgraded, close"}, 400, "bad_request", "must name Upgrade"),
        ({"Connection": ""}, 400, "bad_request", "must name Upgrade"),
        ({"Sec-WebSocket-Key": ""}, 400, "bad_request", "Sec-WebSocket-Key"),
    ],
)
async def test_a_handshake_that_is_wrong_gets_a_sentence_as_json(
    house: Household, mia: dict[str, str], changed: dict[str, str], status: int, code: str, words: str
) -> None:
    answer = await ask(house.address, "GET", "/ws", {**UPGRADE, **mia, **changed})
    assert (answer.status, answer.code) == (status, code)
    assert words in answer.json["error"]["message"]
    if status == 426:
        assert (answer.headers["upgrade"], answer.headers["sec-websocket-version"]) == ("websocket", "13")


async def test_connection_may_name_more_than_the_upgrade(house: Household, mia: dict[str, str]) -> None:
    for connection in ("keep-alive, Upgrade", "UPGRADE", "upgrade , keep-alive"):
        answer = await ask(house.address, "GET", "/ws", {**UPGRADE, **mia, "Connection": connection})
        assert answer.status == 101


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a Host with a blank": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nhello\r\n\r\n",
    "a body too long": b"POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_http_gets_a_sentence_as_json_and_the_end(
    house: Household, request_bytes: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*house.address)
    writer.write(request_bytes)
    async with asyncio.timeout(DEADLINE_S):
        answer = await read_answer(reader)
        assert (answer.status, answer.code, answer.headers["connection"]) == (400, "bad_request", "close")
        assert await reader.read() == b""
    writer.close()
