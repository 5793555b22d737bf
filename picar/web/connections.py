"""How many connections there may be: in all, from one address, and never the last free descriptors.

Laws:
- One address cannot keep the others out.
- Where the car is full, or an address has all that it gets, a newcomer takes the place of the oldest connection there
  that is no WebSocket: only who may come in has one of those, so strangers keep nobody out either. A home is one address
  to IPv6, and may be one behind a second router.
- In an emergency there are descriptors left for the pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import resource
import sys
from collections import Counter
from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError

log = logging.getLogger(__name__)

SPARE_DESCRIPTORS = (12, 32)  # at least, at most; never for strangers: in an emergency, lgpio takes 8
OUR_DESCRIPTORS = 64  # of the process itself, generously
REFUSED_S = 1.0  # for a refused connection to say what it wants and be told why not
MOST_REFUSALS = 16  # at a time; the others are hung up on


class Crowd:
    """Counts connections by address.

    Args:
        total: the most connections.
        per_address: the most from one address; loopback is exempt, for a tunnel's clients all come from there.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self._total, self._per_address = total, per_address
        self._http: dict[IOStream, str] = {}  # the oldest first
        self._sockets: dict[IOStream, str] = {}
        self._by_address: Counter[str] = Counter()

    def refusal(self, ip: str) -> str:
        """Return why this address gets no connection, empty where it gets one. It may cost the oldest stranger's."""
        address = _block(ip)
        if address and self._by_address[address] >= self._per_address:
            why = f"There are {self._per_address} connections from your address, and that is the most."
            return "" if self._makes_room(address) else why
        if len(self._http) + len(self._sockets) < self._total or self._makes_room():
            return ""
        return f"{self._total} are connected, and that is the most."

    def _makes_room(self, address: str | None = None) -> bool:
        """Hang up on the oldest connection that is no WebSocket, of this address or of any. Tells whether there was one."""
        oldest = next((stream for stream, its in self._http.items() if address in (None, its)), None)
        if oldest is None:
            return False
        self.left(oldest)
        oldest.close()
        return True

    def came(self, stream: IOStream, ip: str) -> None:
        """Note a connection."""
        self._note(self._http, stream, ip)

    def became_socket(self, stream: IOStream, ip: str) -> None:
        """Note that a connection is a WebSocket from now on."""
        self.left(stream)
        self._note(self._sockets, stream, ip)

    def left_http(self, stream: IOStream) -> None:
        """Note that a connection is no HTTP connection any more; it may be a WebSocket."""
        if stream not in self._sockets:
            self.left(stream)

    def _note(self, kind: dict[IOStream, str], stream: IOStream, ip: str) -> None:
        kind[stream] = address = _block(ip)
        self._by_address[address] += 1

    def left(self, stream: IOStream) -> None:
        """Note the end of a connection."""
        for kind in (self._http, self._sockets):
            address = kind.pop(stream, None)
            if address is not None:
                self._by_address[address] -= 1
                if not self._by_address[address]:
                    del self._by_address[address]


class CrowdedServer(HTTPServer):
    """An HTTP server that says no before it is too late."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take the `crowd` to count in, and look up how many files this process may open."""
        self._crowd: Crowd = kwargs.pop("crowd")
        super().initialize(*args, **kwargs)
        self._refusals: set[asyncio.Task[None]] = set()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        least, most = SPARE_DESCRIPTORS
        endless = limit == resource.RLIM_INFINITY
        self._full_at = sys.maxsize if endless else limit - max(least, min(most, limit // 8))

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection, or say why not; its descriptor is the lowest that was free, so it tells how many are open."""
        if stream.socket.fileno() >= self._full_at:
            log.warning("too many connections; hung up on one")
            stream.close()
        elif why := self._crowd.refusal(address[0]):
            self._refuse(stream, why)
        else:
            self._crowd.came(stream, address[0])
            super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """Forget a connection; a WebSocket ends being an HTTP connection when it begins."""
        super().on_close(server_conn)
        assert isinstance(server_conn, HTTP1ServerConnection)
        self._crowd.left_http(server_conn.stream)

    def _refuse(self, stream: IOStream, why: str) -> None:
        if len(self._refusals) >= MOST_REFUSALS:
            stream.close()
            return
        task = asyncio.ensure_future(_turn_away(stream, why))
        self._refusals.add(task)
        task.add_done_callback(self._refusals.discard)


def make_room(total: int) -> None:
    """Raise this process's limit of open files towards what so many connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = total + OUR_DESCRIPTORS + SPARE_DESCRIPTORS[1]
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):  # then with what there is
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def _turn_away(stream: IOStream, why: str) -> None:
    """Hear a request's head out, since an answer to what was not read may be lost, and refuse it."""
    body = json.dumps({"error": {"code": "too_many", "message": why}}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(StreamClosedError, UnsatisfiableReadError, TimeoutError):
        async with asyncio.timeout(REFUSED_S):
            await stream.read_until(b"\r\n\r\n", max_bytes=8192)
            await stream.write(head.encode() + body)
    stream.close()


def _block(ip: str) -> str:
    """Return what counts as one address: all of IPv4, the network of IPv6; empty for loopback."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback:
        return ""
    return str(ipaddress.ip_network((mapped, 64), strict=False)) if mapped.version == 6 else str(mapped)
