"""Letting phones in: the PIN, the QR code's token, names, and what is no request at all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import picar.web
from picar import __version__
from picar.access.store import INVITATION_S, MOST_PAIRED, AccessStore
from picar.access.tokens import PAUSE_S, TRIES
from picar.network import addresses
from picar.web.api.access import REDRAW_S, QrCodes
from tests.support.household import JSON, Household, cookie_of
from tests.support.raw import Answer, ask
from tests.support.waiting import until


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    """Start a car that asks everyone for its PIN; afterwards its pins must be low and its log free of tracebacks."""
    async with Household() as household:
        yield household
        await household.terminate()
        assert household.is_low()
        assert "Traceback" not in household.log()


async def test_a_stranger_comes_in_with_the_pin_and_stays(house: Household) -> None:
    before = await house.ask("GET", "/api/v1/session")
    here = f"127.0.0.1:{house.port}"
    about = {name: before.json[name] for name in ("id", "colour", "number")} | {"version": __version__}
    stranger = {"allowed": False, "pairing": "on", "name": None, "car": "picar", "host": here}
    assert before.json == stranger | about
    assert about["id"] == house.content()["car"]
    assert (await house.ask("GET", "/api/v1/state")).code == "not_paired"
    assert (await house.pair(pin=house.wrong_pin)).code == "wrong_pin"
    assert house.names() == []

    answer = await house.pair(pin=house.pin, name="Mia's phone")
    assert (answer.status, answer.json) == (200, {"name": "Mia's phone"})
    mia = cookie_of(answer)
    inside = stranger | about | {"allowed": True, "name": "Mia's phone", "moved": False}
    assert (await house.ask("GET", "/api/v1/session", headers=mia)).json == inside
    async with house.client(mia) as phone:
        assert {name: phone.hello["car"][name] for name in about} == about
        assert phone.hello["car"]["moved"] is False
        await phone.take()
        assert phone.state["names"] == {phone.id: "Mia's phone"}

    await house.terminate()
    await house.start()
    assert (await house.ask("GET", "/api/v1/session", headers=mia)).json == inside


async def test_the_cookie_is_the_car_s_own_and_no_script_s(house: Household) -> None:
    answer = await house.pair()
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == f"picar_{house.content()['car']}"
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/", f"max-age={400 * 24 * 3600}"}
    async with Household() as other:
        assert other.content()["car"] != house.content()["car"]
        assert (await other.ask("GET", "/api/v1/state", headers=cookie_of(answer))).status == 401
        as_theirs = {
            "Cookie": cookie_of(answer)["Cookie"].replace(house.content()["car"], other.content()["car"])
        }
        assert (await other.ask("GET", "/api/v1/state", headers=as_theirs)).status == 401


async def test_ten_wrong_pins_close_the_door_for_a_minute_to_all_but_those_inside(house: Household) -> None:
    mia = await house.phone("Mia")
    token = AccessStore(house.state).invitation(time.monotonic())
    async with house.client(mia) as phone:
        await phone.take()
        phone.hold(0.6)
        await phone.until(lambda s: s["applied"]["left"] > 0.2)
        for _ in range(TRIES - 1):
            assert (await house.pair(pin=house.wrong_pin)).code == "wrong_pin"
        assert (await house.pair(name="just in time", pin=house.pin)).status == 200  # which forgives the nine
        for n in range(TRIES):
            answer = await house.pair({"Cookie": f"picar_session={n}"}, pin=house.wrong_pin)
            assert (answer.status, answer.code) == (403, "wrong_pin")
        for pin in (house.wrong_pin, house.pin):
            answer = await house.pair(pin=pin)
            assert (answer.status, answer.code) == (429, "too_many_tries")
            assert PAUSE_S - 30 < int(answer.headers["retry-after"]) <= PAUSE_S
        refused = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)
        assert refused.status == 200  # lowering needs no PIN
        refused = await house.ask("POST", "/api/v1/speed-cap", {"speed": 1.0, "pin": house.pin}, mia)
        assert refused.code == "too_many_tries"

        assert (await house.pair(token=token, name="by QR code")).status == 200
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
        async with house.client(mia):
            pass
        assert (phone.state["state"], phone.errors) == ("armed", [])


async def test_a_token_serves_a_family_and_dies_with_the_next_pin(house: Household) -> None:
    store = AccessStore(house.state)
    token = store.invitation(time.monotonic())
    for path in ("/", f"/?pair={token}", "/healthz", f"/api/v1/pair?token={token}"):  # a link preview
        await house.ask("GET", path)
        await house.ask("HEAD", path)
    for n in range(4):
        assert (await house.pair(token=token, name=f"phone {n}")).status == 200
    aged = {age: store.invitation(time.monotonic() - age) for age in (INVITATION_S - 60, INVITATION_S + 1)}
    answers = [(await house.pair(token=text)).code for text in aged.values()]
    assert answers == ["", "expired"]
    for forged in (
        token[:-1],
        token + "x",
        "9" + token,
        token.partition(".")[2],
        "",
        ".",
        house.pin,
        "é" * 300,
    ):
        answer = await house.pair(token=forged)
        assert (answer.status, answer.code) == (403, "expired")
    phones = house.names()
    assert (await house.cli("pair", "--new-pin")).code == 0
    assert (await house.pair(token=token)).code == "expired"
    assert house.names() == phones  # who is in stays in


async def test_an_invitation_is_for_a_phone_in_the_same_network() -> None:
    async with Household(host="all") as house:
        mia = await house.phone("Mia")
        asked_at = time.monotonic()
        invitation = (await house.ask("POST", "/api/v1/invite", {}, mia)).json
        assert invitation.keys() == {"url", "link", "qr", "expires_in_s"}  # the PIN is the owner's
        assert invitation["expires_in_s"] == INVITATION_S
        reachable_at = addresses.for_a_phone("all", addresses.interfaces())
        if reachable_at is None:
            assert (invitation["url"], invitation["link"], invitation["qr"]) == (None, None, None)
            return
        assert invitation["url"] == addresses.url(reachable_at, house.port)
        url, _, token = invitation["link"].partition("/#pair=")
        assert url == invitation["url"]
        ends_at = int(token.partition(".")[0]) / 1000
        assert asked_at + INVITATION_S - 0.001 <= ends_at <= time.monotonic() + INVITATION_S
        assert invitation["qr"].startswith("data:image/svg+xml")
        assert (await ask((reachable_at, house.port), "GET", "/healthz")).status == 200
        assert (await house.pair(token=token, name="Ben")).status == 200


async def test_a_car_for_this_machine_alone_shows_no_phone_the_way(house: Household) -> None:
    mia = await house.phone("Mia")
    bodies: tuple[object, ...] = ({}, None)
    for body in bodies:
        invitation = (await house.ask("POST", "/api/v1/invite", body, mia)).json
        assert invitation == {"url": None, "link": None, "qr": None, "expires_in_s": 600.0}


async def test_a_name_is_made_unique_short_and_plain(house: Household) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"}
    said = [
        (await house.pair(agent)).json["name"],
        (await house.pair(agent)).json["name"],
        (await house.pair({"User-Agent": "Mozilla/5.0 (Linux; Android 15)"})).json["name"],
        (await house.pair({"User-Agent": "curl/8"})).json["name"],
        (await house.pair()).json["name"],
        (await house.pair(pin=house.pin, name=" a\n\x1b[31m  b\x00\u202e ")).json["name"],
        (await house.pair(pin=house.pin, name="车" * 50)).json["name"],
        (await house.pair(pin=house.pin, name=" \n ")).json["name"],
        (await house.pair(pin=house.pin, name="\u115f\u3164")).json["name"],
        (await house.pair(pin=house.pin, name="iPh\u200done")).json["name"],
        (await house.pair(pin=house.pin, name="IPHONE")).json["name"],
    ]
    plain = ["iPhone", "iPhone 2", "Android", "phone", "phone 2", "a [31m b", "车" * 21, "phone 3", "phone 4"]
    assert said == [*plain, "iPh\u200done 3", "IPHONE 4"]
    assert house.names() == said


async def test_who_is_paired_already_stays_who_they_are(house: Household) -> None:
    mia = await house.phone("Mia")
    again = await house.pair(mia, pin="x", name="Ben")
    assert (again.status, again.json, house.names()) == (200, {"name": "Mia"}, ["Mia"])
    assert cookie_of(again) == mia  # and their cookie lives on


async def test_many_phones_at_once_all_come_in_under_names_of_their_own(house: Household) -> None:
    pin = house.pin
    answers = await asyncio.gather(*(house.pair(pin=pin, name="phone") for _ in range(40)))
    assert {answer.status for answer in answers} == {200}
    names = [answer.json["name"] for answer in answers]
    assert len(set(names)) == 40
    assert sorted(names) == sorted(house.names())
    cookies = [cookie_of(answer) for answer in answers]
    sessions = await asyncio.gather(*(house.ask("GET", "/api/v1/session", headers=one) for one in cookies))
    assert [session.json["name"] for session in sessions] == names


async def test_there_is_a_most_of_paired_phones(house: Household) -> None:
    store = AccessStore(house.state)
    for n in range(MOST_PAIRED):
        store.pair(f"phone {n}")
    answer = await house.pair()
    assert (answer.status, answer.code) == (409, "too_many_paired")
    assert "picar pair --revoke" in answer.json["error"]["message"]
    assert len(house.names()) == MOST_PAIRED


BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "bad_request"),
    "an empty object": (b"{}", "bad_request"),
    "PIN and token": (b'{"pin":"1","token":"2"}', "bad_request"),
    "a PIN that is a number": (b'{"pin":123456}', "bad_request"),
    "a PIN that is null": (b'{"pin":null}', "bad_request"),
    "a PIN that is true": (b'{"pin":true}', "bad_request"),
    "a PIN that is a list": (b'{"pin":["1"]}', "bad_request"),
    "a PIN that is an object": (b'{"pin":{}}', "bad_request"),
    "a token that is a number": (b'{"token":1.5}', "bad_request"),
    "a name that is a number": (b'{"pin":"1","name":1}', "bad_request"),
    "a member that nobody knows": (b'{"pin":"1","admin":true}', "bad_request"),
    "a list": (b'["1"]', "bad_request"),
    "a text": (b'"1"', "bad_request"),
    "a number": (b"123456", "bad_request"),
    "null": (b"null", "bad_request"),
    "NaN": (b"NaN", "bad_request"),
    "no JSON": (b"pin=1", "bad_request"),
    "half an object": (b'{"pin":', "bad_request"),
    "no UTF-8": (b'{"pin":"\xff\xfe"}', "bad_request"),
    "UTF-16 with half a character": (b'\xff\xfe{\x00"', "bad_request"),
    "a nested bomb": (b"[" * 4000, "bad_request"),
    "a huge number": (b"9" * 4000, "bad_request"),
    "a lone surrogate": (b'{"pin":"\\ud800"}', "bad_request"),
    "a PIN of five digits": (b'{"pin":"12345"}', "bad_request"),
    "an empty PIN": (b'{"pin":""}', "bad_request"),
    "a long PIN": (b'{"pin":"' + b"1" * 4000 + b'"}', "bad_request"),
    "a lone surrogate for a token": (b'{"token":"\\udfff.\\ud800"}', "expired"),
    "a token without a time": (b'{"token":".x"}', "expired"),
}


async def test_a_body_that_is_none_lets_nobody_in(house: Household) -> None:
    codes = {}
    for what, (body, _) in BODIES.items():
        codes[what] = (await ask(house.address, "POST", "/api/v1/pair", JSON, body)).code
    assert codes == {what: code for what, (_, code) in BODIES.items()}
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x",
        "json",
        "",
    ):
        body = f'{{"pin":"{house.pin}"}}'.encode()
        answer = await ask(house.address, "POST", "/api/v1/pair", {"Content-Type": kind}, body)
        assert (answer.status, answer.code) == (415, "not_json")
    unsaid = await ask(house.address, "POST", "/api/v1/pair", body=b"{}")
    assert (unsaid.status, unsaid.code) == (415, "not_json")
    assert house.names() == []


async def test_a_huge_body_is_refused_unread(house: Household) -> None:
    for headers in ({"Content-Length": "1000000000"}, {"Content-Length": str(10**30)}):
        answer = await ask(house.address, "POST", "/api/v1/pair", JSON | headers, b'{"pin":"')
        assert answer.status in (400, 413)
    chunks = b"fffff\r\n" + b" " * 0xFFFFF + b"\r\n0\r\n\r\n"
    reader, writer = await asyncio.open_connection(*house.address)
    head = "POST /api/v1/pair HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    ended: list[bytes] = []

    async def listen() -> None:
        try:
            ended.append(await reader.read())
        except ConnectionError:
            ended.append(b"")

    listening = asyncio.create_task(listen())
    await until(lambda: ended, "the connection closed")
    await listening
    assert b" 200 " not in ended[0]
    writer.close()
    assert house.names() == []


async def test_a_qr_code_is_drawn_once_a_minute_for_each_who_invites_unless_it_is_good_no_more(
    tmp_path: Path,
) -> None:
    store, codes, url = AccessStore(tmp_path), QrCodes(), "http://192.0.2.1"
    first = await codes.get(store, url, "mia", 1000.0)
    assert first["expires_in_s"] == INVITATION_S
    ben = await codes.get(store, url, "ben", 1000.0)
    assert ben["link"] != first["link"]
    later = await codes.get(store, url, "mia", 1000.0 + REDRAW_S - 1)
    assert (later["link"], later["expires_in_s"]) == (first["link"], INVITATION_S - REDRAW_S + 1)
    assert (await codes.get(store, url, "mia", 1000.0 + REDRAW_S))["link"] != first["link"]
    assert (await codes.get(store, "http://192.0.2.2", "mia", 1000.0))["link"].startswith(
        "http://192.0.2.2/#pair="
    )
    old = (await codes.get(store, url, "mia", 1000.0))["link"]
    store.new_pin()
    assert (await codes.get(store, url, "mia", 1000.0))["link"] != old
    assert (await codes.get(store, None, "mia", 1000.0))["qr"] is None


PINS: dict[str, dict[str, Any]] = {
    "/api/v1/pair": {},
    "/api/v1/speed-cap": {"speed": 1.0},
    "/api/v1/wifi": {"ssid": "home", "password": "secret word"},
    "/api/v1/lesson": {"mode": "drive"},
}


async def guess(house: Household, path: str, pin: str, headers: dict[str, str] | None) -> Answer:
    """Send a PIN to one of these."""
    method = "PUT" if path == "/api/v1/lesson" else "POST"
    return await house.ask(method, path, {**PINS[path], "pin": pin}, headers)


def test_the_doors_that_take_a_pin_are_these() -> None:
    document = json.loads(
        Path(picar.web.__file__).with_name("api").joinpath("openapi.json").read_text(encoding="utf-8")
    )
    schemas = {
        name
        for name, schema in document["components"]["schemas"].items()
        if "pin" in schema.get("properties", {})
    }
    found = {
        path
        for path, methods in document["paths"].items()
        if any(f'/{name}"' in json.dumps(methods) for name in schemas)
    }
    assert found == PINS.keys()


@pytest.mark.parametrize("guessed", PINS)
async def test_all_doors_that_take_a_pin_share_ten_tries(house: Household, guessed: str) -> None:
    mia = await house.phone("Mia")
    await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)
    headers = {path: None if path == "/api/v1/pair" else mia for path in PINS}
    for number in range(TRIES):
        path = guessed if number else next(iter(PINS.keys() - {guessed}))  # one at the other door
        answer = await guess(house, path, house.wrong_pin, headers[path])
        assert (answer.status, answer.code) == (403, "wrong_pin")
    for path in PINS:
        answer = await guess(house, path, house.pin, headers[path])
        assert (answer.status, answer.code) == (429, "too_many_tries")


@pytest.mark.parametrize("guessed", PINS)
async def test_what_has_not_six_digits_is_no_guess(house: Household, guessed: str) -> None:
    mia = await house.phone("Mia")
    await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)
    headers = None if guessed == "/api/v1/pair" else mia
    for _ in range(TRIES + 2):
        answer = await guess(house, guessed, "what?", headers)
        assert (answer.status, answer.code) == (400, "bad_request")
        assert "six digits" in answer.json["error"]["message"]
    arabic = "".join(chr(0x660 + int(digit)) for digit in house.pin)
    answer = await guess(house, guessed, f"{arabic[:3]} {arabic[3:]}", headers)
    assert answer.status == (503 if guessed == "/api/v1/wifi" else 200)  # here is no watcher of the WiFi


async def test_a_browser_that_keeps_no_cookies_leaves_no_entry(house: Household) -> None:
    before = house.file.stat()
    answers = [await house.ask("POST", "/api/v1/pair", {"pin": house.pin, "name": "Mia"}) for _ in range(5)]
    assert [answer.json["name"] for answer in answers] == ["Mia", "Mia 2", "Mia 3", "Mia 4", "Mia 5"]
    assert (await house.ask("GET", "/api/v1/session")).json["allowed"] is False
    assert house.file.stat() == before
    assert house.names() == []
    assert (await house.ask("GET", "/api/v1/state", headers=cookie_of(answers[3]))).status == 200
    assert house.names() == ["Mia 4"]  # under the name that it was told


async def test_each_first_word_of_a_phone_that_was_paired_makes_it_one_of_the_house(house: Household) -> None:
    async def paired(name: str) -> dict[str, str]:
        return cookie_of(await house.ask("POST", "/api/v1/pair", {"pin": house.pin, "name": name}))

    assert (await house.ask("GET", "/api/v1/session", headers=await paired("asks"))).json["name"] == "asks"
    assert house.names() == ["asks"]
    assert (await house.ask("POST", "/api/v1/stop", {}, await paired("stops"))).status == 200
    await until(lambda: house.names() == ["asks", "stops"], "the list, written after the stop")
    async with house.client(await paired("drives")):
        assert house.names() == ["asks", "stops", "drives"]
    assert (await house.ask("GET", "/", headers=await paired("looks"))).status == 200
    assert house.names() == ["asks", "stops", "drives"]  # the page is everybody's; its first question follows


async def test_a_phone_that_was_paired_before_a_restart_and_did_not_come_back_pairs_again(
    house: Household,
) -> None:
    answer = await house.ask("POST", "/api/v1/pair", {"pin": house.pin, "name": "Mia"})
    await house.terminate()
    await house.start()
    late = await house.ask("GET", "/api/v1/session", headers=cookie_of(answer))
    assert (late.status, late.json["allowed"]) == (200, False)
    assert (await house.pair(cookie_of(answer), pin=house.pin, name="Mia")).json["name"] == "Mia"
    assert house.names() == ["Mia"]
