"""The server's end of the motor process: start it, send commands, watch it, and act when it is gone.

It never blocks on the pipe. It judges by what it hears: while anything moves or a command waits for its
answer, half a second of silence is a hang, and a hung motor process is killed.

Laws:
- Only a motor process that had reported ready is followed by an emergency: before that, the pins may be
  another picar's.
- Before the pins are touched from here, the motor process is dead and reaped.
- Its exit with 0 after this end closed the pipe is no death; any other end is.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import picar
from picar.calibration.values import Calibration
from picar.core.drive import Reason
from picar.core.shaping import Wanted
from picar.errors import BackendError, ChannelError
from picar.motor import pipe
from picar.motor.pipe import Order

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0  # Python starts in seconds on a Pi Zero 2 W, in tens of seconds on an emulated one
SILENCE_S = 0.5
RESTING_SILENCE_S = 2.0
EXIT_TIMEOUT_S = 1.5  # at rest; the motor process gives up by itself after 1 s
REAP_S = 0.01  # between a process's end-of-file and its exit code
PIPE_BYTES = 1 << 20  # room for a flood of commands; the kernel gives 64 KiB unasked
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only


class Channel:
    """One motor process.

    Args:
        order: what it shall build; the motor process inherits its descriptors.
        pins_low: drives the pins low from this process; for the emergency.
        clock: seconds, monotonic; the same clock as the motor process's.
    """

    def __init__(
        self,
        order: Order,
        pins_low: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order = order
        self._pins_low = pins_low
        self._clock = clock
        self._on_status: Callable[[pipe.Status], None] = lambda _status: None
        self._on_death: Callable[[str], None] = lambda _why: None
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = self._status = -1
        self._unread = b""
        self._backlog = bytearray()  # commands that did not fit the pipe
        self._sent = self._answered = 0
        self._waiting_since = 0.0  # when the oldest unanswered command was sent, or the pipe last moved
        self._heard_at = 0.0
        self._moving = False
        self.ready = self.dead = self._over = False

    def start(self) -> pipe.Status:
        """Start the motor process and wait until its pins are claimed.

        Returns:
            Its first status.

        Raises:
            BackendError: it says that it cannot use the pins.
            ChannelError: it ended or hung before it was ready.
        """
        commands_in, self._commands = os.pipe()
        self._status, status_out = os.pipe()
        for fd in (self._commands, self._status):
            os.set_blocking(fd, False)
        if _F_SETPIPE_SZ is not None:
            fcntl.fcntl(self._commands, _F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "picar.motor"],
                stdin=commands_in,
                stdout=status_out,
                pass_fds=self._order.descriptors,
                env=os.environ | {"PYTHONPATH": _python_path()},
                start_new_session=True,  # a key like Ctrl-Z must not stop both watchers at once
            )
        except OSError as error:
            self._close_status()
            self.cut()
            raise ChannelError(f"The motor process could not be started: {error.strerror}.") from None
        finally:
            os.close(commands_in)
            os.close(status_out)
        self._write(self._order.encode())
        return self._wait_until_ready()

    def attach(self, on_status: Callable[[pipe.Status], None], on_death: Callable[[str], None]) -> None:
        """Call `on_status` with each status, and `on_death` once with the reason, after the pins were driven low."""
        self._on_status, self._on_death = on_status, on_death

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when `read` has something to do."""
        return self._status

    @property
    def pid(self) -> int | None:
        """The motor process's id, None before the start."""
        return self._process.pid if self._process else None

    @property
    def sent(self) -> int:
        """The number of the newest command."""
        return self._sent

    @property
    def silence_s(self) -> float:
        """Seconds since the motor process was last heard of."""
        return self._clock() - self._heard_at

    def fresh(self) -> bool:
        """Tell whether the motor process is alive and was heard of lately."""
        return self.ready and not self._over and self.silence_s < RESTING_SILENCE_S

    def drive(self, wanted: Wanted, deadline: float) -> int:
        """Send sticks. Returns the command's number, which comes back in a status."""
        return self._send(pipe.drive(self._sent + 1, wanted, deadline))

    def stop(self) -> int:
        """Send a stop."""
        return self._send(pipe.stop(self._sent + 1))

    def reset(self, seen_at: float, deadline: float) -> int:
        """Send a reset for the stop that was seen at `seen_at`."""
        return self._send(pipe.reset(self._sent + 1, seen_at, deadline))

    def release(self, reason: Reason) -> int:
        """Say that the driver has changed or gone."""
        return self._send(pipe.release(self._sent + 1, reason))

    def limit(self, speed: float, deadline: float) -> int:
        """Send a speed limit."""
        return self._send(pipe.limit(self._sent + 1, speed, deadline))

    def calibrate(self, calibration: Calibration, deadline: float) -> int:
        """Send a calibration."""
        return self._send(pipe.calibrate(self._sent + 1, calibration, deadline))

    def cap(self, speed: float) -> int:
        """Send the owner's speed cap."""
        return self._send(pipe.cap(self._sent + 1, speed))

    def read(self) -> None:
        """Take what the motor process has said; notice its end."""
        while not self._over and self._status >= 0:
            try:
                data = os.read(self._status, 65536)
            except BlockingIOError:
                return
            if not data:
                self._ended()
                return
            self._heard_at = self._clock()
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._heard(line)
            self._flush()

    def check(self) -> None:
        """Judge the silence; to be called every 50 ms while anything moves.

        Reads before it condemns: a watcher that overslept itself must not take its own absence for the other's.
        """
        if self._over or not self.ready:
            return
        self._flush()
        if self._silence():
            self.read()
            if why := self._silence():
                self._die(why)

    def cut(self) -> None:
        """Close the command pipe: the motor process makes its pins low and leaves. Safe in a signal handler."""
        fd, self._commands = self._commands, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Cut, and wait for the end; what is not a clean end becomes an emergency."""
        self.cut()
        if self._process is not None and not self._over:
            try:
                self._finish(self._process.wait(SILENCE_S if self._moving else EXIT_TIMEOUT_S))
            except subprocess.TimeoutExpired:
                self._die("motor process does not leave")
        self._close_status()

    def _send(self, frame: bytes) -> int:
        if self._answered == self._sent:
            self._waiting_since = self._clock()
        self._sent += 1
        self._write(frame)
        return self._sent

    def _write(self, data: bytes) -> None:
        self._backlog += data
        self._flush()

    def _flush(self) -> None:
        while self._backlog and self._commands >= 0:
            try:
                written = os.write(self._commands, self._backlog)
            except BlockingIOError:
                return
            except OSError:
                return  # the reader is gone; `read` meets its end-of-file
            del self._backlog[:written]

    def _heard(self, line: bytes) -> None:
        status = pipe.parse_status(line)
        if isinstance(status, str):
            raise BackendError(status)
        if status.n > self._answered:
            self._answered, self._waiting_since = status.n, self._heard_at
        self._moving = status.moving
        self._on_status(status)

    def _silence(self) -> str:
        """Return what is wrong with the motor process's silence, empty when nothing is."""
        now = self._clock()
        if self._moving and now - self._heard_at > SILENCE_S:
            return f"motor process silent for {SILENCE_S:g} s while driving"
        if self._answered < self._sent and now - self._waiting_since > SILENCE_S:
            return f"motor process has not answered a command for {SILENCE_S:g} s"
        if now - self._heard_at > RESTING_SILENCE_S:
            return f"motor process silent for {RESTING_SILENCE_S:g} s"
        return ""

    def _wait_until_ready(self) -> pipe.Status:
        first: list[pipe.Status] = []
        self._on_status = first.append
        give_up_at = self._clock() + START_TIMEOUT_S
        try:
            while not first:
                readable, _, _ = select.select([self._status], [], [], max(0.0, give_up_at - self._clock()))
                self.read()
                if self._over or not readable:
                    raise ChannelError(  # noqa: TRY301 - the clean-up below is for this too
                        "The motor process did not get ready; the lines above may say why. Start picar again."
                    )
        except BaseException:
            self._kill()
            self.cut()
            self._close_status()
            raise
        self.ready = True
        return first[0]

    def _ended(self) -> None:
        self._finish(self._reap(REAP_S if self._commands >= 0 else EXIT_TIMEOUT_S))

    def _finish(self, code: int) -> None:
        """Note the end: with 0 after the cut it was a clean one, anything else is a death."""
        if code or self._commands >= 0:
            self._die(f"motor process ended with {_end(code)}")
        self._over = True

    def _die(self, why: str) -> None:
        """The emergency: nobody else will make these pins low."""
        if self._over:
            return
        self.dead = self._over = True
        self._kill()
        self.cut()
        if self.ready:
            try:
                self._pins_low()
            except Exception:
                log.exception("%s, and the pins could not be driven low from the server", why)
            else:
                log.critical("%s: pins low", why)
        self._on_death(why)

    def _kill(self) -> int:
        if self._process is None:
            return 0
        self._process.kill()
        return self._reap(EXIT_TIMEOUT_S)

    def _reap(self, timeout_s: float) -> int:
        """Return the exit code, 1 where it does not end in time."""
        try:
            return self._process.wait(timeout_s) if self._process else 0
        except subprocess.TimeoutExpired:
            return 1

    def _close_status(self) -> None:
        fd, self._status = self._status, -1
        if fd >= 0:
            os.close(fd)


def _python_path() -> str:
    """Let the motor process find this picar, and nothing that lies in the current folder by chance."""
    here = str(Path(picar.__file__).parents[1])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
