"""Cars that the garage finds by mDNS, on this machine's network."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from picar.access.store import AccessStore
from picar.client.discovery import SERVICE
from picar.config import Config
from picar.garage.garage import Garage
from picar.garage.store import GarageStore
from tests.support.household import Household
from tests.support.waiting import until


def record(car: str, port: int) -> AsyncServiceInfo:
    """A record as a car's avahi sends it."""
    return AsyncServiceInfo(
        SERVICE,
        f"picar {car}.{SERVICE}",
        port=port,
        addresses=[socket.inet_aton("127.0.0.1")],
        properties={"path": "/", "v": "1", "id": car},
        server=f"{car}.local.",
    )


@pytest.fixture
async def network() -> AsyncIterator[AsyncZeroconf]:
    found = AsyncZeroconf()
    yield found
    await found.async_close()


async def test_a_car_is_found_named_and_gone(network: AsyncZeroconf, tmp_path: Path) -> None:
    garage = Garage(Config(), GarageStore(tmp_path))
    assert garage.mdns
    running = asyncio.create_task(garage.run())

    def card(car: str) -> dict[str, Any]:
        return next((one for one in garage.cards.fields(time.monotonic()) if one["id"] == car), {})

    async with Household(config='[server]\nname = "Blitz"\n') as house:
        car = AccessStore(house.state).id
        hung = socket.create_server(("127.0.0.1", 0))  # it never answers
        ports = {car: house.port, "apart000": hung.getsockname()[1], "refused0": 9}
        records = [record(one, port) for one, port in ports.items()]
        for one in records:
            await (await network.async_register_service(one, cooperating_responders=True))
        await until(lambda: card(car).get("name") == "Blitz", "the car")
        assert (card(car)["presence"], card(car)["url"]) == ("new", house.url)
        await until(lambda: card("apart000").get("presence") == "apart", "the car that cannot be reached")
        assert card("refused0")["presence"] == "silent", "its machine can be reached"
        await garage.adopt(car, house.pin)
        await until(lambda: card(car)["presence"] == "live", "the adopted car")
        for one in records:
            await (await network.async_unregister_service(one))
        await until(lambda: not card("apart000"), "the end of a car that is not adopted")
        assert card(car)["presence"] == "live"
    hung.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
