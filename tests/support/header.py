"""The header under each backend, as tests see it: remembered, faked in a folder, or a real Pi's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Protocol

from picar.config import Config
from picar.motor import boards, pins
from picar.motor.pins import Pins
from picar.motor.pins.mock import MockPins
from tests.fakes.board import VARIABLE, Board

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "fakes"
REMEMBERED = ("mock", "sim")
REAL = ("lgpio", "gpiozero", "rpigpio")
# The advice of a library without permission; these tests also run as root, which needs no group.
ADVICE = (
    "Join the group that may use it: sudo usermod -aG gpio $USER"
    if os.geteuid()
    else "Root may not use it either."
)
FAKED = (*REAL, "rpi-lgpio")


class Header(Protocol):
    """One backend on one header."""

    name: str

    def open(self) -> Pins:
        """Open the backend."""
        ...

    def level(self, bcm: int) -> int:
        """Return whether the pin is high; a wave counts as high."""
        ...

    def is_low_output(self, bcm: int) -> bool:
        """Tell whether the pin is driven low."""
        ...


class RememberedHeader:
    """For `mock` and `sim`: pins of this process that outlive nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pins: MockPins

    def open(self) -> Pins:
        """Open the backend."""
        opened = pins.backend(self.name)(boards.Board(Config()))
        assert isinstance(opened, MockPins)
        self.pins = opened
        return opened

    def level(self, bcm: int) -> int:
        """Return whether the pin is high."""
        return int(self.pins.levels[bcm] > 0)

    def is_low_output(self, bcm: int) -> bool:
        """Tell whether the pin was left low."""
        return self.pins.levels[bcm] == 0


class FakeHeader:
    """For the vendor libraries where there is no Pi: fakes on a board in a folder.

    Args:
        library: a backend's name, or rpi-lgpio for the backend `rpigpio` on that library.
        folder: of the board.
    """

    def __init__(self, library: str, folder: Path) -> None:
        self.name = "rpigpio" if library == "rpi-lgpio" else library
        self.board = Board(folder)
        if library == "rpi-lgpio":
            self.board.tell("rpigpio", library)
        python_path = os.pathsep.join(map(str, (FAKES, ROOT)))
        self.env = {
            VARIABLE: str(folder),
            "PYTHONPATH": python_path,
            "TMPDIR": str(folder),  # picar's lock is there, where there is no /dev/gpiochip0
            "GPIOZERO_PIN_FACTORY": "board",
        }

    def open(self) -> Pins:
        """Open the backend."""
        return pins.backend(self.name)(boards.Board(Config()))

    def level(self, bcm: int) -> int:
        """Return whether the line is high."""
        return int(self.board.line(bcm)[-1])

    def is_low_output(self, bcm: int) -> bool:
        """Tell whether the line is driven low for good: a wave that was stopped may be high once more before it ends."""
        let_waves_end()
        return self.board.line(bcm) == "out 0"

    def python(self, code: str) -> subprocess.Popen[str]:
        """Start another process that has `pins`, this backend opened."""
        head = (
            "from picar.config import Config; from picar.motor.boards import Board; from picar.motor.pins import backend\n"
            f"pins = backend({self.name!r})(Board(Config()))\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", head + code],
            env=os.environ | self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.board.folder,
        )


def let_waves_end() -> None:
    """Wait for the threads of stopped waves in this process: on a busy machine they need longer than a period."""
    for thread in threading.enumerate():
        if "_last_period" in thread.name:
            thread.join()


class PiHeader:
    """For the vendor libraries on a Raspberry Pi: levels as its own tool reads them from the registers."""

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self) -> Pins:
        """Open the backend."""
        return pins.backend(self.name)(boards.Board(Config()))

    def level(self, bcm: int) -> int:
        """Return whether the pin is high in any of some looks."""
        return int(any("hi" in self._look(bcm) for _ in range(20)))

    def is_low_output(self, bcm: int) -> bool:
        """Tell whether the pin is driven low."""
        return re.search(r"\bop\b.*\blo\b", self._look(bcm)) is not None

    def _look(self, bcm: int) -> str:
        return subprocess.run(
            ["pinctrl", "get", str(bcm)], capture_output=True, text=True, check=True, timeout=10
        ).stdout
