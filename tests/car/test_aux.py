"""Lights and horns of a real car: who may use them, what the states say, and what silences the horn when something dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jsonschema
import pytest
from tornado.httpclient import AsyncHTTPClient

import picar.web
from tests.support.client import Client
from tests.support.header import FAKED, FakeHeader
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.alone

HORN, LIGHT, PAN, BACK = 5, 6, 18, 20
CONFIG = f"""
[aux.horn]
kind = "momentary"
pin = {HORN}
label = "Horn"
icon = "horn"
key = "h"
button = 0
max_on_s = 30.0
[aux.light]
pin = {LIGHT}
[aux.pan]
kind = "servo"
pin = {PAN}
axis = "pan"
[aux.back]
pin = {BACK}
follow = "reverse"
"""


@asynccontextmanager
async def sounding(pins: str = "mock") -> AsyncIterator[tuple[Product, Client]]:
    """A car with its horn and its light on."""
    async with Product(pins, config=CONFIG) as car, Client(car.url) as phone:
        await phone.take()
        await phone.aux("light", 1)
        phone.hold_aux("horn")
        await phone.until(lambda s: s["aux"]["horn"] == s["aux"]["light"] == 1)
        await until(lambda: car.levels()[HORN] and car.levels()[LIGHT], "horn and light")
        yield car, phone
        assert "Traceback" not in car.log()


async def silent_for_good(car: Product) -> None:
    await until(lambda: not car.levels()[HORN], "silence")
    await asyncio.sleep(1.0)
    assert not car.levels()[HORN]


async def test_hello_describes_the_outputs_that_a_page_can_set() -> None:
    async with Product(config=CONFIG) as car, Client(car.url) as phone:
        shown = {one.pop("name"): one for one in phone.hello["car"]["aux"]}
        assert [*shown] == ["horn", "light", "pan"]
        assert shown["horn"] == {
            "kind": "momentary",
            "label": "Horn",
            "icon": "horn",
            "key": "h",
            "button": 0,
            "axis": "",
        }
        assert shown["light"]["label"] == "light"
        assert shown["light"]["button"] is None
        assert phone.state["aux"] == {"horn": 0, "light": 0, "pan": 0, "back": 0}
        described = json.loads(
            (Path(picar.web.__file__).parent / "api/openapi.json").read_text(encoding="utf-8")
        )
        answer = await AsyncHTTPClient().fetch(f"{car.url}/api/v1/state")
        jsonschema.validate(
            json.loads(answer.body),
            {"$ref": "#/components/schemas/State", "components": described["components"]},
        )
    async with Product() as car, Client(car.url) as phone:
        assert "aux" not in phone.hello["car"]
        assert "aux" not in phone.state


async def test_only_the_driver_uses_the_outputs() -> None:
    async with Product(config=CONFIG) as car, Client(car.url) as phone:
        await phone.aux("light", 1)
        await phone.until_error("not_driver")
        await phone.take()
        await phone.aux("back", 1)
        await phone.until_error("bad_value")
        await phone.aux("light", 1)
        await phone.until(lambda s: s["aux"]["light"] == 1)
        async with Client(car.url) as spectator:
            assert spectator.state["aux"]["light"] == 1
            await spectator.aux("light", 0)
            await spectator.until_error("not_driver")
        assert car.levels()[LIGHT] == 1


async def test_the_reverse_light_follows_the_simulated_car() -> None:
    async with Product("sim", config=CONFIG) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(-1.0)
        await until(lambda: car.levels()[BACK], "the reverse light")
        await phone.let_go()
        await until(lambda: not car.levels()[BACK], "the light off")
        await phone.aux("pan", 0.5)
        await until(lambda: car.levels().get(PAN) == 1750, "the servo")


async def test_a_driver_who_falls_silent_lets_go_of_the_horn() -> None:
    async with sounding() as (car, phone):
        await phone.let_go(zero=False)
        await silent_for_good(car)
        assert car.levels()[LIGHT] == 1, "a car in the dark stays lit"


async def test_a_connection_that_closes_silences_the_horn() -> None:
    async with sounding() as (car, phone):
        await phone.let_go(zero=False)
        phone.socket.close()
        await silent_for_good(car)


async def test_a_stop_of_a_spectator_silences_a_held_horn() -> None:
    async with sounding() as (car, _), Client(car.url) as other:
        await other.send(type="stop")
        await silent_for_good(car)
        assert car.levels()[LIGHT] == 1


@pytest.mark.parametrize("who", ["server", "motor"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_death_or_the_hang_of_a_process_silences_the_horn(who: str, number: signal.Signals) -> None:
    async with sounding() as (car, _):
        server = car.process.pid
        os.kill(server if who == "server" else car.motor_pid(), number)
        try:
            await silent_for_good(car)
            if who == "motor":
                assert await car.ended() == 1
                assert not car.levels()[LIGHT], "the emergency switches all off"
        finally:
            if who == "server" and number == signal.SIGSTOP:
                os.kill(server, signal.SIGCONT)


async def test_at_the_end_of_the_car_everything_is_off() -> None:
    async with sounding() as (car, _):
        assert await car.terminate() == 0
        assert not any(car.levels()[pin] for pin in (HORN, LIGHT, BACK))


@pytest.mark.parametrize("library", FAKED)
async def test_on_a_library_a_servo_without_pwm_is_broken_and_the_rest_works(
    library: str, tmp_path: Path
) -> None:
    header = FakeHeader(library, tmp_path)
    config = f'{CONFIG}[aux.buzzer]\nkind = "momentary"\npin = 16\ntone_hz = 440\n'
    async with Product(header.name, config=config, env=header.env) as car, Client(car.url) as phone:
        await phone.take()
        await phone.until(lambda s: s["aux"] == {"horn": 0, "light": 0, "pan": None, "back": 0, "buzzer": 0})
        assert car.log().count("[aux.pan] is out of order: The PWM of GPIO 18 is off.") == 1
        phone.hold_aux("horn")
        await until(lambda: header.level(HORN), "the horn")
        await phone.let_go(zero=False)
        phone.hold_aux("buzzer")
        await until(lambda: header.is_low_output(HORN) and not header.is_low_output(16), "the buzzer alone")
        os.kill(car.motor_pid(), signal.SIGKILL)
        assert await car.ended() == 1
        assert all(header.is_low_output(pin) for pin in (HORN, LIGHT, BACK, 16))
