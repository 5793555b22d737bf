"""Request heads: read at linear cost, refused above a size, and passed to Tornado one per turn of the loop.

Tornado alone searches a head from its start for each packet, and parses all strangers' heads in one turn.

Laws:
- Each byte of a head is searched once.
- A head above the limits is not parsed. It is read to its end, so that the client receives the answer, 431.
- Between two packets of a head, and between a head and its parsing, the connection waits for its turn.
- A whole head that has arrived is parsed, even if its connection is closed meanwhile: no STOP may be lost.
- The end of a connection is read only after the requests that arrived before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from picar.web.errorpage import error_body

HEAD_BYTES = 8 * 1024
HEAD_LINES = 100
READ_BYTES = 8 * 1024  # per packet; Tornado would zero 64 KiB for each
DRAIN_BYTES = 64 * 1024  # maximum that is read of a head above the limits
TOO_BIG = (
    f"The head of this request is larger than {HEAD_BYTES // 1024} kB or {HEAD_LINES} lines. The likely cause is cookies: all programs "
    "on one host name share them, whatever their port. Delete the cookies of this address in the browser, and open the page again."
)
NOT_HTTP = (
    "This is not a valid HTTP request. Check its first line, its Host header, and the length of its body."
)

_BARE_400 = b"HTTP/1.1 400 Bad Request\r\n\r\n"  # Tornado's answer to a request that it cannot parse
_END = re.compile(rb"\n\r?\n")
_HANDSHAKE, _RECORD_BYTES = b"\x16", 5  # the first byte of a connection, and the size of a record's head
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_OVERLAP_BYTES = 2  # at the end of a packet: they may begin the end of a head


class HeadStream(IOStream):
    """A connection that reads request heads by the laws above.

    `wait_for_turn` waits for the turn of a whole head; for an empty head, for a stranger's turn.
    """

    def __init__(
        self,
        connection: socket.socket,
        wait_for_turn: Callable[[bytes], Awaitable[None]],
        max_buffer_size: int,
        **more: Any,
    ) -> None:
        self._wait_for_turn = wait_for_turn
        self._unread = bytearray()  # bytes received behind a head: its body, or the next head
        self._take: Callable[[bytes | None], None] | None = None  # of `pass_packet`
        super().__init__(connection, max_buffer_size=max_buffer_size, read_chunk_size=READ_BYTES, **more)

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> asyncio.Future[bytes]:  # noqa: ARG002
        """Read a request head; Tornado's server uses this method for nothing else.

        Raises:
            StreamClosedError: the connection was closed before the head was whole, or the head was refused.
        """
        reading = asyncio.ensure_future(self._read_or_refuse())
        reading.add_done_callback(_retrieve_error)
        return reading

    async def _read_or_refuse(self) -> bytes:
        size, head = await self._read_head()
        if size > HEAD_BYTES or head.count(b"\n") > HEAD_LINES + 1:  # an empty line ends the head
            await self._wait_for_turn(b"")
            await self.write(
                refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_big", TOO_BIG, head)
            )
            self.close()
            raise StreamClosedError
        await self._wait_for_turn(head)
        return head

    async def _read_head(self) -> tuple[int, bytes]:
        """Return the size of a head in bytes, and the head; above the limit, only its begin and end."""
        size, head, overlap = 0, bytearray(), b""
        while size <= DRAIN_BYTES:
            new = await self._read_packet()
            end = _END.search(overlap + new)
            if end:
                cut = end.end() - len(overlap)
                self._unread[:0] = new[cut:]
                new = new[:cut]
            size += len(new)
            head += new
            if len(head) > 2 * HEAD_BYTES:
                del head[HEAD_BYTES:-HEAD_BYTES]
            if end:
                break
            overlap = (overlap + new)[-_OVERLAP_BYTES:]
            await self._wait_for_turn(b"")
        return size, bytes(head)

    async def _read_packet(self) -> bytes:
        try:
            return await self.read_bytes(self.max_buffer_size, partial=True)
        except StreamClosedError:
            if not self._unread:
                raise
            new, self._unread = bytes(self._unread), bytearray()
            return new

    def pass_packet(self, take: Callable[[bytes | None], None]) -> None:
        """Call `take` with what arrives next, in the same turn, or with None when the connection is closed.

        `read_bytes` costs more: it tries to read before anything has arrived, and wakes its reader one turn later.
        """
        if self.closed():
            self.io_loop.add_callback(take, None)
            return
        if self._unread or self._read_buffer_size or self._decrypted():
            reading: asyncio.Future[bytes] = asyncio.ensure_future(self.read_bytes(READ_BYTES, partial=True))
            reading.add_done_callback(lambda done: take(None if done.exception() else done.result()))
        else:
            self._take = take  # without a future: every command comes this way
            if self._state is None or not self._state & self.io_loop.READ:
                self._add_io_state(self.io_loop.READ)

    def reading(self) -> bool:
        """Return whether a read or a `pass_packet` is pending."""
        return self._take is not None or super().reading()

    def _handle_read(self) -> None:
        if self._take is None:
            super()._handle_read()
            return
        try:
            packet = self.socket.recv(READ_BYTES)
        except _LATER:
            return
        except OSError as error:
            self.close(exc_info=error)
            return
        if not packet:
            self.close()
            return
        take, self._take = self._take, None
        take(packet)

    def close_fd(self) -> None:
        """Close the socket, and keep the received bytes: a STOP may follow a request whose answer failed."""
        with contextlib.suppress(OSError):
            self._unread += self.socket.recv(READ_BYTES)
        super().close_fd()

    def _signal_closed(self) -> None:
        take, self._take = self._take, None
        if take is not None:
            self.io_loop.add_callback(take, None)
        super()._signal_closed()

    def _decrypted(self) -> int:
        """Return how many bytes have arrived that the event loop cannot see."""
        return 0

    def has_left(self) -> bool:
        """Return whether the client has closed its end, also while no read is pending."""
        try:
            return self.closed() or not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, data: bytes) -> None:
        """Write to an open connection that is not writing, without a future: a failed connection closes."""
        try:
            sent = self.socket.send(data)
        except _LATER:
            sent = 0
        except OSError as error:
            self.close(exc_info=error)
            return
        if sent < len(data):
            self.write(data[sent:])

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """Write; Tornado's 400 without a body gets one."""
        if data == _BARE_400:
            data = refusal(HTTPStatus.BAD_REQUEST, "bad_request", NOT_HTTP, b"")
        return super().write(data)

    def _handle_events(self, fd: Any, events: int) -> None:
        """Handle events of the socket; while no read is pending, leave the input and its end in the kernel.

        Tornado alone closes a connection when it reads its end, and drops the answer in progress. The next
        read adds the socket to the loop again.
        """
        if self._take is not None and events == self.io_loop.READ:
            self._handle_read()  # a packet: Tornado would also look for writes, errors and its own state
        elif self.reading():
            super()._handle_events(fd, events)
        elif self.writing():
            super()._handle_events(fd, events & ~self.io_loop.READ)
        else:
            self._state = self.io_loop.ERROR
            self.io_loop.update_handler(fd, self._state)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read the bytes behind a head first, then from the socket."""
        if not self._unread:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._unread))
        buf[:size] = self._unread[:size]
        del self._unread[:size]
        return size


class SecureStream(HeadStream, SSLIOStream):
    """The same over TLS. Its socket has finished the handshake."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, ssl_options={})
        self._ssl_accepting = False

    def _decrypted(self) -> int:
        return self.socket.pending()

    def _is_connreset(self, exc: BaseException) -> bool:
        """Count a broken record as the end of the connection: Tornado would log a traceback for each stranger's."""
        return isinstance(exc, ssl.SSLError) or super()._is_connreset(exc)

    def has_left(self) -> bool:
        """Return whether the client has closed its end. TLS cannot look at bytes without reading them."""
        try:
            more = self.socket.recv(1)
        except _LATER:
            return False
        except (OSError, ValueError):
            return True
        self._unread += more
        return not more


