"""The server: listening sockets, the table of all handlers, the event loop, and the order of shutdown."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from picar.car.hub import Hub
from picar.config import HotspotConfig, ServerConfig
from picar.errors import ServeError
from picar.files import folder_in_memory
from picar.journal.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.network import wifi
from picar.network.addresses import EVERYWHERE
from picar.sensors.watch import HostWatch, Watch
from picar.system.systemd import Watchdog, notify
from picar.web import api, captive, handler, site, video, websocket
from picar.web.allowed_hosts import AllowedHosts
from picar.web.api.power import switch_off_empty
from picar.web.auth import Gate
from picar.web.connection_limits import ConnectionLimits, LimitedServer
from picar.web.fairness import FairListener, FairQueues, RateLimitedLog
from picar.web.pictures import Pictures

if TYPE_CHECKING:
    from picar.sensors.battery import Reading
    from picar.web.tls import Https

log = logging.getLogger(__name__)

BACKLOG = 128  # connections that wait to be accepted; Tornado's own number
BODY_BYTES = 4 * 1024
BODY_S = 5.0
IDLE_S = 20.0  # for the head of a request to arrive, from the first byte or the last request
SOCKET_BYTES = 64 * 1024  # above this Tornado drops a WebSocket; `DriveSocket` closes it properly far below
PING_S = 20.0  # finds dead WebSockets; the car's safety does not depend on it
STORE_CHECK_S = 1.0  # between two looks at the list of paired phones
NOT_SAVED = "the last minute is not saved: neither XDG_RUNTIME_DIR nor RUNTIME_DIRECTORY is a writable folder"
_ABSOLUTE_FORM = re.compile(r"https?://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


def listen(config: ServerConfig, hotspot: HotspotConfig | None = None) -> list[socket.socket]:
    """Open the listening sockets; the first one has the configured port.

    Raises:
        ServeError: the port is in use or not allowed, or the address is not one of this machine.
    """
    try:
        sockets = _bound(config)
    except (socket.gaierror, ValueError):  # an invalid name raises UnicodeError, which is a ValueError
        raise ServeError(
            f"Host {config.host}: no such address. Use {EVERYWHERE} for every address, or one of this machine's."
        ) from None
    except OSError as error:
        raise ServeError(_cannot_listen(error, config)) from None
    sockets += captive.listen(hotspot, config.host, config.port) if hotspot else []
    return [*FairListener.take_over(sockets)]


def _bound(config: ServerConfig) -> list[socket.socket]:
    """Bind one address, or for "all" one socket for each IP version of this machine, all on the same port."""
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


def _cannot_listen(error: OSError, config: ServerConfig) -> str:
    if error.errno == errno.EADDRINUSE:
        other = config.port + 1 if config.port < 65535 else 8000
        return f"Port {config.port} is in use by another program, perhaps another picar. Stop it, or use --port {other}."
    if error.errno == errno.EACCES:
        return f"Port {config.port} needs special rights. Use a port from 1024 up, such as --port 8000."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"Host {config.host}: not an address of this machine. Use {EVERYWHERE} for every address, or one of its own."
    return f"Cannot listen on {config.host} port {config.port}: {error.strerror}."


class Bridges(Protocol):
    """The foreign protocols that are on: their own listening sockets, and their routes, which go before all others.

    The folder `bridges/` may be absent, so no other file imports it.
    """

    sockets: list[socket.socket]

    def routes(
        self, hub: Hub, limits: ConnectionLimits, pictures: Pictures | None, port: int
    ) -> list[handler.Route]:
        """Return the routes; `port` is the TCP port of the page over http."""


class CarApplication(Application):
    """The table of handlers, and the forms of a request that are made uniform before the lookup.

    Laws:
    - A request target in absolute form counts as its path. Its authority replaces the Host header (RFC 9112
      §3.2.2) and is checked; if the two differ, the request counts as forwarded, not as one of this machine.
    - No body is parsed as a form: Tornado would parse the forms of many strangers in one turn.
    - A method unknown to Tornado is handled as OPTIONS, which no handler accepts. So its 405 comes after the
      same checks, in the same turn.
    - In the car's own WiFi, GET and HEAD under a foreign name go to `captive`.
    """

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return the handler of a request."""
        setattr(request, "_parse_body", lambda: None)  # noqa: B010 - a method to mypy
        if request.method not in RequestHandler.SUPPORTED_METHODS:
            request.method = "OPTIONS"
        target = _ABSOLUTE_FORM.fullmatch(request.uri or "")
        if target:
            if request.host.lower() != target["authority"].lower():
                request.headers["Forwarded"] = "host=another"
            request.headers["Host"] = request.host = target["authority"]
            rest = target["rest"]
            request.uri = rest if rest.startswith("/") else f"/{rest}"
            request.path = request.uri.partition("?")[0]
        if "token" in request.query_arguments:
            request.uri = request.path  # the rest is in no line of a log
        hotspot: str = self.settings["hotspot"]
        allowed: AllowedHosts = self.settings["allowed_hosts"]
        if hotspot and captive.applies(request, hotspot) and not allowed.allows(request.host):
            return self.get_handler_delegate(request, captive.Probe, {"address": hotspot})
        return super().find_handler(request, **kwargs)


