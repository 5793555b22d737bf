"""How many connections there may be: in all, from one address, and never the last free descriptors.

Laws:
- One address cannot keep the others out.
- A connection waits in the lobby until its first head is whole. There it costs a descriptor and no more, and counts
  nowhere else.
- Where the lobby or the car is full, or a network has all that it gets, a newcomer takes the place of the oldest
  connection there that is no WebSocket; those whose whole head has come pay last, 64 at most, and an address that has
  more than its share pays first. Only who may come in has a WebSocket, so strangers keep nobody out either. A home is one
  network to IPv6, and may be one address behind a router.
- In an emergency there are descriptors left for the pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError

from picar.web.fairness import Turns
from picar.web.heads import HEAD_BYTES, HeadStream, has_end, refusal

log = logging.getLogger(__name__)

SPARE_DESCRIPTORS = (12, 32)  # at least, at most; never for strangers: in an emergency, lgpio takes 8
OUR_DESCRIPTORS = 64  # of the process itself, generously
REFUSED_S = 1.0  # for a refused connection to say what it wants and be told why not
MOST_REFUSALS = 16  # at a time; the others are hung up on
PLACES = (
    1024  # in the lobby: two seconds of newcomers, one every 2 ms; a slow phone needs less for its request
)
PROTECTED = 64
WARN_S = 1.0


class Crowd:
    """Counts connections by address.

    Args:
        total: the most connections.
        per_address: the most from one address; loopback is exempt, for a tunnel's clients all come from there.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self._total, self.per_address = total, per_address
        self._http: dict[IOStream, tuple[str, str]] = {}  # network and address; the oldest first
        self._sockets: dict[IOStream, tuple[str, str]] = {}
        self._heard: dict[IOStream, None] = {}
        self._by_network: Counter[str] = Counter()

    def refusal(self, ip: str) -> str:
        """Return why this address gets no connection, empty where it gets one. It may cost the oldest stranger's."""
        network = network_of(ip)
        if network and self._by_network[network] >= self.per_address:
            why = f"There are {self.per_address} connections from your address, and that is the most."
            return "" if self._makes_room(network) else why
        if len(self._http) + len(self._sockets) < self._total or self._makes_room():
            return ""
        return f"{self._total} are connected, and that is the most."

    def _makes_room(self, network: str | None = None) -> bool:
        """Close the oldest plain-HTTP connection (of this network, if given). Return whether one was closed.

        Those whose whole head has come pay last. Of the others, an address that has more than half of them pays first.
        """
        there = [(stream, ip) for stream, (its, ip) in self._http.items() if network in (None, its)]
        if not there:
            return False
        payers = [(stream, ip) for stream, ip in there if stream not in self._heard] or there
        most, count = Counter(ip for _, ip in payers).most_common(1)[0]
        oldest = next(stream for stream, ip in payers if ip == most or 2 * count <= len(payers))
        self.left(oldest)
        oldest.close()
        return True

    def came(self, stream: IOStream, ip: str) -> None:
        """Note a connection."""
        self._note(self._http, stream, ip)

    def heard(self, stream: IOStream) -> None:
        """Note that a whole head has come. The newest `PROTECTED` of these connections make room last."""
        if stream not in self._http:
            return
        self._heard.pop(stream, None)
        self._heard[stream] = None
        if len(self._heard) > PROTECTED:
            del self._heard[next(iter(self._heard))]

    def became_socket(self, stream: IOStream, ip: str) -> None:
        """Note that a connection is a WebSocket from now on."""
        self.left(stream)
        self._note(self._sockets, stream, ip)

    def left_http(self, stream: IOStream) -> None:
        """Note that a connection is no HTTP connection any more; it may be a WebSocket."""
        if stream not in self._sockets:
            self.left(stream)

    def _note(self, kind: dict[IOStream, tuple[str, str]], stream: IOStream, ip: str) -> None:
        network = network_of(ip)
        kind[stream] = network, ip
        self._by_network[network] += 1

    def left(self, stream: IOStream) -> None:
        """Note the end of a connection."""
        self._heard.pop(stream, None)
        for kind in (self._http, self._sockets):
            place = kind.pop(stream, None)
            if place is not None:
                network, _ = place
                self._by_network[network] -= 1
                if not self._by_network[network]:
                    del self._by_network[network]


