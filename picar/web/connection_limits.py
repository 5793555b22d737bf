"""Connection limits: in total and per network, with file descriptors in reserve.

Laws:
- One address cannot keep other addresses out.
- A connection is pending until its first request head is complete. A pending connection costs one descriptor,
  and counts nowhere else.
- At a limit, a new connection replaces the oldest one there that is not a WebSocket. The newest 64 that have
  sent a whole head are replaced last; of the others, an address with more than half of them loses one first.
  Only admitted visitors have WebSockets, so strangers cannot keep visitors out either.
- Of one address, one TLS handshake is unfinished, and `HANDSHAKES` in all; others wait as pending connections.
  Addresses of admitted visitors have as many places of their own.
- An IPv6 /64 network counts as one address: a home has one. Behind a router, a home may be one IPv4 address.
- In an emergency there are free descriptors for the pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import resource
import socket
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from weakref import WeakValueDictionary

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError

from picar.web.fairness import FairQueues, RateLimitedLog
from picar.web.request_heads import HEAD_BYTES, HeadStream, SecureStream, has_end, has_hello, refusal

log = logging.getLogger(__name__)

SPARE_DESCRIPTORS = (12, 32)  # minimum and maximum; never for clients: in an emergency, lgpio needs 8
OWN_DESCRIPTORS = 64  # of the process itself; a generous estimate
REFUSAL_S = 1.0  # for a refused connection to send its head and receive the answer
MAX_REFUSALS = 16  # at a time; further connections are closed without an answer
MAX_PENDING = 1024  # two seconds of connections every 2 ms; a slow phone sends its request in less
HANDSHAKES = 4  # unfinished at a time
HANDSHAKE_S = 1.0  # for each of them: a link that needs longer cannot drive
MOMENT_S = 0.1  # a machine that stands still, for however long, costs a handshake so much of its time
REST = 2.0  # times the work for handshakes is the rest after it, so that they take a third of a processor at most
KNOWN = 64  # addresses of admitted visitors, the newest
PROTECTED = 64  # connections with a whole head that are replaced last


class ConnectionLimits:
    """Counts connections, and closes old ones for new ones at a maximum in total and one per address.

    Loopback has no maximum of its own: a tunnel's clients all arrive from there.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self._total, self.per_address = total, per_address
        self._http: dict[IOStream, tuple[str, str]] = {}  # network and address; oldest first
        self._websockets: dict[IOStream, tuple[str, str]] = {}
        self._protected: dict[IOStream, None] = {}
        self._by_network: Counter[str] = Counter()

    def refusal(self, ip: str) -> str:
        """Return why this address gets no connection, or an empty string after making room for one."""
        network = network_of(ip)
        if network and self._by_network[network] >= self.per_address:
            if self._close_oldest(network):
                return ""
            return f"Your address already has {self.per_address} connections, the maximum. Close one of them."
        if len(self._http) + len(self._websockets) < self._total or self._close_oldest():
            return ""
        return f"The car already has {self._total} connections, the maximum. Close one, or try again later."

    def _close_oldest(self, network: str | None = None) -> bool:
        """Close the oldest plain-HTTP connection (of this network, if given). Return whether one was closed.

        Protected connections are closed last; of the others, an address with more than half loses one first.
        """
        present = [(stream, ip) for stream, (its, ip) in self._http.items() if network in (None, its)]
        if not present:
            return False
        unprotected = [(stream, ip) for stream, ip in present if stream not in self._protected] or present
        most, count = Counter(ip for _, ip in unprotected).most_common(1)[0]
        oldest = next(stream for stream, ip in unprotected if ip == most or 2 * count <= len(unprotected))
        self.remove(oldest)
        oldest.close()
        return True

    def add(self, stream: IOStream, ip: str) -> None:
        """Count an HTTP connection."""
        self._count(self._http, stream, ip)

    def protect(self, stream: IOStream) -> None:
        """Protect an HTTP connection that has sent a whole head, as one of the newest `PROTECTED`."""
        if stream not in self._http:
            return
        self._protected.pop(stream, None)
        self._protected[stream] = None
        if len(self._protected) > PROTECTED:
            del self._protected[next(iter(self._protected))]

    def upgrade(self, stream: IOStream, ip: str) -> None:
        """Count an HTTP connection as a WebSocket from now on."""
        self.remove(stream)
        self._count(self._websockets, stream, ip)

    def remove_http(self, stream: IOStream) -> None:
        """Remove a connection that has ended as HTTP, unless it is a WebSocket now."""
        if stream not in self._websockets:
            self.remove(stream)

    def _count(self, kind: dict[IOStream, tuple[str, str]], stream: IOStream, ip: str) -> None:
        network = network_of(ip)
        kind[stream] = network, ip
        self._by_network[network] += 1

    def remove(self, stream: IOStream) -> None:
        """Remove a connection that has ended; a second call does nothing."""
        self._protected.pop(stream, None)
        place = self._http.pop(stream, None) or self._websockets.pop(stream, None)
        if place:
            network, _ = place
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]


