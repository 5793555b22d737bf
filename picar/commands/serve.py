"""`picar serve`: builds the objects of the server process by hand and runs them."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from picar import __version__
from picar.commands import common
from picar.config import Config
from picar.errors import PicarError, TlsError
from picar.motor.pins.trace import TraceFile

if TYPE_CHECKING:
    from picar.sensors.battery import Reading
    from picar.sensors.watch import Watch
    from picar.web.auth import Gate
    from picar.web.server import Bridges
    from picar.web.tls import Https


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.pin_arguments(parser)
    parser.add_argument("--host", metavar="H", help="address to listen on")
    parser.add_argument("--port", metavar="N", type=int, help="TCP port; 0 takes any free one")


def run(options: argparse.Namespace) -> int:
    """Serve the page until a signal comes or something breaks."""
    from picar import log
    from picar.journal.flight import FlightRecorder
    from picar.motor.process import MotorProcess
    from picar.program import program

    log.to_stderr()
    program()  # looked up before anything moves
    settings = common.load(options)
    common.print_warnings(settings)
    backend = common.choose_backend(settings)
    flight = FlightRecorder("server")
    tracing = TraceFile(options.pin_trace) if options.pin_trace else None
    trace = tracing.trace.fd if tracing else None
    if tracing:
        tracing.start()
    motor = MotorProcess(flight.fd, trace)  # both start during the imports

    from picar.access.identity import Identity, board
    from picar.access.locations import Serving, announce, state_directory, withdraw
    from picar.access.store import AccessStore
    from picar.access.visitor import pairing_of
    from picar.calibration.store import CurrentCalibration, Overlay
    from picar.calibration.values import Calibration
    from picar.camera.handle import CameraHandle, order_of
    from picar.car.hub import Hub
    from picar.car.recording import recordings_of
    from picar.files import folder_in_memory
    from picar.motor.channel import Channel
    from picar.motor.pipe import Order
    from picar.sensors import host
    from picar.sensors.facts import read_facts
    from picar.sensors.watch import HostWatch
    from picar.system import memory
    from picar.system.systemd import be_killed_first, catch_signals, ignore_signals
    from picar.web.auth import Gate
    from picar.web.connection_limits import raise_file_limit
    from picar.web.pictures import Pictures
    from picar.web.server import Server, listen

    store = AccessStore(state_directory(), serving=True, board=board())
    overlay = Overlay(store.path.parent, backend, settings)
    calibrated, speed_cap = overlay.start(), store.speed_cap
    calibration = CurrentCalibration(Calibration.of(settings), overlay, calibrated)
    raise_file_limit(settings.server.max_clients)
    if tracing:
        tracing.open()  # before an emergency, which must depend on the pins alone
    sockets = listen(settings.server, settings.hotspot)
    https = _open_https(settings, store.path.parent)
    bridges = _open_bridges(settings)
    notes = [flight.pin, tracing.trace.line] if tracing else [flight.pin]
    pins_low = common.emergency(settings, backend, notes)
    order = Order.of(settings, backend, trace, flight.fd, speed_cap, calibrated)
    settings = calibration.current.applied_to(settings)
    settings = _with_possible_shutdown(settings)
    channel = Channel(order, pins_low)
    camera = order_of(settings.camera, backend)
    server: Server | None = None
    told_to_end = False

    def end() -> None:
        nonlocal told_to_end
        if told_to_end:
            return
        flight.goodbye()
        channel.cut()  # pins low first, everything else after
        told_to_end = True
        if server:
            server.end()

    catch_signals(end)
    try:
        channel.start(motor)
    except PicarError:
        if told_to_end:
            return 0
        raise
    be_killed_first()
    hub = Hub(settings, backend, channel, calibration, flight.note, speed_cap)
    identity = Identity.of(store, settings.fleet)
    gate = Gate(store, pairing_of(settings), identity, _bridge_token(settings))
    watch = HostWatch(functools.partial(read_facts, host.Host(host.Tree(host.ROOT))))
    hub.camera = pictures = (  # the camera itself starts with its first viewer
        Pictures(settings.camera, camera["source"], functools.partial(CameraHandle, camera), hub)
        if camera
        else None
    )
    hub.recordings = recordings_of(settings, backend, store.path.parent)
    battery = _battery_watch(settings)
    server = Server(
        hub, channel, sockets, settings.server, flight, gate, watch, pictures, https, bridges, battery
    )
    channel.attach(hub.on_status, server.fail)
    if told_to_end:
        server.end()
    port = sockets[0].getsockname()[1]
    secure = https.only_port if https else 0
    serving = Serving(os.getpid(), settings.server.host, port, str(store.path.parent), gate.pairing, secure)
    announced = announce(serving, folder_in_memory())
    with contextlib.suppress(OSError):  # the car drives also with a full disk or a closed output
        _greet(settings, backend, gate, port, https)
    try:
        return memory.run(server.run())
    finally:
        ignore_signals()
        withdraw(announced, folder_in_memory())
        if tracing:
            tracing.close()


def _bridge_token(settings: Config) -> str:
    """Write the token of the bridge to MQTT, and return it; an empty one without a bridge, or if it cannot be written."""
    if not settings.mqtt.url:
        return ""
    from picar.access.bridge import token_file, write_token

    try:
        return write_token()
    except OSError as error:
        print(f"picar: picar mqtt cannot enter: {token_file()}: {error.strerror}.", file=sys.stderr)
        return ""


def _with_possible_shutdown(settings: Config) -> Config:
    """Return the configuration without `shutdown` where picar may not switch the machine off, with a warning."""
    if not settings.battery.shutdown:
        return settings
    from picar.web.api.power import is_service

    if is_service():
        return settings
    print(
        "picar: warning: [battery] shutdown has no effect: only picar's service may do it.", file=sys.stderr
    )
    return settings.having("battery", shutdown=False)


def _battery_watch(settings: Config) -> Watch[Reading] | None:
    """Return the thread for the meter of the battery, None without one."""
    if settings.battery.source == "none":
        return None
    from picar.sensors.battery import UNREAD, BatteryReader
    from picar.sensors.watch import Watch

    return Watch("the battery", BatteryReader(settings.battery).read, UNREAD)


def _open_https(settings: Config, state: Path) -> Https | None:
    """Return the second port, None without one; if it cannot be opened, print the reason: http goes on without it."""
    if settings.tls.mode == "off":
        return None
    from picar.web.server import listen
    from picar.web.tls import Https

    https = Https(settings, state)
    try:
        https.open(settings.server, listen)
    except TlsError as error:
        print(f"picar: https is not available. {error}", file=sys.stderr)
    return https


def _open_bridges(settings: Config) -> Bridges | None:
    """Return the foreign protocols of this car, with their own ports; None without one.

    Their folder is imported by name, because it may be absent.
    """
    if not any(one.enabled for one in (settings.rosbridge, settings.classic, settings.foxglove)):
        return None
    from picar.web.server import listen

    bridges: Bridges = importlib.import_module("picar.web.bridges").Bridges(settings, listen)
    return bridges


def _greet(settings: Config, backend: str, gate: Gate, port: int, https: Https | None) -> None:
    """Print the backend, the URL of each address, and for a phone the PIN and a QR code."""
    from picar.commands import pair
    from picar.system.systemd import writes_to_journal

    in_journal = writes_to_journal(sys.stdout.fileno())
    print(f"picar {__version__}")
    print(f"  pins   {common.BACKENDS[backend]}")
    secure = (https.port, https.only_port) if https else (0, 0)
    host = settings.server.host
    for line in pair.greeting(gate.store, gate.pairing, host, port, *secure, in_journal=in_journal):
        print(line)
    if not in_journal:
        print("Ctrl-C stops the car and picar.")
    sys.stdout.flush()
