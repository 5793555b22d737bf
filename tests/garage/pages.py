"""A garage's page in this process, with a garage that reaches no car, and pages that are open on it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from picar.access.content import BY_PIN
from picar.access.identity import Identity
from picar.access.store import AccessStore
from picar.access.visitor import Pairing
from picar.client.session import CarError
from picar.config import Config, FleetConfig, ServerConfig
from picar.garage.garage import Garage
from picar.garage.rounds import StopRound
from picar.garage.store import GarageStore
from picar.web import garage as web
from picar.web import server
from picar.web.auth import Gate
from picar.web.garage.live import SUBPROTOCOL, Browsers
from tests.support.client import WebSocket
from tests.support.raw import Answer, ask

JSON = {"Content-Type": "application/json"}
NAME = "Room 4"


class Unreached(Garage):
    """A garage without ways to its cars: it records stops, and answers with `answer`."""

    stops: list[str]
    answer: dict[str, Any] | CarError

    async def run(self) -> None:
        """Do nothing."""

    def stop_all(self, by: str) -> StopRound:
        """Record the stop."""
        self.stops.append(by)
        self.round = StopRound(f"stop{len(self.stops)}", by, list(self.cards), time.monotonic())
        self._changed()
        return self.round

    async def adopt(self, address: str, pin: str) -> str:
        """Adopt, if the answer allows it."""
        return str(self._answered()["adopted"])

    async def invite(self, car: str, name: str, for_s: int) -> dict[str, Any]:
        """Return the answer."""
        self.invited = (car, name, for_s)
        return self._answered()

    def _answered(self) -> dict[str, Any]:
        if isinstance(self.answer, CarError):
            raise self.answer
        return self.answer

    def put(self, car: str, **members: Any) -> None:
        """Change a card."""
        self.cards.put(car, time.monotonic(), **members)
        self._changed()


class Page(WebSocket):
    """An open page: it keeps the messages, and puts the changes together."""

    subprotocols = (SUBPROTOCOL,)

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{url.replace('http', 'ws', 1)}/garage/ws", headers)
        self.messages: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.cars: dict[str, dict[str, Any]] = {}

    def receive(self, message: str | bytes) -> None:
        """Keep a message."""
        found = json.loads(message)
        self.messages.append(found)
        self.times.append(time.monotonic())
        if found["type"] == "cars":
            self.cars = {car["id"]: car for car in found["cars"]}
        elif found["type"] == "changes":
            for car, members in found["cars"].items():
                if members is None:
                    self.cars.pop(car, None)
                else:
                    self.cars[car] = {**self.cars.get(car, {}), **members}

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [one for one in self.messages if one["type"] == kind]

    async def open(self) -> None:
        """Connect, and wait for the first message."""
        await super().open()
        await self.wait(lambda: self.of("cars"), "the first message")

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.write(json.dumps(message))

    async def until_error(self, code: str) -> dict[str, Any]:
        """Wait for an error, and return it."""
        await self.wait(lambda: any(one["code"] == code for one in self.of("error")), f"the error {code}")
        return next(one for one in self.of("error") if one["code"] == code)

    def __str__(self) -> str:
        return f"the newest messages were {self.messages[-3:]}"


class Served:
    """The garage's server: its address, its list of devices and its garage."""

    def __init__(self, folder: Path, pairing: Pairing, kind: type[Unreached] = Unreached) -> None:
        self.store = AccessStore(folder, serving=True)
        settings = Config().having("garage", name=NAME, mdns=False)
        self.gate = Gate(self.store, pairing, Identity.of(self.store, FleetConfig()))
        self.browsers = Browsers(self.gate)
        self.garage = self.browsers.garage = kind(
            settings, GarageStore(folder), self.browsers.changed, self.browsers.report_unsaved
        )
        self.garage.stops, self.garage.answer = [], CarError("no_car", "There is no such car.")
        self._sockets = server.listen(ServerConfig(host="127.0.0.1", port=0))
        self.port = int(self._sockets[0].getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        config = ServerConfig(host="127.0.0.1", port=self.port, name=NAME)
        self._http = web.http_server(config, self.gate, self.browsers, self.port)
        self._http.add_sockets(self._sockets)

    async def close(self) -> None:
        """End it."""
        self._http.stop()
        self.browsers.close()
        await self._http.close_all_connections()

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request with a JSON body, or none."""
        data = None if body is None else json.dumps(body).encode()
        given = {**(JSON if data else {}), **(headers or {})}
        return await ask(("127.0.0.1", self.port), method, path, given, data)

    def device(self, name: str, by: str = BY_PIN) -> dict[str, str]:
        """Pair a device, and return its headers; with the PIN it is the teacher's."""
        credential = self.store.credential(self.store.pair(name, "phone", by))
        return {"Cookie": f"{self.gate.cookie(False)}={credential}"}

    def page(self, headers: Mapping[str, str] | None = None) -> Page:
        """Return a page that is not open yet."""
        return Page(self.url, headers)


@asynccontextmanager
async def served(
    folder: Path, pairing: Pairing = "on", kind: type[Unreached] = Unreached
) -> AsyncIterator[Served]:
    """Serve a garage page."""
    here = Served(folder, pairing, kind)
    try:
        yield here
    finally:
        await here.close()
