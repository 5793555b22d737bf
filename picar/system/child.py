"""Other programs, run while the event loop continues: work in this process would delay a command.

Loading and drawing a QR code or the wiring takes 0.2 s on a small Pi. A Python of its own does both, and its memory is free
again at its end. It inherits no descriptor of the server: the end of the server stays an end of file for the motor process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Mapping
from typing import IO, NamedTuple

from picar.program import python, python_environment

log = logging.getLogger(__name__)

PYTHON_TIMEOUT_S = 20.0  # a Pi Zero needs two for its start
_POLL_S = 0.01


class Ended(NamedTuple):
    """A program that has ended: its exit code, standard output and standard error."""

    code: int
    out: bytes
    err: bytes


async def answer_of(module: str, question: str) -> bytes | None:
    """Run a module of picar with a question of at most 4 kB as its input; return its output, or None after a failure."""
    try:
        ended = await run(python(module), PYTHON_TIMEOUT_S, question, python_environment())
    except OSError as error:  # TimeoutError is one
        log.warning("%s cannot run: %s", module, str(error) or "it took too long")
        return None
    if ended.code:
        reason = ended.err.decode(errors="replace").strip() or f"exit code {ended.code}"
        log.warning("%s failed: %s", module, reason)
    return None if ended.code else ended.out


async def run(
    command: list[str], timeout_s: float, question: str = "", env: Mapping[str, str] | None = None
) -> Ended:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        timeout_s: after this time it is killed.
        question: its standard input, at most 4 kB: a pipe takes as much without a reader.
        env: its environment; this process's by default.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it did not end in time.
    """
    give_up_at = asyncio.get_running_loop().time() + timeout_s
    with _started(command, env) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(question.encode())
            process.stdin.close()
            out, err = _Reader(process.stdout), _Reader(process.stderr)
            # Python 3.11 waits in a thread for asyncio's own subprocesses, so this polls.
            while process.poll() is None:
                out.read()
                err.read()
                if asyncio.get_running_loop().time() > give_up_at:
                    raise TimeoutError
                await asyncio.sleep(_POLL_S)
            return Ended(process.returncode, out.read(), err.read())
        finally:
            process.kill()  # no effect after its end


def _started(command: list[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=env)


class _Reader:
    """The end of a pipe, read as far as it is filled."""

    def __init__(self, pipe: IO[bytes]) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._pipe, self._data = pipe, b""

    def read(self) -> bytes:
        """Return everything that has arrived so far."""
        self._data += self._pipe.read() or b""
        return self._data
