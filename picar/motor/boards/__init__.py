"""Motor boards: the seam between a board and the rest of the program, and the list of the boards.

A board is one file here and one line in `BOARDS`. Its file has the terminals, the truth table and the order of the
writes. The motor process claims the pins through it; emergency, doctor and simulator use it without a claimed pin.
"""

from __future__ import annotations

import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from picar.calibration.values import Calibration
    from picar.config import Config
    from picar.core.drive import Output
    from picar.motor.pins import Pins, Supply

BOARDS = {  # name: module and class
    "l298n": "picar.motor.boards.l298n.L298N",
}


class Bridge(Protocol):
    """A board with claimed pins."""

    def apply(self, output: Output) -> None:
        """Drive the motors as this output requires."""

    def calibrate(self, calibration: Calibration) -> None:
        """Follow another calibration; to be called at rest only."""

    def low(self) -> None:
        """Bring the board to rest; trust no remembered value."""

    def close(self) -> None:
        """Bring the board to rest and close the backend."""


class Board(ABC):
    """A board and its wires. Creating it claims no pin.

    Args:
        config: the configuration with the board's wires, and with the calibration that is in force.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def terminals(self) -> dict[str, int]:
        """Return the BCM number of each terminal that has a wire, in the order in which they must go low."""

    @abstractmethod
    def claim(self, pins: Pins, configured: Calibration | None = None) -> Bridge:
        """Claim the pins, low.

        Args:
            pins: the backend.
            configured: the calibration that limits a speed cap; by default the one in force.
        """

    @abstractmethod
    def motors(self, levels: Mapping[int, float]) -> tuple[Supply, Supply]:
        """Return the supply of the left and of the right motor at these levels, by BCM number; a missing one is low."""

    def rest(self, pins: Pins) -> Sequence[Callable[[], object]]:
        """Return the steps that bring the board to rest in an emergency, most important first.

        A step may be repeated after `PinsBusy`. By default each terminal is claimed as a plain output and written low:
        a plain output, because a pulse-width thread that was killed may have left its pin high, and a new one would
        pulse it; an explicit write, because claiming does not write on every library.
        """
        return [functools.partial(_write_low, pins, bcm) for bcm in dict.fromkeys(self.terminals().values())]


def board_of(config: Config) -> Board:
    """Return the board of a configuration."""
    module, _, name = BOARDS[config.board].rpartition(".")
    made: Board = getattr(importlib.import_module(module), name)(config)
    return made


def _write_low(pins: Pins, bcm: int) -> None:
    pins.output(bcm).set(0)
