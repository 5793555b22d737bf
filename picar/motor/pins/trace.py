"""Record every pin write of any backend, as one JSON line in `--pin-trace FILE` or by another function.

Law: a pin write never waits for a file. The lines go into a pipe; at its other end is a process that touches no pin
(`picar/linewriter.py`). A line that does not fit into the pipe is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
import time
from collections.abc import Callable

from picar import linewriter
from picar.errors import PicarError
from picar.linewriter import say
from picar.motor.pins import Pin, Pins
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

Note = Callable[[int, str, float], None]

START_TIMEOUT_S = 20.0  # for a small Pi's Python to start, and the file to be opened
END_TIMEOUT_S = 1.0  # for the last lines to be written
_PIPE_BYTES = 1 << 20  # some 15,000 lines; the kernel gives 64 KiB unasked
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only


class PinTrace:
    """Sends lines to the process that writes the file.

    Args:
        fd: the write end of its pipe, non-blocking. All processes that set pins share it.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._lost = 0

    def line(self, pin: int, op: str, value: float) -> None:
        """Send one line with the time; count it as lost if the pipe is full."""
        sent = self._send(f'{{"t":{time.monotonic():.6f},"pin":{pin},"op":"{op}","value":{value:.6g}}}\n')
        self._lost = 0 if sent else self._lost + 1

    def close(self) -> None:
        """Send the count of the lines lost last, and close the descriptor. To be called when the pins are low."""
        if self._lost and not self._send(""):
            say(f"picar: the pin trace lacks {self._lost} lines: nothing read them")
        os.close(self.fd)
        self.fd = -1  # a late line must not end up in another file

    def _send(self, line: str) -> bool:
        """Write a line, after the count of the lines lost before it. Returns False if both do not fit into the pipe."""
        lost = f"lost {self._lost}\n" if self._lost else ""
        try:
            os.write(self.fd, f"{lost}{line}".encode())  # below PIPE_BUF: as a whole or not at all
        except OSError:  # full, or without a reader
            return False
        return True


class TraceFile:
    """The pipe, and the process that copies it into a file.

    Args:
        path: of the file; created if missing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        if _F_SETPIPE_SZ is not None:
            with contextlib.suppress(OSError):  # the limit of this user's pipes
                fcntl.fcntl(writing, _F_SETPIPE_SZ, _PIPE_BYTES)
        self.trace = PinTrace(writing)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, None before `start`."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, which opens the file.

        Raises:
            PicarError: the system starts no process.
        """
        import subprocess  # here, because it takes time that `pins-low` needs for the pins

        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", linewriter.__file__, self._path],
                stdin=self._reading,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C must not end it before the last lines
            )
        except OSError as error:
            raise PicarError(
                f"The process that writes the pin trace did not start: {error.strerror}."
            ) from None
        finally:
            os.close(self._reading)

    def open(self) -> None:
        """Wait until the process has opened the file; start it first if needed.

        Raises:
            PicarError: it cannot, or does not in time.
        """
        if self._process is None:
            self.start()
        if (answer := self._answer()) != "open":
            raise PicarError(f"--pin-trace {self._path}: {answer}. Name a file that can be written.")

    def close(self) -> None:
        """Close the pipe, and wait a moment for the last lines. To be called when the pins are low."""
        self.trace.close()
        if self._process is not None:
            import subprocess

            with contextlib.suppress(subprocess.TimeoutExpired):  # it ends when its disk answers
                self._process.wait(END_TIMEOUT_S)

    def save(self) -> None:
        """Copy the content of the pipe into the file, and close both.

        Raises:
            PicarError: as `open`.
        """
        try:
            self.open()
        finally:
            self.close()

    def _answer(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as said:
            if not select.select([said], [], [], START_TIMEOUT_S)[0]:
                return "the disk does not answer"
            return said.readline().decode(errors="replace").strip() or "the process that writes it ended"


class TracedPins:
    """A backend that passes each call to another one and records the writes.

    Args:
        pins: the backend that does the work.
        note: receives the pin, the op and the value of each write, after it.
    """

    def __init__(self, pins: Pins, note: Note) -> None:
        self._pins = pins
        self._note = note
        self._rests: dict[int, int] = {}  # by pin
        self.prepare, self.commit = pins.prepare, pins.commit

    def output(self, pin: int, rest: int = 0) -> Pin:
        """Claim a pin for levels."""
        return self._traced(self._pins.output(pin, rest), pin, "write", rest)

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle."""
        return self._traced(self._pins.pwm(pin, hz), pin, "pwm", 0)

    def pulse(self, pin: int) -> Pin:
        """Claim a pin for servo pulses. Neither the claim nor `close` changes them, so neither is recorded."""
        return _TracedPin(self._pins.pulse(pin), pin, "pulse", self._note)

    def close(self) -> None:
        """Close the backend."""
        self._pins.close()
        for pin, rest in self._rests.items():
            self._note(pin, "close", rest)
        self._rests.clear()

    def _traced(self, claimed: Pin, pin: int, op: str, rest: int) -> Pin:
        self._note(pin, "claim", rest)
        self._rests[pin] = rest
        return _TracedPin(claimed, pin, op, self._note)


class _TracedPin:
    __slots__ = ("_claimed", "_note", "_op", "_pin")

    def __init__(self, claimed: Pin, pin: int, op: str, note: Note) -> None:
        self._claimed, self._pin, self._op, self._note = claimed, pin, op, note

    def set(self, value: float) -> None:
        self._claimed.set(value)
        self._note(self._pin, self._op, value)
