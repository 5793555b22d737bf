"""The server's end of the motor process: send commands, settle its answers, watch it, and act when it is dead.

It never blocks on the pipe. While anything moves or a command waits for its answer, half a second of silence is a hang,
and a hung motor process is killed.

Laws:
- Only a motor process that had reported ready is followed by an emergency: before that, the pins may be
  another picar's.
- Before the pins are touched from here, the motor process is dead and reaped.
- Its exit with 0 after this end closed the pipe is no death; any other end is.
- Commands are settled in their order, each before the callback of the status that answers it.
- The server always waits for the bell. The motor process rings it for news, and the bell has an end of file when the
  motor process dies. A status without a ring is read by `check`.
- A waiter is released by an answer, by its timeout, or by the end of the motor process. Nothing polls.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable

from picar.calibration.values import Calibration
from picar.core.drive import Reason
from picar.core.shaping import Wanted
from picar.errors import BackendError, ChannelError, PicarError
from picar.motor import pipe
from picar.motor.pipe import Order, Status
from picar.motor.process import MotorProcess

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0  # Python starts in seconds on a Pi Zero 2 W, in tens of seconds on an emulated one
SILENCE_S = 0.5
RESTING_SILENCE_S = 2.0
OWN_HANG_S = 1.0  # a status that is older when it is read: this process hung, and the newer ones may be lost
LEAST_PATIENCE_S = 0.001
EXIT_TIMEOUT_S = 1.5  # at rest; the motor process gives up by itself after 1 s
REAP_S = 0.01  # between a process's end-of-file and its exit code
_SILENT = f"motor process silent for {RESTING_SILENCE_S:g} s"
_SILENT_WHILE_DRIVING = f"motor process silent for {SILENCE_S:g} s while driving"
_NO_ANSWER = f"motor process has not answered a command for {SILENCE_S:g} s"
READ_BYTES = 65536
PIPE_BYTES = 1 << 20  # room for a flood of commands; the kernel's default is 64 KiB
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only
# before the first status
_NONE_YET = Status(0, "", None, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 1.0, False, [], None)
Settle = Callable[[str | None], None]  # called once, with the code of a refusal if the command was refused


class Channel:
    """One motor process.

    Args:
        order: the configuration of the motor process, which inherits the descriptors in it.
        pins_low: drives the pins low from this process; for the emergency.
        clock: seconds, monotonic; the same clock as the motor process's.
    """

    def __init__(
        self, order: Order, pins_low: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._order = order
        self._pins_low = pins_low
        self._clock = clock
        self._on_status: Callable[[Status, Status], None] = lambda _before, _status: None
        self._on_death: Callable[[str], None] = lambda _why: None
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = self._status = self._bell = -1
        self._unread = b""
        self._backlog = bytearray()  # commands that did not fit the pipe
        self.sent = 0  # number of the newest command
        self._unsettled: deque[tuple[int, Settle]] = deque()
        self._change: asyncio.Future[None] | None = None  # done at the next status, or at the end
        self._waiting_since = 0.0  # when the oldest unanswered command was sent, or the pipe last moved
        self._heard_at = 0.0
        self.status = _NONE_YET
        self.ready = self._over = False

    def start(self, motor: MotorProcess | None = None) -> None:
        """Send the order to the motor process, and wait until its pins are claimed and `status` is its first status.

        Args:
            motor: the process, with the order's descriptors; a new one if `None`.

        Raises:
            BackendError: it cannot use the pins.
            ChannelError: it ended or hung before it was ready.
        """
        motor = motor or MotorProcess(self._order.flight, self._order.trace)
        self._process, self._commands = motor.popen, motor.commands
        self._status, self._bell = motor.status, motor.bell
        for fd in (self._commands, self._status, self._bell):
            os.set_blocking(fd, False)
        if _F_SETPIPE_SZ is not None:
            fcntl.fcntl(self._commands, _F_SETPIPE_SZ, PIPE_BYTES)
        self._write(self._order._replace(bell=motor.bell_out).encode())
        self._wait_until_ready()

    def attach(self, on_status: Callable[[Status, Status], None], on_death: Callable[[str], None]) -> None:
        """Call `on_status` with the status before and the new one, after the commands that it answers were settled.

        Call `on_death` once with the reason, after the pins were driven low.
        """
        self._on_status, self._on_death = on_status, on_death

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when `read` must be called at once."""
        return self._bell

    @property
    def pid(self) -> int | None:
        """The process id of the motor process."""
        return self._process.pid if self._process else None

    @property
    def silence_s(self) -> float:
        """Seconds since the newest status."""
        return self._clock() - self._heard_at

    @property
    def patience_s(self) -> float:
        """Seconds for which the motor process may stay silent from now on."""
        return max(LEAST_PATIENCE_S, self._end_of_patience()[0] - self._clock())

    @property
    def stands_still(self) -> bool:
        """Whether no wheel turns, and no command of a driver is on its way. Stops, releases and caps turn no wheel."""
        return not self.status.moving and not self._unsettled

    def fresh(self) -> bool:
        """Return whether the motor process is alive and not silent."""
        return self.ready and not self._over and self.silence_s < RESTING_SILENCE_S

    def drive(self, wanted: Wanted, deadline: float, settle: Settle) -> None:
        """Send sticks."""
        self._ask(pipe.drive(self.sent + 1, wanted, deadline), settle)

    def reset(self, seen_at: float, deadline: float, settle: Settle) -> None:
        """Send a reset for the stop that was seen at `seen_at`."""
        self._ask(pipe.reset(self.sent + 1, seen_at, deadline), settle)

    def limit(self, speed: float, deadline: float, settle: Settle) -> None:
        """Send a driver's speed limit."""
        self._ask(pipe.limit(self.sent + 1, speed, deadline), settle)

    def calibrate(self, calibration: Calibration, deadline: float, settle: Settle) -> None:
        """Send a calibration."""
        self._ask(pipe.calibrate(self.sent + 1, calibration, deadline), settle)

    def aux(self, name: str, value: float, deadline: float, settle: Settle) -> None:
        """Send the value of an output beside the motors."""
        self._ask(pipe.aux(self.sent + 1, name, deadline, value), settle)

    def override(self, deadline: float, settle: Settle) -> None:
        """Send the wish to drive past the distance sensor."""
        self._ask(pipe.override(self.sent + 1, deadline), settle)

    def stop(self) -> int:
        """Send a stop. Returns the command's number, for `answer`."""
        return self._send(pipe.stop(self.sent + 1))

    def release(self, reason: Reason) -> int:
        """Report that the driver has changed or left."""
        return self._send(pipe.release(self.sent + 1, reason))

    def cap(self, forward: float, reverse: float) -> int:
        """Send the speed caps of both directions, shares of `max_speed` in (0, 1]."""
        return self._send(pipe.cap(self.sent + 1, forward, reverse))

    def hold(self, on: bool) -> int:
        """Send that the car is held, or no longer."""
        return self._send(pipe.hold(self.sent + 1, on))

    async def answer(self, number: int, timeout_s: float) -> bool:
        """Wait until the motor process has handled a command. Returns whether it has, in time."""
        return await self._until(lambda: self.status.n >= number, timeout_s)

    async def standstill(self, timeout_s: float) -> bool:
        """Wait until the car stands still. Returns whether it does at this moment."""
        return await self._until(lambda: self.stands_still, timeout_s)

    def read(self) -> None:
        """Read the statuses of the motor process, or its end of file."""
        if self._over or self._status < 0:
            return
        has_ended = _received(self._bell) == b""  # first: a bell that rings from now on wakes again
        while data := _received(self._status):
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._take(line)
            self._write()
            if len(data) < READ_BYTES:
                break
        if has_ended:
            self._ended()

    def check(self) -> None:
        """Read, and kill a motor process that is silent for too long; while driving, call this after `patience_s` at the latest.

        It reads before it judges, because the statuses of a time in which this process itself hung are still in the pipe.
        """
        if self._over or not self.ready:
            return
        self._write()
        self.read()
        if why := self._silence():
            self._die(why)

    def cut(self) -> None:
        """Close the command pipe: the motor process makes its pins low and leaves. Safe in a signal handler."""
        fd, self._commands = self._commands, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Cut, and wait for the end; an end that is not clean becomes an emergency."""
        self.cut()
        if self._process is not None and not self._over:
            try:
                self._finish(self._process.wait(SILENCE_S if self.status.moving else EXIT_TIMEOUT_S))
            except subprocess.TimeoutExpired:
                self._die("motor process does not end")
        self._close_status()

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition, looked at after each status. Returns whether it is met, also at a timeout."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_s
        while not condition() and not self._over and (left_s := give_up_at - loop.time()) > 0.0:
            self._change = self._change or loop.create_future()
            await asyncio.wait([self._change], timeout=left_s)
        return condition()

    def _wake_waiters(self) -> None:
        change, self._change = self._change, None
        if change is not None:
            change.set_result(None)

    def _ask(self, frame: bytes, settle: Settle) -> None:
        self._unsettled.append((self._send(frame), settle))

    def _send(self, frame: bytes) -> int:
        if self.status.n == self.sent:
            self._waiting_since = self._clock()
        self.sent += 1
        self._write(frame)
        return self.sent

    def _write(self, data: bytes = b"") -> None:
        """Write, after what did not fit the pipe before."""
        self._backlog += data
        while self._backlog and self._commands >= 0:
            try:
                written = os.write(self._commands, self._backlog)
            except OSError:
                return  # the pipe is full, or the reader is gone and `read` meets its end-of-file
            del self._backlog[:written]

    def _take(self, line: bytes) -> None:
        """Take a status: settle the commands that it answers, in their order, then pass it on."""
        status = pipe.parse_status(line)
        if isinstance(status, str):
            raise BackendError(status)
        before, self.status, now = self.status, status, self._clock()
        self._heard_at = status.at if now - status.at < OWN_HANG_S else now
        if status.n > before.n:
            self._waiting_since = self._heard_at
        refused = dict(status.refused)
        while self._unsettled and self._unsettled[0][0] <= status.n:
            number, settle = self._unsettled.popleft()
            settle(refused.get(number))
        self._on_status(before, status)
        self._wake_waiters()

    def _end_of_patience(self) -> tuple[float, str]:
        """Return the time at which a silence from now on is too long, with the sentence about it."""
        ends = [(self._heard_at + RESTING_SILENCE_S, _SILENT)]
        if self.status.moving:
            ends.append((self._heard_at + SILENCE_S, _SILENT_WHILE_DRIVING))
        if self.status.n < self.sent:
            ends.append((self._waiting_since + SILENCE_S, _NO_ANSWER))
        return min(ends, key=lambda end: end[0])  # of two at the same time, the silence

    def _silence(self) -> str:
        """Return the sentence about a silence that is too long, empty otherwise."""
        end, why = self._end_of_patience()
        return why if self._clock() > end else ""

    def _wait_until_ready(self) -> None:
        give_up_at = self._clock() + START_TIMEOUT_S
        try:
            while self.status is _NONE_YET:
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

    def _ended(self) -> None:
        self._finish(self._reap(REAP_S if self._commands >= 0 else EXIT_TIMEOUT_S))

    def _finish(self, code: int) -> None:
        """Note the end: with 0 after the cut it was a clean one, anything else is a death."""
        if code or self._commands >= 0:
            self._die(f"motor process ended with {_end(code)}")
        self._over = True
        self._wake_waiters()

    def _die(self, why: str) -> None:
        """The emergency: no other process makes these pins low."""
        if self._over:
            return
        self._over = True
        self._kill()
        self.cut()
        if self.ready:
            try:
                self._pins_low()
            except PicarError as error:
                log.critical("%s, and the pins could not be driven low from the server: %s", why, error)
            except Exception:
                log.exception("%s, and the pins could not be driven low from the server", why)
            else:
                log.critical("%s: pins low", why)
        self._wake_waiters()
        self._on_death(why)

    def _kill(self) -> int:
        if self._process is None:
            return 0
        self._process.kill()
        return self._reap(EXIT_TIMEOUT_S)

    def _reap(self, timeout_s: float) -> int:
        """Return the exit code, 1 if it does not end in time."""
        try:
            return self._process.wait(timeout_s) if self._process else 0
        except subprocess.TimeoutExpired:
            return 1

    def _close_status(self) -> None:
        fds, self._status, self._bell = (self._status, self._bell), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)


def _received(fd: int) -> bytes | None:
    """Return the bytes that have arrived, empty at the end of file, None if there are none."""
    try:
        return os.read(fd, READ_BYTES)
    except BlockingIOError:
        return None


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
