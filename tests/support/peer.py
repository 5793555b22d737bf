"""A WebSocket client without an event loop, for Hypothesis and for malformed frames: it sends, and reads when asked."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any

from picar.client.session import CarError, Session
from tests.support.descriptors import readable
from tests.support.raw import UPGRADE
from tests.support.waiting import DEADLINE_S

_HANDSHAKE = "GET /ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def frame(
    payload: bytes, opcode: int = TEXT, fin: bool = True, masked: bool = True, mask: bytes = b""
) -> bytes:
    """Return a client's frame (RFC 6455 §5.2); without a mask of its own it gets a random one."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = mask or os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Peer:
    """One connection.

    Args:
        address: where the car listens.
        browser: its cookie `picar_session`, which recognises a browser that comes again.
    """

    def __init__(self, address: tuple[str, int], browser: str = "") -> None:
        self.browser = browser
        self.session = Session()
        self.errors: list[str] = []
        self.states: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.closed = self._upgraded = False
        self._buffer = b""
        self._socket = socket.create_connection(address, timeout=DEADLINE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mine = {"Host": f"{address[0]}:{address[1]}", "Cookie": f"picar_session={browser}"}
        self.send_bytes(
            _HANDSHAKE.encode() + "".join(f"{k}: {v}\r\n" for k, v in mine.items()).encode() + b"\r\n"
        )
        self.until(lambda: b"\r\n\r\n" in self._buffer or self.closed)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._upgraded = True
        self._read_frames()
        self.until(lambda: self.session.ready)

    @property
    def id(self) -> str:
        """The name that the server gave this client."""
        return str(self.session.hello["client"])

    @property
    def tick(self) -> int:
        """The newest tick it has seen."""
        return self.session.tick

    def send(self, **message: object) -> None:
        """Send a message."""
        self.send_bytes(frame(json.dumps(message).encode()))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes unchanged; after the end of the connection they are dropped."""
        try:
            self._socket.sendall(data)
        except OSError:
            self.closed = True

    def close(self, politely: bool = True) -> None:
        """Leave, with or without a word."""
        if politely and not self.closed:
            self.send_bytes(frame(struct.pack("!H", 1000), CLOSE))
        self.closed = True
        self._socket.close()

    def pump(self, wait_s: float = 0.0) -> None:
        """Read the frames that have arrived."""
        if self.closed:
            return
        while readable([self._socket], wait_s):
            wait_s = 0.0
            try:
                data = self._socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return
            self._buffer += data
            if self._upgraded:
                self._read_frames()

    def until(self, condition: Any) -> None:
        """Read until the condition holds."""
        give_up_at = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < give_up_at, (self.errors, self.states[-1:])
            assert not self.closed, self.close_code
            self.pump(0.01)

    def _read_frames(self) -> None:
        while len(self._buffer) >= 2:
            opcode, size, start = self._buffer[0] & 0xF, self._buffer[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < start + size:
                return
            payload, self._buffer = self._buffer[start : start + size], self._buffer[start + size :]
            self._take(opcode, payload)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else None
            self.send_bytes(frame(payload[:2], CLOSE))
        elif opcode == PING:
            self.send_bytes(frame(payload, PONG))
        elif opcode == TEXT:
            match self.session.receive(payload, time.monotonic()):
                case CarError(code=code):
                    self.errors.append(code)
                case {"type": "state"} as state:
                    self.states.append(state)