@dataclass(slots=True, eq=False)
class _Place:
    """A place in the lobby: of whom, until when, what to call with a whole head, and how many bytes were looked at."""

    network: str
    ip: str
    timer: asyncio.TimerHandle
    ready: Callable[[bytes], None]
    seen: int = 0


class Lobby:
    """Connections whose first head is not whole yet. It is left in the kernel, and no object of Tornado's is made for it.

    Args:
        places: the most connections.
        per_address: the most from one address; loopback is exempt.
        idle_s: how long one may wait.
    """

    def __init__(self, places: int, per_address: int, idle_s: float) -> None:
        self._places, self._per_address, self._idle_s = places, per_address, idle_s
        self._all: dict[IOStream, _Place] = {}
        self._networks: dict[str, dict[IOStream, None]] = {}  # the oldest first
        self._addresses: dict[str, dict[IOStream, None]] = {}
        self._turns = Turns()
        self._tasks = Tasks()

    def wait(self, stream: IOStream, ip: str, ready: Callable[[bytes], None]) -> None:
        """Have a connection wait. It may take the place of an older one.

        Args:
            stream: on which nothing was read.
            ip: of the other end.
            ready: is called once, with a whole head, or with all that is there where no whole one can come; the
                connection is in the lobby until it is asked to `leave`.
        """
        network = network_of(ip)
        same = self._addresses.get(ip, {})
        if network and len(same) >= self._per_address:
            self._hang_up(next(iter(same)))
        elif len(self._all) >= self._places:
            self.make_room()
        loop = asyncio.get_running_loop()
        self._all[stream] = _Place(network, ip, loop.call_later(self._idle_s, self._hang_up, stream), ready)
        for groups, name in ((self._networks, network), (self._addresses, ip)):
            groups.setdefault(name, {})[stream] = None
        loop.add_reader(stream.socket, self._look, stream)

    def make_room(self) -> bool:
        """Close the oldest connection of the network that has most. Return whether there was one."""
        if not self._all:
            return False
        fullest = max(self._networks, key=lambda network: len(self._networks[network]))
        self._hang_up(next(iter(self._networks[fullest])))
        return True

    def leave(self, stream: IOStream) -> bool:
        """Take a connection out. Return whether it was there still."""
        place = self._all.pop(stream, None)
        if place is None:
            return False
        place.timer.cancel()
        for groups, name in ((self._networks, place.network), (self._addresses, place.ip)):
            del groups[name][stream]
            if not groups[name]:
                del groups[name]
        asyncio.get_running_loop().remove_reader(stream.socket)
        return True

    def _look(self, stream: IOStream) -> None:
        """Look at what has come, each byte once, and let the kernel call again only when there is more."""
        asyncio.get_running_loop().remove_reader(stream.socket)
        place = self._all[stream]
        try:
            head = stream.socket.recv(HEAD_BYTES + 1, socket.MSG_PEEK)
        except OSError:
            head = b""
        if not head:
            self._hang_up(stream)
        elif len(head) in (place.seen, HEAD_BYTES + 1) or has_end(head, place.seen):
            _wake_at(stream, 1)
            place.ready(head)
        else:
            place.seen = len(head)
            _wake_at(stream, len(head) + 1)
            self._tasks.start(self._listen_on(stream))

    async def _listen_on(self, stream: IOStream) -> None:
        await self._turns.wait(False)
        if stream in self._all:
            asyncio.get_running_loop().add_reader(stream.socket, self._look, stream)

    def _hang_up(self, stream: IOStream) -> None:
        self.leave(stream)
        stream.close()


def _wake_at(stream: IOStream, size: int) -> None:
    """Have a connection count as readable from so many bytes on, or where its other end has closed."""
    with contextlib.suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


