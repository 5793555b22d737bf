"""The rules of the topics, passwords and TLS of `picar garage broker-files`, with a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from picar.fleet import broker
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S

CAR, OTHER, GARAGE, HA = "a1b2c3d4", "b2c3d4e5", "garage", "homeassistant"
USERS = (CAR, OTHER, GARAGE, HA)
# For each topic: the users that may publish it, and those that receive it.
RULES: dict[str, tuple[set[str], set[str]]] = {
    f"picar/{CAR}/online": ({CAR, GARAGE}, {CAR, GARAGE, HA}),
    f"picar/{CAR}/info": ({CAR, GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/state": ({CAR, GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/event": ({CAR, GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/result": ({CAR, GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/other": ({GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/cmd/stop": ({GARAGE, HA}, {CAR, GARAGE, HA}),
    f"picar/{CAR}/cmd/cap": ({GARAGE, HA}, {CAR, GARAGE, HA}),
    f"picar/{CAR}/cmd/drive": ({GARAGE}, {CAR, GARAGE, HA}),
    f"picar/{CAR}/cmd/stop/now": ({GARAGE}, {GARAGE, HA}),
    f"picar/{CAR}/lesson": ({GARAGE}, {CAR, GARAGE, HA}),
    "picar/all/cmd/stop": ({GARAGE, HA}, {CAR, OTHER, GARAGE, HA}),
    "picar/all/cmd/cap": ({GARAGE, HA}, {CAR, OTHER, GARAGE, HA}),
    "picar/all/cmd/drive": ({GARAGE}, {CAR, OTHER, GARAGE, HA}),
    "picar/all/lesson": ({GARAGE}, {CAR, OTHER, GARAGE, HA}),
    "picar/all/online": ({GARAGE}, {GARAGE, HA}),
    "picar/garage/room/online": ({GARAGE}, {GARAGE, HA}),
    f"homeassistant/device/picar_{CAR}/config": ({CAR, GARAGE}, {GARAGE, HA}),
    "homeassistant/device/picar_all/config": ({GARAGE}, {GARAGE, HA}),
    "homeassistant/status": ({GARAGE, HA}, {CAR, OTHER, GARAGE, HA}),
    "elsewhere": ({GARAGE}, {GARAGE, HA}),
}
END = {CAR: f"picar/{CAR}/online", OTHER: f"picar/{OTHER}/online", GARAGE: "end", HA: "end"}  # each reads it


class House:
    """A broker with the files of `broker-files`, and its users."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def context(self) -> ssl.SSLContext:
        """Return the trust of a car."""
        return ssl.create_default_context(cafile=self.folder / broker.CA)

    @contextlib.asynccontextmanager
    async def user(self, name: str, password: str | None = None) -> AsyncIterator[aiomqtt.Client]:
        """Connect as a user."""
        found = password or (self.folder / f"{name}.password").read_text().strip()
        client = aiomqtt.Client(
            "127.0.0.1", self.port, username=name, password=found, tls_context=self.context(),
            protocol=aiomqtt.ProtocolVersion.V5,
        )  # fmt: skip
        async with client:
            yield client


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("broker")
    made, installed = folder / "made", folder / "installed"
    broker.make(made, [CAR, OTHER], ["127.0.0.1"])
    installed.mkdir()
    for name in (broker.ACL, broker.PASSWORDS, broker.LEAF):  # as the command prints it
        shutil.copy(made / name, installed)
    settings = (made / broker.CONF).read_text().replace(broker.ON_BROKER, str(installed))
    settings += f"persistence_location {folder}/\n"
    async with Mosquitto(folder, settings.replace("listener 8883", "listener {port} 127.0.0.1")) as running:
        yield House(made, running.port)


async def received(client: aiomqtt.Client, nonce: str) -> set[str]:
    """Return the topics of all messages with this nonce until the last one."""
    topics = set()
    async with asyncio.timeout(DEADLINE_S):
        async for message in client.messages:
            if message.payload == nonce.encode():
                topics.add(str(message.topic))
            elif message.payload == f"{nonce} end".encode():
                break
    return topics


@pytest.mark.parametrize("user", USERS)
async def test_a_user_publishes_its_own_topics_only(house: House, user: str) -> None:
    nonce = secrets.token_hex(8)
    async with house.user(GARAGE) as reader, house.user(user) as writer, house.user(GARAGE) as last:
        await reader.subscribe("#", qos=1)
        for topic in RULES:
            await writer.publish(topic, nonce, qos=1)  # answered after the broker has passed it on
        await last.publish("end", f"{nonce} end", qos=1)
        found = await received(reader, nonce)
    assert found == {topic for topic, (writers, _) in RULES.items() if user in writers}


@pytest.mark.parametrize("by_name", [True, False], ids=["each topic", "wildcards"])
@pytest.mark.parametrize("user", USERS)
async def test_a_user_receives_its_own_topics_only(house: House, user: str, by_name: bool) -> None:
    nonce = secrets.token_hex(8)
    async with house.user(user) as reader, house.user(GARAGE) as writer:
        topics = [*RULES, END[user]] if by_name else ["#"]
        await reader.subscribe([(topic, 1) for topic in dict.fromkeys(topics)])
        for topic in RULES:
            await writer.publish(topic, nonce, qos=1)
        await writer.publish(END[user], f"{nonce} end", qos=1)
        found = await received(reader, nonce)
    assert found == {topic for topic, (_, readers) in RULES.items() if user in readers}


@pytest.mark.parametrize(("name", "password"), [(CAR, "wrong"), ("stranger", "x"), ("", "")])
async def test_a_stranger_and_a_wrong_password_are_refused(house: House, name: str, password: str) -> None:
    client = aiomqtt.Client(
        "127.0.0.1", house.port, username=name or None, password=password or None, tls_context=house.context(),
        protocol=aiomqtt.ProtocolVersion.V5,
    )  # fmt: skip
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with client:
            pass


async def test_the_passwords_do_not_open_each_other(house: House) -> None:
    password = (house.folder / f"{CAR}.password").read_text().strip()
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with house.user(OTHER, password):
            pass


async def tls_version(house: House, context: ssl.SSLContext, name: str = "127.0.0.1") -> str | None:
    """Return the version of TLS that broker and client agree upon."""
    _, writer = await asyncio.open_connection("127.0.0.1", house.port, ssl=context, server_hostname=name)
    version: str | None = writer.get_extra_info("ssl_object").version()
    writer.close()
    return version


async def test_the_broker_speaks_tls_from_1_2_on_and_its_certificate_is_verified(house: House) -> None:
    assert await tls_version(house, house.context()) == "TLSv1.3"
    older = house.context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await tls_version(house, older) == "TLSv1.2"
    with pytest.raises(ssl.SSLCertVerificationError):
        await tls_version(house, ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await tls_version(house, house.context(), "another.local")


async def test_the_broker_refuses_tls_1_1(house: House) -> None:
    context = house.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        await tls_version(house, context)
