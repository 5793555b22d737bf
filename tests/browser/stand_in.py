"""A garage of the test's own making: it sends the cards, answers and faults that a test wants to see on the page."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Self

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, StaticFileHandler
from tornado.websocket import WebSocketHandler

from picar.web.site import folder

UNKNOWN: dict[str, Any] = dict.fromkeys(
    (
        "url",
        "silent_s",
        "state",
        "reason",
        "driver",
        "moving",
        "speed_limit",
        "speed_cap",
        "lesson",
        "link_ms",
        "battery_percent",
        "battery_v",
        "wifi_dbm",
        "under_voltage",
        "problem",
    )
)
COLOURS = ("d55e00", "0072b2", "009e73", "f0e442", "cc79a7", "56b4e9", "e69f00", "111111")
LESSON = {"mode": "drive", "cap": 0.6, "text": "", "by": "Ms Lin", "seq": 4}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def card(number: int, **changes: Any) -> dict[str, Any]:
    """Return the card of a live car at rest."""
    known = {
        "id": f"car{number:05}",
        "name": f"Car {number}",
        "colour": COLOURS[number % len(COLOURS)],
        "number": number if number < 100 else 0,
        "version": "1",
        "url": f"http://127.0.0.1:{8000 + number}",
        "adopted": True,
        "paths": ["direct"],
        "presence": "live",
        "state": "disarmed",
        "moving": False,
        "speed_limit": 0.3,
        "speed_cap": 0.6,
        "lesson": "drive",
        "under_voltage": False,
        "battery_percent": 80,
    }
    return UNKNOWN | known | changes


class Page(RequestHandler):
    """The page, with the policy of a car's page."""

    def get(self) -> None:
        """Send the page."""
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'",
        )
        self.write((folder("templates") / "garage.html").read_bytes())


class Api(RequestHandler):
    """The HTTP interface: it notes what the page asks for, and answers what the test says."""

    def initialize(self, room: StandIn) -> None:
        """Keep the garage."""
        self.room = room

    def get(self, _name: str) -> None:
        """Answer a request for the session."""
        self.write(self.room.session)

    def post(self, name: str) -> None:
        """Answer any other request."""
        self.room.asked.append((name, json.loads(self.request.body)))
        status, answer = self.room.answers.get(name, (200, {"name": "Car"}))
        self.set_status(status)
        self.write(answer)


class Drive(RequestHandler):
    """In place of the page of a car."""

    def initialize(self, room: StandIn) -> None:
        """Keep the garage."""
        self.room = room

    def get(self, car: str) -> None:
        """Note the driver's name."""
        self.room.asked.append((f"drive/{car}", self.get_query_argument("name", "")))
        self.write("the page of the car")


class Socket(WebSocketHandler):
    """The WebSocket of one page."""

    def initialize(self, room: StandIn) -> None:
        """Keep the garage."""
        self.room = room

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Accept what the page offers."""
        return subprotocols[0]

    def open(self, *_args: str) -> None:
        """Send the first message."""
        if self.room.is_closed:
            self.close()
            return
        self.room.sockets.append(self)
        self.write_message(json.dumps(self.room.hello | {"cars": list(self.room.cars.values())}))

    def on_message(self, message: str | bytes) -> None:
        """Note a message."""
        self.room.heard.append(json.loads(message))

    def on_close(self) -> None:
        """Forget the page."""
        if self in self.room.sockets:
            self.room.sockets.remove(self)


class StandIn:
    """A garage that speaks `picar.garage.v1` and whose cars do what the test says.

    Args:
        cars: the cards.
        members: of the first message.
    """

    def __init__(self, cars: list[dict[str, Any]], **members: Any) -> None:
        self.cars = {car["id"]: car for car in cars}
        self.hello: dict[str, Any] = {
            "type": "cars",
            "garage": "Room 12",
            "teacher": True,
            "lesson": LESSON,
            "own": {},
            "round": None,
            "broker": None,
            "mdns": True,
        } | members
        self.session = {"allowed": True, "pairing": "on", "name": "Ms Lin", "car": "Room 12"}
        self.heard: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self.sockets: list[Any] = []
        self.is_closed = False
        self.is_hung = False
        self.url = ""

    async def __aenter__(self) -> Self:
        routes: list[Any] = [
            (r"/", Page),
            (r"/static/(.*)", StaticFileHandler, {"path": str(folder("static"))}),
            (r"/api/v1/(.*)", Api, {"room": self}),
            (r"/drive/(.*)", Drive, {"room": self}),
            (r"/garage/ws", Socket, {"room": self}),
        ]
        self._server = HTTPServer(Application(routes))
        (socket,) = bind_sockets(0, "127.0.0.1")
        self._server.add_sockets([socket])
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        self._beat = asyncio.ensure_future(self._beats())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beat.cancel()
        self.hang_up()
        self._server.stop()
        await self._server.close_all_connections()

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(2)
            self.send(type="changes", cars={})

    def send(self, **message: Any) -> None:
        """Send a message to every page, unless the garage hangs."""
        for socket in [] if self.is_hung else self.sockets:
            socket.write_message(json.dumps(message))

    async def change_all(self) -> None:
        """Change every card four times a second."""
        for turn in itertools.count():
            for number, car in enumerate(self.cars.values()):
                car |= {"link_ms": (turn * 7 + number) % 400, "battery_percent": (turn + number) % 100}
                car |= {"state": ("armed", "disarmed")[(turn + number) % 2], "driver": f"Driver {turn % 9}"}
            self.send(type="changes", cars=self.cars)
            await asyncio.sleep(0.25)

    def change(self, car: str, **changes: Any) -> None:
        """Change members of a card."""
        self.cars[car] |= changes
        self.send(type="changes", cars={car: changes})

    def answer(self, stopped: int, missing: list[str], after_s: float, ended: bool = False) -> None:
        """Send the progress of a STOP ALL."""
        self.send(
            type="answer",
            stopped=stopped,
            of=stopped + len(missing),
            missing=missing,
            after_s=after_s,
            ended=ended,
        )

    def hang_up(self) -> None:
        """Close every connection of a page."""
        for socket in list(self.sockets):
            socket.close()
