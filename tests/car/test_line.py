"""A long line for the wheel, of phones with long names: the state stays small, and everybody knows where they stand."""

from __future__ import annotations

import contextlib
import json

import pytest

from tests.support.household import Household

pytestmark = pytest.mark.slow

ASKING = 31
PATIENT = "[session]\nidle_s = 600.0\n"


async def test_five_of_a_long_line_are_listed_and_the_others_counted() -> None:
    async with Household(config=PATIENT) as house, contextlib.AsyncExitStack() as connections:
        phones = [await house.phone(f"{n:02}{'🚗' * 40}") for n in range(ASKING + 1)]
        driver, *others = [await connections.enter_async_context(house.client(phone)) for phone in phones]
        await driver.take()
        for other in others:
            await other.ask("take")
            await other.until(lambda s: s["waiting"])
        line = [other.id for other in others]
        state = await driver.until(lambda s: s["requests_total"] == ASKING)
        size = len(json.dumps(state, separators=(",", ":")))
        print(f"a state with {ASKING} who ask: {size} bytes")
        assert size < 2500
        assert (state["requests"], state["waiting"]) == (line[:5], False)
        assert list(state["names"]) == [driver.id, *line[:5]]
        assert all(len(name) <= 32 and len(name.encode()) <= 64 for name in state["names"].values())
        await driver.send(type="deny", client=line[0])
        await others[0].until(lambda s: not s["waiting"] and s["requests_total"] == ASKING - 1)
        assert others[-1].state["waiting"]
        await driver.until(lambda s: s["requests"] == line[1:6])
        await others[-1].send(type="release")
        await others[-1].until(lambda s: not s["waiting"] and s["requests_total"] == ASKING - 2)
        await driver.ask("grant", client=line[20])
        await others[20].until(lambda s: s["you"] == "driver" and not s["waiting"])
        await house.terminate()
        assert "Traceback" not in house.log()


async def test_a_long_name_from_an_older_file_is_read_and_cut_where_it_is_shown() -> None:
    async with Household() as house:
        mia = await house.phone("Mia")
        await house.terminate()
        content = house.content()
        content["paired"][0]["name"] = "🚗" * 40
        house.file.write_text(json.dumps(content))
        await house.start()
        async with house.client(mia) as phone:
            await phone.take()
            await phone.until(lambda s: s["names"] == {phone.id: "🚗" * 16})
