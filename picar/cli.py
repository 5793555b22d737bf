"""The command line: reads the configuration, builds the objects, prints what a person needs to know.

The roof of the server process: the only place besides `motor/__main__.py` that names concrete classes.
Each command imports what it needs, so that `pins-low` starts fast and without Tornado.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args

from picar import __version__, config
from picar.config import BackendName, Config
from picar.errors import ConfigError, PicarError
from picar.motor import pins
from picar.motor.emergency import pins_low as drive_low
from picar.motor.pins.trace import Note, TracedPins, TraceFile
from picar.stderr import say

if TYPE_CHECKING:
    from picar.web.gate import Gate

_BACKENDS = {
    "sim": "sim, a simulated car: no real pin is touched",
    "mock": "mock, pins that are only remembered: nothing moves",
    "lgpio": "lgpio, the real pins: keep the wheels off the ground for a first try",
    "gpiozero": "gpiozero, whatever pins its factory reaches",
    "rpigpio": "RPi.GPIO, the real pins: keep the wheels off the ground for a first try",
}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 fine, 1 failure, 2 usage or configuration."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command is None:
        parser.print_help()
        return 0
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        sys.stdout.flush()
    except ConfigError as error:
        for problem in error.problems:
            print(f"picar: {problem}", file=sys.stderr)
        return error.exit_code
    except PicarError as error:
        print(f"picar: {error}", file=sys.stderr)
        return error.exit_code
    except MemoryError:  # the event loop's own: the pins are low by now, and systemd starts a new one
        say("picar: out of memory. End other programs, or give this machine more memory or swap.")
        return 1
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again at its end
        if error.errno == errno.EPIPE:
            return 0  # `picar … | head` is no failure
        print("picar: there is no room for the output. Send it somewhere else.", file=sys.stderr)
        return 1
    return code


def serve(options: argparse.Namespace) -> int:
    """Serve the page until a signal comes or something breaks."""
    import asyncio

    from picar import host, log, pair
    from picar.access.places import Serving, announce, state_directory, withdraw
    from picar.access.store import AccessStore
    from picar.calibration import Calibration
    from picar.flight import FlightRecorder, folder_in_memory
    from picar.motor.channel import Channel
    from picar.motor.order import Order
    from picar.overlay import Overlay
    from picar.program import program
    from picar.service import be_killed_first, catch_signals, ignore_signals
    from picar.web.connections import make_room
    from picar.web.gate import Gate
    from picar.web.hostwatch import HostWatch
    from picar.web.hub import Hub
    from picar.web.server import Server, listen
    from picar.web.tuning import Tuning

    log.to_stderr()
    program()  # looked up before anything moves
    settings = _load(options)
    _print_warnings(settings)
    backend = _choose_backend(settings)
    store = AccessStore(state_directory(), serving=True)
    overlay = Overlay(store.path.parent, backend)
    calibrated, speed_cap = overlay.start(), store.speed_cap
    tuning = Tuning(Calibration.of(settings), overlay, calibrated)
    make_room(settings.server.max_clients)
    tracing = TraceFile(options.pin_trace) if options.pin_trace else None
    if tracing:
        tracing.open()  # held open: in an emergency nothing may be left to fail but the pins
    sockets = listen(settings.server)
    flight = FlightRecorder("server")
    notes = [flight.pin, tracing.trace.line] if tracing else [flight.pin]
    pins_low = functools.partial(_pins_low, settings, backend, notes)
    trace = tracing.trace.fd if tracing else None
    order = Order.of(settings, backend, trace, flight.fd, speed_cap, calibrated)
    settings = tuning.current.applied_to(settings)
    channel = Channel(order, pins_low)
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
        status = channel.start()
    except PicarError:
        if told_to_end:
            return 0
        raise
    be_killed_first()
    hub = Hub(settings, backend, channel, status, tuning, flight.note, speed_cap)
    gate = Gate(store, pair.pairing_of(settings))
    watch = HostWatch(host.HostReader(host.Tree(host.ROOT)).read)
    server = Server(hub, channel, sockets, settings.server, flight, gate, watch)
    channel.attach(hub.on_status, server.broke)
    if told_to_end:
        server.end()
    port = sockets[0].getsockname()[1]
    serving = Serving(os.getpid(), settings.server.host, port, str(store.path.parent), gate.pairing)
    announced = announce(serving, folder_in_memory())
    with contextlib.suppress(OSError):  # a full disk or a reader that has gone is no reason not to drive
        _greet(settings, backend, gate, port)
    try:
        return asyncio.run(server.run())
    finally:
        ignore_signals()
        withdraw(announced, folder_in_memory())
        if tracing:
            tracing.close()


def pins_low(options: argparse.Namespace) -> int:
    """Drive every motor pin low, whoever left it high."""
    settings = _load(options)
    backend = _choose_backend(settings)
    # The lines stay in the pipe until the pins are low: before that, no process is started and no file opened.
    tracing = TraceFile(options.pin_trace) if options.pin_trace else None
    try:
        _pins_low(settings, backend, [tracing.trace.line] if tracing else [])
    except Exception:
        if tracing:
            with contextlib.suppress(PicarError):  # the pins' own failure is the one to be told
                tracing.save()
        raise
    if tracing:
        tracing.save()
    _print_warnings(settings)
    print("Every motor pin is low.")
    if backend in ("sim", "mock"):
        print(f"No real one was touched: the pins are {_BACKENDS[backend]}.")
    return 0


def check_config(options: argparse.Namespace) -> int:
    """Say whether the configuration is good, and what it comes to."""
    from picar.access.places import resting
    from picar.calibration import PLACES
    from picar.overlay import Overlay

    path = config.find_file(options.file)
    settings = config.load(path)
    overlay = Overlay.configured(resting(), settings)
    calibrated = overlay.read()
    print(f"# {settings.source}: good. All options, defaults included:\n")
    remarks = {}
    if calibrated:
        settings = calibrated.applied_to(settings)
        remarks = dict.fromkeys(PLACES.values(), f"calibrated on the page: {overlay.path}")
    print(config.as_toml(settings, remarks), end="")
    _print_warnings(settings)
    return 0


def config_reference(_options: argparse.Namespace) -> int:
    """Print the table of all options."""
    print(config.reference(), end="")
    return 0


def pair(options: argparse.Namespace) -> int:
    """Show PIN and QR code for a new phone; or list, remove, and make tokens for scripts."""
    from picar import pair

    if options.with_invited and options.revoke is None:
        options.parser.error("--with-invited goes with --revoke NAME")
    print(*pair.run(options), sep="\n")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what is wrong with this machine, and the exact fix."""
    from picar.doctor import examine
    from picar.doctor.findings import as_json, is_well, report
    from picar.doctor.machine import this_machine

    findings = list(examine(this_machine(), options.config))
    print(as_json(findings) if options.json else "\n".join(report(findings)))
    return 0 if is_well(findings) else 1


