"""`/api/v1/wifi`: who may switch the car's network, when, and that the server never waits for the radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.household import Household
from tests.support.raw import Answer
from tests.support.waiting import until
from tests.support.watcher import AT_THIS_SOCKET, STATUS, FakeWatcher
from tests.web.test_openapi import operation_of, validate

pytestmark = pytest.mark.slow

WIFI = "/api/v1/wifi"
HOME: dict[str, Any] = {"ssid": "Home Net", "password": "homepassword"}


@pytest.fixture
async def watcher(tmp_path: Path) -> AsyncIterator[FakeWatcher]:
    async with FakeWatcher(tmp_path / "ctl") as fake:
        yield fake


@pytest.fixture
async def house(watcher: FakeWatcher) -> AsyncIterator[Household]:
    async with Household(env=watcher.env, program=("-c", AT_THIS_SOCKET)) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()
        assert HOME["password"] not in household.log()
        assert HOME["ssid"] not in household.log()  # a report for a helper has this log


async def join(house: Household, who: dict[str, str], **more: object) -> Answer:
    answer = await house.ask("POST", WIFI, HOME | {"pin": house.pin} | more, who)
    validate(answer, operation_of(WIFI, "POST")[1])
    return answer


async def test_the_network_is_shown_without_what_is_for_the_doctor(house: Household) -> None:
    mia = await house.phone("Mia")
    answer = await house.ask("GET", WIFI, headers=mia)
    validate(answer, operation_of(WIFI, "GET")[1])
    assert answer.json == {name: value for name, value in STATUS.items() if name not in ("lost", "restarts")}
    assert (await house.ask("GET", WIFI)).code == "not_paired"


async def test_a_join_with_the_pin_is_passed_on_and_answered_at_once(
    house: Household, watcher: FakeWatcher
) -> None:
    mia = await house.phone("Mia")
    answer = await join(house, mia)
    assert (answer.status, answer.json) == (202, {"text": "The network goes in 5 s."})
    assert watcher.asked == [{"verb": "join", **HOME, "replace": False}]


async def test_without_the_pin_nothing_is_asked_and_guesses_count_as_everywhere(
    house: Household, watcher: FakeWatcher
) -> None:
    mia = await house.phone("Mia")
    answer = await house.ask("POST", WIFI, HOME, mia)
    assert (answer.status, answer.code) == (403, "pin_needed")
    for _ in range(10):
        assert (await join(house, mia, pin=house.wrong_pin)).code == "wrong_pin"
    assert (await join(house, mia)).code == "too_many_tries"
    assert (await house.pair()).code == "too_many_tries"
    assert watcher.asked == []


@pytest.mark.parametrize(
    "wrong",
    [{"ssid": ""}, {"ssid": "é" * 17}, {"ssid": "a\nb"}, {"ssid": "\ud800"}, {"password": "short"}, {"password": "x" * 64}, {"password": "a\nbcdefgh"}],
)  # fmt: skip
async def test_what_no_wifi_has_is_refused(
    house: Household, watcher: FakeWatcher, wrong: dict[str, str]
) -> None:
    assert (await join(house, await house.phone("Mia"), **wrong)).code == "bad_request"
    assert watcher.asked == []


@pytest.mark.parametrize(("error", "code"), [("known", "known"), ("busy", "busy"), ("driving", "moving")])
async def test_a_refusal_of_the_watcher_is_passed_on(
    house: Household, watcher: FakeWatcher, error: str, code: str
) -> None:
    watcher.answers["join"] = {"error": error, "text": "A sentence."}
    answer = await join(house, await house.phone("Mia"), replace=True)
    assert (answer.status, answer.code) == (409, code)
    assert watcher.asked[0]["replace"] is True


async def test_a_car_that_drives_keeps_its_network(house: Household, watcher: FakeWatcher) -> None:
    mia = await house.phone("Mia")
    async with house.client(mia) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] > 0)
        assert (await house.ask("GET", "/healthz")).json["driving"] is True
        assert (await join(house, mia)).code == "moving"
        await phone.let_go()
    assert watcher.asked == []


async def test_while_the_watcher_is_silent_the_server_answers_others(
    house: Household, watcher: FakeWatcher
) -> None:
    mia = await house.phone("Mia")
    watcher.is_silent = True
    waiting = asyncio.create_task(house.ask("GET", WIFI, headers=mia))
    await until(lambda: bool(watcher.asked), "the question")
    assert (await house.ask("GET", "/healthz")).status == 200
    assert not waiting.done()
    answer = await waiting
    assert (answer.status, answer.code) == (503, "not_available")
