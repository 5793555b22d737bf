"""The owner's speed cap: anyone paired lowers it, only the PIN raises it, and the motor process holds it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from picar.core.shaping import LEAST_SPEED
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import EN_PINS, Product
from tests.support.waiting import until

pytestmark = pytest.mark.alone

CAP = 0.4
PAIRED = '[access]\npairing = "on"\n'
QUICK = "[drive]\naccel = 20.0\ndecel = 50.0\n"
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

    assert await cap(speed=0.5) == (200, "")
    assert await cap(speed=0.51) == (403, "pin_needed")
    assert await cap(speed=1.0, pin=house.wrong_pin) == (403, "wrong_pin")
    assert house.content()["speed_cap"] == 0.5
    assert await cap(speed=0.5) == (200, "")
    assert await cap(speed=0.3, pin="whatever") == (200, "")
    assert await cap(speed=0.9, pin=house.pin) == (200, "")
    assert house.content()["speed_cap"] == 0.9
    assert await cap(speed=1, pin=house.pin) == (200, "")
    for wrong in (0, -1, 0.049, 5e-324, 1.01, 1e999, float("nan"), "1", None, True, [1], 10**400):
        assert await cap(speed=wrong) == (400, "bad_request"), wrong
    assert await cap() == (400, "bad_request")
    assert await cap(speed=0.5, pin=123456) == (400, "bad_request")
    assert await cap(speed=0.5, limit=1) == (400, "bad_request")
    assert house.content()["speed_cap"] == 1.0


async def test_the_lowest_cap_is_five_percent_also_where_an_older_file_has_less(house: Household) -> None:
    mia = await house.phone("Mia")
    lowest = await house.ask("POST", "/api/v1/speed-cap", {"speed": LEAST_SPEED}, mia)
    assert (lowest.status, lowest.json) == (200, {"speed_cap": 0.05})
    await house.terminate()
    house.file.write_text(json.dumps(house.content() | {"speed_cap": 0.001}))
    await house.start()
    async with house.client(mia) as driver:
        assert driver.state["speed_cap"] == LEAST_SPEED
        assert 0.0 < await flat_out(house, driver) <= LEAST_SPEED


async def test_a_driver_s_limit_is_no_lower_than_five_percent(house: Household) -> None:
    async with house.client(await house.phone("Mia")) as driver:
        await driver.take()
        for n, wrong in enumerate((0.049, 5e-324, 0.0)):
            await driver.ask("limit", speed=wrong)
            await until(lambda n=n: len(driver.codes) > n, "a refusal")  # type: ignore[misc]
        assert driver.codes == ["bad_value"] * 3
        assert "from 0.05 to 1" in str(driver.errors[0])
        await driver.ask("limit", speed=LEAST_SPEED)
        await driver.until(lambda s: s["speed_limit"] == LEAST_SPEED)


STRONG = {
    "swap": False, "left_invert": False, "right_invert": False, "left_trim": 1.0, "right_trim": 1.0, "min_duty": 0.8,
}  # fmt: skip
WEAK = STRONG | {"left_trim": 0.5, "right_trim": 0.5, "min_duty": 0.0}


async def calibrated(house: Household, driver: Client, **calibration: object) -> None:
    await driver.take()
    await driver.ask("calibrate", **calibration)
    for _ in range(2000):
        found = (await house.ask("GET", "/api/v1/calibration")).json
        if found["calibration"] == calibration:
            return
    raise AssertionError(found)


async def test_a_minimum_duty_that_was_raised_before_the_cap_makes_nothing_faster_under_it() -> None:
    async with Household(pairing="off", config=QUICK) as house:
        async with house.client({}) as driver:
            await calibrated(house, driver, **STRONG)
            await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1})
            await driver.until(lambda s: s["speed_cap"] == 0.1)
            assert await flat_out(house, driver) == pytest.approx(0.325)  # was 0.82
        await house.terminate()
        await house.start()
        async with house.client({}) as driver:
            assert await flat_out(house, driver) == pytest.approx(0.325)


async def test_under_the_cap_the_configuration_is_taken_back_only_where_that_makes_nothing_faster() -> None:
    async with Household(pairing="off", config=QUICK) as house, house.client({}) as driver:
        await calibrated(house, driver, **WEAK)
        await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1})
        await driver.until(lambda s: s["speed_cap"] == 0.1)
        await driver.ask("uncalibrate")
        await driver.until_error("bad_value")
        assert "speed cap" in str(driver.errors[0])
        assert await flat_out(house, driver) == pytest.approx(0.05)
        await house.ask("POST", "/api/v1/speed-cap", {"speed": 1.0, "pin": house.pin})
        await driver.until(lambda s: s["speed_cap"] == 1.0)
        await driver.take()
        await driver.ask("uncalibrate")
        await driver.until_error("bad_value")
        assert driver.codes == ["bad_value"]
        assert await flat_out(house, driver) == 1.0


async def test_two_cars_with_one_state_directory_follow_each_other_s_cap(house: Household) -> None:
    mia = await house.phone("Mia")
    async with Product(config=PAIRED + CONFIG, env={"STATE_DIRECTORY": str(house.state)}) as other:
        async with Client(other.url, headers=mia) as there:
            await there.take()
            there.hold(1.0)
            await other.until_driving()
            await house.ask("POST", "/api/v1/speed-cap", {"speed": CAP}, mia)
            await there.until(lambda s: s["speed_cap"] == CAP and s["speed_limit"] == CAP)
            await there.until(lambda s: s["applied"]["left"] <= CAP)
            assert max(other.levels()[pin] for pin in EN_PINS) <= CAP
            await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.8, "pin": house.pin}, mia)
            await there.until(lambda s: s["speed_cap"] == 0.8)
        await other.terminate()
        assert "Traceback" not in other.log()


async def test_a_cap_that_could_not_be_saved_stays_as_low_as_it_was_set(house: Household) -> None:
    mia = await house.phone("Mia")
    async with house.client(mia) as driver:
        assert (await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)).status == 200
        (house.state / "access.new" / "in the way").mkdir(parents=True)
        assert (await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1}, mia)).status == 503
        await driver.until(lambda s: s["speed_cap"] == 0.1)
        await driver.hears(15)  # 3 s at rest: the server has looked at the disk, which has 0.5, three times
        assert driver.state["speed_cap"] == 0.1


async def test_a_stranger_touches_no_cap(house: Household) -> None:
    answer = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1, "pin": house.pin})
    assert answer.code == "not_paired"
    assert house.content()["speed_cap"] == 1.0
