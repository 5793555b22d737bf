"""Taking turns, on the real product with turns of a second: the wheel passes on at standstill, and only to one who asks."""

from __future__ import annotations

import json

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.raw import ask

pytestmark = pytest.mark.slow

HASTY = ("-m", "tests.faults.odd", "hasty")
PATIENT = "[session]\nidle_s = 600.0\ngrace_s = 30.0\n"


async def test_at_the_end_of_a_turn_the_car_rolls_out_and_the_next_in_line_drives() -> None:
    async with Product(pins="sim", config=PATIENT, program=HASTY) as car:
        async with Client(car.url) as phone, Client(car.url) as other:
            await phone.take()
            phone.hold(1.0)
            await phone.until(lambda s: s["applied"]["left"] > 0.9)
            await other.ask("take")
            await phone.until(lambda s: s["requests"] == [other.id])
            assert phone.state["turn"] is None
            await phone.ask("turn", for_s=1)
            await other.until(lambda s: s["turn"] and s["turn"]["for_s"] == 1 and s["driver"] == phone.id)
            await other.until(lambda s: s["driver"] is None)  # the simulated car still rolls
            await phone.until_error("not_driver")
            await other.until(lambda s: s["you"] == "driver" and s["state"] == "disarmed")
            assert other.state["reason"] == "released"
            assert other.state["target"] == {"left": 0.0, "right": 0.0}
            x = other.state["pose"]["x"]
            await other.hears(3)
            assert other.state["pose"]["x"] == x
            first = next(s for s in other.states if s["you"] == "driver")
            assert first["turn"]["left_s"] > 0.5, "a turn of its own"
            await phone.ask("take")
            await other.until(lambda s: s["requests"] == [phone.id])
            await phone.until(lambda s: s["you"] == "driver")
        flight = (await ask(("127.0.0.1", car.port), "GET", "/api/v1/flight")).body.splitlines()
        over = [line["turn_over"] for line in map(json.loads, flight) if "turn_over" in line]
        assert over == [phone.id, other.id]


async def test_alone_a_driver_drives_on_and_a_reload_goes_on_with_the_turn() -> None:
    async with Product(config=PATIENT, program=HASTY) as car, Client(car.url) as other:
        async with Client(car.url, cookie="a-browser") as phone:
            await phone.take()
            await phone.ask("turn", for_s=60)
            await phone.until(lambda s: s["turn"] and s["turn"]["left_s"] < 59.5)
        async with Client(car.url, cookie="a-browser") as phone:
            assert phone.state["you"] == "driver"
            assert phone.state["turn"]["left_s"] < 59.6
            await phone.ask("turn", for_s=1)
            await phone.drive(0.0)
            phone.hold(0.5)
            await phone.until(lambda s: s["turn"]["left_s"] == 0.0)
            await car.until_driving()
            await phone.hears(10)
            assert (phone.state["you"], phone.errors) == ("driver", [])
            await other.ask("take")
            await other.until(lambda s: s["you"] == "driver")
            await car.until_low()


async def test_a_driver_sets_turns_on_a_fresh_state_and_nobody_else_does(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        await other.ask("turn", for_s=60)
        await other.until_error("not_driver")
        await phone.send(type="turn", for_s=60, tick=0)
        await phone.until_error("stale")
        await phone.ask("turn", for_s=61)
        await phone.until_error("bad_value")
        assert phone.state["turn"] is None
        await phone.ask("turn", for_s=300)
        await phone.until(lambda s: s["turn"] and s["turn"]["for_s"] == 300)
        await phone.ask("turn", for_s=0)
        await phone.until(lambda s: s["turn"] is None)


async def test_a_driver_cannot_dodge_the_end_of_a_turn_for_which_somebody_waits() -> None:
    async with Product(config=PATIENT) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        await phone.ask("turn", for_s=300)
        await other.ask("take")
        await phone.until(lambda s: s["requests"] == [other.id])
        await phone.send(type="deny", client=other.id)
        await phone.until_error("bad_value")
        for for_s in (0, 300):
            phone.errors.clear()
            await phone.ask("turn", for_s=for_s)
            await phone.until_error("bad_value")
        await phone.hears(3)
        assert phone.state["requests"] == [other.id]
        assert phone.state["turn"]["left_s"] < 300
