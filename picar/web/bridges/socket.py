"""The base of the WebSockets of foreign protocols: which clients may connect, the limits of a connection, and pictures.

Laws:
- The checks are those of every handler. Other pages may connect only if the configuration lists their origin.
- A token may be in the URL, because pages cannot set headers. No log and no record contains it.
- No proxy may stand in between: it would answer the pings that prove that the client receives them.
- A message has at most `MAX_BYTES`, and a client that does not read holds at most `UNSENT_BYTES`.
- No queue of pictures: one picture is on its way, and the next one is the newest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NoReturn

from picar.access.content import Kind
from picar.access.visitor import Visitor
from picar.camera.frames import Frame
from picar.car.hub import Hub
from picar.config import FoxgloveConfig, RosbridgeConfig
from picar.core.protocol import MAX_BYTES
from picar.network.addresses import DEFAULT_PORTS
from picar.options import ORIGIN
from picar.web.allowed_hosts import same_origin, split_host
from picar.web.auth import Gate, is_direct
from picar.web.handler import Refused
from picar.web.pictures import Pictures
from picar.web.viewer import Viewer
from picar.web.websocket import Socket, text_frame

SEND_BYTES = 64 * 1024  # the kernel's buffer
UNSENT_BYTES = 256 * 1024
_PORT = re.compile(r":\d+\Z")
_PROXIED = "This WebSocket came through a proxy, which would answer the car's pings itself. Connect to the car directly."


class Origins:
    """The pages that may connect: the car's own, and those of the configuration.

    Args:
        listed: the option `allowed_origins`.
        port: the TCP port of the car's page.
    """

    def __init__(self, listed: Iterable[str], port: int) -> None:
        self._listed = set(map(_parts, listed))
        self._port = port

    def allow(self, origin: str, host: str, secure: bool) -> bool:
        """Return whether the page of this Origin header may connect under this Host header."""
        page = _PORT.sub("", host) + f":{self._port}"
        return same_origin(origin, host, secure) or same_origin(origin, page, secure) or self._lists(origin)

    def _lists(self, origin: str) -> bool:
        scheme, name, port = _parts(origin)
        return port.isdigit() and not self._listed.isdisjoint([(scheme, name, port), (scheme, name, "*")])


class PictureFeed:
    """The `Screen` of one guest, from now until `end`.

    Args:
        visitor: the admitted visitor.
        pictures: of the camera.
        send: sends a JPEG unless something is on its way, calls its second argument when it has left this process, and
            returns whether it was sent.
    """

    def __init__(
        self, visitor: Visitor, pictures: Pictures, send: Callable[[bytes, Callable[[], None]], bool]
    ) -> None:
        self._pictures, self._send_picture = pictures, send
        self._viewer = Viewer(visitor, self, None, pictures.config.spectator_fps, answers=False)
        pictures.join(self._viewer)

    def end(self) -> None:
        """Leave the viewers."""
        self._pictures.leave(self._viewer)

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:  # noqa: ARG002 - a `Screen`
        """Send a picture, unless an earlier message is still in this process. Returns whether it was sent."""
        return self._send_picture(self._pictures.upright(picture), self._drawn)

    def tell(self, text: str) -> bool:  # noqa: ARG002 - a `Screen`
        """Do nothing: the topic has pictures only."""
        return True

    def close(self, code: int, reason: str) -> None:
        """Do nothing: the connection of the client goes on without pictures."""

    def drop(self) -> None:
        """Do nothing, as `close`."""

    def _drawn(self) -> None:
        self._pictures.seen(self._viewer, self._viewer.pacing.newest)


class ForeignSocket(Socket):
    """A WebSocket of a foreign protocol, for admitted visitors."""

    subprotocol = ""
    send_bytes = SEND_BYTES
    token_kind: Kind = "script"  # noqa: S105 - of a token in the URL
    hub: Hub
    pictures: Pictures | None
    config: RosbridgeConfig | FoxgloveConfig
    port: int  # of the car's page
    _feed: PictureFeed | None = None

    def admit(self, gate: Gate) -> Visitor | None:
        """Return the visitor, or None for a stranger and for a request through a proxy; a token in the URL admits too."""
        if not is_direct(self.request):
            return None
        token = self.get_query_argument("token", "")
        return gate.admit(self.request) or gate.of_token(token, self.token_kind)

    def refuse_stranger(self) -> NoReturn:
        """Refuse a visitor who must be admitted and is not, or who comes through a proxy (403)."""
        if is_direct(self.request):
            super().refuse_stranger()
        self.log_refusal(_PROXIED)
        raise Refused(HTTPStatus.FORBIDDEN, "proxied", _PROXIED)

    def is_foreign(self, host: str) -> bool:
        """Return whether another page sent this request, and is not listed."""
        origin = self.request.headers.get("Origin")
        if origin is None:
            return super().is_foreign(host)
        return not Origins(self.config.allowed_origins, self.port).allow(origin, host, self.is_secure)

    def on_message(self, message: str | bytes) -> None:
        """Pass a message on, unless it is too large."""
        if self._stream is None:
            return
        if len(message.encode() if isinstance(message, str) else message) > MAX_BYTES:
            self.close(1009, f"a message has at most {MAX_BYTES} bytes")
            return
        self.receive(message)

    def receive(self, message: str | bytes) -> None:
        """Act on a message of at most `MAX_BYTES`."""
        raise NotImplementedError

    def answer(self, text: str) -> None:
        """Send a text that must arrive. A client that does not read is disconnected."""
        stream = self._open_stream()
        if stream is not None and len(stream._write_buffer) < UNSENT_BYTES:
            stream.write(text_frame(text))
        elif stream is not None:
            self.drop()

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping of RFC 6455, unless the connection has ended."""
        if self._open_stream() is not None:
            super().ping(data)

    def watch_camera(self, wanted: bool) -> bool:
        """Join the viewers of the camera, or leave them. Returns False if there is no room for one more."""
        if self._feed is not None and not wanted:
            self._feed.end()
            self._feed = None
        elif self._feed is None and wanted and self.pictures is not None and self.visitor is not None:
            if not self.pictures.has_room(None):
                return False
            self._feed = PictureFeed(self.visitor, self.pictures, self._send_picture)
        return True

    def picture(self, jpeg: bytes) -> bytes | None:
        """Return the frame of a picture, None if this client should not have one now."""
        raise NotImplementedError

    def on_close(self) -> None:
        """Leave the viewers of the camera."""
        self.watch_camera(False)
        super().on_close()

    def _send_picture(self, jpeg: bytes, when_sent: Callable[[], None]) -> bool:
        """Send a picture unless something is on its way; call `when_sent` when it has left this process."""
        stream = self._open_stream()
        picture = self.picture(jpeg) if stream is not None and not stream.writing() else None
        if stream is None or picture is None:
            return False
        stream.write(picture).add_done_callback(lambda _sent: when_sent())
        return True


def _parts(origin: str) -> tuple[str, str, str]:
    """Return scheme, host and port of an origin, the port "*" for any; three empty texts if it is not an origin."""
    found = ORIGIN.fullmatch(origin)
    host = found and split_host(found["host"])
    if not found or not host:
        return "", "", ""
    scheme, port = found["scheme"].lower(), found["port"]
    return scheme, host[0], port if port == "*" else str(int(port or DEFAULT_PORTS[scheme]))