def has_end(head: bytes, searched: int = 0) -> bool:
    """Return whether these first bytes of a connection hold a whole head; the first `searched` do not."""
    return _END.search(head, max(0, searched - _OVERLAP_BYTES)) is not None


def has_hello(head: bytes, searched: int = 0) -> bool:  # noqa: ARG001 - in the place of `has_end`
    """Return whether these first bytes hold a whole record of TLS (RFC 8446 §5.1), or cannot become one."""
    size = _RECORD_BYTES + int.from_bytes(head[3:_RECORD_BYTES])
    return head[:1] != _HANDSHAKE or len(head) >= max(size, _RECORD_BYTES)


def field_values(head: bytes, name: str) -> list[str]:
    """Return the values of a header field in a head that is not parsed, one for each line."""
    lines = re.findall(rb"\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode()), head, re.IGNORECASE)
    return [line.decode("latin-1").rstrip() for line in lines]


def refusal(status: HTTPStatus, code: str, sentence: str, head: bytes, more: str = "") -> bytes:
    """Return a whole answer that refuses a request; `head` is the part of the request head that was read.

    The connection is closed after the answer. `more` are further header lines of the answer.
    """
    names = ("Accept", "Sec-Fetch-Mode")
    accepted = {name: ",".join(values) for name in names if (values := field_values(head, name))}
    kind, body = error_body(accepted, status, code, sentence)
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nVary: Accept\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return lines.encode() + body


def _retrieve_error(reading: asyncio.Future[bytes]) -> None:
    """Mark a failed read as handled: Tornado may have stopped waiting for it."""
    if not reading.cancelled():
        reading.exception()
