"""Home Assistant's own MQTT integration finds a car, through a real Mosquitto with the rules of `broker-files`.

`PICAR_HOMEASSISTANT` is the command of a Python that has Home Assistant 2024.11 or newer (CONTRIBUTING.md).
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from picar.fleet import broker
from picar.fleet.homeassistant import discovery
from picar.fleet.topics import Message, Topics, facts_of, state_fields
from tests.fleet.test_topics import HELLO, SESSION, STATE
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S

COMMAND = shlex.split(os.environ.get("PICAR_HOMEASSISTANT", ""))
SCRIPT = Path(__file__).with_name("homeassistant_core.py")
CAR = "k3f9a2b7"
TOPICS = Topics("picar", CAR)
INFO = facts_of(SESSION, HELLO, ["http://10.0.0.7"], None)
STARTED = "2026-11-27T10:00:00+00:00"
DRIVEN = state_fields(STATE, 3, None) | {
    "state": "armed", "driver": "Ada", "moving": True, "speed_cap": 0.5, "wifi_dbm": -55, "temperature_c": 48.5,
    "under_voltage": False, "battery_percent": 80,
}  # fmt: skip
NOTHING = dict.fromkeys(DRIVEN)
SECONDS = 60.0  # for Home Assistant's start
pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not COMMAND, reason="needs Home Assistant: PICAR_HOMEASSISTANT, see CONTRIBUTING.md"),
]


class HomeAssistant:
    """Home Assistant in a process of its own, asked line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, *request: Any) -> dict[str, Any]:
        """Send a request, and return entities, devices and warnings."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps(request)}\n".encode())
        async with asyncio.timeout(SECONDS):
            while line := await self._process.stdout.readline():
                if line.startswith(b"ANSWER "):
                    found: dict[str, Any] = json.loads(line[7:])
                    return found
        raise AssertionError("Home Assistant has ended")

    async def until(self, happened: Callable[[dict[str, str]], bool]) -> dict[str, Any]:
        """Ask until the states of the entities are as wanted; returns the answer."""
        async with asyncio.timeout(SECONDS):
            while True:
                found = await self.ask("states")
                if happened({name: one["state"] for name, one in found["states"].items()}):
                    return found
                await asyncio.sleep(0.1)


class House:
    """The broker, Home Assistant, and the car and the garage as clients."""

    def __init__(self, home: HomeAssistant, car: aiomqtt.Client, garage: aiomqtt.Client) -> None:
        self.home, self.car, self.garage = home, car, garage

    async def publish(self, message: Message) -> None:
        """Publish a message of the car."""
        await self.car.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)

    async def appear(self, has_battery: bool = True) -> None:
        """Publish like a bridge that has just connected, without a state."""
        await self.publish(TOPICS.online("online"))
        await self.publish(TOPICS.config(discovery(TOPICS, INFO, has_battery, STARTED)))

    async def commanded(self, topic: str) -> tuple[Any, int, bool]:
        """Return payload, QoS and the retain bit of the next message of this topic."""
        async with asyncio.timeout(DEADLINE_S):
            async for message in self.garage.messages:
                if str(message.topic) == topic:
                    return json.loads(str(message.payload, "utf-8")), message.qos, message.retain
        raise AssertionError("the broker has ended")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = tmp_path / "made"
    broker.make(made, [CAR], ["127.0.0.1"])
    settings = (
        f"allow_anonymous false\npassword_file {made}/passwd\nacl_file {made}/acl\nmax_packet_size 8192\n"
    )

    def password(name: str) -> str:
        return (made / f"{name}.password").read_text().strip()

    async with Mosquitto(tmp_path, settings) as running:

        def user(name: str) -> aiomqtt.Client:
            version = aiomqtt.ProtocolVersion.V5
            return aiomqtt.Client(
                "127.0.0.1", running.port, protocol=version, username=name, password=password(name)
            )

        async with user(CAR) as car, user("garage") as garage:
            await garage.subscribe(f"{TOPICS.own}/cmd/+", qos=1)
            await garage.subscribe("homeassistant/status", qos=1)
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                "-c",
                SCRIPT.read_text(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdin
            data = {"broker": "127.0.0.1", "port": running.port, "protocol": "5"}
            data |= {"username": broker.HOME_ASSISTANT, "password": password(broker.HOME_ASSISTANT)}
            process.stdin.write(f"{json.dumps(data)}\n".encode())
            yield House(HomeAssistant(process), car, garage)
            process.stdin.close()
            async with asyncio.timeout(SECONDS):
                await process.wait()


def entity(name: str) -> str:
    """Return the id that Home Assistant gives to an entity of this car."""
    domains = {
        "moving": "binary_sensor",
        "low_voltage": "binary_sensor",
        "stop": "button",
        "speed_cap": "number",
    }
    return f"{domains.get(name, 'sensor')}.blitz_{name}"


OF_STATES = [
    "state",
    "driver",
    "battery",
    "wifi",
    "temperature",
    "started",
    "moving",
    "low_voltage",
    "speed_cap",
]


async def test_home_assistant_finds_the_car_with_its_entities_and_has_no_complaint(house: House) -> None:
    await house.appear()
    found = await house.home.until(lambda states: len(states) == 10)
    assert found["states"].keys() == {*map(entity, OF_STATES), entity("stop")}
    assert found["devices"] == [["Blitz", "http://10.0.0.7", "1.2.0"]]
    assert found["complaints"] == []
    await house.publish(TOPICS.state("boot", 1, DRIVEN))
    found = await house.home.until(lambda states: states[entity("state")] == "armed")
    assert {name: found["states"][entity(name)]["state"] for name in OF_STATES} == {
        "state": "armed", "driver": "Ada", "battery": "80", "wifi": "-55", "temperature": "48.5", "started": STARTED,
        "moving": "on", "low_voltage": "off", "speed_cap": "50",
    }  # fmt: skip
    assert found["complaints"] == []


async def test_a_value_that_the_car_no_longer_knows_becomes_unknown(house: House) -> None:
    await house.appear()
    await house.publish(TOPICS.state("boot", 1, DRIVEN))
    await house.home.until(lambda states: states.get(entity("state")) == "armed")
    await house.publish(TOPICS.state("boot", 2, NOTHING | {"state": "disarmed", "speed_cap": 1.0}))
    found = await house.home.until(lambda states: states[entity("state")] == "disarmed")
    unknown = {name for name in OF_STATES if found["states"][entity(name)]["state"] == "unknown"}
    assert unknown == {"driver", "battery", "wifi", "temperature", "moving", "low_voltage"}
    assert found["complaints"] == []


async def test_the_button_stops_the_car_and_the_number_lowers_its_cap(house: House) -> None:
    await house.appear()
    await house.publish(TOPICS.state("boot", 1, DRIVEN))
    await house.home.until(lambda states: states.get(entity("speed_cap")) == "50")
    await house.home.ask("call", "button", "press", {"entity_id": entity("stop")})
    assert await house.commanded(f"{TOPICS.own}/cmd/stop") == ({}, 1, False)
    await house.home.ask("call", "number", "set_value", {"entity_id": entity("speed_cap"), "value": 35})
    assert await house.commanded(f"{TOPICS.own}/cmd/cap") == ({"speed": 0.35}, 1, False)


@pytest.mark.parametrize("word", ["offline", "lost"])
async def test_a_car_that_is_away_is_unavailable(house: House, word: str) -> None:
    await house.appear()
    await house.home.until(lambda states: states.get(entity("state")) == "unknown")
    await house.publish(TOPICS.online(word))
    await house.home.until(lambda states: {*states.values()} == {"unavailable"})
    await house.publish(TOPICS.online("online"))
    found = await house.home.until(lambda states: "unavailable" not in states.values())
    assert found["complaints"] == []


async def test_a_car_without_a_meter_has_no_battery_and_one_that_leaves_is_removed(house: House) -> None:
    await house.appear(has_battery=False)
    found = await house.home.until(lambda states: len(states) == 9)
    assert entity("battery") not in found["states"]
    await house.publish(TOPICS.config(None))
    found = await house.home.until(lambda states: not states)
    assert (found["devices"], found["complaints"]) == ([], [])


async def test_home_assistant_announces_its_start_to_the_cars(house: House) -> None:
    await house.car.subscribe("homeassistant/status", qos=1)
    async with asyncio.timeout(SECONDS):
        async for message in house.car.messages:
            assert (str(message.topic), message.payload) == ("homeassistant/status", b"online")
            break
