"""Fairness: a crowd of clients must not delay the driver's commands.

Tornado handles everything that has arrived in one iteration of the event loop. Thirty requests would delay
the driver's next command by all their work, on a small Pi longer than is safe. A turn is one iteration.

Laws:
- In a turn one connection is accepted. Of admitted visitors and of strangers, one packet or whole request
  head each is passed on, and one request each is answered.
- In a turn one frame of each WebSocket is handled, however many have arrived.
- Admitted visitors do not wait behind strangers.
- Requests of strangers cause at most one line of a log per second.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import time
from collections.abc import Iterable
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.util import _websocket_mask
from tornado.websocket import WebSocketProtocol13

from picar.web.request_heads import HeadStream

# RFC 6455 §5.2: the first byte of a whole text, the bit for a mask in the second, and both bytes with the mask.
_TEXT, _WHOLE_TEXT, _MASKED, _HEAD_BYTES = 0x1, 0x81, 0x80, 6


class FairQueues:
    """A queue for admitted visitors and one for strangers; each releases one request per turn."""

    def __init__(self) -> None:
        self._locks = {True: asyncio.Lock(), False: asyncio.Lock()}

    async def wait(self, admitted: bool) -> None:
        """Wait for a turn; first come, first served."""
        async with self._locks[admitted]:
            await asyncio.sleep(0)


class FairListener(socket.socket):
    """A listening socket that accepts one connection per turn; Tornado would accept up to 128.

    The listeners of one server share the turns: IPv4 and IPv6 alternate while both have connections.
    """

    _listeners: list[FairListener]  # of one server, with this one
    _turn_used = _was_last = False

    @classmethod
    def take_over(cls, sockets: Iterable[socket.socket]) -> list[FairListener]:
        """Replace the listening sockets of one server, and make them non-blocking."""
        listeners = [cls(fileno=plain.detach()) for plain in sockets]
        for listener in listeners:
            listener.setblocking(False)
        cls.share_turns(listeners)
        return listeners

    @staticmethod
    def share_turns(sockets: Iterable[socket.socket]) -> None:
        """Make these the listeners of one server."""
        listeners = [one for one in sockets if isinstance(one, FairListener)]
        for listener in listeners:
            listener._listeners = listeners

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connection.

        Raises:
            BlockingIOError: there is no connection, or this listener must wait for the next turn.
        """
        if self._turn_used or (self._was_last and self._another_has_a_connection()):
            raise BlockingIOError
        connection = super().accept()
        for listener in self._listeners:
            listener._turn_used, listener._was_last = True, listener is self
        asyncio.get_running_loop().call_soon(self._begin_turn)
        return connection

    def _another_has_a_connection(self) -> bool:
        others = select.poll()
        for listener in self._listeners:
            if listener is not self:
                others.register(listener, select.POLLIN)
        return bool(others.poll(0))

    def _begin_turn(self) -> None:
        for listener in self._listeners:
            listener._turn_used = False


class FairWebSocket(WebSocketProtocol13):
    """A WebSocket that handles a frame in the turn in which it arrives, and one frame per turn.

    Tornado reads frames in a coroutine. In a task, it would continue one turn after each packet. Here the stream
    resumes the coroutine directly, with the packet. A short text in one frame, as all commands are, is handled without the
    coroutine, which would read it in four parts.
    """

    stream: HeadStream
    said_goodbye = False  # whether the client has sent a close frame
    _arrived = b""
    _needs_packet = _is_between_frames = False

    async def _receive_frame_loop(self) -> None:
        self._frames = super()._receive_frame_loop()
        self._ended = asyncio.get_running_loop().create_future()
        self._resume()
        try:
            await self._ended
        finally:
            self._frames.close()

    def _resume(self, packet: bytes | None = b"") -> None:
        """Handle frames until the next packet or turn is needed. `packet` is None after the connection was closed."""
        if self._ended.done():
            return
        try:
            if packet is None:
                self._frames.throw(StreamClosedError())
            else:
                self._arrived += packet
                if not self._take_short_text():
                    self._frames.send(None)
            if self._needs_packet:
                self.stream.pass_packet(self._resume)
            else:
                asyncio.get_running_loop().call_soon(self._resume)
        except StopIteration:
            self._ended.set_result(None)
        except Exception as error:
            self._ended.set_exception(error)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close. Tornado calls this for a client's close frame with the first flag alone, for a lost connection with both."""
        self.said_goodbye = self.said_goodbye or (self.client_terminated and not self.server_terminated)
        super().close(code, reason)

    def _take_short_text(self) -> bool:
        """Handle a whole short text at the start of what has arrived. Returns False if the coroutine must read on."""
        frame = self._arrived
        if not self._is_between_frames or len(frame) < _HEAD_BYTES or frame[0] != _WHOLE_TEXT:
            return False
        size = _HEAD_BYTES + frame[1] - _MASKED
        if not _HEAD_BYTES <= size < _HEAD_BYTES + 126 or len(frame) < size:
            return False
        self._arrived = frame[size:]
        self._needs_packet = not self._arrived
        self._wire_bytes_in += size
        self._handle_message(_TEXT, _websocket_mask(frame[2:_HEAD_BYTES], frame[_HEAD_BYTES:size]))
        return True

    async def _receive_frame(self) -> None:
        if self._arrived:
            await asyncio.sleep(0)
        self._is_between_frames = self._fragmented_message_buffer is None
        await self._arrive(2)
        self._is_between_frames = False
        await super()._receive_frame()

    async def _arrive(self, n: int) -> None:
        """Wait for so many bytes."""
        while len(self._arrived) < n:
            self._needs_packet = True
            await asyncio.sleep(0)
            self._needs_packet = False

    async def _read_bytes(self, n: int) -> bytes:
        await self._arrive(n)
        data, self._arrived = self._arrived[:n], self._arrived[n:]
        self._wire_bytes_in += n
        return data


class RateLimitedLog:
    """Passes at most one warning per second to a logger."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next_at = 0.0

    def warning(self, message: str, *args: object) -> None:
        """Log a warning, or drop it if the last one is less than a second old."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + 1.0
            self._log.warning(message, *args)
