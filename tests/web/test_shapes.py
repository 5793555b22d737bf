"""Every shape of request at every door, in each way of pairing, on both lines of Tornado.

Tornado 6.6 asks `check_origin` only where it thinks that a request is foreign; picar's own checks must not care.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.support.client import Client
from tests.support.household import Household
from tests.support.raw import Answer, ask, read_answer
from tests.support.tornados import LINES, Tornados, tornados
from tests.web.shapes import DOORS, SHAPES, Door, Shape, expected

PAIRINGS = ("on", "local", "off")


@dataclass(frozen=True, slots=True)
class Scene:
    """A car, and one who drives it."""

    car: Household
    pairing: str
    driver: Client
    cookie: str
    token: str

    def fill_in(self, text: str) -> str:
        """Put this car's own words into a header."""
        words = {"<host>": f"127.0.0.1:{self.car.port}", "<cookie>": self.cookie, "<token>": self.token}
        words |= {"<cut cookie>": self.cookie[:-1], "<cut token>": self.token[:-1]}
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        return text

    async def ask(self, door: Door, shape: Shape) -> Answer:
        """Ask at a door."""
        headers, body = door.sends(shape)
        filled = {name: self.fill_in(value) for name, value in headers.items()}
        return await ask(self.car.address, door.method, door.path, filled, body)

    async def lift_the_stop(self) -> None:
        """Have the driver reset, if somebody stopped the car."""
        if self.driver.state["state"] == "stopped":
            await self.driver.ask("reset")
            await self.driver.until(lambda s: s["state"] == "disarmed")


@pytest.fixture(scope="module")
def both() -> Iterator[Tornados]:
    with tornados() as found:
        yield found


@pytest.fixture(
    scope="module", params=[(line, pairing) for line in LINES for pairing in PAIRINGS], ids="-".join
)
async def scene(request: pytest.FixtureRequest, both: Tornados) -> AsyncIterator[Scene]:
    line, pairing = request.param
    async with Household(pairing, "[session]\nidle_s = 600.0\n", env=both.env(line)) as car:
        phone = await car.phone("a phone")
        async with car.client(phone) as driver:
            await driver.ask("take")
            await driver.until(lambda s: s["you"] == "driver")
            yield Scene(car, pairing, driver, phone["Cookie"], car.token("a script"))
            assert car.names() == ["a phone", "a script"]
        await car.terminate()
        assert "Traceback" not in car.log()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_each_door_opens_to_whom_it_should(scene: Scene, shape: Shape) -> None:
    for name, door in DOORS.items():
        answer = await scene.ask(door, shape)
        status, code = expected(shape, door, scene.pairing)
        if shape.page == "malformed" and answer.status == 400:
            assert answer.code == "bad_request", name  # Tornado takes it for no HTTP
            continue
        if shape.headers.get("Content-Type") and status in (200, 400) and door.method == "POST":
            status, code = 415, "not_json"
        assert (answer.status, answer.code) == (status, code), name
        _is_well_guarded(answer, door.scheme)
        await _stops_only_when_it_says_so(scene, door, answer)


async def test_a_preflight_gets_no_leave(scene: Scene) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for door in DOORS.values():
        answer = await ask(scene.car.address, "OPTIONS", door.path, headers)
        assert answer.status == 403
        _is_well_guarded(answer, door.scheme)


async def test_without_a_host_it_is_no_request(scene: Scene) -> None:
    for door in DOORS.values():
        answer = await ask(scene.car.address, door.method, door.path, {"Host": ""})
        assert answer.status in (400, 421)


def _is_well_guarded(answer: Answer, scheme: str) -> None:
    """Check the headers that every answer has."""
    headers = answer.headers
    assert not [name for name in headers if name.startswith("access-control")]
    if answer.status == 101:
        return
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert headers.get("www-authenticate") == (scheme if answer.status == 401 else None)


async def _stops_only_when_it_says_so(scene: Scene, door: Door, answer: Answer) -> None:
    """Check that a refused stop was none."""
    if door.path != "/api/v1/stop":
        return
    if answer.status == 200:
        await scene.driver.until(lambda s: s["state"] == "stopped")
        await scene.lift_the_stop()
        return
    state = await scene.car.ask("GET", "/api/v1/state", headers={"Cookie": scene.cookie})
    assert state.json["state"] == "disarmed"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("line", LINES)
