"""The loop of the motor process: commands in, pin writes and status out, and its own deadline.

One `select`, no asyncio, no thread. `Drive` decides the effect of a command, the bridge writes the pins. The loop wakes for
a command, for a step of a ramp, for a deadline and for a beat. An accepted stick command is answered by the next beat,
every other command at once.

The loop ends at end-of-file on the command pipe, because then the server is gone. Its caller makes the pins low when it
returns or raises; only an end-of-file gives exit code 0.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any, Protocol

from picar.calibration.values import Calibration
from picar.core.drive import Drive, Reason, Refusal, State
from picar.motor import pipe
from picar.motor.boards import Bridge
from picar.system.systemd import catch_signals

BEAT_S = 0.049  # while a wheel turns; the server takes 0.5 s of silence for a hang
ANSWER_S = 0.049  # a command waits no longer for its answer
RESTING_BEAT_S = 0.64
UNANSWERED = (
    20  # with so many unanswered commands a status is sent at once: the server keeps each until its answer
)
EARLY_S = 0.014  # a command less than this before a beat sends the beat
LENIENT_S = 0.003  # a beat waits longer while commands come: at 30/s, each third one then sends a beat
GOODBYE_S = 1.0  # after a signal: time for the server to close the pipe
READ_BYTES = 512  # about ten commands between two looks at the clock; their refusals fit one status
_STICKS = ("drive", "tank", "jog")


class World(Protocol):
    """A simulated car."""

    @property
    def rolling(self) -> bool:
        """Whether a wheel turns without power."""

    @property
    def pose(self) -> tuple[float, float, float]:
        """Position and heading."""

    def advance(self, now: float) -> None:
        """Let time pass."""


class MotorLoop:
    """Runs until end-of-file.

    Args:
        drive: the state machine.
        bridge: the board with its pins.
        world: the simulated car of the backend `sim`.
        commands: file descriptor to read commands from.
        status: file descriptor to write status to.
        note: writes the members of a JSON object to the flight recorder.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        drive: Drive,
        bridge: Bridge,
        world: World | None,
        commands: int,
        status: int,
        note: Callable[[str], None] = lambda _members: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._drive, self._bridge, self._world = drive, bridge, world
        self._commands, self._status = commands, status
        self._note, self._clock = note, clock
        self._unread = b""
        self._handled = self._answered = 0  # numbers of the newest commands
        self._refused: list[tuple[int, str]] = []
        self._answer_now = False
        self._waiting_since = 0.0  # the oldest command without an answer
        self._said: tuple[Any, ...] = ()
        self._beat_at = 0.0  # the next beat
        self._signalled = self._braking = False
        self._leave_at: float | None = None  # after a signal: the pins are low, and the loop ends then

    def run(self) -> int:
        """Return the exit code: 0 after end-of-file, 1 after a signal that no end-of-file followed."""
        os.set_blocking(self._commands, False)
        os.set_blocking(self._status, False)
        wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        catch_signals(self._on_signal)
        return self._loop(wake)

    def _loop(self, wake: int) -> int:
        while True:
            now = self._clock()
            if self._signalled and self._leave_at is None:
                self._bridge.low()
                self._leave_at = now + GOODBYE_S
                self._note('"end":"signal"')
            elif self._leave_at is None:
                self._act(now)
            elif now >= self._leave_at:
                return 1
            self._report(now)
            ready, _, _ = select.select([self._commands, wake], [], [], self._time_left(now))
            if wake in ready:
                os.read(wake, 512)
            if self._commands in ready and not self._read():
                self._note('"end":"end of file"')
                return 0

    def _act(self, now: float) -> None:
        """Let time pass in the drive and in the simulated car, and write the pins."""
        output = self._drive.tick(now)
        self._braking = output.brake
        self._bridge.apply(output)
        if self._world:
            self._world.advance(now)

    def _read(self) -> bool:
        """Handle the commands that have arrived. Returns False at end-of-file."""
        try:
            data = os.read(self._commands, READ_BYTES)
        except BlockingIOError:
            return True
        *lines, self._unread = (self._unread + data).split(b"\n")
        if self._leave_at is None:
            for line in lines:
                self._handle(pipe.parse(line), self._clock())
        return bool(data)

    def _handle(self, frame: list[Any], now: float) -> None:
        kind, n, *rest = frame
        stopped = self._drive.state == State.STOPPED
        refusal = self._obey(kind, rest, now)
        if self._handled == self._answered:
            self._waiting_since = now
        self._handled = n
        self._answer_now = self._answer_now or refusal is not None or kind not in _STICKS
        if kind == "stop" and stopped:
            return  # every client may send it, at any rate: it must not fill the flight recorder
        if refusal:
            self._refused.append((n, refusal))
            self._note(f'"n":{n},"refused":"{refusal}"')
        else:
            self._note(f'"n":{n},"did":"{kind}"')

    def _obey(self, kind: str, rest: list[Any], now: float) -> Refusal | None:
        """Carry out a command. Returns the refusal, if it is refused."""
        if kind in _STICKS:
            deadline, a, b = rest
            return self._drive.command(pipe.sticks(kind, a, b), deadline, now)
        if kind == "stop":
            self._drive.stop(now)
        elif kind == "release":
            self._drive.release(Reason(rest[0]), now)
        elif kind == "reset":
            deadline, seen_at = rest
            return self._drive.reset(seen_at, deadline, now)
        elif kind == "limit":
            deadline, speed = rest
            return self._drive.limit(speed, deadline, now)
        elif kind == "calibrate":
            return self._calibrate(*rest, now=now)
        elif kind == "cap":
            self._drive.cap(*rest)
        else:
            raise ValueError(f"no such frame: {kind}")
        return None

    def _calibrate(self, deadline: float, *values: Any, now: float) -> Refusal | None:
        """Follow another calibration. While a wheel turns it could make the car jerk, or turn the wheel the other way."""
        self._act(now)  # a deadline that has passed ends here
        if now >= deadline:
            return Refusal.STALE
        if self._drive.reason is Reason.ARMING:
            return Refusal.ARMING  # the ESC takes the pulse of this time for its neutral
        if self._drive.turning or self._is_rolling:
            return Refusal.MOVING
        self._bridge.calibrate(Calibration.received(*values))
        return None

    def _report(self, now: float) -> None:
        """Send a status if it is due: an answer, a change, or the beat."""
        drive, moving = self._drive, self._moving
        news = (drive.state, drive.reason, moving)
        if news[:2] != self._said[:2]:
            self._note(f'"state":"{drive.state}","reason":{json.dumps(drive.reason)}')
        answer_now = self._answer_now or self._handled - self._answered >= UNANSWERED
        if news == self._said and not answer_now and now < min(self._beat_at - EARLY_S, self._answer_by):
            return
        lenient_s = LENIENT_S if self._handled != self._answered else 0.0
        self._beat_at = now + (BEAT_S + lenient_s if moving else RESTING_BEAT_S)
        self._send(self._status_now(moving).encode())
        self._refused, self._answer_now = [], False
        self._answered, self._said = self._handled, news

    def _status_now(self, moving: bool) -> pipe.Status:
        drive = self._drive
        applied, target, wanted = drive.applied, drive.target, drive.wanted
        return pipe.Status(
            n=self._handled,
            state=drive.state,
            reason=drive.reason,
            wanted=(round(wanted.throttle, 4), round(wanted.steering, 4)),
            applied=(round(applied.left, 4), round(applied.right, 4)),
            target=(round(target.left, 4), round(target.right, 4)),
            speed_limit=drive.speed_limit,
            moving=moving,
            refused=self._refused,
            pose=self._world.pose if self._world else None,
        )

    def _send(self, line: bytes) -> None:
        """Write a status, or drop it if it does not fit: a blocked write would block the commands too."""
        try:
            os.write(self._status, line)
        except (BlockingIOError, BrokenPipeError):
            return

    @property
    def _answer_by(self) -> float:
        return self._waiting_since + ANSWER_S if self._handled != self._answered else math.inf

    @property
    def _moving(self) -> bool:
        return self._drive.moving or self._is_rolling

    @property
    def _is_rolling(self) -> bool:
        return self._braking or (self._world is not None and self._world.rolling)

    def _time_left(self, now: float) -> float:
        due = min(self._drive.next_event(now), self._beat_at, self._answer_by, self._leave_at or math.inf)
        return max(0.0, due - self._clock())

    def _on_signal(self) -> None:
        """Wake the loop, which makes the pins low: this handler may interrupt a pin write."""
        self._signalled = True
