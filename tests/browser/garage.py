"""Cars that are used again: starting one costs more than most tests do.

A test gets a car that is as it was after its start. One that a test has stopped, slowed or ended is of no more use; one
whose driver has just closed the page keeps the wheel for two seconds, and another car stands in for it meanwhile.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

from tornado.httpclient import AsyncHTTPClient

from tests.support.product import Product

_LOOKS_NEW: dict[str, Any] = {
    "state": "disarmed",
    "driver": None,
    "requests": [],
    "speed_limit": 1.0,
    "wanted": {"throttle": 0.0, "steering": 0.0},
    "applied": {"left": 0.0, "right": 0.0},
    "target": {"left": 0.0, "right": 0.0},
    "turn": None,
}


class Garage:
    """`async with Garage() as garage:` ends all cars with it."""

    def __init__(self) -> None:
        self._cars: list[tuple[Product, AsyncExitStack]] = []

    async def __aenter__(self) -> Garage:
        return self

    async def __aexit__(self, *_why: object) -> None:
        for _, stack in self._cars:
            await stack.aclose()

    async def car(self) -> Product:
        """Return a car on mock pins that nobody has, as new."""
        for each in list(self._cars):
            seen = await _state(each[0])
            if seen is None or seen["state"] == "stopped" or seen["speed_limit"] < 1:
                self._cars.remove(each)
                await each[1].aclose()
            elif seen.items() >= _LOOKS_NEW.items():
                return each[0]
        stack = AsyncExitStack()
        car = await stack.enter_async_context(Product(pins="mock"))
        self._cars.append((car, stack))
        return car


async def _state(car: Product) -> dict[str, Any] | None:
    """Return what the car says of itself; None when it has ended."""
    if car.process.returncode is not None:
        return None
    answer = await AsyncHTTPClient().fetch(f"{car.url}/api/v1/state")
    state: dict[str, Any] = json.loads(answer.body)
    return state
