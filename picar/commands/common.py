"""The parts that several commands share: their options, the configuration, and the backend."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import get_args

from picar import configfile
from picar.config import BackendName, Config
from picar.motor import pins
from picar.motor.boards import Board
from picar.motor.emergency import pins_low
from picar.motor.pins.trace import Note, TracedPins
from picar.raspberrypi import raspberry_pi_model

BACKENDS = {
    "sim": "sim, a simulated car: no real pin is touched",
    "mock": "mock, pins that are only remembered: nothing moves",
    "lgpio": "lgpio, the real pins: keep the wheels off the ground for a first try",
    "gpiozero": "gpiozero, whatever pins its factory reaches",
    "rpigpio": "RPi.GPIO, the real pins: keep the wheels off the ground for a first try",
}


def pin_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the commands that use the pins."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"TOML file; default $PICAR_CONFIG, else {configfile.SYSTEM_FILE} where it exists",
    )
    parser.add_argument("--pins", choices=get_args(BackendName), help="what sets the pins")
    parser.add_argument("--pin-trace", metavar="FILE", help="append one JSON line per pin write")


def load(options: argparse.Namespace) -> Config:
    """Return the configuration for these options."""
    flags = {
        ("motors", "backend"): options.pins,
        ("server", "host"): getattr(options, "host", None),
        ("server", "port"): getattr(options, "port", None),
    }
    return configfile.load(configfile.find_file(options.config), flags=flags)


def print_warnings(settings: Config) -> None:
    """Print the warnings of a configuration on standard error."""
    for warning in settings.warnings:
        print(f"picar: warning: {warning}", file=sys.stderr)


def choose_backend(settings: Config) -> str:
    """Return the name of the backend to use on this machine."""
    return pins.choose(settings.motors.backend, raspberry_pi_model())


def emergency(
    settings: Config, backend: str, notes: Sequence[Note], *, ends_pulses: bool = False
) -> Callable[[], None]:
    """Return a function that drives every motor pin low; `notes` record each write.

    With `ends_pulses` an ESC gets no more pulses at the end.
    All modules are imported beforehand: in an emergency nothing may wait for a disk.
    """
    board = Board(settings)
    open_backend = pins.backend(backend, board.wires)

    def open_pins() -> pins.Pins:
        opened = open_backend(board)
        for note in notes:
            opened = TracedPins(opened, note)
        return opened

    return functools.partial(pins_low, open_pins, board, ends_pulses=ends_pulses)
