"""Many cars at one broker: a stop to all of them, the states of dead cars, and a car that was away."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.subscribeoptions import SubscribeOptions

from picar.fleet.connection import Client, publish
from picar.fleet.topics import STATE_EXPIRY_S, Topics, state_fields
from tests.bench.many import STATE, cars_at, measure
from tests.fleet.brokers import Bridge, Garage, Site, site
from tests.support.household import Household
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

CARS = 30
LEFT_BEHIND = {"v": 1, "by": "a retained command"}
CONNECTED = "connected to the broker"
ROUNDS = 3
LIFETIME_S = 10
HOLD = {"v": 1, "mode": "hold", "cap": 1.0, "seq": 7, "by": "Room 4", "text": "Listen, please"}


async def test_a_stop_reaches_each_of_thirty_cars(tmp_path: Path) -> None:
    """Each car handles each stop once: `measure` asserts it. The bench judges the times."""
    rounds, _ = await measure(CARS, ROUNDS, tmp_path)
    assert len(rounds) == ROUNDS


async def lifetimes(broker: Mosquitto) -> list[int]:
    """Return the lifetimes in s of the states that a new client of the broker gets."""
    options = SubscribeOptions(qos=1, retainAsPublished=True)
    found: list[int] = []
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("picar/+/state", options=options)
        await client.subscribe("barrier", options=options)
        await client.publish("barrier", b"", 1)
        async for message in client.messages:
            if str(message.topic) == "barrier":
                return found
            assert message.retain, "what is not live has the retain bit"
            assert message.properties
            found.append(message.properties.json()["MessageExpiryInterval"])  # type: ignore[no-untyped-call]
    raise AssertionError("the broker has ended the connection")


async def test_cars_that_died_are_lost_and_their_states_end_within_a_minute(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, Garage(broker) as garage:
        async with cars_at(broker, CARS):
            pass  # killed
        await until(lambda: garage.of("/online").count("lost") == CARS, "each car is lost")
        found = await lifetimes(broker)
        assert len(found) == CARS
        assert all(0 < lifetime <= STATE_EXPIRY_S == 60 for lifetime in found)


async def test_the_broker_forgets_states_at_the_end_of_their_lifetime(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        async with Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            for number in range(CARS):
                topics = Topics("picar", f"{number:08d}")
                state = topics.state("boot", 1, state_fields(STATE, None, None))
                await publish(client, state._replace(expiry_s=LIFETIME_S))
        assert len(await lifetimes(broker)) == CARS
        async with asyncio.timeout(DEADLINE_S):
            while await lifetimes(broker):
                pass


async def test_a_car_away_during_stop_all_comes_back_held_and_not_stopped(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Household(config=mqtt(here.broker)) as away:
        bridge = Bridge(away, away._config)
        try:
            await bridge.start()
            topic = f"picar/{away.content()['car']}"
            await here.garage.until(f"{topic}/state", lambda body: body["state"])
            ada = await away.phone("Ada")
            await bridge.end(signal.SIGKILL)
            away.signal(signal.SIGKILL)
            await away.ended()
            await stop_all(here)
            since = len(here.garage.heard)
            await away.start()
            await bridge.start()
            held = {"lesson": "hold", "reason": "held"}  # the reason comes after the lesson
            state = await here.garage.until(
                f"{topic}/state", lambda body: held.items() <= body.items(), since
            )
            assert state["state"] == "disarmed"
            async with away.client(ada) as phone:
                await phone.ask("take")
                await phone.until_error("held")
                assert phone.state["lesson"]["text"] == HOLD["text"]
                await here.garage.publish("picar/all/lesson", HOLD | {"mode": "drive", "seq": 8}, retain=True)
                await phone.until(lambda state: state["lesson"] is None)
                await phone.take()
        finally:
            await bridge.end(signal.SIGKILL)


def mqtt(broker: Mosquitto) -> str:
    return f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'


async def stop_all(here: Site) -> None:
    """Stop all cars as the garage does, while the car of the site drives."""
    async with here.car.client(await here.car.phone("Grace")) as phone:
        await phone.take()
        phone.hold(0.5)
        await here.car.until_driving()
        await here.garage.publish("picar/all/cmd/stop", {"v": 1, "id": "stop-all-1", "by": "Room 4"})
        await here.garage.publish("picar/all/lesson", HOLD, retain=True)
        await here.garage.until(f"{here.topic}/state", lambda body: body["stop_id"] == "stop-all-1")
        await here.car.until_low()
        await here.garage.until(f"{here.topic}/state", lambda body: body["lesson"] == "hold")


async def test_a_retained_stop_does_not_stop_again_when_the_broker_comes_back(tmp_path: Path) -> None:
    lines = f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/\n"
    async with site(tmp_path, broker_lines=lines) as here:
        await here.garage.publish(
            f"{here.topic}/cmd/stop", LEFT_BEHIND, retain=True
        )  # no id: each one counts
        await here.garage.until(f"{here.topic}/result", lambda body: body["code"] == "retained_command")
        async with here.car.client(await here.car.phone("Ada")) as phone:
            await phone.ask("take")
            await phone.until(lambda state: state["you"] == "driver")
            await phone.ask("reset")
            await phone.until(lambda state: state["state"] != "stopped")
            seen = len(phone.states)
            for _ in range(2):
                await reconnect(here)
            assert "stopped" not in {state["state"] for state in phone.states[seen:]}


async def reconnect(here: Site) -> None:
    """Let the broker end and start again, and wait until the bridge has received a later command."""
    connections = here.bridge.log().count(CONNECTED)
    here.broker.process.terminate()
    await here.broker.process.wait()
    await here.broker.start()
    async with Garage(here.broker) as garage:
        await garage.until(f"{here.topic}/cmd/stop", lambda body: body == LEFT_BEHIND)
        await until(lambda: here.bridge.log().count(CONNECTED) > connections, "the bridge is back")
        assert (await garage.answer(f"{here.topic}/cmd/cap", speed=0.9))["ok"], "a barrier"
