"""`/ws`: one browser or script, as a client of the hub."""

from __future__ import annotations

import asyncio
import logging
import socket
from http import HTTPStatus
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

from picar.car.audience import Client
from picar.car.hub import Hub
from picar.car.seat import text_frame
from picar.core.protocol import MAX_BYTES, SUBPROTOCOL
from picar.web.connection_limits import Crowd
from picar.web.fairness import PatientProtocol
from picar.web.handler import Handler, Refused

log = logging.getLogger(__name__)

SEND_BYTES = 16 * 1024  # what the kernel may keep for one that does not read; it would take megabytes
_NO_UPGRADE = (
    "This WebSocket arrived without its Upgrade header. A proxy in front of the car must pass on Upgrade and Connection; "
    "docs/access.md has the lines."
)
_NO_CONNECTION = "The Connection header must name Upgrade. A proxy has to pass on Connection and Upgrade; docs/access.md has its lines."


class DriveSocket(Handler, WebSocketHandler):
    """A `Wire` of the hub."""

    def initialize(self, hub: Hub, crowd: Crowd) -> None:
        """Take the hub to talk to, and where connections are counted."""
        self._hub, self._crowd = hub, crowd
        self._client: Client | None = None
        self._stream: IOStream | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands (RFC 6455 §4.2.1). Tornado's own refusals are lines of text, so its checks are made here before."""
        headers = self.request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            if "Upgrade" not in headers and "Sec-WebSocket-Key" in headers:
                self.warn_seldom(_NO_UPGRADE)
                raise _not_websocket(_NO_UPGRADE)
            raise _not_websocket("This address speaks WebSocket only; the page is at /.")
        if headers.get("Sec-WebSocket-Version") != "13":
            raise _not_websocket(
                "This address speaks version 13 of WebSocket, and the request asks for another."
            )
        if "upgrade" not in (option.strip().lower() for option in headers.get("Connection", "").split(",")):
            self.warn_seldom(_NO_CONNECTION)
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", _NO_CONNECTION)
        if not headers.get("Sec-WebSocket-Key"):
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", "The header Sec-WebSocket-Key is missing.")
        await super().get(*args, **kwargs)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """Speak the protocol that lets others have their turn."""
        protocol = super().get_websocket_protocol()
        return (
            PatientProtocol(self, False, protocol.params)
            if isinstance(protocol, WebSocketProtocol13)
            else None
        )

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - Tornado's signature
        """Leave it to `prepare`, which has checked already."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Speak picar.v1 to those who ask for it."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def open(self, *_args: Any, **_kwargs: Any) -> None:
        """Join."""
        assert self.visitor is not None
        self.set_nodelay(True)  # else Nagle holds a second small message for 40 ms
        self._stream = self._open_stream()
        if self._stream is not None:
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            self._crowd.became_socket(self._stream, self.request.remote_ip or "")
        self._client = self._hub.join(self.visitor, self)

    def on_message(self, message: str | bytes) -> None:
        """Hand a message on."""
        if self._client is None:
            return
        if (
            len(message) * 4 > MAX_BYTES
            and len(message.encode() if isinstance(message, str) else message) > MAX_BYTES
        ):
            self.close(1009, f"a message has at most {MAX_BYTES} bytes")
            return
        self._hub.receive(self._client, message)

    def on_close(self) -> None:
        """Leave."""
        client, self._client = self._client, None
        if client is not None:
            self._hub.leave(client)
        stream, self._stream = self._stream, None
        if stream is not None:
            self._crowd.left(stream)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, and listen no longer."""
        super().close(code, reason)
        self.on_close()

    def drop(self) -> None:
        """Hang up without a word."""
        stream = self._open_stream()
        self.on_close()
        if stream is not None:
            stream.close()

    def send(self, text: str) -> bool:
        """Send, unless what was sent before is still on its way. Returns whether it was sent."""
        return self.pass_on(text_frame(text))

    def pass_on(self, frame: bytes) -> bool:
        """Send a whole frame, on the same terms. Tornado would frame a text anew for each of a thousand clients."""
        stream = self._open_stream()
        if stream is None or stream.writing():
            return False
        try:
            stream.write(frame).add_done_callback(_forget)
        except StreamClosedError:
            return False
        return True

    def _open_stream(self) -> IOStream | None:
        connection = self.ws_connection
        stream: IOStream | None = getattr(connection, "stream", None)
        if connection is None or connection.is_closing() or stream is None or stream.closed():
            return None
        return stream


def _not_websocket(sentence: str) -> Refused:
    """Return the 426, with the headers that it must have (RFC 9110 §15.5.22, RFC 6455 §4.4)."""
    offer = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    return Refused(HTTPStatus.UPGRADE_REQUIRED, "not_websocket", sentence, **offer)


def _forget(sent: asyncio.Future[None]) -> None:
    """Take note of a failed write, so that nobody warns of it: `on_close` says what matters."""
    if not sent.cancelled() and not isinstance(sent.exception(), StreamClosedError | None):
        log.warning("a state could not be sent: %s", sent.exception())
