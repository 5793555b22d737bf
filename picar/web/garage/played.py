"""Cars that are played by one process, for a simulated class and for benches: `python -m picar.web.garage.played COUNT [HOST] [FIRST]`.

A played car has a TCP port of its own, and answers a garage as a car does: session, lesson, stop, and states over a quiet
WebSocket. It has no motors and no page, and refuses invitations.

The process prints one line of JSON: `id`, `name`, `url` and `token` of each car. It reads lines: `drive` and `rest` change all
cars, `stops` prints the times at which stops reached each car (monotonic, in s). It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import sys
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from picar import __version__
from picar.core import protocol
from picar.core.lesson import DRIVE, HOLD, Lesson, Lessons
from picar.core.protocol import SUBPROTOCOL, CarState, Hello
from picar.core.shaping import Sticks
from picar.log import to_stderr
from picar.network.addresses import url
from picar.web.websocket import text_frame

DRIVEN_S, AT_REST_S = 1.0, 10.0  # between two states
_HOST = {"wifi_dbm": -55, "battery_v": 7.6, "battery_percent": 80, "under_voltage": False}
_REFUSALS = {
    "not_paired": (401, "This program is not paired with the car."),
    "old_lesson": (409, "This car has a newer lesson. Send one with a higher seq."),
    "played": (
        409,
        "This car is only played, and cannot be driven. Simulate fewer cars, or free some memory.",
    ),
}


class PlayedCar:
    """One played car; `token` is the credential of its garage."""

    def __init__(self, number: int) -> None:
        self.id, self.name, self.number = f"play{number:04d}", f"Car {number}", number
        self.token = secrets.token_urlsafe(16)
        self.stops: list[float] = []
        self.lessons, self._boot = Lessons(), secrets.token_hex(8)
        self._state, self._reason = "disarmed", "started"
        self.sockets: set[Socket] = set()
        self._timer: asyncio.TimerHandle | None = None

    def drive(self, drives: bool) -> None:
        """Drive, unless the car is held; or come to rest."""
        self.turn(*(("armed", "") if drives and not self.lessons.holds else ("disarmed", "released")))

    def stop(self) -> None:
        """Stop, and record when."""
        self.stops.append(time.monotonic())
        self.turn("stopped", "stop")

    def follow(self, scope: str, lesson: Lesson) -> bool:
        """Take a lesson. Returns False for an old one."""
        counts = self.lessons.put(scope, lesson)
        if self.lessons.holds and self._state != "stopped":
            self._state, self._reason = "disarmed", "held"
        self.turn(self._state, self._reason)
        return counts

    def turn(self, state: str, reason: str) -> None:
        """Change the state. It is sent after all stops that have arrived were read."""
        self._state, self._reason = state, reason
        asyncio.get_running_loop().call_soon(self.show)

    def show(self) -> None:
        """Send the state to each garage, now and again after a while."""
        if self._timer:
            self._timer.cancel()
        frame = text_frame(protocol.state(self.state(), "spectator"))
        for one in self.sockets:
            one.send(frame)
        period_s = DRIVEN_S if self._state == "armed" else AT_REST_S
        self._timer = asyncio.get_running_loop().call_later(period_s, self.show) if self.sockets else None

    def state(self) -> CarState:
        """Return the newest state."""
        driven, lesson = self._state == "armed", self.lesson()
        speeds = (0.5, 0.5) if driven else (0.0, 0.0)
        return CarState(
            tick=secrets.randbits(protocol.TICK_BITS), state=self._state, driver="driver" if driven else None,
            wanted=Sticks(speeds[0], 0.0), speeds=("left", "right"), applied=speeds, target=speeds, speed_limit=1.0,
            speed_cap=1.0, age_s=random.uniform(0.01, 0.05) if driven else None, link_cap=1.0, stale=0,  # noqa: S311
            reason=self._reason or None, turn=None, requests=[], requests_total=0, names={"driver": "Ada"} if driven else {},
            clients=len(self.sockets), pose=None, host={**_HOST, "uptime_s": int(time.monotonic())},
            lesson={name: lesson[name] for name in ("mode", "cap", "text")},
        )  # fmt: skip

    def lesson(self) -> dict[str, Any]:
        """Return the answer of `GET /api/v1/lesson`."""
        lessons, found = self.lessons, self.lessons.strictest
        text, mode = found.text if found else "", HOLD if lessons.holds else DRIVE
        newest = {scope: lesson._asdict() for scope, lesson in lessons.of.items()}
        return {"mode": mode, "cap": lessons.cap, "text": text, "boot": self._boot, **newest}


class Handler(RequestHandler):
    """The base of all requests: it finds the car by its port."""

    car: PlayedCar

    def prepare(self) -> None:
        """Refuse all but the garage."""
        connection: Any = self.request.connection
        self.car = self.settings["cars"][connection.stream.socket.getsockname()[1]]
        self.is_admitted = self.request.headers.get("Authorization") == f"Bearer {self.car.token}"
        if not self.is_admitted and not isinstance(self, Session):
            self.refuse("not_paired")

    def refuse(self, code: str) -> None:
        """Send a refusal."""
        status, sentence = _REFUSALS[code]
        self.set_status(status)
        self.finish({"error": {"code": code, "message": sentence}})


class Session(Handler):
    """`/api/v1/session`."""

    def get(self) -> None:
        """Send the facts about the car."""
        car, colour = self.car, f"{self.car.number * 7919573 % 2**24:06x}"
        named = {"car": car.name, "id": car.id, "colour": colour, "number": car.number % 100}
        self.write({"allowed": self.is_admitted, "pairing": "on", "version": __version__, **named})


class LessonHandler(Handler):
    """`/api/v1/lesson`."""

    def get(self) -> None:
        """Send the lessons."""
        self.write(self.car.lesson())

    def put(self) -> None:
        """Take a lesson."""
        body = json.loads(self.request.body)
        if self.car.follow(body["scope"], Lesson(*(body[name] for name in Lesson._fields))):
            self.get()
        else:
            self.refuse("old_lesson")


class Stop(Handler):
    """`/api/v1/stop`."""

    def post(self) -> None:
        """Stop."""
        self.car.stop()
        self.write(protocol.state_fields(self.car.state(), "spectator"))


class Invite(Handler):
    """`/api/v1/invite`."""

    def post(self) -> None:
        """Refuse: there is no page to drive from."""
        self.refuse("played")


class Socket(Handler, WebSocketHandler):
    """`/ws`."""

    def select_subprotocol(self, _offered: list[str]) -> str:
        """Return picar.v1."""
        return SUBPROTOCOL

    def open(self, *_args: str, **_named: str) -> None:
        """Send hello and a first state."""
        self.set_nodelay(True)
        car = self.car
        facts = {"name": car.name, "id": car.id, "number": car.number, "version": __version__}
        self.send(text_frame(protocol.hello(Hello("garage", facts, 0.5, 0.05, {"max_speed": 1.0}))))
        car.sockets.add(self)
        car.show()

    def send(self, frame: bytes) -> None:
        """Send a frame; after the end it is dropped."""
        connection: Any = self.ws_connection
        with contextlib.suppress(StreamClosedError):
            connection.stream.write(frame)

    def on_message(self, message: str | bytes) -> None:
        """Obey a stop."""
        if json.loads(message).get("type") == "stop":
            self.car.stop()

    def on_close(self) -> None:
        """Send no more."""
        self.car.sockets.discard(self)


def play(count: int, host: str = "127.0.0.1", first: int = 1) -> tuple[HTTPServer, dict[str, PlayedCar]]:
    """Start so many cars at an address of this machine, numbered from `first`. Returns their server, and the cars by URL."""
    cars: dict[int, PlayedCar] = {}
    routes = ("session", Session), ("lesson", LessonHandler), ("stop", Stop), ("invite", Invite)
    paths = [(f"/api/v1/{name}", handler) for name, handler in routes]
    server = HTTPServer(Application([*paths, ("/ws", Socket)], cars=cars))
    for number in range(first, first + count):
        sockets = bind_sockets(0, host)
        cars[sockets[0].getsockname()[1]] = PlayedCar(number)
        server.add_sockets(sockets)
    return server, {url(host, port): car for port, car in cars.items()}


async def main(count: int, *where: str) -> None:
    """Play cars until the input ends."""
    host, first = where or ("127.0.0.1", "1")
    to_stderr()
    _, cars = play(count, host, int(first))
    _say([{"id": one.id, "name": one.name, "url": page, "token": one.token} for page, one in cars.items()])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := (await reader.readline()).decode().strip():
        if line == "stops":
            _say([car.stops for car in cars.values()])
            continue
        for car in cars.values():
            car.drive(line == "drive")
            await asyncio.sleep(DRIVEN_S / count)  # their states shall not come all at once


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
