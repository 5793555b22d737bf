"""The owner's speed cap: anyone paired lowers it, only the PIN raises it, and the motor process holds it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import EN_PINS

CAP = 0.4
# Duty rises in a straight line from `min_duty` at the smallest speed; without it a duty is a speed.
CONFIG = "[motors]\nmin_duty = 0.0\n"


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    async with Household(config=CONFIG) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


async def flat_out(house: Household, phone: Client) -> float:
    """Drive with everything that a driver can give, and return the highest duty on an enable pin."""
    await phone.take()
    writes = len(house.trace())
    await phone.ask("limit", speed=1.0)
    phone.hold(1.0)
    await phone.until(lambda s: s["applied"]["left"] >= 0.9 * s["speed_limit"])
    await phone.hears(10)
    await phone.let_go(zero=False)
    await phone.send(type="release")
    await house.until_low()
    return float(max(write["value"] for write in house.trace()[writes:] if write["pin"] in EN_PINS))


async def test_the_motor_process_holds_the_cap_whatever_a_driver_wants(house: Household) -> None:
    mia, ben = await house.phone("Mia"), await house.phone("Ben")
    async with house.client(mia) as driver, house.client(ben) as other:
        assert driver.state["speed_cap"] == 1.0
        assert await flat_out(house, driver) > 0.9
        lowered = await house.ask("POST", "/api/v1/speed-cap", {"speed": CAP}, ben)
        assert (lowered.status, lowered.json) == (200, {"speed_cap": CAP})
        for client in (driver, other):
            await client.until(lambda s: s["speed_cap"] == CAP and s["speed_limit"] == CAP)
        assert 0.9 * CAP < await flat_out(house, driver) <= CAP
    await house.terminate()
    await house.start()
    async with house.client(mia) as driver:
        assert (driver.state["speed_cap"], driver.state["speed_limit"]) == (CAP, CAP)
        assert 0.9 * CAP < await flat_out(house, driver) <= CAP


async def test_it_counts_for_a_car_that_drives_already(house: Household) -> None:
    mia = await house.phone("Mia")
    async with house.client(mia) as driver:
        await driver.take()
        driver.hold(1.0)
        await driver.until(lambda s: s["applied"]["left"] > 0.9)
        await house.ask("POST", "/api/v1/speed-cap", {"speed": CAP}, mia)
        await driver.until(lambda s: s["applied"]["left"] <= CAP)
        writes = len(house.trace())
        await driver.hears(5)
        await driver.let_go()
        assert all(write["value"] <= CAP for write in house.trace()[writes:] if write["pin"] in EN_PINS)


async def test_only_the_pin_raises_it(house: Household) -> None:
    mia = await house.phone("Mia")

    async def cap(**body: object) -> tuple[int, str]:
        answer = await house.ask("POST", "/api/v1/speed-cap", body, mia)
        return answer.status, answer.code

    assert (await house.ask("POST", "/api/v1/invite", {}, mia)).json["pin"] == house.pin
    assert await cap(speed=0.5) == (200, "")
    assert await cap(speed=0.51) == (403, "pin_needed")
    assert await cap(speed=1.0, pin=house.wrong_pin) == (403, "wrong_pin")
    assert house.content()["speed_cap"] == 0.5
    assert (await house.ask("POST", "/api/v1/invite", {}, mia)).json["pin"] is None  # it would raise the cap
    assert await cap(speed=0.5) == (200, "")
    assert await cap(speed=0.3, pin="whatever") == (200, "")
    assert await cap(speed=0.9, pin=house.pin) == (200, "")
    assert house.content()["speed_cap"] == 0.9
    assert await cap(speed=1, pin=house.pin) == (200, "")
    assert (await house.ask("POST", "/api/v1/invite", {}, mia)).json["pin"] == house.pin
    for wrong in (0, -1, 1.01, 1e999, float("nan"), "1", None, True, [1], 10**400):
        assert await cap(speed=wrong) == (400, "bad_request"), wrong
    assert await cap() == (400, "bad_request")
    assert await cap(speed=0.5, pin=123456) == (400, "bad_request")
    assert await cap(speed=0.5, limit=1) == (400, "bad_request")
    assert house.content()["speed_cap"] == 1.0


async def test_a_stranger_touches_no_cap(house: Household) -> None:
    answer = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1, "pin": house.pin})
    assert answer.code == "not_paired"
    assert house.content()["speed_cap"] == 1.0