def application(
    hub: Hub,
    channel: Channel,
    config: ServerConfig,
    flight: FlightRecorder,
    gate: Gate,
    limits: ConnectionLimits,
    pictures: Pictures | None,
    port: int,
    https: Https | None = None,
    bridges: Bridges | None = None,
) -> CarApplication:
    """Return the application of all ports: the page, the WebSockets, the routes of `api`, and the bridges."""
    return CarApplication(
        [
            *(bridges.routes(hub, limits, pictures, port) if bridges else ()),
            *site.routes(),
            (r"/ws", websocket.DriveSocket, {"hub": hub, "limits": limits}),
            (r"/ws/video", video.VideoSocket, {"hub": hub, "pictures": pictures, "limits": limits}),
            *api.routes(hub, channel, config, flight, gate, pictures, port, https),
        ],
        default_handler_class=site.NotFound,
        allowed_hosts=AllowedHosts(socket.gethostname, config.allowed_hosts),
        hotspot=wifi.address_of(hub.config.hotspot),
        gate=gate,
        https_only=https is not None and not https.config.http_drives,
        queues=FairQueues(),
        refusals=RateLimitedLog(handler.log),
        websocket_max_message_size=SOCKET_BYTES,
        websocket_ping_interval=PING_S,
        transforms=[site.GzipEncoding],
    )


