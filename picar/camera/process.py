"""Start the camera process, and read what it sends: for the server's end, and for commands that wait for the answer.

Law: start it from the main thread, because it ends with the thread that started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator

from picar.camera.frames import Frame, Frames
from picar.camera.sources import Order, Trouble
from picar.program import python, python_environment

READ_BYTES = 131_072
PIPE_BYTES = 256 << 10  # room for a whole picture; the kernel's default is 64 KiB
_END_S = 1.0


class CameraProcess:
    """A started camera process; its pipes never block this end. Raises `OSError` if the system starts no process."""

    def __init__(self, order: Order, command: list[str]) -> None:
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=python_environment(),
            start_new_session=True,  # a Ctrl-C is not for it
        )
        assert self.popen.stdin
        assert self.popen.stdout
        self._orders, self._frames = self.popen.stdin, self.popen.stdout
        self._cut = Frames()
        for fd in (self._orders.fileno(), self._frames.fileno()):
            os.set_blocking(fd, False)
        with contextlib.suppress(OSError, AttributeError):  # the user's pipes have too many pages; Linux only
            fcntl.fcntl(self._frames, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.order(order)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when `read` has something to do."""
        return self._frames.fileno()

    def order(self, change: Order) -> None:
        """Send an order. A process that does not read loses it: it hangs or ends."""
        with contextlib.suppress(OSError):
            os.write(self._orders.fileno(), json.dumps(change).encode() + b"\n")

    def read(self) -> list[Frame] | None:
        """Read once. Returns the frames that are complete now, None at end-of-file.

        Raises:
            BadStream: the process sent something else.
        """
        try:
            data = os.read(self._frames.fileno(), READ_BYTES)
        except BlockingIOError:
            return []
        return self._cut.feed(data) if data else None

    def close(self) -> None:
        """Close the pipes, which ends a process that is well."""
        self._orders.close()
        self._frames.close()


def how_it_ended(code: int) -> str:
    """Return the end of a process in words, for its return code."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def frames(order: Order, timeout_s: float) -> Iterator[Frame]:
    """Start a camera process, and yield its frames until it ends or the time is over; then end it.

    Raises:
        Trouble: the process crashed.
    """
    give_up_at = time.monotonic() + timeout_s
    got: list[Frame] | None = []
    process = CameraProcess(order, python("picar.camera"))
    try:
        while select.select([process], [], [], max(0.0, give_up_at - time.monotonic()))[0]:
            got = process.read()
            if got is None:
                break
            yield from got
        if got is None and (code := process.popen.wait(_END_S)):
            raise Trouble(
                "crashed", f"The camera process ended ({how_it_ended(code)}). The lines above may say why."
            )
    finally:
        process.close()
        process.popen.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.popen.wait(_END_S)
