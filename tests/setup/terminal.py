"""`picar setup` in a terminal: a real process on a pseudo-terminal, with the writes of its pins."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.motor.rig import DEADLINE_S, Trace, wait_until

# Both processes write their pins to the trace of the test.
_TRACED = """
import fcntl, os, termios
from picar import __main__
from picar.commands import common
from picar.motor import jog
from picar.motor.pins.trace import PinTrace
from picar.motor.pipe import Order
fd, of, emergency = int(os.environ["TRACE_FD"]), Order.of, common.emergency
Order.of = lambda config, backend, flight: of(config, backend, fd, flight)
common.emergency = lambda settings, backend, notes: emergency(settings, backend, [PinTrace(fd).line])
jog.TURN_S = float(os.environ.get("TURN_S", jog.TURN_S))
jog.REST_S = min(jog.REST_S, jog.TURN_S / 3)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
raise SystemExit(__main__.main())
"""
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """`with Terminal(folder, "--pins", "mock") as terminal:` starts it; it ends whatever happened.

    Args:
        folder: the current folder.
        arguments: of `picar setup`.
        env: more environment.
    """

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.trace = Trace()
        self._master, self._slave = pty.openpty()
        self._arguments, self._folder = arguments, folder
        self._env = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), **(env or {})}
        self._seen = 0
        self.text = ""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TRACED, "setup", *self._arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=self._folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("PICAR_")}
            | self._env
            | {"TRACE_FD": str(self.trace.fd)},
            pass_fds=[self.trace.fd],
            start_new_session=True,
        )
        os.close(self._slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.text, self.trace.lines()[-10:], sep="\n")
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        self.trace.close()

    def read(self, timeout_s: float = 0.05) -> bool:
        """Take what was printed. Returns False at the end."""
        if select.select([self._master], [], [], timeout_s)[0]:
            try:
                self.text += os.read(self._master, 65536).decode().replace("\r\n", "\n")
            except OSError:  # the last process with this terminal has ended
                return False
        return True

    def until(self, words: str) -> None:
        """Wait for words that were not awaited before."""

        def printed() -> bool:
            self.read()
            return words in self.text[self._seen :]

        wait_until(printed, repr(words))
        self._seen = self.text.index(words, self._seen) + len(words)

    def answer(self, question: str, *answers: str) -> None:
        """Wait for a question, and type the answer; with more of them, one each time it is asked."""
        for answer in answers or ("",):
            self.until(question)
            self.until("] ")
            self.type(answer if answer in (CTRL_C, CTRL_D) else f"{answer}\n")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        give_up_at = time.monotonic() + DEADLINE_S
        while self.read() and self.process.poll() is None:
            assert time.monotonic() < give_up_at
        self.read()
        return self.process.wait(DEADLINE_S)

    def motor_pid(self) -> int:
        """Return the id of the motor process."""

        def found() -> str:
            return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()

        return int(wait_until(found, "a motor process").split()[0])
