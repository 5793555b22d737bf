"""The server of the garage page. `picar/garage/` has the logic; no car's server loads this folder.

`cars.py` has the requests about single cars, `live.py` the open pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from picar.access.identity import Identity
from picar.access.store import AccessStore
from picar.access.tokens import PinGuard
from picar.access.visitor import Pairing, pairing_of
from picar.config import Config, FleetConfig, ServerConfig
from picar.garage import orders
from picar.garage.garage import Garage
from picar.garage.simulate import MOST_CARS
from picar.garage.store import GarageStore
from picar.log import to_stderr
from picar.raspberrypi import raspberry_pi_model
from picar.system import memory
from picar.web import handler, server, site
from picar.web.allowed_hosts import AllowedHosts
from picar.web.api import access
from picar.web.auth import Gate
from picar.web.connection_limits import ConnectionLimits, LimitedServer, raise_file_limit
from picar.web.fairness import FairQueues, RateLimitedLog
from picar.web.garage import cars
from picar.web.garage.live import Browsers, GarageSocket
from picar.web.handler import Handler

LOWEST_PRIORITY = 19  # nice(2)
_PIN = "The terminal of picar garage shows the PIN."


class Health(Handler):
    """`GET /healthz`: the garage's loop turns."""

    public = True

    def get(self) -> None:
        """Answer."""
        self.write({"status": "ok"})

    head = get


def http_server(config: ServerConfig, gate: Gate, browsers: Browsers, port: int) -> LimitedServer:
    """Return the server with all routes. `config` has the name of the garage, and `port` is the one that is open."""
    limits = ConnectionLimits(config.max_clients, config.max_clients_per_address)
    application = server.CarApplication(
        [
            *site.routes("garage.html"),
            (r"/garage/ws", GarageSocket, {"browsers": browsers, "limits": limits}),
            (r"/healthz", Health, {}),
            *access.routes(gate, PinGuard(), config, (port, "http")),
            *cars.routes(browsers.garage, gate),
        ],
        default_handler_class=site.NotFound,
        allowed_hosts=AllowedHosts(socket.gethostname, config.allowed_hosts),
        hotspot="",
        gate=gate,
        https_only=False,
        not_paired=f"This device is not paired with the garage. Open its page and enter its PIN. {_PIN}",
        wrong_pin=f"This is not the garage's PIN. {_PIN}",
        queues=FairQueues(),
        refusals=RateLimitedLog(handler.log),
        websocket_max_message_size=server.SOCKET_BYTES,
        websocket_ping_interval=server.PING_S,
        transforms=[site.GzipEncoding],
    )
    return LimitedServer(
        application,
        limits=limits,
        has_priority=gate.has_priority,
        max_buffer_size=2 * server.SOCKET_BYTES,
        max_body_size=server.BODY_BYTES,
        body_timeout=server.BODY_S,
        idle_connection_timeout=server.IDLE_S,
    )


def let_cars_go_first() -> None:
    """Take the lowest priority on a Raspberry Pi, which may be a car: a garage that hangs must not delay its stop."""
    if raspberry_pi_model():
        os.nice(LOWEST_PRIORITY)


def serve(settings: Config, folder: Path, greet: Callable[[AccessStore, Pairing, int], None]) -> int:
    """Serve the garage page until a signal comes. Returns the exit code.

    Args:
        settings: the configuration, with the options of the command line.
        folder: holds access.json and garage.json.
        greet: prints the addresses and the PIN; called with the port when the page can be opened.

    Raises:
        PicarError: the port or the folder cannot be used.
    """
    to_stderr()
    let_cars_go_first()
    config = settings.having("server", port=settings.garage.port, name=settings.garage.name).server
    store, cars_file = AccessStore(folder, serving=True), GarageStore(folder)
    raise_file_limit(config.max_clients + MOST_CARS)
    sockets = server.listen(config)
    port = sockets[0].getsockname()[1]
    gate = Gate(store, pairing_of(settings), Identity.of(store, FleetConfig()))
    browsers = Browsers(gate)
    garage = browsers.garage = Garage(settings, cars_file, browsers.changed, browsers.report_unsaved)
    http = http_server(config, gate, browsers, port)

    async def live() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        http.add_sockets(sockets)
        with contextlib.suppress(OSError):  # of a closed output
            greet(store, gate.pairing, port)
        try:
            async with orders.listening(garage):
                await garage.run()
        finally:
            http.stop()
            browsers.close()
            await asyncio.sleep(0)  # sends the close frames
            await garage.saved()

    with contextlib.suppress(asyncio.CancelledError):  # of a signal
        memory.run(live())
    return 0
