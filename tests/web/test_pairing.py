"""Letting phones in: the PIN, the QR code's token, names, and what is no request at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.access.guard import PAUSE_S, TRIES
from picar.access.store import INVITATION_S, MOST_PAIRED, AccessStore
from picar.web import addresses
from picar.web.pairing import REDRAWN_S, Drawn
from tests.support.household import JSON, Household, cookie_of
from tests.support.raw import ask
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
    assert before.json == {"allowed": False, "pairing": "on", "name": None, "car": "picar", "host": here}
    assert (await house.ask("GET", "/api/v1/state")).code == "not_paired"
    assert (await house.pair(pin=house.wrong_pin)).code == "wrong_pin"
    assert house.names() == []

    answer = await house.pair(pin=house.pin, name="Mia's phone")
    assert (answer.status, answer.json) == (200, {"name": "Mia's phone"})
    mia = cookie_of(answer)
    inside = {"allowed": True, "pairing": "on", "name": "Mia's phone", "car": "picar", "host": here}
    assert (await house.ask("GET", "/api/v1/session", headers=mia)).json == inside
    async with house.client(mia) as phone:
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
        for pin in (house.wrong_pin, house.pin, ""):
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
        assert invitation.keys() == {"pin", "url", "link", "qr", "expires_in_s"}
        assert (invitation["pin"], invitation["expires_in_s"]) == (house.pin, INVITATION_S)
        reachable_at = addresses.for_a_phone("all", addresses.interfaces())
        if reachable_at is None:
            assert (invitation["url"], invitation["link"], invitation["qr"]) == (None, None, None)
            return
        assert invitation["url"] == addresses.url(reachable_at, house.port)
        url, _, token = invitation["link"].partition("/#pair=")
        assert url == invitation["url"]
        assert int(token.partition(".")[0]) <= time.monotonic() + INVITATION_S
        assert int(token.partition(".")[0]) >= int(asked_at + INVITATION_S)
        assert invitation["qr"].startswith("data:image/svg+xml")
        assert (await ask((reachable_at, house.port), "GET", "/healthz")).status == 200
        assert (await house.pair(token=token, name="Ben")).status == 200


async def test_a_car_for_this_machine_alone_shows_no_phone_the_way(house: Household) -> None:
    mia = await house.phone("Mia")
    bodies: tuple[object, ...] = ({}, None)
    for body in bodies:
        invitation = (await house.ask("POST", "/api/v1/invite", body, mia)).json
        assert invitation == {"pin": house.pin, "url": None, "link": None, "qr": None, "expires_in_s": 600.0}


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
    ]
    assert said == ["iPhone", "iPhone 2", "Android", "phone", "phone 2", "a [31m b", "车" * 40, "phone 3"]
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
    "a lone surrogate": (b'{"pin":"\\ud800"}', "wrong_pin"),
    "a PIN in other digits": ('{"pin":"١٢٣٤٥٦"}'.encode(), "wrong_pin"),
    "an empty PIN": (b'{"pin":""}', "wrong_pin"),
    "a long PIN": (b'{"pin":"' + b"1" * 4000 + b'"}', "wrong_pin"),
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


def test_a_qr_code_is_drawn_once_a_minute_unless_it_is_good_no_more(tmp_path: Path) -> None:
    store, drawn, url = AccessStore(tmp_path), Drawn(), "http://192.0.2.1"
    first = drawn.get(store, url, 1000.0)
    assert first["expires_in_s"] == INVITATION_S
    later = drawn.get(store, url, 1000.0 + REDRAWN_S - 1)
    assert (later["link"], later["expires_in_s"]) == (first["link"], INVITATION_S - REDRAWN_S + 1)
    assert drawn.get(store, url, 1000.0 + REDRAWN_S)["link"] != first["link"]
    assert drawn.get(store, "http://192.0.2.2", 1000.0)["link"].startswith("http://192.0.2.2/#pair=")
    old = drawn.get(store, url, 1000.0)["link"]
    store.new_pin()
    assert drawn.get(store, url, 1000.0)["link"] != old
    assert drawn.get(store, None, 1000.0)["qr"] is None
