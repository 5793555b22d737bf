"""The server: listening, the event loop, and the order of things at the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from tornado.netutil import bind_sockets

from picar.car.hub import Hub
from picar.config import ServerConfig
from picar.errors import ServeError
from picar.files import folder_in_memory
from picar.journal.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.network.addresses import EVERYWHERE
from picar.sensors.watch import HostWatch
from picar.system.systemd import Watchdog, notify
from picar.web.application import SOCKET_BYTES, application
from picar.web.auth import Gate
from picar.web.connection_limits import ConnectionLimits, LimitedServer
from picar.web.fairness import FairListener

log = logging.getLogger(__name__)

BACKLOG = 128  # connections that wait to be taken; Tornado's own number
BODY_BYTES = 4 * 1024
BODY_S = 5.0
IDLE_S = 20.0  # for a request's head to arrive, from the first byte or the one before
LOOK_S = 1.0  # how often somebody's leaving the list of the paired is noticed
NOT_SAVED = (
    "the last minute is not saved: neither XDG_RUNTIME_DIR nor RUNTIME_DIRECTORY is a folder to write to"
)


def listen(config: ServerConfig) -> list[socket.socket]:
    """Open the listening sockets.

    Raises:
        ServeError: the port is busy or not ours to take, or the address is not this machine's.
    """
    try:
        return [*FairListener.take_over(_bound(config))]
    except (socket.gaierror, ValueError):  # a name that is none is a UnicodeError, which is a ValueError
        raise ServeError(
            f"Host {config.host}: no such address. Use {EVERYWHERE} for every address, or one of this machine's."
        ) from None
    except OSError as error:
        raise ServeError(_why_not(error, config)) from None


def _bound(config: ServerConfig) -> list[socket.socket]:
    """Bind one address, or with "all" one socket for each IP version that this machine has, all on the same port."""
    if config.host != EVERYWHERE:
        return bind_sockets(config.port, config.host)
    sockets: list[socket.socket] = []
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        port = sockets[0].getsockname()[1] if sockets else config.port
        try:
            sockets.append(socket.create_server((address, port), family=family, backlog=BACKLOG))
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                continue
            for one in sockets:
                one.close()
            if config.port == 0 and error.errno == errno.EADDRINUSE:  # free for IPv4, but not for IPv6
                return _bound(config)
            raise
    return sockets


def _why_not(error: OSError, config: ServerConfig) -> str:
    if error.errno == errno.EADDRINUSE:
        other = config.port + 1 if config.port < 65535 else 8000
        return f"Port {config.port} is in use by another program, perhaps another picar. Stop that, or use --port {other}."
    if error.errno == errno.EACCES:
        return f"Port {config.port} needs special rights. Use a port from 1024 up, like --port 8000."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"Host {config.host}: not an address of this machine. Use {EVERYWHERE} for every address, or one of its own."
    return f"Cannot listen on {config.host} port {config.port}: {error.strerror}."


class Server:
    """Serves until it is told to end, or the motor process dies.

    Args:
        hub: the middle.
        channel: the motor process, started.
        sockets: from `listen`.
        config: names that are allowed in a Host header, and how many may come.
        flight: the flight recorder; its last minute is saved when something broke.
        gate: who may come in.
        watch: how the machine is.
    """

    def __init__(
        self,
        hub: Hub,
        channel: Channel,
        sockets: list[socket.socket],
        config: ServerConfig,
        flight: FlightRecorder,
        gate: Gate,
        watch: HostWatch,
    ) -> None:
        self._hub, self._channel, self._flight, self._gate = hub, channel, flight, gate
        self._watch = watch
        limits = ConnectionLimits(config.max_clients, config.max_clients_per_address)
        port = sockets[0].getsockname()[1]
        self._http = LimitedServer(
            application(hub, channel, config, flight, gate, limits, port),
            limits=limits,
            has_priority=gate.has_priority,
            max_buffer_size=2 * SOCKET_BYTES,
            max_body_size=BODY_BYTES,
            body_timeout=BODY_S,
            idle_connection_timeout=IDLE_S,
        )
        self._sockets = sockets
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None
        self._due_at = 0.0
        self._pulsing_soon = self._serving_soon = False
        self._looked_at = 0.0
        self._watchdog = Watchdog()
        self._ended = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Serve. Returns the exit code: 0 when told to end, 1 when something broke."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._channel.fileno(), self._guarded(self._channel.read))
        self._hub.wake = self._pulse_soon
        self._watch.start()
        self._http.add_sockets(self._sockets)
        self._pulse_soon()
        notify(f"READY=1\nSTATUS=Ready on port {self._sockets[0].getsockname()[1]}.")
        try:
            await self._ended.wait()
        finally:
            self._loop.remove_reader(self._channel.fileno())
            if self._timer:
                self._timer.cancel()
            self._channel.close()
            why = "A failure; the log says which." if self._exit_code else "Told to end."
            notify(f"STOPPING=1\nSTATUS={why}")
            self._http.stop()
            self._hub.close()
            await asyncio.sleep(0)  # lets the goodbyes out
        return self._exit_code

    def broke(self, why: str) -> None:
        """End with a failure, the pins being low: save what led to it."""
        self.end(exit_code=1)
        saved = self._flight.save(why, folder_in_memory())
        log.info("picar ends; %s", f"the last minute is in {saved}" if saved else NOT_SAVED)

    def end(self, exit_code: int = 0) -> None:
        """End soon. May be called from a signal handler."""
        self._exit_code = self._exit_code or exit_code
        if self._loop is None:
            self._ended.set()
        else:
            self._loop.call_soon_threadsafe(self._ended.set)

    def _pulse_soon(self) -> None:
        """Have a pulse next, once however often it is asked for: else a flood would put it off for ever."""
        assert self._loop is not None
        if self._pulsing_soon:
            return
        if self._timer:
            self._timer.cancel()
        self._pulsing_soon = True
        self._due_at = self._loop.time()
        self._timer = self._loop.call_soon(self._guarded(self._pulse))

    def _pulse(self) -> None:
        assert self._loop is not None
        self._pulsing_soon = False
        self._due_at = max(self._due_at + self._hub.pulse(), self._loop.time())
        self._timer = self._loop.call_at(self._due_at, self._guarded(self._pulse))
        now = self._loop.time()
        if self._channel.fresh():
            self._watchdog.feed(now)  # nowhere else: here both loops are known to turn
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look_at_store()
        self._hub.on_host(self._watch.look(wanted=self._hub.is_watched))
        if not self._serving_soon:
            self._serve()

    def _serve(self) -> None:
        """Send a slice of what is due, and come back for the rest after a look at the sockets."""
        assert self._loop is not None
        self._serving_soon = self._hub.serve()
        if self._serving_soon:
            self._loop.call_soon(self._guarded(self._serve))

    def _look_at_store(self) -> None:
        """Disconnect the phones that another process removed, and follow the speed cap that it set."""
        self._hub.keep_only({one.id for one in self._gate.store.paired})
        self._hub.on_kept_cap(self._gate.store.speed_cap)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """Make a failure of the loop's own work the end: a server without its watch must not drive."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                self._channel.cut()  # pins low first: a log may have to wait for its disk
                log.exception("picar cannot go on")
                self.broke("the server's own loop failed")

        return guarded
