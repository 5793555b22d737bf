"""Write down every pin write, one JSON line each, for any backend (`--pin-trace FILE`).

Law: a trace that cannot be written (full disk) never keeps a pin from being written.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from picar.errors import PicarError
from picar.motor.pins import Pin, Pins


class PinTrace:
    """The file, opened for appending: several processes may share it, a line is one write.

    Args:
        path: where to; made when missing.
    """

    def __init__(self, path: Path) -> None:
        flags = (
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        )  # a pipe must not block us
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
            os.write(self._fd, entry.encode())  # one write, so that lines of two processes never mix
        except OSError as error:
            self._broken = True
            with contextlib.suppress(OSError, ValueError):  # the log may be on the same full disk, or closed
                print(f"picar: the pin trace ends here: {error.strerror}", file=sys.stderr)  # noqa: T201


class TracedPins:
    """A backend that passes everything on and writes it down.

    Args:
        pins: the backend that does the work.
        trace: where it is written down.
    """

    def __init__(self, pins: Pins, trace: PinTrace) -> None:
        self._pins = pins
        self._trace = trace
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
            self._trace.line(bcm, "close", 0)
        self._claimed.clear()

    def _traced(self, pin: Pin, bcm: int, op: str) -> Pin:
        self._trace.line(bcm, "claim", 0)
        self._claimed.append(bcm)
        return _TracedPin(pin, bcm, op, self._trace)


class _TracedPin:
    __slots__ = ("_bcm", "_op", "_pin", "_trace")

    def __init__(self, pin: Pin, bcm: int, op: str, trace: PinTrace) -> None:
        self._pin, self._bcm, self._op, self._trace = pin, bcm, op, trace

    def set(self, value: float) -> None:
        self._pin.set(value)
        self._trace.line(self._bcm, self._op, value)
