"""Sending somebody home: by `picar pair --revoke`, while the car runs."""

from __future__ import annotations

import time

from picar.web.hub import CLOSED_UNPAIRED
from tests.support.household import Household

SECONDS = 3.0  # "within a second", and a loaded machine


async def test_a_revoked_driver_is_sent_home_and_the_car_rolls_out() -> None:
    async with Household(config="[session]\nidle_s = 600.0\ngrace_s = 30.0\n") as house:
        mia, ben = await house.phone("Mia"), await house.phone("Ben")
        async with house.client(mia) as driver, house.client(ben) as asker:
            await driver.take()
            driver.hold(0.8)
            await house.until_driving()
            await asker.ask("take")
            await driver.until(lambda s: s["names"] == {driver.id: "Mia", asker.id: "Ben"})

            said = await house.cli("pair", "--revoke", "Mia")
            assert (said.code, said.err) == (0, "")
            revoked_at = time.monotonic()
            await driver.until_closed()
            assert driver.close_code == CLOSED_UNPAIRED == 4401
            assert time.monotonic() - revoked_at < SECONDS
            await house.until_low()
            low_at = max(write["t"] for write in house.trace())
            assert low_at - revoked_at < SECONDS

            await asker.until(lambda s: s["clients"] == 1)
            assert (await house.ask("GET", "/api/v1/state", headers=mia)).code == "not_paired"
            assert (await house.ask("GET", "/api/v1/session", headers=mia)).json["allowed"] is False
            assert (await house.ask("POST", "/api/v1/stop", {}, mia)).status == 401
            assert asker.state["state"] != "stopped"
            assert house.names() == ["Ben"]
            assert not asker.closed


async def test_an_asker_who_is_revoked_asks_no_more() -> None:
    async with Household() as house:
        mia, ben = await house.phone("Mia"), await house.phone("Ben")
        async with house.client(mia) as driver, house.client(ben) as asker:
            await driver.take()
            driver.hold(0.5)
            await asker.ask("take")
            await driver.until(lambda s: s["requests"] == [asker.id])
            await house.cli("pair", "--revoke", "Ben")
            await driver.until(lambda s: s["requests"] == [] and s["clients"] == 1)
            assert asker.closed
            assert (driver.state["state"], driver.errors) == ("armed", [])


async def test_revoke_all_empties_the_house() -> None:
    async with Household() as house:
        mia, script = await house.phone("Mia"), {"Authorization": f"Bearer {house.token('robot')}"}
        async with house.client(mia) as phone, house.client(script) as robot:
            said = await house.cli("pair", "--revoke", "all")
            assert (said.code, said.out.split()[:2]) == (0, ["Removed:", "2."])
            for client in (phone, robot):
                await client.until_closed()
                assert client.close_code == CLOSED_UNPAIRED
        assert house.names() == []
        assert (await house.ask("GET", "/api/v1/state", headers=script)).status == 401
        assert (await house.pair()).status == 200  # the PIN is still good


async def test_where_nobody_must_be_paired_nobody_is_sent_home() -> None:
    async with Household("off") as house:
        mia = await house.phone("Mia")
        async with house.client({}) as stranger, house.client(mia) as phone:
            await house.cli("pair", "--revoke", "all")
            await phone.until_closed()
            await stranger.hears(1)
            await stranger.until(lambda s: s["clients"] == 1)
            assert not stranger.closed
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
