"""Write down every pin write, for any backend: one JSON line each in `--pin-trace FILE`, or wherever else.

Law: a trace that cannot be written (full disk) never keeps a pin from being written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from picar.errors import PicarError
from picar.motor.pins import Pin, Pins
from picar.stderr import say

Note = Callable[[int, str, float], None]


class PinTrace:
    """The file, opened for appending: several processes may share it, a line is one write.

    Args:
        path: where to; made when missing.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # for a pipe
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise PicarError(
                f"--pin-trace {path}: {error.strerror}. Name a file that can be written."
            ) from None
        self.path = path
        self._broken = False

    def line(self, pin: int, op: str, value: float) -> None:
        """Append one line with the time; on failure say so once and give up."""
        if self._broken:
            return
        entry = f'{{"t":{time.monotonic():.6f},"pin":{pin},"op":"{op}","value":{value:.6g}}}\n'
        try:
            if os.write(self._fd, entry.encode()) == len(
                entry
            ):  # one write: lines of two processes never mix
                return
            why = "the file is full"
        except OSError as error:
            why = str(error.strerror)
        self._broken = True
        say(f"picar: the pin trace ends here: {why}")


class TracedPins:
    """A backend that passes everything on and writes it down.

    Args:
        pins: the backend that does the work.
        note: is told the pin, the op and the value of each write that was done.
    """

    def __init__(self, pins: Pins, note: Note) -> None:
        self._pins = pins
        self._note = note
        self._claimed: list[int] = []

    def output(self, bcm: int) -> Pin:
        """Claim a pin for levels."""
        return self._traced(self._pins.output(bcm), bcm, "write")

    def pwm(self, bcm: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle."""
        return self._traced(self._pins.pwm(bcm, hz), bcm, "pwm")

    def close(self) -> None:
        """Close the backend."""
        self._pins.close()
        for bcm in self._claimed:
            self._note(bcm, "close", 0)
        self._claimed.clear()

    def _traced(self, pin: Pin, bcm: int, op: str) -> Pin:
        self._note(bcm, "claim", 0)
        self._claimed.append(bcm)
        return _TracedPin(pin, bcm, op, self._note)


class _TracedPin:
    __slots__ = ("_bcm", "_note", "_op", "_pin")

    def __init__(self, pin: Pin, bcm: int, op: str, note: Note) -> None:
        self._pin, self._bcm, self._op, self._note = pin, bcm, op, note

    def set(self, value: float) -> None:
        self._pin.set(value)
        self._note(self._bcm, self._op, value)