@dataclass(slots=True, eq=False)
class _Pending:
    network: str
    ip: str
    timer: asyncio.TimerHandle
    on_head: Callable[[bytes], Coroutine[Any, Any, None]]
    is_whole: Callable[[bytes, int], bool]
    seen: int = 0  # bytes that were searched for the end of the head


class PendingConnections:
    """Connections whose first head is not complete. Their bytes stay in the kernel, without a Tornado object.

    The maxima are as in `ConnectionLimits`; after `idle_s` seconds a pending connection is closed.
    """

    def __init__(self, total: int, per_address: int, idle_s: float) -> None:
        self._total, self._per_address, self._idle_s = total, per_address, idle_s
        self._all: dict[IOStream, _Pending] = {}
        self._networks: dict[str, dict[IOStream, None]] = {}  # oldest first
        self._addresses: dict[str, dict[IOStream, None]] = {}
        self._queues = FairQueues()
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop holds weak references

    def add(
        self,
        stream: IOStream,
        ip: str,
        on_head: Callable[[bytes], Coroutine[Any, Any, None]],
        is_whole: Callable[[bytes, int], bool] = has_end,
    ) -> None:
        """Add a connection of which nothing was read; at a limit, close an older one.

        `on_head` is started once as a task, with a whole head as `is_whole` defines it, or with all bytes if no whole one can
        arrive. The connection stays pending until `remove`.
        """
        network = network_of(ip)
        same = self._addresses.get(ip, {})
        if network and len(same) >= self._per_address:
            self._close(next(iter(same)))
        elif len(self._all) >= self._total:
            self.close_oldest()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._idle_s, self._close, stream)
        self._all[stream] = _Pending(network, ip, timer, on_head, is_whole)
        for groups, name in ((self._networks, network), (self._addresses, ip)):
            groups.setdefault(name, {})[stream] = None
        loop.add_reader(stream.socket, self._search, stream)

    def close_oldest(self) -> bool:
        """Close the oldest connection of the network that has most. Return whether one was closed."""
        if not self._all:
            return False
        fullest = max(self._networks.values(), key=len)
        self._close(next(iter(fullest)))
        return True

    def remove(self, stream: IOStream) -> bool:
        """Remove a connection without closing it. Return whether it was pending."""
        pending = self._all.pop(stream, None)
        if pending is None:
            return False
        pending.timer.cancel()
        for groups, name in ((self._networks, pending.network), (self._addresses, pending.ip)):
            del groups[name][stream]
            if not groups[name]:
                del groups[name]
        asyncio.get_running_loop().remove_reader(stream.socket)
        return True

    def _search(self, stream: IOStream) -> None:
        """Search new bytes for the end of the head; the kernel calls again only for further bytes."""
        asyncio.get_running_loop().remove_reader(stream.socket)
        pending = self._all[stream]
        try:
            head = stream.socket.recv(HEAD_BYTES + 1, socket.MSG_PEEK)
        except OSError:
            head = b""
        if not head:
            self._close(stream)
        elif len(head) in (pending.seen, HEAD_BYTES + 1) or pending.is_whole(head, pending.seen):
            _set_low_water_mark(stream, 1)
            self._start(pending.on_head(head))
        else:
            pending.seen = len(head)
            _set_low_water_mark(stream, len(head) + 1)
            self._start(self._search_again(stream))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _search_again(self, stream: IOStream) -> None:
        await self._queues.wait(False)
        if stream in self._all:
            asyncio.get_running_loop().add_reader(stream.socket, self._search, stream)

    def _close(self, stream: IOStream) -> None:
        self.remove(stream)
        stream.close()


