"""A garage for tests of its page: the real server of the page, and cards, answers and troubles that the test writes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from picar.client.session import CarError
from picar.garage.cards import Card, Cards
from picar.garage.rounds import StopRound
from tests.garage.pages import Served, Unreached
from tests.support.waiting import DEADLINE_S

CHANGES_S = 0.25
COLOURS = ("d55e00", "0072b2", "009e73", "f0e442", "cc79a7", "56b4e9", "e69f00", "111111")
LINK = "http://192.168.7.20:8000/#pair=g.5e1f"
MISSING = ["car00002", "car00003"]


def card(number: int, **changes: Any) -> dict[str, Any]:
    """Return the card of a live car at rest."""
    known = {
        "name": f"Car {number}",
        "colour": COLOURS[number % len(COLOURS)],
        "number": number if number < 100 else 0,
        "url": f"http://192.168.7.{number % 250}:8000",
        "adopted": True,
        "paths": ["direct"],
        "presence": "live",
        "state": "disarmed",
        "moving": False,
        "speed_cap": 0.6,
        "lesson": "drive",
        "battery_percent": 80,
    }
    return Card(f"car{number:05}", 0.0).fields | known | changes


def troubled() -> list[dict[str, Any]]:
    """Return a class with a car of each kind."""
    unknown = {"adopted": False, "state": None, "speed_cap": None, "battery_percent": None}
    return [
        card(1, state="armed", driver="Ada", link_ms=61, moving=True),
        card(2, presence="silent", silent_s=31),
        card(3, presence="lost", silent_s=40),
        card(4, state="stopped", speed_cap=1.0),
        card(5, presence="off", battery_percent=12),
        card(6, presence="last", paths=[]),
        card(7, presence="new", **unknown),
        card(8, presence="apart", **unknown),
        card(9, state="failsafe", driver="Grace", link_ms=480, under_voltage=True),
        card(10, problem={"code": "not_paired", "message": "Not paired."}, paths=["broker"]),
        card(11, lesson="hold", battery_percent=None, battery_v=7.4),
    ]


class Written(Cards):
    """Cards as the test writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[str, dict[str, Any]] = {}

    def __contains__(self, car: str) -> bool:
        return car in self.written

    def __iter__(self) -> Iterator[str]:
        return iter(self.written)

    def card(self, car: str) -> Card | None:
        """Return a card, for what the server asks of it."""
        if car not in self.written:
            return None
        found = Card(car, 0.0)
        found.fields = self.written[car]
        return found

    def fields(self, _now: float) -> list[dict[str, Any]]:
        """Return all of them."""
        return [*self.written.values()]


class Answered(StopRound):
    """A STOP ALL whose answers the test writes."""

    after_s = 0.0

    def answer(self, now: float) -> dict[str, Any]:
        """Return what the test has written."""
        return super().answer(now) | {"after_s": self.after_s}


class ClassGarage(Unreached):
    """The garage: it records what the page asks for."""

    trouble: str | None = None
    adopted: tuple[str, str] | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cards: Written = Written()
        self.mdns = True

    @property
    def broker(self) -> str | None:
        """The trouble that the test has written."""
        return self.trouble

    def stop_all(self, by: str) -> StopRound:
        """Record the stop; no car answers before the test says so."""
        self.stops.append(by)
        self.round = Answered(f"stop{len(self.stops)}", by, self.cards, time.monotonic())
        self._changed()
        return self.round

    async def adopt(self, address: str, pin: str) -> str:
        """Record address and PIN."""
        self.adopted = (address, pin)
        return await super().adopt(address, pin)


class Classroom(Served):
    """The page's server with this garage. This machine is the teacher, unless the page must be paired."""

    garage: ClassGarage

    def __init__(self, folder: Path, cars: list[dict[str, Any]], pairing: Any = "local") -> None:
        super().__init__(folder, pairing, ClassGarage)
        self.put(*cars)
        self.garage.put_lesson("drive", 0.6, "", "Ms Lin")
        self.garage.answer = {"link": LINK, "adopted": "car00001"}

    @property
    def stops(self) -> int:
        """The number of STOP ALL that came."""
        return len(self.garage.stops)

    def put(self, *cars: dict[str, Any]) -> None:
        """Put cards there, in place of those with the same id."""
        self.garage.cards.written |= {car["id"]: car for car in cars}
        self.garage._changed()

    def change(self, car: str, **members: Any) -> None:
        """Change members of a card."""
        self.put(self.garage.cards.written[car] | members)

    def remove(self, car: str) -> None:
        """Remove a card."""
        del self.garage.cards.written[car]
        self.garage._changed()

    def hear(self, after_s: float, missing: list[str]) -> None:
        """Let all cars but these answer the newest STOP ALL."""
        stopped = self.garage.round or self.garage.stop_all("Ms Lin")
        assert isinstance(stopped, Answered)
        for car in [each for each in stopped.missing if each not in missing]:
            stopped.heard(car, time.monotonic())
        stopped.after_s = after_s
        self.garage._changed()

    def refuse(self, code: str, sentence: str) -> None:
        """Let cars refuse what the garage asks for."""
        self.garage.answer = CarError(code, sentence)

    async def change_all(self) -> None:
        """Change every card four times a second, without end."""
        for turn in itertools.count():
            cars = self.garage.cards.written.values()
            self.put(
                *(
                    car
                    | {
                        "link_ms": (turn * 7 + number) % 400,
                        "battery_percent": (turn + number) % 100,
                        "state": ("armed", "disarmed")[(turn + number) % 2],
                        "driver": f"Driver {turn % 9}",
                    }
                    for number, car in enumerate(cars)
                )
            )
            await asyncio.sleep(CHANGES_S)


class SimulatedClass:
    """A running `picar garage --simulate`: its address and its process."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        self.url, self.process = url, process

    def signal(self, number: signal.Signals) -> None:
        """Send the garage a signal, and its cars none."""
        os.kill(self.process.pid, number)


@contextlib.asynccontextmanager
async def simulated(cars: int) -> AsyncIterator[SimulatedClass]:
    """Start a garage with simulated cars, and end both."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "picar", "garage", "--simulate", str(cars), "--port", "0", "--host", "127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield SimulatedClass(await _url_of(process), process)
    finally:
        for number in (signal.SIGCONT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        await process.communicate()


async def _url_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    async with asyncio.timeout(2 * DEADLINE_S):
        while line := await process.stdout.readline():
            if found := re.search(r"open +(http://\S+)", line.decode()):
                return found[1]
    raise AssertionError("the garage did not start")
