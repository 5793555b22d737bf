"""Recordings for a car without them: it stands between a phone and the car, and answers in the place of the car."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Route, WebSocketRoute

from tests.browser.camera import jpeg
from tests.browser.phone import Phone

RATE_HZ = 30
LIMIT = 0.6
ABOUT = {
    "version": "1",
    "name": "picar",
    "max_speed": "1.0",
    "steers": "false",
    "walls": "[[1.2,-0.5,1.4,0.5]]",
}


def commands(*parts: tuple[float, float, float], limit: float = LIMIT) -> list[dict[str, Any]]:
    """Return the lines of a drive: (length in s, throttle, steering) of each part, then one zero."""
    lines: list[dict[str, Any]] = [{"t": 0, "topic": "metadata", "data": ABOUT}]
    at = 1.0
    for length_s, throttle, steering in (*parts, (1 / RATE_HZ, 0.0, 0.0)):
        for n in range(round(length_s * RATE_HZ)):
            data = {"throttle": throttle, "steering": steering, "speed_limit": limit, "client": "c1"}
            lines.append({"t": at + n / RATE_HZ, "topic": "/picar/cmd", "data": data})
        at += round(length_s * RATE_HZ) / RATE_HZ
    return lines


def drive(length_s: float, pictures: list[bytes]) -> list[dict[str, Any]]:
    """Return all lines of a drive in a circle, with its pictures at their bytes of one file."""
    lines = commands((length_s, 0.5, -0.2))
    at = 0
    for n in range(round(length_s * 20)):
        t, angle = 1 + n / 20, n / 20
        half = angle / 2 + math.pi / 4
        wheels = {"applied": {"left": 0.2, "right": 0.4}, "target": {"left": 0.3, "right": 0.4}}
        place = {
            "position": {"x": math.sin(angle), "y": 1 - math.cos(angle), "z": 0},
            "orientation": {"x": 0, "y": 0, "z": math.sin(half), "w": math.cos(half)},
        }
        lines += [
            {"t": t, "topic": "/picar/wheels", "data": wheels | {"n": n, "state": "armed"}},
            {"t": t, "topic": "/picar/state", "data": {"state": "armed", "reason": None, "driver": "c1"}},
            {"t": t, "topic": "/pose", "data": {"frame_id": "odom", "pose": place}},
        ]
    for n, picture in enumerate(pictures):
        t = 1 + n * length_s / len(pictures)
        lines.append({"t": t, "topic": "/camera", "at": at, "bytes": len(picture)})
        at += len(picture)
    return lines


@dataclass(eq=False)
class Recorder:
    """The recordings of a car. `await Recorder().connect(phone)` before the phone opens the page."""

    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    enabled: bool = True
    refuses: str = ""
    recording: dict[str, Any] | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    links: list[WebSocketRoute] = field(default_factory=list)
    since: float = 0.0

    async def connect(self, phone: Phone) -> None:
        """Stand between this phone and the car."""
        await phone.page.route_web_socket("**/ws", self._drive)
        await phone.page.route("**/api/v1/recordings**", self._answer)

    def add(self, name: str, lines: list[dict[str, Any]], pictures: list[bytes] | None = None) -> None:
        """Put a recording on the shelf."""
        self.lines[name], self.files[name] = lines, b"".join(pictures or [b"MCAP"])

    def refuse(self, code: str) -> None:
        """Refuse something in the car's name."""
        self.links[-1].send(json.dumps({"type": "error", "code": code, "message": "Refused."}))

    def _drive(self, socket: WebSocketRoute) -> None:
        self.links.append(socket)
        server = socket.connect_to_server()

        def hear(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] != "record":
                server.send(text)
            elif self.refuses:
                self.refuse(self.refuses)
            else:
                self.since = time.monotonic()
                self.recording = {"s": 0.0, "bytes": 0, "by": "c1", "dropped": 0} if message["on"] else None

        def pass_on(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "hello":
                message["car"]["recording"] = self.enabled
            elif message["type"] == "state":
                if self.recording and "s" in self.recording:
                    s = time.monotonic() - self.since
                    self.recording |= {"s": s, "bytes": round(310_000 * s)}
                message["recording"] = self.recording
            socket.send(json.dumps(message))

        socket.on_message(hear)
        server.on_message(pass_on)

    async def _answer(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path.removeprefix("/api/v1/recordings").lstrip("/")
        wanted = await request.header_value("Range") or ""
        self.asked.append((request.method, path, wanted))
        name, _, form = path.partition(".")
        if request.method == "POST":
            self.add(f"{name or 'saved'}-flight", commands((1, 0.5, 0)))
            await route.fulfill(status=201, json={"name": "saved-flight"})
        elif not path:
            await route.fulfill(json={"recordings": [self._entry(each) for each in self.lines]})
        elif name not in self.lines:
            await route.fulfill(status=404, json={"error": {"code": "not_found", "message": "None."}})
        elif request.method == "DELETE":
            del self.lines[name]
            await route.fulfill(status=204)
        elif form == "jsonl":
            topics = urlsplit(request.url).query.removeprefix("topics=").split(",")
            lines = [each for each in self.lines[name] if each["topic"] in (*topics, "metadata")]
            await route.fulfill(body="".join(json.dumps(each) + "\n" for each in lines))
        elif form == "jpg":
            await route.fulfill(body=jpeg(), content_type="image/jpeg")
        elif wanted:
            start, end = (int(each) for each in wanted.removeprefix("bytes=").split("-"))
            await route.fulfill(status=206, body=self.files[name][start : end + 1])
        else:
            headers = {"Content-Disposition": f'attachment; filename="{path}"'}
            await route.fulfill(body=self.files[name], headers=headers)

    def _entry(self, name: str) -> dict[str, Any]:
        lines = self.lines[name]
        return {
            "name": name,
            "start": 1795716900.0,
            "s": lines[-1]["t"],
            "bytes": 18_712_345,
            "pictures": sum(each["topic"] == "/camera" for each in lines),
        }
