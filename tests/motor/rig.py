"""A real motor process with its pipes in the test's hands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from picar.config import Config
from picar.core.shaping import NEUTRAL, Sticks, Wanted
from picar.motor import pipe
from picar.motor.pipe import Order, Status

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0  # generous: a loaded two-core machine
EN_PINS = (12, 13)
ALL_PINS = {12, 13, 22, 23, 24, 27}
TIMEOUT_S = 0.5
AHEAD = Sticks(1.0, 0.0)
# After a signal it waits for its end of file as long as a test on a busy machine may take to look at the pins.
PATIENT = (
    sys.executable,
    "-c",
    f"from picar.motor import __main__, loop; loop.GOODBYE_S = {3 * DEADLINE_S}; raise SystemExit(__main__.main())",
)


T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str) -> T:
    """Return the first true value of `look`, called every 2 ms."""
    give_up_at = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"waited {DEADLINE_S:g} s in vain: {what}"
        time.sleep(0.002)
    return found


class Trace:
    """What a pin trace says, read from its pipe: a line is there as soon as the pin is written.

    `fd` is the write end, for the motor process to inherit.
    """

    def __init__(self) -> None:
        self._reading, self.fd = os.pipe()
        for end in (self._reading, self.fd):
            os.set_blocking(end, False)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._text = b""

    def lines(self) -> list[dict[str, Any]]:
        """Return every pin write so far."""
        self._text += self.drain()
        return [json.loads(line) for line in self._text.splitlines()]

    def drain(self) -> bytes:
        """Return what is in the pipe, and empty it."""
        found = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._reading, 65536):
                found += data
        return found

    def fill(self) -> None:
        """Fill the pipe to the brim, as a disk that hangs does."""
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.fd, bytes(512))

    def read_no_more(self) -> None:
        """Close the end that is read, as the death of the process that writes the file does."""
        fd, self._reading = self._reading, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close both ends."""
        self.read_no_more()
        os.close(self.fd)

    def levels(self) -> dict[int, float]:
        """Return the newest level of each pin."""
        return {line["pin"]: line["value"] for line in self.lines()}

    def low(self) -> bool:
        """Tell whether every motor pin is low."""
        levels = self.levels()
        return levels.keys() == ALL_PINS and not any(levels.values())

    def driving(self) -> bool:
        """Tell whether both enables are high, and both sides run forward."""
        levels = self.levels()
        return all(levels.get(pin) for pin in (12, 13, 23, 27)) and not levels[24] and not levels[22]

    def at_full_speed(self) -> bool:
        """Tell whether both wheels have come to full speed ahead."""
        levels = self.levels()
        return self.driving() and all(levels[pin] == 1.0 for pin in EN_PINS)


class MotorProcess:
    """`with MotorProcess() as motor:` starts it, sends its order, and ends it whatever happened.

    Args:
        settings: the configuration.
        backend: which pins.
        program: what starts it.
        order: False sends none.
    """

    def __init__(
        self,
        settings: Config | None = None,
        backend: str = "mock",
        program: tuple[str, ...] = (sys.executable, "-m", "picar.motor"),
        order: bool = True,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="picar-motor-")
        folder = Path(self._folder.name)
        self.trace = Trace()
        self._errors = (folder / "stderr").open("w+b")
        self._order = Order.of(settings or Config(), backend, self.trace.fd) if order else None
        self._program = program
        self._unread = b""
        self._n = 0
        self.statuses: list[Status] = []
        self.heard_at: list[float] = []
        self.failure: str | None = None

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=[self.trace.fd],
            bufsize=0,
            cwd=ROOT,
        )
        if self._order:
            self.send(self._order.encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.stderr(), self.statuses[-3:], self.trace.lines()[-10:], sep="\n")
        self.process.kill()
        with self.process:
            pass
        self._errors.close()
        self.trace.close()
        self._folder.cleanup()

    @property
    def commands(self) -> int:
        """The descriptor to write commands to."""
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def status(self) -> int:
        """The descriptor to read statuses from."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def ready(self) -> Status:
        """Wait for the first status."""
        return self.until(lambda _status: True, "ready")

    def armed(self) -> Self:
        """Wait until it is ready, and show it neutral."""
        self.ready()
        self.answer(self.drive(NEUTRAL))
        return self

    def send(self, frame: bytes) -> None:
        """Write a frame."""
        while frame:
            frame = frame[os.write(self.commands, frame) :]

    def number(self) -> int:
        """Return the next command's number."""
        self._n += 1
        return self._n

    def drive(self, wanted: Wanted = AHEAD, life: float = TIMEOUT_S) -> int:
        """Send sticks that are good for so many seconds. Returns the command's number."""
        n = self.number()
        self.send(pipe.drive(n, wanted, time.monotonic() + life))
        return n

    def stop(self) -> int:
        """Send a stop. Returns the command's number."""
        n = self.number()
        self.send(pipe.stop(n))
        return n

    def hold(self, condition: Callable[[], bool], wanted: Wanted = AHEAD) -> None:
        """Hold sticks until a condition is met."""

        def driven() -> bool:
            self.answer(self.drive(wanted))
            return condition()

        wait_until(driven, "the effect of held sticks")

    def read(self, timeout_s: float = 0.05) -> None:
        """Take what it has said; wait a little when it has said nothing."""
        if not select.select([self.status], [], [], timeout_s)[0]:
            return
        *lines, self._unread = (self._unread + os.read(self.status, 65536)).split(b"\n")
        for line in lines:
            status = pipe.parse_status(line)
            if isinstance(status, str):
                self.failure = status
            else:
                self.statuses.append(status)
                self.heard_at.append(time.monotonic())

    def until(self, condition: Callable[[Status], bool], what: str) -> Status:
        """Wait for a status that meets the condition, among those that come in now."""
        give_up_at = time.monotonic() + DEADLINE_S
        seen = len(self.statuses)
        while True:
            for status in self.statuses[seen:]:
                if condition(status):
                    return status
            seen = len(self.statuses)
            assert time.monotonic() < give_up_at, f"waited in vain for {what}"
            self.read()

    def answer(self, n: int) -> Status:
        """Wait for the status that answers a command."""
        for status in self.statuses:
            if status.n >= n:
                return status
        return self.until(lambda status: status.n >= n, f"the answer to {n}")

    def refusal(self, n: int) -> str | None:
        """Wait for the answer to a command, and return why it was refused, if it was."""
        self.answer(n)
        return next((why for status in self.statuses for m, why in status.refused if m == n), None)

    def end_of_input(self) -> None:
        """Close the command pipe, as a server's end does whatever it dies of."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(DEADLINE_S)

    def stderr(self) -> str:
        """Return what it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")
