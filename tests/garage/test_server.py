"""The HTTP interface of the garage page: who may do what, links and texts of hostile cars, start and end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.client.session import CarError
from picar.garage.garage import Garage
from tests.garage.pages import NAME, Served, Unreached, served
from tests.support.raw import UPGRADE
from tests.support.waiting import DEADLINE_S

LINK = "http://192.168.7.20:8000/#pair=g.5e1f.Zm9v-_"
BROWSER = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
INVITE, DRIVE, ADOPT = "/api/v1/cars/aaaaaaaa/invite", "/drive/aaaaaaaa?name=Ada", "/api/v1/adopt"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        found.garage.put("aaaaaaaa", name="Red 7", url="http://blitz.local:8000", adopted=True)
        found.garage.answer = {"link": LINK, "qr": "<svg onload=alert(1)>", "url": "http://192.168.7.20:8000"}
        yield found


async def test_a_stranger_sees_that_the_garage_runs_and_nothing_of_its_cars(here: Served) -> None:
    assert (await here.ask("GET", "/healthz")).json == {"status": "ok"}
    session = (await here.ask("GET", "/api/v1/session")).json
    assert (session["allowed"], session["car"], session["pairing"]) == (False, NAME, "on")
    for method, path in (("GET", DRIVE), ("POST", INVITE), ("POST", ADOPT), ("POST", "/api/v1/invite")):
        answer = await here.ask(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (401, "not_paired"), path
    assert not hasattr(here.garage, "invited")


async def test_a_device_pairs_with_the_garage_s_own_pin_and_gets_its_own_cookie(here: Served) -> None:
    answer = await here.ask("POST", "/api/v1/pair", {"pin": here.store.pin, "name": "Ms Lee"})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"picar_{here.store.car}=")
    async with here.page({"Cookie": cookie}) as page:
        assert page.messages[0]["teacher"]


async def test_a_phone_that_is_invited_to_the_page_is_no_teacher(here: Served) -> None:
    token = here.store.invitation(time.monotonic(), here.store.pair("Ms Lee", "phone", "PIN").id)
    answer = await here.ask("POST", "/api/v1/pair", {"token": token, "name": "Ada"})
    async with here.page({"Cookie": answer.headers["set-cookie"].partition(";")[0]}) as page:
        assert not page.messages[0]["teacher"]


async def test_an_invited_phone_that_enters_the_garage_s_pin_becomes_a_teacher(here: Served) -> None:
    phone = here.device("Ada", by="another")
    refused = await here.ask("POST", "/api/v1/pair", {"pin": "000000"}, phone)
    assert (refused.status, refused.code) == (403, "wrong_pin")
    assert [one.by for one in here.store.paired] == ["another"]
    assert (await here.ask("POST", "/api/v1/pair", {"pin": here.store.pin}, phone)).json == {"name": "Ada"}
    assert [(one.name, one.by) for one in here.store.paired] == [("Ada", "PIN")]
    async with here.page(phone) as page:
        assert page.messages[0]["teacher"]


async def test_the_garage_checks_host_and_origin_as_a_car_does(here: Served) -> None:
    teacher = here.device("Ms Lee")
    wrong = await here.ask("GET", "/api/v1/session", headers={"Host": "evil.example"})
    assert (wrong.status, wrong.code) == (421, "wrong_host")
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for method, path in (("GET", DRIVE), ("POST", INVITE), ("GET", "/garage/ws")):
            body: object = {} if method == "POST" else None
            answer = await here.ask(method, path, body, {**UPGRADE, **teacher, **headers})
            assert (answer.status, answer.code) == (403, "foreign_origin"), path


async def test_a_stranger_gets_the_words_of_the_garage_and_not_those_of_a_car(here: Served) -> None:
    stranger = await here.ask("GET", DRIVE)
    wrong = await here.ask(
        "POST", "/api/v1/pair", {"pin": f"{(int(here.store.pin) + 1) % 10**6:06d}", "name": "Ada"}
    )
    for answer, code in ((stranger, "not_paired"), (wrong, "wrong_pin")):
        sentence = answer.json["error"]["message"]
        assert (answer.code, sentence[-43:]) == (code, "The terminal of picar garage shows the PIN.")
        assert "the garage" in sentence
        assert "car's" not in sentence


@pytest.mark.parametrize("path", [ADOPT, INVITE])
async def test_only_the_teacher_adopts_and_invites(here: Served, path: str) -> None:
    answer = await here.ask("POST", path, {}, here.device("Ada", by="another"))
    assert (answer.status, answer.code) == (403, "not_teacher")
    assert not hasattr(here.garage, "invited")


async def test_adopting_answers_with_the_id_and_the_name_of_the_car(here: Served) -> None:
    here.garage.answer = {"adopted": "aaaaaaaa"}
    answer = await here.ask("POST", ADOPT, {"car": "blitz.local", "pin": "123456"}, here.device("Ms Lee"))
    assert answer.json == {"id": "aaaaaaaa", "name": "Red 7"}


async def test_an_invitation_has_the_car_s_link_and_a_qr_code_that_the_garage_has_drawn(here: Served) -> None:
    members = {"name": " Ada\n", "for_s": 600}
    answer = await here.ask("POST", INVITE, members, here.device("Ms Lee"))
    assert here.garage.invited == ("aaaaaaaa", "Ada", 600)
    assert answer.json.keys() == {"link", "qr"}
    assert answer.json["link"] == LINK
    assert answer.json["qr"].startswith("data:image/svg+xml")
    assert "alert" not in answer.json["qr"]


async def test_driving_leads_a_paired_device_to_the_car_as_a_guest(
    here: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await here.ask("GET", DRIVE, headers=here.device("Ben", by="another") | BROWSER)
    assert (answer.status, answer.headers["location"]) == (303, LINK)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert here.garage.invited == ("aaaaaaaa", "Ada", 3600)
    assert "pair=" not in caplog.text
    await here.ask("GET", "/drive/aaaaaaaa", headers=here.device("Cleo", by="another"))
    assert here.garage.invited == ("aaaaaaaa", "Cleo", 3600)


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "https://10.0.0.7:8443/#pair=g.a.b",
        "http://127.0.0.1:8000/#pair=g.a.b",
        "http://[fd00::7]:8000/#pair=g.a.b",
        "http://car-7.lan/#pair=g.a.b",
        "http://blitz.local:8000/#pair=g.a.b",
    ],
)
async def test_a_link_to_a_car_of_this_network_is_followed(here: Served, link: str) -> None:
    here.garage.answer = {"link": link}
    answer = await here.ask("GET", DRIVE, headers=here.device("Ada"))
    assert (answer.status, answer.headers["location"]) == (303, link)


async def test_a_link_to_the_car_s_own_public_address_is_followed(here: Served) -> None:
    here.garage.put("aaaaaaaa", url="http://141.20.5.5:8000")
    here.garage.answer = {"link": "http://141.20.5.5:8000/#pair=g.a.b"}
    assert (await here.ask("GET", DRIVE, headers=here.device("Ada"))).status == 303


async def test_a_link_to_a_public_address_of_this_machine_is_followed(
    here: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.garage.put("aaaaaaaa", url="http://127.0.0.1:8000")
    here.garage.answer = {"link": "http://141.20.5.5:8000/#pair=g.a.b"}
    assert (await here.ask("GET", DRIVE, headers=here.device("Ada"))).code == "no_link"
    monkeypatch.setattr("picar.web.garage.cars.interfaces", lambda: [("eth0", "141.20.5.5")])
    assert (await here.ask("GET", DRIVE, headers=here.device("Ada"))).status == 303


@pytest.mark.parametrize(
    "link",
    [
        None, 7, [], {"link": LINK}, "", "javascript:alert(1)", "JavaScript:alert(1)//#pair=a", "data:text/html,<b>x</b>",
        "//evil.example/#pair=a", "/#pair=a", "http://evil.example/#pair=a", "http://8.8.8.8/#pair=a",
        "http://10.0.0.7@evil.example/#pair=a", "http://evil.example/http://10.0.0.7/#pair=a", "http://10.0.0.7.evil.example/#pair=a",
        "ftp://10.0.0.7/#pair=a", "http://10.0.0.7/login?x=1#pair=a", "http://10.0.0.7/#pair=a\r\nSet-Cookie: x=1",
        "http://10.0.0.7/#pair=<script>", "http://10.0.0.7/#pair=a\n", " http://10.0.0.7/#pair=a", "http://10.0.0.7\\@evil.example/#pair=a",
        "http://[::::]/#pair=a", "http://[.]/#pair=a", "http://10.0.0.7/#pair=" + "a" * 5000, "http://\uff11\uff10.0.0.7/#pair=a",
        "http://10.0.0.7:999999/#pair=a",
    ],
)  # fmt: skip
async def test_any_other_link_is_refused_with_a_sentence(here: Served, link: object) -> None:
    here.garage.answer = {"link": link, "url": link}
    teacher = here.device("Ms Lee")
    for method, path in (("GET", DRIVE), ("POST", INVITE)):
        answer = await here.ask(method, path, {} if method == "POST" else None, teacher)
        assert (answer.status, answer.code) == (409, "no_link")
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("code", "status"),
    [("no_answer", 503), ("no_car", 503), ("closed", 503), ("too_many_guests", 409), ("wrong_pin", 403), ("not_paired", 409)],
)  # fmt: skip
async def test_a_car_s_refusal_is_passed_on(here: Served, code: str, status: int) -> None:
    here.garage.answer = CarError(code, "No car answers at http://blitz.local:8000. Start picar there.")
    for path in (INVITE, ADOPT):
        answer = await here.ask("POST", path, {}, here.device("Ms Lee"))
        assert (answer.status, answer.code) == (status, code)
        assert answer.json["error"]["message"].startswith("No car answers")


async def test_the_texts_of_a_hostile_car_stay_texts_and_short(here: Served) -> None:
    here.garage.answer = CarError(
        "<b>\r\nX: y", "<script>alert(1)</script>\r\nSet-Cookie: x=1\x1b[2J" + "x" * 10**6
    )
    page = await here.ask("GET", DRIVE, headers=here.device("Ada") | BROWSER)
    assert page.status == 409
    assert "x" not in page.headers
    assert "set-cookie" not in page.headers
    assert b"<script" not in page.body
    assert b"&lt;script&gt;" in page.body
    assert b"\x1b" not in page.body
    assert len(page.body) < 10_000
    answer = await here.ask("POST", INVITE, {}, here.device("Ms Lee"))
    assert answer.json["error"]["code"] == "refused"
    assert len(answer.json["error"]["message"]) == 300


@pytest.mark.parametrize(
    "path", ["/drive/", "/drive/a%2Fb", "/drive/<b>", "/api/v1/cars/x/y/invite", "/api/v1/state"]
)
async def test_there_is_nothing_at_other_addresses(here: Served, path: str) -> None:
    answer = await here.ask("GET", path, headers=here.device("Ada"))
    assert (answer.status, answer.code) == (404, "not_found")


# --- A program that says it is a car


class Adopting(Unreached):
    """A garage that asks the car."""

    adopt = Garage.adopt


@asynccontextmanager
async def hostile(body: str) -> AsyncIterator[str]:
    """Answer each request with this body, and yield the address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write((head + body).encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_facts_of_a_hostile_car_reach_no_page_as_they_are(tmp_path: Path) -> None:
    facts = (
        '{"id":"aaaaaaaa","car":"<b>'
        + "x" * 5000
        + '","colour":"red;}","number":NaN,"version":["1"],"token":"t"}'
    )
    async with served(tmp_path, kind=Adopting) as here, hostile(facts) as url:
        teacher = here.device("Ms Lee")
        await here.ask("POST", ADOPT, {"car": url, "pin": "123456"}, teacher)
        async with here.page(teacher) as page:
            card = page.cars["aaaaaaaa"]
            assert len(card["name"]) <= 80
            assert (card["colour"], card["number"], card["version"]) == (None, None, None)


async def test_an_endless_answer_of_a_hostile_car_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, kind=Adopting) as here, hostile('{"id":"' + "x" * (1 << 21) + '"}') as url:
        answer = await here.ask("POST", ADOPT, {"car": url, "pin": "123456"}, here.device("Ms Lee"))
        assert answer.status in (409, 503)
        assert len(answer.body) < 1000


