"""The parts that several commands share: their options, the configuration, and the backend."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias, get_args

from picar import config
from picar.config import BackendName, Config
from picar.motor import pins
from picar.motor.boards import board_of
from picar.motor.emergency import pins_low
from picar.motor.pins.trace import Note, TracedPins
from picar.raspberrypi import raspberry_pi_model

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

BACKENDS = {
    "sim": "sim, a simulated car: no real pin is touched",
    "mock": "mock, pins that are only remembered: nothing moves",
    "lgpio": "lgpio, the real pins: keep the wheels off the ground for a first try",
    "gpiozero": "gpiozero, whatever pins its factory reaches",
    "rpigpio": "RPi.GPIO, the real pins: keep the wheels off the ground for a first try",
}


def add(
    commands: Commands,
    name: str,
    command: Callable[[argparse.Namespace], int],
    *parents: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add a command to the parser. The first line of its docstring becomes its help."""
    sentence = (command.__doc__ or "").splitlines()[0]
    parser = commands.add_parser(name, help=sentence, description=sentence, parents=parents)
    parser.set_defaults(command=command, parser=parser)
    return parser


def pin_options() -> argparse.ArgumentParser:
    """Return the options of the commands that use the pins."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file; default $PICAR_CONFIG, else /etc/picar/picar.toml where it exists",
    )
    common.add_argument("--pins", choices=get_args(BackendName), help="what sets the pins")
    common.add_argument("--pin-trace", metavar="FILE", help="append one JSON line per pin write")
    return common


def load(options: argparse.Namespace) -> Config:
    """Return the configuration for these options."""
    flags = {
        ("motors", "backend"): options.pins,
        ("server", "host"): getattr(options, "host", None),
        ("server", "port"): getattr(options, "port", None),
    }
    return config.load(config.find_file(options.config), flags=flags)


def print_warnings(settings: Config) -> None:
    """Print the warnings of a configuration on standard error."""
    for warning in settings.warnings:
        print(f"picar: warning: {warning}", file=sys.stderr)


def choose_backend(settings: Config) -> str:
    """Return the name of the backend to use on this machine."""
    return pins.choose(settings.motors.backend, raspberry_pi_model())


def emergency(settings: Config, backend: str, notes: Sequence[Note]) -> Callable[[], None]:
    """Return a function that drives every motor pin low; `notes` record each write.

    All modules are imported beforehand: in an emergency nothing may wait for a disk.
    """
    board, open_backend = board_of(settings), pins.backend(backend)

    def open_pins() -> pins.Pins:
        opened = open_backend(board.motors)
        for note in notes:
            opened = TracedPins(opened, note)
        return opened

    return functools.partial(pins_low, open_pins, board)
