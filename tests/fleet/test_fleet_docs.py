"""docs/mqtt.md and docs/home-assistant.md: entities, topics, and the configuration of several sites with two real Mosquittos."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import aiomqtt
import yaml

from picar.fleet import broker
from picar.fleet.topics import Topics
from tests.fleet.test_homeassistant import payload
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S

DOCS = Path(__file__).parents[2] / "docs"
MQTT = (DOCS / "mqtt.md").read_text(encoding="utf-8")
HOME = (DOCS / "home-assistant.md").read_text(encoding="utf-8")
CARD, AUTOMATION = re.findall(r"```yaml\n(.*?)```", HOME, re.DOTALL)
CAR = "a1b2c3d4"
ENTITY = re.compile(r"\b(?:sensor|binary_sensor|button|number)\.blitz_\w+")


def entities() -> set[str]:
    """Return the ids that Home Assistant gives to the entities of a car with the name Blitz."""
    components = payload()["cmps"].values()
    return {f"{one['platform']}.blitz_{one['name'].lower().replace(' ', '_')}" for one in components}


def test_the_card_and_the_automation_are_yaml_and_name_entities_that_a_car_has() -> None:
    card: dict[str, Any] = yaml.safe_load(CARD)
    stop, rows = card["cards"]
    assert (card["type"], stop["type"], rows["type"]) == ("vertical-stack", "button", "entities")
    assert stop["tap_action"]["data"] == {
        "topic": "picar/all/cmd/stop", "payload": "{}", "qos": 1, "retain": False,
    }  # fmt: skip
    assert {row["entity"] for row in rows["entities"]} <= entities()
    automation: dict[str, Any] = yaml.safe_load(AUTOMATION)
    assert automation["triggers"][0]["entity_id"] in entities()
    assert automation["triggers"][0]["to"] == "on"  # without quotes it would be true


def test_the_table_of_the_entities_is_complete() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \|", HOME, re.MULTILINE)
    assert sorted(rows) == sorted(entities())
    assert set(ENTITY.findall(HOME)) == entities()


def test_the_table_of_the_topics_has_those_of_a_car() -> None:
    topics = Topics("picar", "ID")
    named = {
        word
        for row in re.findall(r"^\| (`.*?) \|", MQTT, re.MULTILINE)
        for word in re.findall(r"`(\S+)`", row)
    }
    own = {f"picar/ID/{name}" for name in ("online", "info", "state", "event", "result")}
    commands = {topic.replace("+", verb) for topic in topics.commands for verb in ("stop", "cap")}
    wanted = own | commands | {*topics.lessons, topics.discovery}
    assert {name for name in named if "/ID/" in name or "/all/" in name or "_ID/" in name} == wanted


def installed(folder: Path, name: str, cars: list[str]) -> tuple[Path, Path, str]:
    """Return the folder of the files, the one of the broker, and the settings."""
    made, on = folder / name, folder / f"{name}-on"
    broker.make(made, cars, ["127.0.0.1"])
    on.mkdir()
    for file in (broker.ACL, broker.PASSWORDS, broker.LEAF):
        shutil.copy(made / file, on)
    settings = (made / broker.CONF).read_text().replace("listener 8883", "listener {port} 127.0.0.1")
    return made, on, settings.replace(broker.ON_BROKER, str(on)) + f"persistence_location {on}/\n"


def client(made: Path, port: int, user: str) -> aiomqtt.Client:
    """Return a client of a broker."""
    return aiomqtt.Client(
        "127.0.0.1", port, username=user, password=(made / f"{user}.password").read_text().strip(),
        protocol=aiomqtt.ProtocolVersion.V5, tls_params=aiomqtt.TLSParameters(ca_certs=str(made / broker.CA)),
    )  # fmt: skip


async def until_topic(reader: aiomqtt.Client, topic: str) -> bytes:
    """Return the next payload of a topic."""
    async with asyncio.timeout(DEADLINE_S):
        async for message in reader.messages:
            if str(message.topic) == topic:
                assert isinstance(message.payload, bytes)
                return message.payload
    raise AssertionError("the broker has ended")


async def test_the_configuration_of_several_sites_carries_states_up_and_stops_down(tmp_path: Path) -> None:
    section = MQTT.partition("## Several sites")[2]
    rules, connection = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    hq, hq_on, hq_settings = installed(tmp_path, "hq", [])
    site, site_on, site_settings = installed(tmp_path, "site", [CAR])
    with (hq_on / broker.ACL).open("a") as acl:
        acl.write(f"\n{rules}")
    with (hq_on / broker.PASSWORDS).open("a") as passwords:
        passwords.write(f"north:{broker.hashed('secret', b'twelve bytes')}\n")
    shutil.copy(hq / broker.CA, site_on / "hq-ca.crt")
    (hq_folder := tmp_path / "1").mkdir()
    (site_folder := tmp_path / "2").mkdir()
    async with Mosquitto(hq_folder, hq_settings) as central:
        connection = connection.replace("hq.lan:8883", f"127.0.0.1:{central.port}")
        connection = connection.replace("PASSWORD", "secret").replace(broker.ON_BROKER, str(site_on))
        async with (
            Mosquitto(site_folder, site_settings + connection) as local,
            client(hq, central.port, "garage") as garage,
        ):
            await garage.subscribe("north/#", qos=1)
            assert await until_topic(garage, "north/online") == b"1"
            async with client(site, local.port, CAR) as car:
                await car.subscribe([("picar/+/cmd/+", 1), ("picar/all/lesson", 1)])
                await car.publish(f"picar/{CAR}/state", b"here", retain=True)
                assert await until_topic(garage, f"north/picar/{CAR}/state") == b"here"
                for topic in ("picar/all/lesson", "picar/all/cmd/drive", "picar/all/cmd/stop"):
                    await garage.publish(f"north/{topic}", topic, qos=1)
                async with asyncio.timeout(DEADLINE_S):
                    first = await anext(aiter(car.messages))
                assert (str(first.topic), first.payload) == ("picar/all/cmd/stop", b"picar/all/cmd/stop")
            await local.kill()
            while await until_topic(garage, "north/online") != b"0":
                pass
