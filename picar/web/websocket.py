"""`/ws`: the protocol picar.v1 over WebSocket. A connection takes a seat at the hub and is its peer.

`Socket` is the part that `/ws/video` shares.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

from picar.car.hub import Hub
from picar.car.seat import Seat, View
from picar.core import protocol
from picar.core.protocol import MAX_BYTES, SUBPROTOCOL
from picar.network import wifi
from picar.web.auth import Gate
from picar.web.connection_limits import ConnectionLimits
from picar.web.fairness import FairWebSocket
from picar.web.handler import Handler, Refused
from picar.web.request_heads import HeadStream

TEXT, BINARY = 0x81, 0x82  # first bytes of whole frames
EXPEDITED = 0xB8  # the DSCP "expedited forwarding" (RFC 3246): queues that know it send the driver's ticks before pictures
PRIORITY = 6  # the highest that needs no right (socket(7), SO_PRIORITY); Linux only
SEND_BYTES = 16 * 1024  # the kernel's buffer for a client that does not read; the default is megabytes
_NO_UPGRADE = (
    "This WebSocket arrived without its Upgrade header. A proxy in front of the car must pass on Upgrade and Connection; "
    "docs/access.md has the lines."
)
_NO_CONNECTION = "The Connection header must name Upgrade. A proxy has to pass on Connection and Upgrade; docs/access.md has its lines."


class Socket(Handler, WebSocketHandler):
    """A WebSocket with the checks of its handshake, and with frames that are written to the socket at once."""

    subprotocol: str
    send_bytes: int  # of the kernel's buffer
    limits: ConnectionLimits
    _stream: HeadStream | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands (RFC 6455 §4.2.1). Tornado's own refusals are lines of text, so its checks are made here before."""
        headers = self.request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            if "Upgrade" not in headers and "Sec-WebSocket-Key" in headers:
                self.log_refusal(_NO_UPGRADE)
                raise _not_websocket(_NO_UPGRADE)
            raise _not_websocket("This address speaks WebSocket only; the page is at /.")
        if headers.get("Sec-WebSocket-Version") != "13":
            raise _not_websocket(
                "This address speaks version 13 of WebSocket, and the request asks for another."
            )
        if "upgrade" not in (option.strip().lower() for option in headers.get("Connection", "").split(",")):
            self.log_refusal(_NO_CONNECTION)
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", _NO_CONNECTION)
        if not headers.get("Sec-WebSocket-Key"):
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", "The header Sec-WebSocket-Key is missing.")
        self.check_room()
        await super().get(*args, **kwargs)

    def check_room(self) -> None:
        """Refuse a handshake for which there is no room, with its own answer; by default none."""

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """Return the protocol that lets other connections have their turn."""
        usual = super().get_websocket_protocol()
        return FairWebSocket(self, False, usual.params) if isinstance(usual, WebSocketProtocol13) else None

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - Tornado's signature
        """Accept: `prepare` has checked the origin."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return the protocol of this address if the client offers it."""
        return self.subprotocol if self.subprotocol in subprotocols else None

    def open(self, *_args: Any, **_kwargs: Any) -> None:
        """Prepare the connection."""
        self.set_nodelay(True)  # else Nagle holds a second small message for 40 ms
        self._stream = self._open_stream()
        if self._stream is not None:
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_bytes)
            self.limits.upgrade(self._stream, self.request.remote_ip or "")

    def on_close(self) -> None:
        """Give the connection's place back."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self.limits.remove(stream)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, and ignore the messages from now on."""
        super().close(code, reason)
        self.on_close()

    def drop(self) -> None:
        """Close the connection without a close frame."""
        stream = self._open_stream()
        self.on_close()
        if stream is not None:
            stream.close()

    def _send(self, frame: bytes) -> bool:
        """Send a frame, unless an earlier one is still on its way. Tornado would frame the text anew for each client."""
        stream = self._open_stream()
        if stream is None or stream.writing():
            return False
        stream.send(frame)
        return True

    def _open_stream(self) -> HeadStream | None:
        connection = self.ws_connection
        stream: HeadStream | None = getattr(connection, "stream", None)
        if connection is None or connection.is_closing() or stream is None:
            return None
        return stream


class DriveSocket(Socket):
    """A `Peer` of the hub."""

    subprotocol = SUBPROTOCOL
    send_bytes = SEND_BYTES
    fleet = guest = True
    hub: Hub
    _seat: Seat | None = None

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Take a seat."""
        assert self.visitor is not None
        super().open(*args, **kwargs)
        quiet = self.request.query_arguments.get("quiet") == [b"1"]
        if self._stream is not None and not quiet:
            _expedite(self._stream.socket)
        self._seat = self.hub.seat(self.visitor, self, quiet=quiet)

    def on_message(self, message: str | bytes) -> None:
        """Pass a message on."""
        if self._seat is None or self._seat.left:
            return
        if (
            len(message) * 4 > MAX_BYTES
            and len(message.encode() if isinstance(message, str) else message) > MAX_BYTES
        ):
            self.close(1009, f"a message has at most {MAX_BYTES} bytes")
            return
        self._seat.receive(message)

    def on_close(self) -> None:
        """Give up the seat."""
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.leave()
        super().on_close()

    def hello(self, hello: protocol.Hello) -> None:
        """Send the facts about this car and this client."""
        gate: Gate = self.settings["gate"]
        hello.car.update(asdict(gate.identity), hotspot=wifi.has_watcher())
        self._send(text_frame(protocol.hello(hello)))

    def show(self, view: View) -> bool:
        """Send a state, unless an earlier message is still on its way. Returns whether it was sent."""
        return self._send(view.encoded(_state_frame))

    def refuse(self, code: str, sentence: str | None = None) -> None:
        """Report a refused message."""
        self._send(text_frame(protocol.error(code, sentence)))


def text_frame(text: str) -> bytes:
    """Return a server's whole text frame (RFC 6455 §5.2)."""
    return frame(TEXT, text.encode())


def frame(kind: int, payload: bytes) -> bytes:
    """Return a server's whole frame; `kind` is `TEXT` or `BINARY`."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", kind, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", kind, 126, size)
    else:
        head = struct.pack("!BBQ", kind, 127, size)
    return head + payload


def _expedite(connection: socket.socket) -> None:
    """Mark the driver's packets for the queues on their way. A system that knows no such mark refuses it."""
    marks = [(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)]
    if connection.family == socket.AF_INET6:
        marks.append((socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED))
    if hasattr(socket, "SO_PRIORITY"):
        marks.append((socket.SOL_SOCKET, socket.SO_PRIORITY, PRIORITY))
    for level, name, value in marks:
        with contextlib.suppress(OSError):
            connection.setsockopt(level, name, value)


def _state_frame(view: View) -> bytes:
    return frame(TEXT, protocol.state(view.state, view.you, view.waiting).encode())


def _not_websocket(sentence: str) -> Refused:
    """Return the 426, with the headers that it must have (RFC 9110 §15.5.22, RFC 6455 §4.4)."""
    offer = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    return Refused(HTTPStatus.UPGRADE_REQUIRED, "not_websocket", sentence, **offer)
