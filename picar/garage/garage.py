"""A garage: its cards, its lessons and the newest STOP ALL, by a WebSocket to each car and by a broker.

Laws:
- STOP ALL is on its way to every open connection before anything else is done.
- A car that hangs delays no other car.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

from picar.client.session import CarError
from picar.config import Config
from picar.core.lesson import Lesson
from picar.garage.cards import Cards
from picar.garage.rounds import StopRound
from picar.garage.store import GarageStore


class Garage:
    """Many cars.

    Args:
        settings: the configuration.
        store: the adopted cars and the lessons.
        changed: called after any change of the cards, the lessons, the round or the ways; cheap, and often.
    """

    def __init__(
        self, settings: Config, store: GarageStore, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.settings, self.store, self._changed = settings, store, changed
        self.cards = Cards()
        self.round: StopRound | None = None
        self.mdns = False  # whether it looks for cars by mDNS

    @property
    def lesson(self) -> Lesson:
        """The lesson of all cars."""
        return self.store.lesson

    @property
    def own(self) -> dict[str, Lesson]:
        """The lessons of single cars, by id."""
        return self.store.own

    @property
    def broker(self) -> str | None:
        """The way by a broker: None without one, "live", or a sentence."""
        return None

    async def run(self) -> None:
        """Keep all ways open, without end."""
        await asyncio.Event().wait()

    def stop_all(self, by: str) -> StopRound:
        """Stop all cars: by each open way in this call, and then until each has answered. `by` is the sender's name."""
        self.round = StopRound(secrets.token_hex(8), by, self.cards.ours(), time.monotonic())
        self._changed()
        return self.round

    def put_lesson(self, mode: str, cap: float, text: str, by: str, car: str | None = None) -> None:
        """Hold all cars or one, or let them drive, with a cap that is a share of `max_speed`; raises FileError, CarError."""
        if car is not None and car not in self.cards:
            raise _unknown(car)
        self.store.teach(car, Lesson(mode, cap, 0, by, text))
        self._changed()

    def dismiss(self, car: str) -> None:
        """Wait no longer for a car's answer to STOP ALL."""
        if self.round:
            self.round.dismiss(car)
            self._changed()

    async def adopt(self, address: str, pin: str) -> str:  # noqa: ARG002
        """Pair with a car by its PIN, and keep it. `address` may be the id of a card. Returns its id; raises CarError, FileError."""
        raise _unknown(address)

    async def invite(self, car: str, name: str, for_s: int) -> dict[str, Any]:  # noqa: ARG002
        """Return the car's answer of `POST /api/v1/invite` for a guest; raises CarError."""
        raise _unknown(car)


def _unknown(car: str) -> CarError:
    return CarError("no_car", f"The garage does not know the car {car}. Adopt it by its address and its PIN.")