def _set_low_water_mark(stream: IOStream, size: int) -> None:
    """Make a connection readable from this many bytes on, or when its remote end has closed."""
    with contextlib.suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


class Handshakes:
    """TLS handshakes: few unfinished ones, in the order of arrival, with rests in between."""

    def __init__(self) -> None:
        self._places = {known: asyncio.Semaphore(HANDSHAKES) for known in (False, True)}
        self._known: dict[str, None] = {}
        self._networks = WeakValueDictionary[str, asyncio.Lock]()
        self._one_at_a_time = asyncio.Lock()

    def know(self, ip: str) -> None:
        """Keep the address of an admitted visitor, as one of the newest `KNOWN`."""
        self._known.pop(ip, None)
        self._known[ip] = None
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    @contextlib.asynccontextmanager
    async def place(self, ip: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it. A known address does not wait behind others of its IPv6 network."""
        known = ip in self._known
        lock = self._networks.setdefault(ip if known else network_of(ip) or ip, asyncio.Lock())
        async with lock, self._places[known]:
            yield

    async def shake(self, connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket | None:
        """Do the server's part. Return None after a failure; the connection is closed then."""
        loop, readable, secure = asyncio.get_running_loop(), asyncio.Event(), None
        try:
            secure = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            loop.add_reader(secure, readable.set)
            spent, begun = 0.0, loop.time()
            while not await self._step(secure):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(MOMENT_S):
                        await readable.wait()
                readable.clear()
                begun, before = loop.time(), begun
                spent += min(begun - before, MOMENT_S)
                if spent >= HANDSHAKE_S:
                    raise TimeoutError
            loop.remove_reader(secure)
        except OSError:  # also of TLS, and a timeout
            if secure:
                loop.remove_reader(secure)
                secure.close()
            return None
        return secure

    async def _step(self, secure: ssl.SSLSocket) -> bool:
        """Do what can be done now, then rest. Return whether the handshake is finished."""
        clock = asyncio.get_running_loop().time
        async with self._one_at_a_time:
            begun = clock()
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                return False
            finally:
                await asyncio.sleep(REST * (clock() - begun))
        return True


class LimitedServer(HTTPServer):
    """An HTTP server with connection limits."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take the `limits`, the function `has_priority` (of head and address, and True over TLS), and `tls`.

        `tls` is None, or the context and the port of TLS; the rest is Tornado's.
        """
        self._limits: ConnectionLimits = kwargs.pop("limits")
        self._has_priority: Callable[..., bool] = kwargs.pop("has_priority")
        self._tls: tuple[ssl.SSLContext, int] | None = kwargs.pop("tls", None)
        self._handshakes = Handshakes()
        self._buffer_bytes: int = kwargs["max_buffer_size"]
        idle_s = kwargs["idle_connection_timeout"]
        super().initialize(*args, **kwargs)
        self._pending = PendingConnections(MAX_PENDING, self._limits.per_address, idle_s)
        self._queues = FairQueues()
        self._refusals = 0
        self._log = RateLimitedLog(log)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        least, most = SPARE_DESCRIPTORS
        unlimited = limit == resource.RLIM_INFINITY
        self._full_at = sys.maxsize if unlimited else limit - max(least, min(most, limit // 8))

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Add a pending connection. Its descriptor was the lowest free one, so it shows how many are open."""
        if stream.socket.fileno() >= self._full_at:
            self._log.warning("too many connections; closed one")
            if not self._pending.close_oldest():
                stream.close()
                return
            stream = _on_lowest_descriptor(stream)  # its present one is a spare one
        if self._tls and stream.socket.getsockname()[1] == self._tls[1]:
            context = self._tls[0]
            shake = functools.partial(self._secure, stream, address, context)
            self._pending.add(stream, address[0], lambda _hello: shake(), has_hello)
        else:
            self._pending.add(stream, address[0], lambda head: self._accept(stream, address, head))

    def on_close(self, server_conn: object) -> None:
        """Remove a connection from the limits; Tornado calls this also when it becomes a WebSocket."""
        super().on_close(server_conn)
        assert isinstance(server_conn, HTTP1ServerConnection)
        self._limits.remove_http(server_conn.stream)

    async def _accept(self, pending: IOStream, address: tuple[Any, ...], head: bytes) -> None:
        """Pass a pending connection to Tornado in its turn, or refuse it."""
        await self._queues.wait(self._comes_first(head, address[0]))
        if self._pending.remove(pending):
            await self._serve(HeadStream, pending.socket, address, head)

    async def _secure(self, pending: IOStream, address: tuple[Any, ...], context: ssl.SSLContext) -> None:
        """Shake hands with a pending connection, then pass it to Tornado, or refuse it."""
        async with self._handshakes.place(address[0]):
            is_here = self._pending.remove(pending)
            secure = await self._handshakes.shake(pending.socket, context) if is_here else None
        if secure:
            await self._serve(SecureStream, secure, address)

    async def _serve(
        self, kind: type[HeadStream], connection: socket.socket, address: tuple[Any, ...], head: bytes = b""
    ) -> None:
        ip = address[0]
        stream = kind(connection, lambda head: self._wait_for_turn(stream, head, ip), self._buffer_bytes)
        if reason := self._limits.refusal(ip):
            await self._refuse(stream, reason)
            return
        self._limits.add(stream, ip)
        if has_end(head):
            self._limits.protect(stream)
        super().handle_stream(stream, address)

    async def _wait_for_turn(self, stream: HeadStream, head: bytes, ip: str) -> None:
        if head:
            self._limits.protect(stream)
        secure = [True] if isinstance(stream, SecureStream) else []
        await self._queues.wait(bool(head) and self._comes_first(head, ip, *secure))

    def _comes_first(self, head: bytes, ip: str, *secure: bool) -> bool:
        """Return whether a head has priority; if so, its address is known to the handshakes."""
        first = self._has_priority(head, ip, *secure)
        if first:
            self._handshakes.know(ip)
        return first

    async def _refuse(self, stream: HeadStream, reason: str) -> None:
        """Read a request head and refuse it; the client may lose an answer to an unread request."""
        if self._refusals < MAX_REFUSALS:
            self._refusals += 1
            with contextlib.suppress(StreamClosedError, TimeoutError):
                async with asyncio.timeout(REFUSAL_S):
                    head = await stream.read_until_regex(b"")
                    more = "Retry-After: 10\r\n"
                    await stream.write(
                        refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too_many", reason, head, more)
                    )
            self._refusals -= 1
        stream.close()


def _on_lowest_descriptor(stream: IOStream) -> IOStream:
    """Return the same connection on the lowest free descriptor, and close the present one."""
    lower = IOStream(stream.socket.dup(), max_buffer_size=stream.max_buffer_size)
    stream.close()
    return lower


def raise_file_limit(connections: int) -> None:
    """Raise this process's limit of open files, as far as allowed, for this many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + MAX_PENDING + OWN_DESCRIPTORS + SPARE_DESCRIPTORS[1]
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):  # picar then runs with the present limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def network_of(ip: str) -> str:
    """Return the unit of counting: an IPv4 address, the /64 of an IPv6 address, or empty for loopback."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback:
        return ""
    return str(ipaddress.ip_network((mapped, 64), strict=False)) if mapped.version == 6 else str(mapped)