# --- The process

PROGRAM = """
import sys
from pathlib import Path
from picar.config import Config
from picar.errors import PicarError
from picar.web.garage import serve
def greet(store, pairing, port):
    print(port, store.pin, pairing, flush=True)
settings = Config().having("server", host="127.0.0.1").having("garage", port=int(sys.argv[1]), mdns=False)
try:
    sys.exit(serve(settings, Path(sys.argv[2]), greet))
except PicarError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@asynccontextmanager
async def process(port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port), str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_garage_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with process(0, tmp_path / "garage") as garage:
        assert garage.stdout
        assert garage.stderr
        port, pin, _ = (await asyncio.wait_for(garage.stdout.readline(), DEADLINE_S)).split()
        assert len(pin) == 6
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        garage.send_signal(number)
        assert await asyncio.wait_for(garage.wait(), DEADLINE_S) == 0
        assert await garage.stderr.read() == b""
        writer.close()
    assert {one.name for one in (tmp_path / "garage").iterdir()} >= {"access.json"}


async def test_a_port_in_use_ends_the_garage_with_a_sentence(tmp_path: Path) -> None:
    async with process(0, tmp_path / "one") as first:
        assert first.stdout
        port = int((await asyncio.wait_for(first.stdout.readline(), DEADLINE_S)).split()[0])
        async with process(port, tmp_path / "two") as second:
            _, error = await asyncio.wait_for(second.communicate(), DEADLINE_S)
            sentence = f"Port {port} is in use by another program, perhaps another picar. Stop it, or use --port {port + 1}."
            assert (second.returncode, error.decode().strip()) == (1, sentence)


def test_a_car_s_server_loads_nothing_of_the_garage() -> None:
    code = "import sys, picar.commands.serve, picar.web.server\nprint(*sys.modules)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    found = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert "picar.web.site" in found.stdout
    assert "garage" not in found.stdout
    assert "zeroconf" not in found.stdout


@pytest.mark.parametrize(("model", "priority"), [("Raspberry Pi 4 Model B", 19), (None, 0)])
def test_a_garage_on_a_raspberry_pi_lets_a_car_go_first(model: str | None, priority: int) -> None:
    code = f"""
import os, picar.web.garage as it
before = os.nice(0)
it.raspberry_pi_model = lambda: {model!r}
it.let_cars_go_first()
print(min(19, os.nice(0) - before))
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert ended.stdout == f"{priority}\n", ended.stderr