def wiring(options: argparse.Namespace) -> int:
    """Show which wire goes where in this car, or write a configuration for a tutorial's wiring."""
    from picar import wiring_command

    print(wiring_command.run(options), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="picar", description="A WiFi remote-control car that stops when the link is lost."
    )
    parser.add_argument("--version", action="version", version=f"picar {__version__}")
    parser.set_defaults(command=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file; default $PICAR_CONFIG, else /etc/picar/picar.toml where it exists",
    )
    common.add_argument("--pins", choices=get_args(BackendName), help="what sets the pins")
    common.add_argument("--pin-trace", metavar="FILE", help="append one JSON line per pin write")

    def add(
        name: str, command: Callable[[argparse.Namespace], int], parents: list[argparse.ArgumentParser]
    ) -> argparse.ArgumentParser:
        sentence = (command.__doc__ or "").splitlines()[0]
        sub = commands.add_parser(name, help=sentence, description=sentence, parents=parents)
        sub.set_defaults(command=command, parser=sub)
        return sub

    serving = add("serve", serve, [common])
    serving.add_argument("--host", metavar="H", help="address to listen on")
    serving.add_argument("--port", metavar="N", type=int, help="TCP port; 0 takes any free one")
    add("pins-low", pins_low, [common])
    checking = add("check-config", check_config, [])
    checking.add_argument("file", metavar="FILE", nargs="?", help="the file to check; default as for serve")
    add("config-reference", config_reference, [])
    pairing = add("pair", pair, [])
    pairing.add_argument(
        "--config", metavar="FILE", help="the configuration of the car; default as for serve"
    )
    pairing.add_argument(
        "--port", metavar="N", type=int, help="the car's port, where a running car cannot be found by itself"
    )
    doing = pairing.add_mutually_exclusive_group()
    doing.add_argument("--token", metavar="NAME", help="make a token for a script, and print it")
    doing.add_argument("--list", action="store_true", help="name the phones and scripts that are paired")
    doing.add_argument(
        "--revoke", metavar="NAME", help="let this phone or script in no more; all: none of them"
    )
    pairing.add_argument(
        "--with-invited", action="store_true", help="with --revoke: also those whom they invited, and so on"
    )
    doing.add_argument("--new-pin", action="store_true", help="make another PIN; who is paired stays so")
    examining = add("doctor", doctor, [])
    examining.add_argument("--config", metavar="FILE", help="the file to check; default as for serve")
    examining.add_argument("--json", action="store_true", help="a list of check, status, message and fix")
    drawing = add("wiring", wiring, [])
    drawing.add_argument("--config", metavar="FILE", help="the configuration to show; default as for serve")
    drawing.add_argument("--svg", metavar="FILE", help="draw it into this file")
    drawing.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the drawing")
    drawing.add_argument(
        "--preset", metavar="NAME", help='print a configuration for a tutorial\'s wiring; "list" names them'
    )
    drawing.add_argument(
        "--write", metavar="FILE", help="write that configuration into this file, if it is new"
    )
    return parser


def _load(options: argparse.Namespace) -> Config:
    flags = {
        ("motors", "backend"): options.pins,
        ("server", "host"): getattr(options, "host", None),
        ("server", "port"): getattr(options, "port", None),
    }
    return config.load(config.find_file(options.config), flags=flags)


def _print_warnings(settings: Config) -> None:
    for warning in settings.warnings:
        print(f"picar: warning: {warning}", file=sys.stderr)


def _choose_backend(settings: Config) -> str:
    return pins.choose(settings.motors.backend, pins.raspberry_pi_model())


def _pins_low(settings: Config, backend: str, notes: Sequence[Note]) -> None:
    def open_pins() -> pins.Pins:
        opened = pins.backend(backend)(settings.l298n)
        for note in notes:
            opened = TracedPins(opened, note)
        return opened

    drive_low(open_pins, settings.l298n)


def _greet(settings: Config, backend: str, gate: Gate, port: int) -> None:
    """Print the backend, the URL of each address, and for a phone the PIN and a QR code."""
    from picar import pair
    from picar.service import writes_to_journal

    in_journal = writes_to_journal(sys.stdout.fileno())
    print(f"picar {__version__}")
    print(f"  pins   {_BACKENDS[backend]}")
    for line in pair.greeting(gate.store, gate.pairing, settings.server.host, port, in_journal=in_journal):
        print(line)
    if not in_journal:
        print("Ctrl-C stops the car and picar.")
    sys.stdout.flush()
