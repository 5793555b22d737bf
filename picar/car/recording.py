"""Recordings of drives: the hub's switch, and what of the car goes on the tape.

While nothing is recorded, `Hub.recording` is None, and the car spends no call on recordings.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picar import __version__
from picar import log as picar_log
from picar.configfile import as_toml
from picar.core import protocol
from picar.core.protocol import CarState
from picar.core.shaping import Wanted
from picar.errors import RecordingError
from picar.layouts import LAYOUTS
from picar.motor.pipe import Status
from picar.motor.simcar import WALLS
from picar.recording import folder_of, messages
from picar.recording.tape import Order, Tape

if TYPE_CHECKING:
    from picar.config import Config, RecordingConfig

log = logging.getLogger(__name__)

SHOWN_S = 10.0  # so long a state shows why a recording has ended
STATE_S = 0.2  # between two recorded states without news
MOST_ENDING = 2  # recorders that have not ended yet: they wait for the disk


class Log(logging.Handler):
    """Keeps lines of any thread for the tape."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(picar_log.Calm())
        self.lines: deque[tuple[int, int, str, str]] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; one whose arguments do not fit its text is left out."""
        with contextlib.suppress(TypeError, ValueError):
            text = record.getMessage()[: picar_log.MAX_CHARACTERS]
            self.lines.append((time.monotonic_ns(), record.levelno, text, record.name))


class Recording:
    """A `Tape` of the car, while it records.

    Args:
        order: for the recorder.
        by: the client that started it.
        speeds: names of the two speeds.
        images: whether pictures are recorded.
    """

    def __init__(self, order: Order, by: str, speeds: tuple[str, str], images: bool) -> None:
        self.tape, self.by, self.images, self._speeds = Tape(order), by, images, speeds
        self._pose: object = None
        self._news: object = None
        self._state_at = float("-inf")
        self._limit = 1.0
        self._log = Log()
        logging.getLogger().addHandler(self._log)

    def command(self, client: str, number: int, wanted: Wanted, now: float) -> None:
        """Record accepted sticks."""
        data = messages.command(client, number, wanted, self._limit)
        self.tape.send(messages.COMMAND, int(now * messages.NS), data)

    def status(self, status: Status) -> None:
        """Record a status of the motor process, and the pose in it."""
        at_ns, self._limit = int(status.at * messages.NS), status.speed_limit
        state = (status.n, status.state, status.moving)
        self.tape.send(
            messages.WHEELS, at_ns, messages.wheels(*state, self._speeds, status.applied, status.target)
        )
        if status.pose and status.pose != self._pose:
            self._pose = status.pose
            self.tape.send(messages.POSE, at_ns, messages.pose(self.tape.wall_ns(at_ns), *status.pose))

    def state(self, state: CarState, now: float) -> None:
        """Record a state that has news, or is due."""
        news = (state.state, state.reason, state.driver, state.speed_limit)
        if news != self._news or now - self._state_at >= STATE_S:
            self._news, self._state_at = news, now
            fields = protocol.state_fields(state, "")
            self.tape.send(messages.STATE, int(now * messages.NS), messages.state(fields))

    def event(self, note: dict[str, Any]) -> None:
        """Record a note of the flight recorder."""
        channel, fields = messages.from_note(note)
        self.tape.send(channel, time.monotonic_ns(), messages.encode(fields))

    def picture(self, jpeg: bytes, captured_ns: int) -> None:
        """Record a picture."""
        self.tape.send(messages.CAMERA, captured_ns, messages.picture(self.tape.wall_ns(captured_ns), jpeg))

    def check(self) -> dict[str, Any] | None:
        """Record the lines of the log, and return why the recording has ended by itself, if it has."""
        while self._log.lines:
            at_ns, level, text, name = self._log.lines.popleft()
            self.tape.send(messages.LOG, at_ns, messages.log(self.tape.wall_ns(at_ns), level, text, name))
        return self.tape.check()

    def fields(self, now: float) -> dict[str, Any]:
        """Return the member `recording` of a state."""
        tape = self.tape
        length_s = round(now - tape.started_at, 1)
        return {"s": length_s, "bytes": tape.bytes, "by": self.by, "dropped": tape.dropped}

    def end(self) -> None:
        """Take no more lines of the log."""
        logging.getLogger().removeHandler(self._log)


class Recordings:
    """Starts and ends recordings.

    Args:
        config: the section.
        order: for all recorders.
        speeds: names of the two speeds.
    """

    def __init__(self, config: RecordingConfig, order: Order, speeds: tuple[str, str]) -> None:
        self._config, self._order, self._speeds = config, order, speeds
        self.current: Recording | None = None
        self.ended: dict[str, Any] | None = None  # why the newest recording has ended by itself, for a state
        self.busy = False  # whether `check` has something to do
        self._ending: list[Tape] = []
        self._saving: Tape | None = None
        self._shown_until = 0.0

    def repair(self) -> None:
        """Start a recorder that repairs recordings without an end."""
        with contextlib.suppress(OSError):
            self.leave(Tape({**self._order, "repair": True}))

    def save(self, flight: int) -> Tape:
        """Start a recorder that saves the last minute of a flight recorder, given as its descriptor.

        Its last answer comes from `Tape.check`; then `leave` it. There is one at a time: each costs the start of a process.

        Raises:
            RecordingError: another one saves, or too many recorders wait for the disk.
            OSError: the system starts no process.
        """
        if self._saving or self._wait():
            raise RecordingError("The last minute is being saved, or the disk is busy. Try again.")
        self._saving = Tape({**self._order, "suffix": "-flight", "flight": flight})
        return self._saving

    def leave(self, tape: Tape) -> None:
        """End a recorder, as soon as the disk lets it."""
        if tape is self._saving:
            self._saving = None
        self._ending.append(tape)
        self.busy = True

    def order(self, on: bool, by: str) -> str | None:
        """Start or end a recording for a client. Returns the code of a refusal."""
        if on and not self.current and not self._start(by):
            return "recording_failed"
        if not on and self.current:
            self._stop()
        return None

    def _start(self, by: str) -> bool:
        """Start a recording. Returns False if no recorder can start."""
        if self._wait():
            log.warning("no recording: %d recorders still wait for the disk", MOST_ENDING)
            return False
        try:
            order: Order = {**self._order, "metadata": {**self._order["metadata"], "by": by}}
            self.current = Recording(order, by, self._speeds, self._config.images)
        except OSError as error:
            log.warning("no recording: %s", error.strerror)
            return False
        self.ended, self.busy = None, True
        log.info("recording, started by %s", by)
        return True

    def _wait(self) -> bool:
        """Return whether too many recorders have not ended yet."""
        self._ending = [tape for tape in self._ending if not tape.end()]
        return len(self._ending) >= MOST_ENDING

    def _stop(self) -> None:
        """End the recording."""
        assert self.current
        log.info("the recording has ended")
        self.current.check()
        self.current.end()
        self.leave(self.current.tape)
        self.current = None

    def check(self, now: float) -> bool:
        """Look after the recorders. Returns whether a state has news."""
        self._ending = [tape for tape in self._ending if not tape.end()]
        end = self.current.check() if self.current else None
        forgets = self.ended is not None and now >= self._shown_until
        if end:
            log.warning("the recording ends: %s", end["why"] or end["ended"])
            self._stop()
            self._shown_until = now + SHOWN_S
            if end["name"] is None:
                self.repair()
        if end or forgets:
            self.ended = {"ended": end["ended"]} if end else None
        self.busy = bool(self.current or self._ending or self.ended)
        return end is not None or forgets

    def close(self) -> None:
        """End the recording with the server."""
        if self.current:
            self._stop()
        for tape in self._ending:
            tape.end()


def recordings_of(config: Config, backend: str, state: Path) -> Recordings | None:
    """Return the recordings of a car, None if they are switched off; repair those that have no end.

    Args:
        config: the configuration.
        backend: of the pins.
        state: picar's state directory.
    """
    if not config.recording.enabled:
        return None
    layout = LAYOUTS[config.layout.kind]
    metadata = {
        "version": __version__,
        "name": config.server.name,
        "max_speed": str(config.drive.max_speed),
        "steers": json.dumps(layout.steers),
        "walls": json.dumps(WALLS if backend == "sim" else []),
        "config": as_toml(config.having("hotspot", name="")),
    }
    order = Order(
        folder=str(folder_of(config.recording, state)),
        suffix="",
        metadata=metadata,
        max_s=config.recording.max_minutes * 60.0,
        keep_free_mb=config.recording.keep_free_mb,
        keep_mb=config.recording.keep_mb,
        flight=None,
        repair=False,
    )
    recordings = Recordings(config.recording, order, layout.speeds)
    if any(Path(order["folder"]).glob("*.part")):
        recordings.repair()
    return recordings
