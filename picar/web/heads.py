"""Request heads: read at linear cost, refused above a size, and handed to Tornado one in a turn of the loop.

Tornado alone would search all of a head again with each packet, and parse whatever has come, for many strangers in one go.

Laws:
- Each byte of a head is searched once.
- A head above the limits is not parsed. It is read to its end, so that the answer is not lost, and answered with 431.
- Between two packets of a head, and between a head and its parsing, the connection waits for its turn.
- A whole head that has arrived is parsed, even if the connection is closed while it waits: a STOP must not be lost.
- The end of a connection is read only after the requests that arrived before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from tornado.iostream import IOStream, StreamClosedError

from picar.web.errorpage import error_page, prefers_page

HEAD_BYTES = 8 * 1024
HEAD_LINES = 100
READ_BYTES = 8 * 1024  # at a time; Tornado would zero 64 KiB for each packet
HEARD_BYTES = 64 * 1024  # of a head above the limits before the connection is closed unheard
TOO_BIG = (
    f"The head of this request is above {HEAD_BYTES // 1024} kB or {HEAD_LINES} lines. The likely cause is cookies: programs at "
    "the same host name share them, whatever their port. Delete the cookies of this address in the browser, and open the page again."
)
NO_HTTP = "This is no HTTP request. Check its first line, its Host header, and the length of its body."

_BARE = b"HTTP/1.1 400 Bad Request\r\n\r\n"  # Tornado's answer to what it cannot read
_END = re.compile(rb"\n\r?\n")
_SEAM_BYTES = 2  # of a packet, which may begin an end that the next one finishes


class HeadStream(IOStream):
    """A connection that reads heads by the laws above.

    Args:
        connection: the socket.
        turn: waits for the turn of a whole head; without one, for a stranger's turn.
        max_buffer_size: in bytes, as Tornado's.
    """

    def __init__(
        self,
        connection: socket.socket,
        turn: Callable[[bytes], Awaitable[None]],
        max_buffer_size: int,
    ) -> None:
        self._turn = turn
        self._behind = bytearray()  # what came with a head and belongs to its body or to the next head
        super().__init__(connection, max_buffer_size=max_buffer_size, read_chunk_size=READ_BYTES)

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> asyncio.Future[bytes]:  # noqa: ARG002
        """Read a request's head, the only thing that Tornado's server reads by a regular expression.

        Raises:
            StreamClosedError: the connection was closed before the head was whole, or because the head was refused.
        """
        reading = asyncio.ensure_future(self._read_or_refuse())
        reading.add_done_callback(_look_at)
        return reading

    async def _read_or_refuse(self) -> bytes:
        size, head = await self._read_head()
        if size > HEAD_BYTES or has_too_many_lines(head):
            await self._turn(b"")
            await self.write(
                refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_big", TOO_BIG, head)
            )
            self.close()
            raise StreamClosedError
        await self._turn(head)
        return head

    async def _read_head(self) -> tuple[int, bytes]:
        """Return the size of a head in bytes, and the head; of one above the limit only its begin and its end."""
        size, head, seam = 0, bytearray(), b""
        while size <= HEARD_BYTES:
            new = await self._read_packet()
            end = _END.search(seam + new)
            if end:
                cut = end.end() - len(seam)
                self._behind[:0] = new[cut:]
                new = new[:cut]
            size += len(new)
            head += new
            if len(head) > 2 * HEAD_BYTES:
                del head[HEAD_BYTES:-HEAD_BYTES]
            if end:
                break
            seam = (seam + new)[-_SEAM_BYTES:]
            await self._turn(b"")
        return size, bytes(head)

    async def _read_packet(self) -> bytes:
        try:
            return await self.read_bytes(self.max_buffer_size, partial=True)
        except StreamClosedError:
            if not self._behind:
                raise
            new, self._behind = bytes(self._behind), bytearray()
            return new

    def close_fd(self) -> None:
        """Close the socket, and keep the bytes that have arrived: a STOP may follow a request whose answer failed."""
        with contextlib.suppress(OSError):
            self._behind += self.socket.recv(READ_BYTES)
        super().close_fd()

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """Write; Tornado's empty 400 gets a body."""
        return super().write(
            refusal(HTTPStatus.BAD_REQUEST, "bad_request", NO_HTTP, b"") if data == _BARE else data
        )

    def _handle_events(self, fd: Any, events: int) -> None:
        """Handle what the loop reports; while no read is pending, leave the input and its end in the kernel.

        Tornado alone would close a connection whose end it reads, and drop the answer that is being made. The next read
        adds the socket to the loop again.
        """
        if self.reading():
            super()._handle_events(fd, events)
        elif self.writing():
            super()._handle_events(fd, events & ~self.io_loop.READ)
        else:
            self._state = self.io_loop.ERROR
            self.io_loop.update_handler(fd, self._state)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read what is left behind a head first, then from the socket."""
        if not self._behind:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._behind))
        buf[:size] = self._behind[:size]
        del self._behind[:size]
        return size


def has_end(head: bytes, searched: int = 0) -> bool:
    """Return whether these first bytes of a connection hold a whole head; the first `searched` of them do not."""
    return _END.search(head, max(0, searched - _SEAM_BYTES)) is not None


def has_too_many_lines(head: bytes) -> bool:
    """Return whether a head has more lines than allowed; the empty line at its end does not count."""
    return head.count(b"\n") > HEAD_LINES + 1


def field(head: bytes, name: str) -> list[str]:
    """Return the values of a header field in a head that is not parsed, one for each line."""
    lines = re.findall(rb"\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode()), head, re.IGNORECASE)
    return [line.decode("latin-1").rstrip() for line in lines]


def refusal(status: HTTPStatus, code: str, sentence: str, head: bytes, more: str = "") -> bytes:
    """Return a whole answer that refuses and closes: a page for a browser that opens an address, else JSON.

    Args:
        status: of the answer.
        code: the stable word of the error.
        sentence: what is wrong and how to mend it.
        head: of the request, as far as it was read.
        more: header lines of the answer.
    """
    asked = {name: ",".join(values) for name in ("Accept", "Sec-Fetch-Mode") if (values := field(head, name))}
    if prefers_page(asked):
        kind, body = "text/html; charset=utf-8", error_page(status, code, sentence)
    else:
        kind = "application/json; charset=UTF-8"
        body = json.dumps({"error": {"code": code, "message": sentence}}).encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nVary: Accept\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return lines.encode() + body


def _look_at(reading: asyncio.Future[bytes]) -> None:
    """Take note of a failed read: Tornado may have stopped waiting for it."""
    if not reading.cancelled():
        reading.exception()