async def test_ipv6_loopback_is_this_machine_too(both: Tornados, line: str) -> None:
    hosts = {"[::1]": 200, "[0:0:0:0:0:0:0:1]:1": 200, "localhost": 200, "127.0.0.1": 200, "[fe80::1]": 401}
    async with Household("local", env=both.env(line), host="::1") as car:
        answers = await asyncio.gather(
            *(car.ask("GET", "/api/v1/state", headers={"Host": host}) for host in hosts)
        )
        assert [answer.status for answer in answers] == list(hosts.values())
        through_a_tunnel = await car.ask("GET", "/api/v1/state", headers={"X-Forwarded-For": "::1"})
        assert through_a_tunnel.status == 401
        foreign = await car.ask("GET", "/api/v1/state", headers={"Origin": "http://[::2]"})
        assert foreign.status == 403


async def test_who_names_no_host_is_not_this_machine_itself() -> None:
    async with Household(pairing="local") as house:
        reader, writer = await asyncio.open_connection(*house.address)
        writer.write(b"GET /api/v1/state HTTP/1.0\r\n\r\n")  # as old proxies ask
        assert (await read_answer(reader)).code == "not_paired"
        writer.close()


ORDINARY = {
    "ffmpeg": "User-Agent: Lavf/59.27.100\nAccept: */*\nRange: bytes=0-\nConnection: close\nIcy-MetaData: 1",
    "VLC": "Accept: */*\nAccept-Encoding: identity\nAccept-Language: en\nUser-Agent: VLC/3.0.21 LibVLC/3.0.21\n"
    "Range: bytes=0-\nIcy-MetaData: 1\nConnection: close",
    "mpv": "User-Agent: libmpv\nAccept: */*\nRange: bytes=0-\nConnection: close\nIcy-MetaData: 1",
    "curl": "User-Agent: curl/8.5.0\nAccept: */*",
    "wget": "User-Agent: Wget/1.21\nAccept: */*\nAccept-Encoding: identity\nConnection: Keep-Alive",
    "Python": "Accept-Encoding: identity\nUser-Agent: Python-urllib/3.11\nConnection: close",
    "requests": "User-Agent: python-requests/2.32\nAccept-Encoding: gzip\nAccept: */*\nConnection: keep-alive",
    "Java": "Connection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAEA\nUpgrade: h2c\nUser-Agent: Java-http-client/21",
    "Node": "connection: keep-alive\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\nuser-agent: node",
    "Firefox": "User-Agent: Mozilla/5.0\nAccept: */*\nAccept-Language: en\nAccept-Encoding: gzip, deflate, br, zstd\n"
    "DNT: 1\nSec-GPC: 1\nConnection: keep-alive\nReferer: http://127.0.0.1/\nSec-Fetch-Dest: empty\n"
    "Sec-Fetch-Mode: cors\nSec-Fetch-Site: same-origin\nPriority: u=4\nPragma: no-cache\nCache-Control: no-cache\n"
    "TE: trailers\nIf-None-Match: x",
    "Chrome": 'Connection: keep-alive\nsec-ch-ua: "Chromium";v="130"\nsec-ch-ua-mobile: ?0\nsec-ch-ua-platform: "Linux"\n'
    "User-Agent: Mozilla/5.0\nAccept: */*\nSec-Purpose: prefetch\nPurpose: prefetch\nSec-Fetch-Site: same-origin\n"
    "Upgrade-Insecure-Requests: 1\nAccept-Encoding: gzip, deflate, br\nAccept-Language: en-GB\nSave-Data: on\n"
    "Cookie: other=1; theme=dark",
}


async def test_ordinary_programs_on_this_machine_are_asked_for_no_pin_where_pairing_is_local() -> None:
    async with Household(pairing="local") as house:
        for name, lines in ORDINARY.items():
            headers = dict(line.split(": ", 1) for line in lines.splitlines())
            assert (await house.ask("GET", "/api/v1/state", headers=headers)).status == 200, name


async def test_a_proxy_that_speaks_http_1_0_is_not_this_machine_itself() -> None:
    async with Household(pairing="local") as house:
        reader, writer = await asyncio.open_connection(*house.address)
        writer.write(f"GET /api/v1/state HTTP/1.0\r\nHost: 127.0.0.1:{house.port}\r\n\r\n".encode())
        assert (await read_answer(reader)).code == "not_paired"
        writer.close()
