"""A garage and the bridge to MQTT: they see the car and stop it, and nothing else; a quiet spectator."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import picar.web
from picar.access.store import AccessStore
from tests.support.household import Household
from tests.support.secure import SecureHousehold
from tests.support.waiting import until

MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'
OPEN = (
    ("GET", "/api/v1/state"), ("POST", "/api/v1/stop"), ("GET", "/api/v1/session"), ("GET", "/healthz"), ("GET", "/"),
    ("GET", "/wiring"), ("GET", "/api/v1/openapi.json"),
)  # fmt: skip
THEIRS = {"/ws", "/api/v1/state", "/api/v1/stop", "/api/v1/lesson", "/api/v1/fleet-cap"}
DESCRIPTION = Path(picar.web.__file__).parent / "api" / "openapi.json"


def closed() -> Iterator[tuple[str, str]]:
    """Yield method and path of all requests that need an admitted client, without those of a garage."""
    for path, methods in json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"].items():
        for method, operation in methods.items():
            if operation["security"] and path not in {*THEIRS, "/"}:
                yield method.upper(), path.format(name="drive")


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[Household]:
    async with Household(config=MQTT) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


@pytest.fixture(params=["garage", "bridge"])
def headers(house: Household, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the headers of a garage, then of the bridge."""
    if request.param == "garage":
        return bearer(house.token("Garage: room 7", "garage"))
    return bearer((house.folder / "picar" / "mqtt-token").read_text(encoding="ascii"))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_they_see_the_car_and_stop_it_over_http(house: Household, headers: dict[str, str]) -> None:
    for method, path in OPEN:
        answer = await house.ask(method, path, headers=headers)
        assert answer.status == 200, (path, answer)
    assert (await house.ask("GET", "/api/v1/state", headers=headers)).json["state"] == "stopped"


async def test_everything_else_is_refused_with_one_sentence(
    house: Household, headers: dict[str, str]
) -> None:
    sentences = set()
    requests = list(closed())
    assert len(requests) > 15
    for method, path in requests:
        answer = await house.ask(method, path, {} if method == "POST" else None, headers)
        assert (answer.status, answer.code) == (403, "not_driver"), (path, answer)
        sentences.add(answer.json["error"]["message"])
    assert len(sentences) == 1


@pytest.mark.parametrize("quiet", [False, True])
async def test_over_the_websocket_they_may_stop_and_not_take_the_wheel(
    house: Household, mia: dict[str, str], headers: dict[str, str], quiet: bool
) -> None:
    async with house.client(mia) as phone, house.client(headers, quiet=quiet) as garage:
        if phone.state["state"] == "stopped":
            await phone.ask("take")
            await phone.until(lambda s: s["you"] == "driver")
            await phone.ask("reset")
            await phone.until(lambda s: s["state"] == "disarmed")
            await phone.ask("release")
            await phone.until(lambda s: s["driver"] is None)
        kinds: tuple[tuple[str, dict[str, Any]], ...] = (
            ("take", {}), ("drive", {"throttle": 1.0, "steering": 0.0}), ("reset", {}), ("limit", {"speed": 0.5}),
        )  # fmt: skip
        for kind, keys in kinds:
            garage.errors.clear()
            await garage.ask(kind, **keys)
            await garage.until_error("not_driver")
        assert phone.state["driver"] is None
        await garage.send(type="stop")
        await garage.until(lambda s: s["state"] == "stopped")  # a quiet client hears of it at once
        await phone.until(lambda s: s["state"] == "stopped")


async def test_a_quiet_phone_does_not_come_back_to_the_wheel_that_its_session_had(
    house: Household, mia: dict[str, str]
) -> None:
    async with house.client(mia) as phone:
        await phone.ask("take")
        await phone.until(lambda s: s["you"] == "driver")
    async with house.client(mia, quiet=True) as quiet, house.client(mia) as phone:
        await phone.until(lambda s: s["you"] == "driver")
        assert quiet.state["you"] == "spectator"


async def test_the_token_of_the_bridge_is_in_a_file_of_its_owner_alone_and_new_at_each_start() -> None:
    async with Household(config=MQTT) as house:
        file = house.folder / "picar" / "mqtt-token"
        first = file.read_text(encoding="ascii")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert first not in house.file.read_text(encoding="utf-8")
        await house.terminate()
        await house.start()
        assert file.read_text(encoding="ascii") != first
        assert (await house.ask("GET", "/api/v1/state", headers=bearer(first))).status == 401
        await house.terminate()


async def test_without_a_broker_there_is_no_token() -> None:
    async with Household() as house:
        assert not (house.folder / "picar" / "mqtt-token").exists()
        for token in ("", "bridge"):
            assert (await house.ask("GET", "/api/v1/state", headers=bearer(token))).status == 401


async def test_the_bridge_enters_over_http_also_where_http_does_not_drive() -> None:
    async with SecureHousehold(config=f"http_drives = false\n{MQTT}") as house:
        bridge = bearer((house.folder / "picar" / "mqtt-token").read_text(encoding="ascii"))
        assert (await house.ask("GET", "/api/v1/state", headers=bridge)).status == 200
        assert (await house.ask("POST", "/api/v1/invite", {}, bridge)).code == "not_driver"
        garage = bearer(house.token("Garage", "garage"))
        assert (await house.ask("GET", "/api/v1/state", headers=garage)).code == "https_only"
        assert (await house.ask("POST", "/api/v1/stop", {}, garage)).status == 200


async def test_a_car_whose_token_cannot_be_written_starts_all_the_same() -> None:
    house = Household(config=MQTT)
    (house.folder / "picar" / "mqtt-token").mkdir(parents=True)
    async with house:
        await until(lambda: "picar mqtt cannot enter" in house.log(), "the reason")
        assert (await house.ask("GET", "/healthz")).status == 200


async def test_a_garage_pairs_with_the_pin_alone(house: Household, mia: dict[str, str]) -> None:
    invitation = AccessStore(house.state).invitation(time.monotonic())
    for body, code in (
        ({"token": invitation, "kind": "garage"}, "bad_request"),
        ({"pin": house.pin, "kind": "script"}, "bad_request"),
        ({"pin": house.wrong_pin, "kind": "garage"}, "wrong_pin"),
        ({"kind": "garage"}, "bad_request"),
    ):
        for headers in ({}, mia):  # a paired phone needs the PIN too
            answer = await house.ask("POST", "/api/v1/pair", body, headers)
            assert answer.code == code, body
    wanted = {"pin": house.pin, "name": "Garage: blue room", "kind": "garage"}
    answer = await house.ask("POST", "/api/v1/pair", wanted)
    assert answer.json.keys() == {"name", "token"}
    assert answer.json["name"] == "Garage: blue room"
    assert "set-cookie" not in answer.headers
    listed = (await house.cli("pair", "--list")).out
    assert "  garage  Garage: blue room  (with the PIN)\n" in listed
    theirs = bearer(answer.json["token"])
    assert (await house.ask("GET", "/api/v1/session", headers=theirs)).json["name"] == "Garage: blue room"
    assert (await house.cli("pair", "--revoke", "Garage: blue room")).code == 0
    assert (await house.ask("GET", "/api/v1/state", headers=theirs)).status == 401


async def test_a_garage_that_is_removed_is_disconnected(house: Household) -> None:
    async with house.client(bearer(house.token("Gone", "garage")), quiet=True) as garage:
        assert (await house.cli("pair", "--revoke", "Gone")).code == 0
        await garage.until_closed()
        assert garage.close_code == 4401
