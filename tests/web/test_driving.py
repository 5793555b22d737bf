"""A real server and a real motor process, driven over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.client import Client
from tests.support.product import Product


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product() as product:
        yield product


async def test_a_driver_drives_and_lets_go(car: Product) -> None:
    async with Client(car.url) as phone:
        assert car.is_low()
        await phone.take()
        phone.hold(0.8)
        state = await phone.until(lambda s: s["applied"]["left"] > 0.5)
        assert state["state"] == "armed"
        assert car.levels()[12] > 0.5
        await phone.let_go()
        await car.until_low()