class Server:
    """Serves until `end` is called, or the motor process dies.

    The channel is started, and the sockets are from `listen`. After a failure the flight recorder is saved.
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
        pictures: Pictures | None,
        https: Https | None = None,
        bridges: Bridges | None = None,
        battery: Watch[Reading] | None = None,
    ) -> None:
        self._hub, self._channel, self._https = hub, channel, https
        self._battery = battery
        self._switching_off: asyncio.Task[None] | None = None
        self._sockets = [*sockets, *(https.sockets if https else []), *(bridges.sockets if bridges else [])]
        FairListener.share_turns(self._sockets)
        if https:
            hub.hear_clock, hub.wants_clock = https.hear, https.wants_clock
        self._flight, self._gate, self._watch = flight, gate, watch
        self._pictures = pictures
        self._port = sockets[0].getsockname()[1]
        limits = ConnectionLimits(config.max_clients, config.max_clients_per_address)
        self._http = LimitedServer(
            application(hub, channel, config, flight, gate, limits, pictures, self._port, https, bridges),
            limits=limits,
            tls=(https.context, https.port) if https and https.sockets else None,
            has_priority=gate.has_priority,
            max_buffer_size=2 * SOCKET_BYTES,
            max_body_size=BODY_BYTES,
            body_timeout=BODY_S,
            idle_connection_timeout=IDLE_S,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None
        self._read_guarded, self._pulse_guarded, self._time_out_guarded, self._serve_guarded = map(
            self._guarded, (self._channel.read, self._pulse, self._time_out, self._serve)
        )
        self._pulse_is_next = self._serve_is_next = False
        self._store_checked_at = 0.0
        self._watchdog = Watchdog()
        self._ended = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Serve. Return the exit code: 0 after `end`, 1 after a failure."""
        self._loop = asyncio.get_running_loop()
        gc.freeze()  # the collector, which stops the loop, need not visit what exists now
        self._loop.add_reader(self._channel.fileno(), self._read_guarded)
        self._hub.wake = self._pulse_soon
        self._watch.start()
        if self._battery:
            self._battery.start()
        self._http.add_sockets(self._sockets)
        self._pulse_soon()
        notify(f"READY=1\nSTATUS=Ready on port {self._port}.")
        try:
            await self._ended.wait()
        finally:
            self._loop.remove_reader(self._channel.fileno())
            if self._timer:
                self._timer.cancel()
            self._channel.close()
            status = "A failure; the log has the details." if self._exit_code else "Stopped on request."
            notify(f"STOPPING=1\nSTATUS={status}")
            self._http.stop()
            self._hub.close()
            if self._pictures:
                self._pictures.close()
            await asyncio.sleep(0)  # sends the close frames
        return self._exit_code

    def fail(self, reason: str) -> None:
        """End with a failure, after the pins are low, and save the last minute."""
        self.end(exit_code=1)
        saved = self._flight.save(reason, folder_in_memory())
        log.info("picar ends; %s", f"the last minute is in {saved}" if saved else NOT_SAVED)

    def end(self, exit_code: int = 0) -> None:
        """End soon. May be called from a signal handler."""
        self._exit_code = self._exit_code or exit_code
        if self._loop is None:
            self._ended.set()
        else:
            self._loop.call_soon_threadsafe(self._ended.set)

    def _pulse_soon(self) -> None:
        """Schedule a pulse for the next turn. Further calls do not postpone it, so that a flood cannot."""
        assert self._loop is not None
        if self._pulse_is_next:
            return
        if self._timer:
            self._timer.cancel()
        self._pulse_is_next = True
        self._loop.call_soon(self._pulse_guarded)

    def _time_out(self) -> None:
        self._timer = None  # to cancel it now would cost as much as to set it
        self._pulse()

    def _pulse(self) -> None:
        assert self._loop is not None
        if self._timer:
            self._timer.cancel()
        self._pulse_is_next = False
        self._timer = self._loop.call_later(self._hub.pulse(), self._time_out_guarded)
        if self._pictures and (pose := self._channel.status.pose):
            self._pictures.follow(pose)
        now = self._loop.time()
        if self._channel.fresh():
            self._watchdog.feed(now)  # only here: both processes are known to run
        if now - self._store_checked_at >= STORE_CHECK_S or now >= self._gate.store.next_end:
            self._store_checked_at = now
            self._check_store()
        if self._https and not self._hub.is_driving:
            self._https.look(now)
        if not self._serve_is_next:
            self._serve()
        self._hub.on_host(self._watch.look(wanted=self._hub.is_watched))  # last: it wakes a thread
        if self._battery:
            self._look_at_battery(self._battery)

    def _look_at_battery(self, watch: Watch[Reading]) -> None:
        """Read the battery also of a car that no client watches, and switch the machine off when it must be."""
        assert self._loop is not None
        self._hub.on_battery(watch.look(wanted=True))
        if self._hub.battery and self._hub.battery.must_end(self._hub.now()):
            self._switching_off = self._loop.create_task(switch_off_empty(self._hub, self._channel))

    def _serve(self) -> None:
        """Send a slice of the due states; send the next slice after the sockets were polled."""
        assert self._loop is not None
        self._serve_is_next = self._hub.serve()
        if self._serve_is_next:
            self._loop.call_soon(self._serve_guarded)

    def _check_store(self) -> None:
        """Disconnect guests whose time is over, and apply changes by another process: removed phones, its speed cap."""
        store = self._gate.store
        sessions = {one.id for one in (*store.paired, *store.guests.admitted)}
        self._hub.keep_only(sessions)
        if self._pictures:
            self._pictures.keep_only(sessions)
        self._hub.on_kept_cap(store.speed_cap)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """End the server if the work fails: a server without its watch must not drive."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                self._channel.cut()  # pins low first: the log may have to wait for its disk
                log.exception("picar cannot go on")
                self.fail("the server's own loop failed")

        return guarded
