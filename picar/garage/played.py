"""Cars that are played by one process, for a simulated class and for benches: `python -m picar.garage.played COUNT`.

A played car has a TCP port of its own, and answers a garage as a car does: session, lesson, stop, and states over a quiet
WebSocket. It has no motors and no page, and refuses invitations.

The process prints one line of JSON: `id`, `name`, `url` and `token` of each car. It reads lines: `drive` and `rest` change all
cars, `stops` prints the times at which stops reached each car (monotonic, in s). It ends with its input.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import secrets
import sys
import time
from http import HTTPStatus
from typing import Any

from picar import __version__
from picar.core import protocol
from picar.core.lesson import DRIVE, HOLD, SCOPES, Lesson, Lessons
from picar.core.protocol import CarState, Hello
from picar.core.shaping import Sticks

DRIVEN_S, AT_REST_S = 1.0, 10.0  # between two states
_MOST_BYTES = 4096  # of a request
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA  # RFC 6455 §5.2
_HOST = {"wifi_dbm": -55, "battery_v": 7.6, "battery_percent": 80, "under_voltage": False}
_REFUSALS = {
    "not_paired": (401, "This program is not paired with the car."),
    "old_lesson": (409, "This car has a newer lesson. Send one with a higher seq."),
    "played": (
        409,
        "This car is only played, so nobody can drive it. Start fewer simulated cars, or free some memory.",
    ),
    "not_found": (404, "A played car has nothing at this address."),
}


class PlayedCar:
    """One played car; `url` is its address after `start`, and `token` the credential of its garage."""

    def __init__(self, number: int) -> None:
        self.id, self.name, self.number = f"play{number:04d}", f"Car {number}", number
        self.token, self.url = secrets.token_urlsafe(16), ""
        self.stops: list[float] = []
        self._lessons, self._boot = Lessons(), secrets.token_hex(8)
        self._state, self._reason = "disarmed", "started"
        self._garages: set[asyncio.StreamWriter] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, host: str) -> None:
        """Listen at this address of the machine, on any free port."""
        self._server = await asyncio.start_server(self._serve, host, 0, limit=_MOST_BYTES)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    def drive(self, drives: bool) -> None:
        """Drive, unless the car is held; or come to rest."""
        self._turn(*(("armed", "") if drives and not self._lessons.holds else ("disarmed", "released")))

    def stop(self) -> None:
        """Stop, and record when."""
        self.stops.append(time.monotonic())
        self._turn("stopped", "stop")

    def _turn(self, state: str, reason: str) -> None:
        self._state, self._reason = state, reason
        self._show()

    def _show(self) -> None:
        """Send the state to each garage, now and again after a while."""
        if self._timer:
            self._timer.cancel()
        frame = _frame(_TEXT, protocol.state(self._fields(), "spectator").encode())
        for writer in self._garages:
            writer.write(frame)
        period_s = DRIVEN_S if self._state == "armed" else AT_REST_S
        self._timer = asyncio.get_running_loop().call_later(period_s, self._show) if self._garages else None

    def _fields(self) -> CarState:
        driven = self._state == "armed"
        speeds, lesson = (0.5, 0.5) if driven else (0.0, 0.0), self._lesson()
        return CarState(
            tick=secrets.randbits(protocol.TICK_BITS), state=self._state, driver="driver" if driven else None,
            wanted=Sticks(speeds[0], 0.0), speeds=("left", "right"), applied=speeds, target=speeds, speed_limit=1.0,
            speed_cap=1.0, age_s=random.uniform(0.01, 0.05) if driven else None, link_cap=1.0, stale=0,  # noqa: S311
            reason=self._reason or None, turn=None, requests=[], requests_total=0, names={"driver": "Ada"} if driven else {},
            clients=len(self._garages), pose=None, host={**_HOST, "uptime_s": int(time.monotonic())},
            lesson={name: lesson[name] for name in ("mode", "cap", "text")},
        )  # fmt: skip

    def _lesson(self) -> dict[str, Any]:
        lessons, found = self._lessons, self._lessons.strictest
        fields = {
            "mode": HOLD if lessons.holds else DRIVE,
            "cap": lessons.cap,
            "text": found.text if found else "",
        }
        return fields | {"boot": self._boot} | {one: lesson._asdict() for one, lesson in lessons.of.items()}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        with (
            contextlib.closing(writer),
            contextlib.suppress(OSError, EOFError, LookupError, TypeError, ValueError),
        ):
            request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            method, path, _ = request.split(" ")
            admitted = headers.get("authorization") == f"Bearer {self.token}"
            if admitted and "upgrade" in headers:
                await self._stream(reader, writer, headers["sec-websocket-key"])
                return
            body = await reader.readexactly(min(int(headers.get("content-length", 0)), _MOST_BYTES))
            answer = self._answer(method, path, admitted, json.loads(body or b"{}"))
            status, sentence = _REFUSALS[answer] if isinstance(answer, str) else (200, "")
            data = json.dumps(
                {"error": {"code": answer, "message": sentence}} if sentence else answer
            ).encode()
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json"
            writer.write(
                f"{head}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data
            )

    def _answer(self, method: str, path: str, admitted: bool, body: dict[str, Any]) -> dict[str, Any] | str:
        """Return the answer to a request, or the code of a refusal."""
        match method, path:
            case "GET", "/api/v1/session":
                colour = f"{self.number * 7919573 % 2**24:06x}"
                named = {"car": self.name, "id": self.id, "colour": colour, "number": self.number % 100}
                return {"allowed": admitted, "pairing": "on", "name": None, "version": __version__} | named
            case _ if not admitted:
                return "not_paired"
            case "POST", "/api/v1/stop":
                self.stop()
                return protocol.state_fields(self._fields(), "spectator")
            case "PUT", "/api/v1/lesson" if body["scope"] in SCOPES:
                if not self._lessons.put(body["scope"], Lesson(*(body[name] for name in Lesson._fields))):
                    return "old_lesson"
                is_held = self._lessons.holds and self._state != "stopped"
                self._turn(*(("disarmed", "held") if is_held else (self._state, self._reason)))
                return self._lesson()
            case "GET", "/api/v1/lesson":
                return self._lesson()
            case "POST", "/api/v1/invite":
                return "played"
        return "not_found"

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        """Send states over a WebSocket, and obey stops, until it ends."""
        digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: "
        accept = (
            f"{protocol.SUBPROTOCOL}\r\nSec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n\r\n"
        )
        car = {
            "name": self.name,
            "id": self.id,
            "number": self.number,
            "version": __version__,
            "backend": "played",
        }
        hello = protocol.hello(Hello("garage", car, 0.5, 0.05, {"max_speed": 1.0}))
        writer.write((head + accept).encode() + _frame(_TEXT, hello.encode()))
        self._garages.add(writer)
        self._show()
        try:
            while (message := await _received(reader, writer)) is not None:
                if message.get("type") == "stop":
                    self.stop()
        finally:
            self._garages.discard(writer)


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    return bytes([0x80 | kind, *([size] if size < 126 else [126, *size.to_bytes(2)])]) + payload


async def _received(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
    """Return the next message, None at the end of the WebSocket; answer pings."""
    kind = _TEXT
    while kind != _CLOSE:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        size = int.from_bytes(await reader.readexactly(2)) if size == 126 else size
        mask, data = await reader.readexactly(4), await reader.readexactly(size)
        data, kind = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)), first & 0x0F
        if kind == _TEXT:
            message: dict[str, Any] = json.loads(data)
            return message
        writer.write(_frame(_PONG if kind == _PING else kind, data))
    return None


async def play(count: int, host: str = "127.0.0.1", first: int = 1) -> list[PlayedCar]:
    """Start so many cars, numbered from `first`. Raises OSError: the machine has too few open files or ports."""
    cars = [PlayedCar(number) for number in range(first, first + count)]
    for car in cars:
        await car.start(host)
    return cars


async def lines_of_input() -> asyncio.StreamReader:
    """Return a reader of the standard input, a pipe."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def main(count: int) -> None:
    """Play cars until the input ends."""
    cars = await play(count)
    _say([{name: vars(car)[name] for name in ("id", "name", "url", "token")} for car in cars])
    reader = await lines_of_input()
    while line := (await reader.readline()).decode().strip():
        if line == "stops":
            _say([car.stops for car in cars])
            continue
        for car in cars:
            car.drive(line == "drive")
            await asyncio.sleep(DRIVEN_S / count)  # their states shall not come all at once


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
