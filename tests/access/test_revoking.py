"""Sending somebody home: by `picar pair --revoke`, while the car runs."""

from __future__ import annotations

import time

import pytest

from picar import commands as cli
from picar.car.hub import CLOSED_UNPAIRED
from picar.network import addresses
from tests.support.household import Household, cookie_of

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
            assert (said.code, said.out.split()[:2]) == (0, ["Removed:", "2"])
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


async def invitation_of(house: Household, phone: dict[str, str]) -> str:
    """Return the token that a phone shows to another one."""
    invited = (await house.ask("POST", "/api/v1/invite", {}, phone)).json
    return str(invited["link"].partition("#pair=")[2])


needs_network = pytest.mark.skipif(
    addresses.for_a_phone("0.0.0.0", addresses.interfaces()) is None, reason="no network: there is no QR code"
)


@needs_network
async def test_nothing_that_a_revoked_phone_got_from_the_car_lets_it_in_again() -> None:
    async with Household(host="0.0.0.0") as house:
        mia, eve = await house.phone("Mia"), await house.phone("Eve")
        answer = await house.ask("POST", "/api/v1/invite", {}, eve)
        assert house.pin not in answer.body.decode()
        tokens = [await invitation_of(house, phone) for phone in (eve, mia)]
        waits = await house.ask("POST", "/api/v1/pair", {"token": tokens[0], "name": "waits"})
        said = await house.cli("pair", "--revoke", "Eve")
        assert said.code == 0
        for token in tokens:
            assert (await house.pair(token=token)).code == "expired"
        for cookie in (eve, cookie_of(waits)):
            assert (await house.ask("GET", "/api/v1/state", headers=cookie)).code == "not_paired"
        assert house.names() == ["Mia"]
        assert (await house.pair(token=await invitation_of(house, mia), name="Ben")).status == 200
        assert house.names() == ["Mia", "Ben"]


async def test_a_phone_that_has_just_paired_is_revoked_by_a_name_that_is_not_on_the_list_yet() -> None:
    async with Household() as house:
        eve = cookie_of(await house.ask("POST", "/api/v1/pair", {"pin": house.pin, "name": "eve"}))
        said = await house.cli("pair", "--revoke", "eve")
        assert (said.code, said.out) == (1, "")
        assert "The list has no 'eve'. All invitations have ended, and phones that paired within" in said.err
        assert (await house.ask("GET", "/api/v1/state", headers=eve)).code == "not_paired"
        assert house.names() == []


@needs_network
async def test_second_identities_are_named_and_sent_home_with_the_first() -> None:
    async with Household(host="0.0.0.0") as house:
        eve = await house.phone("Eve")
        second = cookie_of(await house.pair(token=await invitation_of(house, eve), name="O'Neil"))
        third = cookie_of(await house.pair(token=await invitation_of(house, second), name="Carol"))
        listed = await house.cli("pair", "--list")
        assert [line.split("  ", 2)[2].strip() for line in listed.out.splitlines()] == [
            "Eve  (with the PIN)",
            "O'Neil  (invited by Eve)",
            "Carol  (invited by O'Neil)",
        ]
        said = await house.cli("pair", "--revoke", "Eve")
        commands = [
            line.strip().partition("pair ")[2] for line in said.out.splitlines() if line.startswith("  ")
        ]
        assert commands == ["--revoke 'O'\"'\"'Neil'", "--revoke Carol"]
        assert "pair --new-pin" in said.out
        assert "O'Neil  (invited by a phone that was removed)" in (await house.cli("pair", "--list")).out

        async with house.client(second) as one, house.client(third) as other:
            said = await house.cli("pair", "--revoke", "O'Neil", "--with-invited")
            assert said.out.startswith("Removed: 2 (O'Neil, Carol). ")
            assert "  picar" not in said.out
            revoked_at = time.monotonic()
            for client in (one, other):
                await client.until_closed()
                assert client.close_code == CLOSED_UNPAIRED
            assert time.monotonic() - revoked_at < SECONDS
        assert house.names() == []


@pytest.mark.parametrize("command", [[], ["--list"], ["--new-pin"]])
def test_with_invited_goes_with_revoke(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["pair", "--with-invited", *command])
    assert ended.value.code == 2
    assert "--with-invited goes with --revoke NAME" in capsys.readouterr().err


@needs_network
async def test_an_invitation_pairs_ten_phones_and_a_paired_phone_that_scans_it_stays_itself() -> None:
    async with Household(host="0.0.0.0") as house:
        mia = await house.phone("Mia")
        token = await invitation_of(house, mia)
        for _ in range(3):
            assert (await house.pair(mia, token=token)).json == {"name": "Mia"}
        answers = [await house.pair(token=token, name=f"phone {number}") for number in range(12)]
        assert [answer.status for answer in answers] == [200] * 10 + [403] * 2
        assert answers[-1].code == "expired"
        assert await invitation_of(house, mia) != token
        assert (await house.pair(token=await invitation_of(house, mia), name="one more")).status == 200