class Tasks:
    """Tasks that are kept until they end; the loop alone would forget them."""

    def __init__(self) -> None:
        self._all: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task."""
        task = asyncio.ensure_future(work)
        self._all.add(task)
        task.add_done_callback(self._all.discard)


class CrowdedServer(HTTPServer):
    """An HTTP server that says no before it is too late."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take the `crowd` to count in and who `goes_first`, and look up how many files this process may open."""
        self._crowd: Crowd = kwargs.pop("crowd")
        self._goes_first: Callable[[bytes, str], bool] = kwargs.pop("goes_first")
        self._turns = Turns()
        self._lobby = Lobby(PLACES, self._crowd.per_address, kwargs["idle_connection_timeout"])
        super().initialize(*args, **kwargs)
        self._tasks = Tasks()
        self._refusals = 0
        self._warned_at = -WARN_S
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        least, most = SPARE_DESCRIPTORS
        endless = limit == resource.RLIM_INFINITY
        self._full_at = sys.maxsize if endless else limit - max(least, min(most, limit // 8))

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection into the lobby; its descriptor is the lowest that was free, so it tells how many are open."""
        if stream.socket.fileno() >= self._full_at:
            now = time.monotonic()
            if now - self._warned_at >= WARN_S:
                self._warned_at = now
                log.warning("too many connections; hung up on one")
            if not self._lobby.make_room():
                stream.close()
                return
            stream = _moved_down(stream)  # where it is, it would be one of the spare ones
        self._lobby.wait(
            stream, address[0], lambda head: self._tasks.start(self._take_in(stream, address, head))
        )

    def on_close(self, server_conn: object) -> None:
        """Forget a connection; a WebSocket ends being an HTTP connection when it begins."""
        super().on_close(server_conn)
        assert isinstance(server_conn, HTTP1ServerConnection)
        self._crowd.left_http(server_conn.stream)

    async def _take_in(self, stream: IOStream, address: tuple[Any, ...], head: bytes) -> None:
        """Take a connection out of the lobby in its turn, or say why not."""
        ip = address[0]
        await self._turns.wait(self._goes_first(head, ip))
        if not self._lobby.leave(stream):
            return
        mine = HeadStream(stream.socket, lambda head: self._turn(mine, head, ip), stream.max_buffer_size)
        if why := self._crowd.refusal(ip):
            await self._refuse(mine, why)
            return
        self._crowd.came(mine, ip)
        if has_end(head):
            self._crowd.heard(mine)
        super().handle_stream(mine, address)

    async def _turn(self, stream: HeadStream, head: bytes, ip: str) -> None:
        if head:
            self._crowd.heard(stream)
        await self._turns.wait(bool(head) and self._goes_first(head, ip))

    async def _refuse(self, stream: HeadStream, why: str) -> None:
        """Read a request's head to its end, since an answer to what was not read may be lost, and refuse it."""
        if self._refusals < MOST_REFUSALS:
            self._refusals += 1
            with contextlib.suppress(StreamClosedError, TimeoutError):
                async with asyncio.timeout(REFUSED_S):
                    head = await stream.read_until_regex(b"")
                    more = "Retry-After: 10\r\n"
                    await stream.write(refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too_many", why, head, more))
            self._refusals -= 1
        stream.close()


def _moved_down(stream: IOStream) -> IOStream:
    """Return a connection on the lowest free descriptor; the one that it had is closed."""
    lower = IOStream(stream.socket.dup(), max_buffer_size=stream.max_buffer_size)
    stream.close()
    return lower


def make_room(total: int) -> None:
    """Raise this process's limit of open files towards what so many connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = total + PLACES + OUR_DESCRIPTORS + SPARE_DESCRIPTORS[1]
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):  # then with what there is
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def network_of(ip: str) -> str:
    """Return what counts as one address: all of IPv4, the network of IPv6; empty for loopback."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback:
        return ""
    return str(ipaddress.ip_network((mapped, 64), strict=False)) if mapped.version == 6 else str(mapped)
