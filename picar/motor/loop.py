"""The loop of the motor process: commands in, pin writes and status out, and its own deadline.

One `select`, no asyncio, no thread. `Drive` decides the effect of a command, the bridge writes the pins. The loop wakes for
a command, for a step of a ramp, for a deadline and for a beat. An accepted stick command is answered by the next beat,
every other command at once.

Law: a status that is more than a beat rings the bell, after it is written. A beat alone does not wake the server, which
reads the beats when it needs a status.

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

from picar.calibration.values import Calibration
from picar.core.drive import Drive, Output, Reason, Refusal, State
from picar.motor import pipe
from picar.motor.boards import Bridge
from picar.motor.pipe import Obstacle
from picar.system.systemd import catch_signals
from picar.tuples import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any

BEAT_S = 0.049  # while a wheel turns; the server takes 0.5 s of silence for a hang
ANSWER_S = 0.049  # a command waits no longer for its answer
RESTING_BEAT_S = 0.64
UNANSWERED = (
    20  # with so many unanswered commands a status is sent at once: the server keeps each until its answer
)
EARLY_S = 0.014  # a command less than this before a beat sends the beat
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


class Ranging(Protocol):
    """A distance sensor and its judgement. No call waits, and no call raises."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when `read` has something to do, -1 without one."""

    def read(self, now: float) -> None:
        """Read the new data of the sensor."""

    def cap(self, now: float) -> float:
        """Let time pass. Return the cap of forward speed, a share of `max_speed` in [0, 1]."""

    def override(self, now: float) -> None:
        """Let the driver drive past the sensor for a time."""

    def end_override(self) -> None:
        """End that."""

    def shown(self, now: float) -> Obstacle:
        """Return the values for the page."""

    def next_event(self, now: float) -> float:
        """Return when `cap` must be called next, at the latest."""


