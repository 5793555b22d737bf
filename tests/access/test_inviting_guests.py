"""Guests of a real car: invited by a garage or a phone, they drive for a time, and may do nothing else."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import picar.web
from picar.access.guests import MOST_GUESTS, USABLE_S
from picar.car.hub import CLOSED_UNPAIRED
from tests.support.client import Client
from tests.support.household import JSON, Household, cookie_of
from tests.support.raw import Answer, ask
from tests.support.secure import SecureHousehold
from tests.support.waiting import until

pytestmark = pytest.mark.slow

HASTY = ("-m", "tests.faults.odd", "hasty")  # the time of a guest may be a second
ADA = {"for_s": 3600, "name": "Ada"}
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'
DESCRIPTION = Path(picar.web.__file__).parent / "api" / "openapi.json"
ALLOWED = {"/ws", "/ws/video", "/snapshot.jpg", "/stream.mjpg", "/api/v1/state", "/api/v1/stop"}


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    async with Household(config=MQTT) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def invite(house: Household, who: dict[str, str], **more: object) -> str:
    """Return the token of a link for a guest."""
    answer = await house.ask("POST", "/api/v1/invite", ADA | more, who)
    assert answer.status == 200, answer
    return str(answer.json["link"]).partition("/#pair=")[2]


async def guest(house: Household, who: dict[str, str], **more: object) -> dict[str, str]:
    """Return the headers of a new guest."""
    answer = await house.pair(token=await invite(house, who, **more))
    assert answer.status == 200, answer
    return cookie_of(answer)


async def test_a_garage_invites_a_guest_who_drives_under_the_name_of_the_invitation(house: Household) -> None:
    garage = bearer(house.token("Room 3", "garage"))
    before = house.file.read_bytes()
    answer = await house.ask("POST", "/api/v1/invite", ADA, garage)
    assert answer.json.keys() == {"url", "link", "qr", "expires_in_s"}
    assert (answer.json["url"], answer.json["expires_in_s"]) == (house.url, USABLE_S)
    assert answer.json["qr"].startswith("data:image/svg+xml")
    url, _, token = answer.json["link"].partition("/#pair=")
    assert url == house.url  # no phone reaches this car, and the garage does
    paired = await house.pair(token=token, name="Zoe")
    assert paired.json == {"name": "Ada", "guest": True}
    ada = cookie_of(paired)
    assert (await house.pair(ada, token=token)).json == {"name": "Ada", "guest": True}
    assert cookie_of(await house.pair(ada, token=token)) == ada
    assert (await house.pair(token=token)).code == "expired"
    async with house.client(ada) as phone:
        await phone.take()
        assert phone.state["names"] == {phone.id: "Ada"}
        phone.hold(0.5)
        await house.until_driving()
    assert (await house.ask("GET", "/api/v1/session", headers=ada)).json["name"] == "Ada"
    assert house.file.read_bytes() == before  # in memory only
    assert "Ada" not in (await house.cli("pair", "--list")).out
    assert "paired: a guest" in house.log()
    assert "Ada" not in house.log()


async def test_a_restart_ends_guests_and_invitations(house: Household) -> None:
    mia = await house.phone("Mia")
    ada, token = await guest(house, mia), await invite(house, mia)
    await house.terminate()
    await house.start()
    assert (await house.ask("GET", "/api/v1/state", headers=ada)).code == "not_paired"
    assert (await house.pair(token=token)).code == "expired"


@pytest.mark.parametrize("ending", [("--revoke", "all"), ("--revoke", "Ben"), ("--new-pin",)])
async def test_a_new_round_ends_guests_and_invitations(house: Household, ending: tuple[str, ...]) -> None:
    mia, _ = await house.phone("Mia"), await house.phone("Ben")
    ada, token = await guest(house, mia), await invite(house, mia)
    async with house.client(ada) as phone:
        assert (await house.cli("pair", *ending)).code == 0
        await phone.until_closed()
        assert phone.close_code == CLOSED_UNPAIRED
    assert (await house.ask("GET", "/api/v1/state", headers=ada)).code == "not_paired"
    assert (await house.pair(token=token)).code == "expired"


async def test_the_time_of_a_guest_who_drives_ends_by_the_car_s_clock() -> None:
    async with Household(program=HASTY) as house:
        mia = await house.phone("Mia")
        asked_at = time.monotonic()
        token = await invite(house, mia, for_s=3)
        ada = cookie_of(await house.pair(token=token))
        unused = await invite(house, mia, for_s=1)
        async with house.client(ada) as phone, house.client(mia) as other:
            await phone.take()
            phone.hold(0.5)
            await house.until_driving()
            await phone.until_closed()
            assert time.monotonic() - asked_at > 3.0
            assert phone.close_code == CLOSED_UNPAIRED
            await house.until_low()
            await other.take()
        assert (await house.ask("GET", "/api/v1/session", headers=ada)).json["allowed"] is False
        assert (await house.pair(ada, token=token)).code == "expired"
        assert (await house.pair(token=unused)).code == "expired"
        await house.terminate()
        assert "Traceback" not in house.log()


REFUSED: tuple[dict[str, Any], ...] = (
    {"for_s": 600}, {"name": "Ada"}, {"for_s": 59, "name": "Ada"}, {"for_s": 43201, "name": "Ada"},
    {"for_s": 600.5, "name": "Ada"}, {"for_s": True, "name": "Ada"}, {"for_s": "600", "name": "Ada"},
    {"for_s": 600, "name": 1}, {"for_s": 600, "name": None}, {"for_s": 600, "name": "Ada", "by": "x"},
    {"for_s": math.nan, "name": "Ada"}, {"for_s": 10**400, "name": "Ada"},
)  # fmt: skip


async def test_an_invitation_has_a_name_and_a_time_from_a_minute_to_half_a_day(house: Household) -> None:
    mia = await house.phone("Mia")
    for body in REFUSED:
        assert (await house.ask("POST", "/api/v1/invite", body, mia)).code == "bad_request", body
    for for_s, usable_s in ((60, 60), (43200, USABLE_S)):
        answer = await house.ask("POST", "/api/v1/invite", {"for_s": for_s, "name": "Ada"}, mia)
        assert answer.json["expires_in_s"] == usable_s
    names = (" a\n\u202e  b ", "\u3164", "Mia")
    answers = [await house.pair(token=await invite(house, mia, name=name)) for name in names]
    assert [answer.json["name"] for answer in answers] == ["a b", "Guest", "Mia 2"]


async def test_a_garage_invites_guests_alone_and_the_bridge_and_a_guest_invite_no_phone(
    house: Household,
) -> None:
    garage = bearer(house.token("Room 3", "garage"))
    bridge = bearer((house.folder / "picar" / "mqtt-token").read_text(encoding="ascii"))
    ada = await guest(house, garage)
    for who, body, code in (
        (garage, {}, "not_driver"), (bridge, {}, "not_driver"), (bridge, ADA, "not_driver"),
        (ada, {}, "guest"), (ada, ADA, "guest"), ({}, ADA, "not_paired"),
    ):  # fmt: skip
        assert (await house.ask("POST", "/api/v1/invite", body, who)).code == code, (who, body)


async def test_a_guest_may_use_these_addresses_and_no_other(house: Household) -> None:
    ada = await guest(house, await house.phone("Mia"))
    refused = set()
    for path, methods in json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"].items():
        for method in (one.upper() for one, operation in methods.items() if operation["security"]):
            if (path, method) in (("/", "POST"), ("/stream.mjpg", "GET")):  # one is off, the other has no end
                continue
            body = b"{}" if method in ("POST", "PUT") else None
            answer = await ask(house.address, method, path.format(name="drive"), ada | JSON, body)
            assert (answer.code == "guest") == (path not in ALLOWED), (method, path, answer)
            refused |= {(answer.status, answer.json["error"]["message"])} if answer.code == "guest" else set()
    ((status, sentence),) = refused
    assert (status, "PIN" in sentence) == (403, True)
    assert (await house.ask("GET", "/", headers=ada)).status == 200


async def test_a_guest_drives_limits_itself_and_resets_and_changes_nothing_of_the_owner(
    house: Household,
) -> None:
    async with house.client(await guest(house, await house.phone("Mia"))) as phone:
        await phone.take()
        await phone.ask("limit", speed=0.5)
        await phone.until(lambda s: s["speed_limit"] == 0.5)
        trims = {
            f"{side}_{key}": value
            for side in ("left", "right")
            for key, value in (("invert", False), ("trim", 1.0))
        }
        denied: dict[str, dict[str, Any]] = {
            "turn": {"for_s": 60}, "jog": {"side": "left", "duty": 0.2}, "uncalibrate": {}, "stay_on": {},
            "calibrate": {"swap": False, "min_duty": 0.2, **trims}, "record": {"on": True},
        }  # fmt: skip
        for kind, keys in denied.items():
            phone.errors.clear()
            await phone.ask(kind, **keys)
            await phone.until_error("guest")
        phone.errors.clear()
        await phone.send(type="clock", unix_s=time.time())
        await phone.until_error("guest")
        assert "wants_clock" not in phone.hello["car"]
        assert (phone.state["turn"], phone.state["recording"]) == (None, None)
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await phone.ask("reset")
        await phone.until(lambda s: s["state"] == "disarmed")


async def test_a_paired_phone_that_opens_a_guest_s_link_stays_paired(house: Household) -> None:
    mia = await house.phone("Mia")
    token = await invite(house, mia)
    assert (await house.pair(mia, token=token)).json == {"name": "Mia"}
    assert (await house.pair(token=token)).json == {"name": "Ada", "guest": True}


async def test_a_guest_becomes_another_guest_or_a_paired_phone(house: Household) -> None:
    mia = await house.phone("Mia")
    ada = await guest(house, mia)
    async with house.client(ada) as phone:
        again = cookie_of(await house.pair(ada, token=await invite(house, mia)))
        await phone.until_closed()
    assert (await house.ask("GET", "/api/v1/session", headers=again)).json["name"] == "Ada"
    assert (await house.pair(again, pin=house.wrong_pin)).code == "wrong_pin"
    async with house.client(again) as phone:
        answer = await house.pair(again, pin=house.pin, name="Ada")
        await phone.until_closed()
    assert (await house.ask("POST", "/api/v1/invite", {}, cookie_of(answer))).status == 200
    assert house.names() == ["Mia", answer.json["name"]]


async def test_there_is_a_most_of_guests(house: Household) -> None:
    mia = await house.phone("Mia")
    await guest(house, mia)
    tokens = [await invite(house, mia) for _ in range(MOST_GUESTS)]  # one too many: the oldest gives way
    answers: list[Answer] = [await house.pair(token=token) for token in tokens]
    assert [answer.code for answer in answers] == ["expired"] + [""] * (MOST_GUESTS - 1)
    answer = await house.ask("POST", "/api/v1/invite", ADA, mia)
    assert (answer.status, answer.code) == (409, "too_many_guests")
    assert "picar pair --new-pin" in answer.json["error"]["message"]


async def test_a_guest_over_https_has_a_cookie_of_https_and_no_other() -> None:
    async with SecureHousehold() as house:
        mia = await house.phone("Mia")
        token = await invite(house, mia)
        answer = await house.ask_securely("POST", "/api/v1/pair", {"token": token})
        assert answer.json == {"name": "Ada", "guest": True}
        ada = cookie_of(answer)
        assert ada["Cookie"].startswith("__Host-picar_")
        assert (await house.ask_securely("GET", "/api/v1/state", headers=ada)).status == 200
        assert (await house.ask("GET", "/api/v1/state", headers=ada)).status == 401
        overheard = (await guest(house, mia))["Cookie"].partition("=")[2]
        for headers in (bearer(overheard), {"Cookie": f"{ada['Cookie'].partition('=')[0]}={overheard}"}):
            assert (await house.ask_securely("GET", "/api/v1/state", headers=headers)).status == 401


async def test_guests_cost_a_car_at_rest_nothing(house: Household) -> None:
    """No timer for each guest: the server wakes up as often as without them."""
    mia = await house.phone("Mia")

    def wakes() -> int:
        status = Path(f"/proc/{house.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])

    async def wakes_in(seconds: float) -> int:
        async with Client(house.url, headers=mia) as phone:
            await phone.hears(3)
            before, end = wakes(), time.monotonic() + seconds
            await until(lambda: time.monotonic() > end, "the time")
            return wakes() - before

    without = await wakes_in(3.0)
    for _ in range(8):
        await guest(house, mia)
    assert await wakes_in(3.0) < without * 1.5 + 10
