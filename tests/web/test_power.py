"""Switching the machine off from the page: who may, when, and that the pins are low before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.household import Household
from tests.support.logind import AS_THE_SERVICE, FakeLogind
from tests.support.product import read_trace
from tests.support.raw import Answer
from tests.support.waiting import until
from tests.web.test_openapi import operation_of, validate

POWER = "/api/v1/power"
UPTIME_STEP_S = 0.01  # /proc/uptime rounds down


@pytest.fixture
def logind(tmp_path: Path) -> FakeLogind:
    return FakeLogind(tmp_path / "bin")


@pytest.fixture
async def house(logind: FakeLogind) -> AsyncIterator[Household]:
    async with Household(env=logind.path, program=("-c", AS_THE_SERVICE)) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


@pytest.mark.parametrize(("action", "method"), [("off", "PowerOff"), ("reboot", "Reboot")])
async def test_a_paired_phone_switches_it_off_and_the_car_is_stopped_before(
    house: Household, logind: FakeLogind, action: str, method: str
) -> None:
    mia = await house.phone("Mia")
    async with house.client(mia) as phone:
        assert (await house.ask("GET", POWER, headers=mia)).json == {"available": True}
        answer = await switch(house, action, mia)
        assert (answer.status, answer.json) == (202, {"action": action})
        await phone.until(lambda s: s["state"] == "stopped")
    await house.until_low()
    assert logind.calls()[2:] == [f"Can{method}", f"{method} b false"]
    assert f"{method}, asked for by Mia at 127.0.0.1" in house.log()


async def test_the_pins_are_low_when_logind_is_told(house: Household, logind: FakeLogind) -> None:
    mia = await house.phone("Mia")
    logind.answers(do=f"cut -d' ' -f1 /proc/uptime > '{logind.folder}/then'")
    async with house.client(mia) as phone:
        await drive(phone)
        await phone.let_go()
        await house.until_low()
        await phone.hears(5)
        assert (await switch(house, "off", mia)).status == 202
    then = float((logind.folder / "then").read_text()) + UPTIME_STEP_S
    await until(house.is_low, "the end of the trace")  # its lines come some milliseconds late
    levels = {write["pin"]: write["value"] for write in read_trace(house.trace_file) if write["t"] <= then}
    assert levels
    assert not any(levels.values())


async def test_not_while_it_moves(house: Household, logind: FakeLogind) -> None:
    mia = await house.phone("Mia")
    async with house.client(mia) as phone:
        await drive(phone)
        answer = await switch(house, "off", mia)
        assert (answer.status, answer.code) == (409, "moving")
        await phone.hears(5)
        assert phone.state["applied"] == {"left": 1.0, "right": 1.0}, "it drives on"
    assert logind.calls() == [], "nothing comes between driver and car"


async def test_who_opens_the_settings_again_and_again_starts_nothing_new(
    house: Household, logind: FakeLogind
) -> None:
    mia = await house.phone("Mia")
    answers = await asyncio.gather(*(house.ask("GET", POWER, headers=mia) for _ in range(5)))
    assert [answer.json for answer in answers] == [{"available": True}] * 5
    assert logind.calls() == ["CanPowerOff", "CanReboot"]


async def test_strangers_neither_see_nor_use_it(house: Household, logind: FakeLogind) -> None:
    for method, body in (("GET", None), ("POST", {"action": "off"})):
        answer = await house.ask(method, POWER, body)
        assert (answer.status, answer.code) == (401, "not_paired")
    assert logind.calls() == []


@pytest.mark.parametrize("body", [{}, {"action": "halt"}, {"action": 1}, {"action": "off", "now": True}, []])
async def test_what_it_does_not_know_does_nothing(house: Household, logind: FakeLogind, body: object) -> None:
    mia = await house.phone("Mia")
    answer = await house.ask("POST", POWER, body, mia)
    assert (answer.status, answer.code) == (400, "bad_request")
    async with house.client(mia) as phone:
        assert phone.state["state"] != "stopped"
    assert logind.calls() == []


async def test_a_machine_that_does_not_let_it_says_how_to_and_drives_on(
    house: Household, logind: FakeLogind
) -> None:
    mia = await house.phone("Mia")
    logind.answers(can="echo 's \"challenge\"'")
    assert (await house.ask("GET", POWER, headers=mia)).json == {"available": False}
    answer = await switch(house, "reboot", mia)
    assert (answer.status, answer.code) == (503, "not_available")
    assert "scripts/install --power" in answer.json["error"]["message"]
    async with house.client(mia) as phone:
        await drive(phone)


async def test_an_update_that_must_not_be_interrupted_is_told(house: Household, logind: FakeLogind) -> None:
    mia = await house.phone("Mia")
    logind.answers(do="echo 'Call failed: Operation inhibited by \"apt\"' >&2; exit 1")
    answer = await switch(house, "off", mia)
    assert (answer.status, answer.code) == (503, "not_available")
    assert answer.json["error"]["message"] == 'systemd refuses: Operation inhibited by "apt".'


async def test_a_laptop_is_never_switched_off(logind: FakeLogind) -> None:
    """Not even with what a desktop's terminal may inherit, and asked by its owner."""
    env = logind.path | {"INVOCATION_ID": "1f"}
    async with Household("local", env=env) as laptop:
        assert (await laptop.ask("GET", POWER)).json == {"available": False}
        answer = await laptop.ask("POST", POWER, {"action": "off"})
        assert (answer.status, answer.code) == (501, "not_available")
    assert logind.calls() == []


async def switch(house: Household, action: str, who: dict[str, str]) -> Answer:
    """Ask for it, and see that the answer is one that is described."""
    answer = await house.ask("POST", POWER, {"action": action}, who)
    validate(answer, operation_of(POWER, "POST")[1])
    return answer


async def drive(phone: Client) -> None:
    """Take the wheel, and hold full throttle until the wheels turn."""
    await phone.take()
    phone.hold(1.0)
    await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