class Extras(Protocol):
    """The outputs beside the motors. No call waits, and no call raises: an output that fails is marked broken."""

    @property
    def values(self) -> dict[str, float | None]:
        """The value of each output by name, None for a broken one."""

    def set(self, name: str, value: float, deadline: float, now: float) -> Refusal | None:
        """Set an output. A momentary one ends at the deadline."""

    def stop(self) -> None:
        """Silence the momentary outputs."""

    def release(self) -> None:
        """Do what the outputs do when their driver is gone."""

    def act(self, state: State, output: Output, now: float) -> None:
        """Let time pass: follow the car and its state, end momentary outputs, move servos."""

    def low(self) -> None:
        """Switch every output off, after the motors."""

    def next_event(self, now: float) -> float:
        """Return when `act` must be called next, at the latest."""


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
        bell: file descriptor to write a byte to after a status that is more than a beat.
        ranging: the distance sensor.
        extras: the outputs beside the motors.
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
        bell: int | None = None,
        ranging: Ranging | None = None,
        extras: Extras | None = None,
    ) -> None:
        self._drive, self._bridge, self._world = drive, bridge, world
        self._ranging, self._extras = ranging, extras
        self._commands, self._status, self._bell = commands, status, bell
        self._note, self._clock = note, clock
        self._unread = b""
        self._handled = self._answered = 0  # numbers of the newest commands
        self._refused: list[tuple[int, str]] = []
        self._answer_now = False
        self._answer_by = math.inf  # for the oldest command without an answer
        self._said: tuple[Any, ...] = ()
        self._beat_at = 0.0  # the next beat
        self._signalled = self._braking = False
        self._leave_at: float | None = None  # after a signal: the pins are low, and the loop ends then

    def run(self) -> int:
        """Return the exit code: 0 after end-of-file, 1 after a signal that no end-of-file followed."""
        os.set_blocking(self._commands, False)
        if self._bell is not None:
            os.set_blocking(self._bell, False)
            os.set_inheritable(self._bell, False)  # else a child would delay its end of file
        os.set_blocking(self._status, False)
        wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        catch_signals(self._on_signal)
        return self._loop(wake)

    def _loop(self, wake: int) -> int:
        inputs = [self._commands, wake]
        while True:
            now = self._clock()
            if self._signalled and self._leave_at is None:
                self._bridge.low()
                if self._extras:
                    self._extras.low()
                self._ranging = self._extras = None  # nothing is due for them any more
                self._leave_at = now + GOODBYE_S
                self._note('"end":"signal"')
            elif self._leave_at is None:
                self._act(now)
            elif now >= self._leave_at:
                return 1
            self._report(now)
            sensor = self._ranging.fileno() if self._ranging else -1
            waited = [*inputs, sensor] if sensor >= 0 else inputs
            ready, _, _ = select.select(waited, [], [], self._time_left(now))
            if self._ranging and sensor in ready:
                self._ranging.read(self._clock())
            if wake in ready:
                os.read(wake, 512)
            if self._commands in ready and not self._read():
                self._note('"end":"end of file"')
                return 0

    def _act(self, now: float) -> None:
        """Let time pass in the drive and in the simulated car, and write the pins."""
        if self._ranging:
            self._drive.obstacle(self._ranging.cap(now), now)
        output = self._drive.tick(now)
        if self._ranging and self._drive.state is not State.ARMED:
            self._ranging.end_override()  # after the tick: the next command may arm the car again
        self._braking = output.brake
        self._bridge.apply(output)
        if self._extras:
            self._extras.act(self._drive.state, output, now)
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
        stopped = self._drive.state is State.STOPPED
        refusal = self._obey(kind, rest, now)
        if self._handled == self._answered:
            self._answer_by = now + ANSWER_S
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
            self._leave_extras(stop=True)
        elif kind == "release":
            self._drive.release(Reason(rest[0]), now)
            self._leave_extras()
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
        elif kind == "hold":
            self._drive.hold(rest[0], now)
        else:
            return self._obey_for_extras(kind, rest, now)
        return None

    def _obey_for_extras(self, kind: str, rest: list[Any], now: float) -> Refusal | None:
        if kind == "aux" and self._extras:
            name, deadline, value = rest
            return self._extras.set(name, value, deadline, now)
        if kind != "override" or not self._ranging:
            raise ValueError(f"no such frame: {kind}")
        if now >= rest[0]:
            return Refusal.STALE
        self._ranging.override(now)
        return None

    def _leave_extras(self, *, stop: bool = False) -> None:
        """End what belongs to the driver: the override, and the horn."""
        if self._ranging:
            self._ranging.end_override()
        if self._extras and stop:
            self._extras.stop()
        elif self._extras:
            self._extras.release()

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
        drive, moving = self._drive, self._drive.moving or self._is_rolling
        news = (drive.state, drive.reason, moving)
        is_new = news != self._said
        if is_new and news[:2] != self._said[:2]:
            self._note(f'"state":"{drive.state}","reason":{json.dumps(drive.reason)}')
        answer_now = self._answer_now or self._handled - self._answered >= UNANSWERED
        if not (is_new or answer_now) and now < min(self._beat_at - EARLY_S, self._answer_by):
            return
        due_at = self._beat_at if -EARLY_S <= now - self._beat_at < BEAT_S else now
        self._beat_at = due_at + (BEAT_S if moving else RESTING_BEAT_S)
        _send(self._status, self._status_now(moving).encode())
        if self._bell is not None and (is_new or answer_now):
            _send(self._bell, b"\n")
        self._refused, self._answer_now, self._answer_by = [], False, math.inf
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
            obstacle=self._ranging.shown(self._clock()) if self._ranging else None,
            aux=[*self._extras.values.values()] if self._extras else None,
            at=round(self._clock(), 4),
        )

    @property
    def _is_rolling(self) -> bool:
        return self._braking or (self._world is not None and self._world.rolling)

    def _time_left(self, now: float) -> float:
        # With a command unanswered, the beat waits for the next command, which may come in time for the answer.
        beat_at = self._beat_at if self._handled == self._answered else self._answer_by
        due = min(self._drive.next_event(now), beat_at, self._leave_at or math.inf)
        if self._ranging:
            due = min(due, self._ranging.next_event(now))
        if self._extras:
            due = min(due, self._extras.next_event(now))
        return max(0.0, due - self._clock())

    def _on_signal(self) -> None:
        """Wake the loop, which makes the pins low: this handler may interrupt a pin write."""
        self._signalled = True


def _send(fd: int, data: bytes) -> None:
    """Write, or drop the data if the pipe is full: a blocked write would block the commands too."""
    try:
        os.write(fd, data)
    except (BlockingIOError, BrokenPipeError):
        return
