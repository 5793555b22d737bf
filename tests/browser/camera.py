"""A camera for a car without one: it stands between a phone and the car, and shows what a test wants.

It adds the camera to the car's hello and answers `/ws/video` in the place of the car. It sends the next picture when the
page has acknowledged the last one, as the car does.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from playwright.async_api import WebSocketRoute

from tests.browser.phone import Phone

HEAD = struct.Struct("!BBHIIHHI")
LIVE: dict[str, Any] = {
    "type": "camera",
    "state": "live",
    "code": None,
    "message": None,
    "fps": 30,
    "size": [640, 480],
    "quality": 50,
    "level": 0,
    "rotation": 0,
    "mirror": False,
}


def jpeg(colour: str = "#c03030", size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG", quality=90)
    return file.getvalue()


@dataclass(eq=False)
class Camera:
    """What the car's end of the picture would be. `await Camera().connect(phone)` before the phone opens the page."""

    hello: dict[str, Any] | None = field(default_factory=lambda: {"source": "test"})
    state: dict[str, Any] = field(default_factory=dict)
    camera: dict[str, Any] = field(default_factory=lambda: dict(LIVE))
    pictures: list[bytes] = field(default_factory=lambda: [jpeg()])
    age_s: float = 0.02
    trip_s: float = 0.01
    plays: bool = True  # a new picture after each acknowledgement
    refuses: int = 0  # close code of each new connection
    opened: list[str] = field(default_factory=list)  # the addresses of all WebSockets, in order
    said: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0
    sockets: list[WebSocketRoute] = field(default_factory=list)
    links: list[WebSocketRoute] = field(default_factory=list)
    seq: int = 0

    async def connect(self, phone: Phone) -> None:
        """Stand between this phone and the car."""
        await phone.page.route_web_socket("**/ws", self._drive)
        await phone.page.route_web_socket("**/ws/video?*", self._video)

    def show(self, picture: bytes | None = None, seq: int | None = None) -> None:
        """Send a picture to the newest connection."""
        self.seq += 1
        body = self.pictures[self.seq % len(self.pictures)] if picture is None else picture
        head = HEAD.pack(
            1, 0, round(self.age_s * 1000), seq or self.seq, round(self.trip_s * 1000), 64, 48, 0
        )
        self.sockets[-1].send(head + body)

    def tell(self, **change: Any) -> None:
        """Send the state of the camera, with these changes."""
        self.camera = LIVE | change
        self.sockets[-1].send(json.dumps(self.camera))

    def refuse(self, code: str) -> None:
        """Refuse a command in the car's name."""
        self.links[-1].send(json.dumps({"type": "error", "code": code, "message": "Refused."}))

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return every message of this type from the page."""
        return [message for message in self.said if message["type"] == kind]

    def _drive(self, socket: WebSocketRoute) -> None:
        self.opened.append(socket.url)
        self.links.append(socket)
        server = socket.connect_to_server()
        socket.on_message(server.send)

        def pass_on(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "hello":
                message["car"]["camera"] = self.hello
            elif message["type"] == "state":
                message |= self.state
            socket.send(json.dumps(message))

        server.on_message(pass_on)

    async def _video(self, socket: WebSocketRoute) -> None:
        self.opened.append(socket.url)
        if self.refuses:
            await socket.close(code=self.refuses)
            return
        self.sockets.append(socket)
        socket.on_message(self._hear)
        socket.on_close(lambda _code, _reason: self._close())
        socket.send(json.dumps(self.camera))
        if self.plays:
            self.show()

    def _hear(self, text: str | bytes) -> None:
        message = json.loads(text)
        self.said.append(message)
        if message["type"] == "seen" and self.plays:
            self.show()

    def _close(self) -> None:
        self.closed += 1
