"""The bridge to an MQTT broker as a service on a real systemd; see `test_systemd.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.bridges import LIMIT_BYTES
from tests.fleet.brokers import Garage
from tests.service.installed import CONFIG, Service
from tests.service.machine import Machine, missing
from tests.support.client import Client
from tests.support.mosquitto import Mosquitto

pytestmark = pytest.mark.systemd

BRIDGE = "picar-mqtt.service"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    if lack := missing():
        pytest.fail(lack)
    with Machine() as machine:
        yield Service(machine, "--mqtt")


@pytest.fixture
async def garage(service: Service, tmp_path: Path) -> AsyncIterator[Garage]:
    """A broker, a car that is online there, and a garage."""
    async with Mosquitto(tmp_path) as broker, Garage(broker) as found:
        config = f'[server]\nport = {service.port}\nhost = "127.0.0.1"\n'
        service.machine.write(CONFIG, f'{config}[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n')
        await service.start()
        await service.run("systemctl", "restart", BRIDGE)
        await found.until("/online", lambda word: word == "online")
        yield found


async def pid(service: Service) -> int:
    """Return the id of the bridge in there, 0 while it does not run."""
    return int(await asyncio.to_thread(service.machine.show, BRIDGE, "MainPID"))


async def until_another(service: Service, before: int) -> None:
    """Wait for another bridge than this one."""
    async with asyncio.timeout(PATIENCE_S):
        while await pid(service) in (0, before):
            pass


async def test_systemd_starts_a_killed_bridge_again_and_the_driver_notices_nothing(
    service: Service, garage: Garage
) -> None:
    async with Client(service.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
        seen, killed, since = len(phone.states), await pid(service), len(garage.heard)
        began = time.monotonic()
        await service.run("systemctl", "kill", "--signal=KILL", BRIDGE)
        await garage.until("/online", lambda word: word == "lost", since)
        await until_another(service, killed)
        print(f"another bridge after {time.monotonic() - began:.1f} s")
        since = len(garage.heard)
        await garage.until("/state", lambda body: body["moving"], since)
        assert {state["state"] for state in phone.states[seen:]} == {"armed"}
        assert not phone.errors
        await phone.let_go()
    assert service.machine.show(BRIDGE, "NRestarts") == "1"
    assert service.machine.show(BRIDGE, "MemoryMax") == str(LIMIT_BYTES)


async def test_a_restart_of_the_car_restarts_its_bridge(service: Service, garage: Garage) -> None:
    before, since = await pid(service), len(garage.heard)
    await service.start()
    await until_another(service, before)
    await garage.until("/online", lambda word: word == "online", since)
    await service.run("systemctl", "stop", "picar")
    assert await pid(service) == 0
    await garage.until("/online", lambda word: word == "offline")
