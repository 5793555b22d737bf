"""The server's end of the camera: starts its process for the first viewer, passes pictures on, and copes with its faults.

It knows no event loop but the one it is given, and it never waits: not for the process, not for its end.

Laws:
- Only the newest picture counts, and no picture is from the future. One that is older than 1 s when it arrives is passed over.
- Without a viewer there is no process, 5 s after the last one.
- A process that is silent or sends garbage is killed and started again, later each time; a picture resets the row.
- While a killed process lives, no second one starts: both would want the same device.
- A fault is logged when it begins, not again before the next picture. It is forgotten with the last viewer.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from picar.camera.frames import NOTICE, PICTURE, BadStream, Frame, pixels
from picar.camera.process import CameraProcess, how_it_ended
from picar.camera.sources import OUT_OF_MEMORY, Order
from picar.program import python

if TYPE_CHECKING:
    from picar.config import CameraConfig

log = logging.getLogger(__name__)

FIRST_PICTURE_S = 10.0  # a small Pi imports for seconds
FROZEN_S = 3.0
LINGER_S = 5.0  # after the last viewer
END_S = 1.0  # a process that was asked to end
STUCK_S = 5.0  # after SIGKILL
TICK_S = 0.1
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)  # before a start again
NEEDS_A_PERSON = {"missing", "permission", "no_library", "hidden_library", "no_pillow", "wrong_format"}
OLDEST_S = 1.0
_SENTENCES = {
    "frozen": "The camera has sent no picture for 3 s. It is started again; if that happens often, check its cable and "
    "the power supply.",
    "stuck": "The camera's driver hangs and cannot be ended. Driving works; restart the Pi to get the picture back.",
    "crashed": "The camera process ended ({}). It is started again; `journalctl -u picar` has more.",
    "bad_stream": "The camera process sent something that is no picture. It is started again; `journalctl -u picar` has more.",
}
State = Literal["off", "starting", "live", "frozen", "trouble"]


class Timer(Protocol):
    """A call that can be cancelled."""

    def cancel(self) -> None:
        """Cancel it."""


class Loop(Protocol):
    """The part of an event loop that the camera needs."""

    def add_reader(self, fd: int, callback: Callable[[], None], /) -> object:
        """Call `callback` whenever the descriptor is readable."""

    def remove_reader(self, fd: int, /) -> object:
        """Stop that."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call `callback` once, after `delay` seconds."""


class Fault(NamedTuple):
    """A fault: a stable code, and a sentence with the fix."""

    code: str
    message: str


class Condition(NamedTuple):
    """What a viewer is told. `code` and `message` are those of a fault; the others are those of the newest notice."""

    state: State = "off"
    code: str | None = None
    message: str | None = None
    upright: bool = True

    @property
    def needs_a_person(self) -> bool:
        """Whether the fault does not end by itself."""
        return self.code in NEEDS_A_PERSON


class CameraHandle:
    """The camera.

    Args:
        order: the first order of each process.
        loop: of this thread, which must be the main thread.
        clock: seconds, monotonic.
        command: of the camera process.
    """

    def __init__(
        self,
        order: Order,
        loop: Loop,
        clock: Callable[[], float] = time.monotonic,
        command: list[str] | None = None,
    ) -> None:
        self._order, self._loop, self._clock = order, loop, clock
        self._command = command or python("picar.camera")
        self.on_picture: Callable[[Frame], None] = lambda _picture: None
        self.on_condition: Callable[[Condition], None] = lambda _condition: None
        self.condition = Condition()
        self.viewers = 0
        self._process: CameraProcess | None = None
        self._told: Fault | None = None  # by the process itself
        self._dying: CameraProcess | None = None  # its pipes are closed, and its end has not been seen
        self._explained = self._killed = False  # of the dying process: its fault is known; it got a SIGKILL
        self._silent_at = self._patient_until = self._idle_at = self._start_at = 0.0
        self._starts = 0  # since the last picture
        self._timer: Timer | None = None

    @property
    def runs(self) -> bool:
        """Whether the process runs."""
        return self._process is not None

    def watch(self) -> None:
        """Add a viewer."""
        self.viewers += 1
        self._tick()

    def unwatch(self) -> None:
        """Remove a viewer."""
        self.viewers -= 1
        if not self.viewers:
            self._idle_at = self._clock() + LINGER_S

    def order(self, change: Order) -> None:
        """Change the order, for the process that runs and for those after it."""
        self._order = self._order | change
        if self._process:
            self._process.order(change)

    def close(self) -> None:
        """Kill the process, and do no more. A process that cannot be killed stays."""
        self.viewers = 0
        if self._process:
            self._let_go(0.0, explained=True)
        if self._dying:
            self._dying.popen.kill()
        if self._timer:
            self._timer.cancel()

    def _tick(self) -> None:
        """Look after the process, and look again while there is one or a viewer wants one."""
        now = self._clock()
        if self._dying:
            self._bury(self._dying, now)
        if not self.viewers and now >= self._idle_at:
            self._rest()
        elif self._process:
            if now >= self._silent_at:
                self._kill("frozen")
        elif self.viewers and not self._dying and now >= self._start_at:
            self._start(now)
        if self._timer:
            self._timer.cancel()
        looks = self._process or self._dying or self.viewers or self.condition.state != "off"
        self._timer = self._loop.call_later(TICK_S, self._tick) if looks else None

    def _rest(self) -> None:
        """End the process, and forget its fault; a process that cannot be killed stays one."""
        if self._process:
            self._let_go(END_S, explained=True)
        if self.condition.code != "stuck" or not self._dying:
            self._set(Condition())

    def _start(self, now: float) -> None:
        self._told = None
        self._silent_at = now + FIRST_PICTURE_S
        try:
            self._process = CameraProcess(self._order, self._command)
        except OSError as error:
            self._fail(_crashed(str(error.strerror)))
            return
        self._loop.add_reader(self._process.fileno(), self._read)
        if self.condition.state == "off":  # otherwise the fault stays in sight until a picture comes
            self._set(Condition("starting"))

    def _read(self) -> None:
        assert self._process
        try:
            frames = self._process.read()
            for frame in frames or ():
                if frame.kind == NOTICE:
                    self._take_notice(frame.notice())
        except BadStream as error:
            log.warning("camera: %s", error)
            self._kill("bad_stream")
            return
        if frames is None:
            self._let_go(END_S, explained=self._told is not None)
            if self._told:
                self._fail(self._told)
        elif pictures := [frame for frame in frames if frame.kind == PICTURE]:
            self._take(pictures[-1])

    def _take_notice(self, notice: dict[str, Any]) -> None:
        if notice.get("code"):
            self._told = Fault(str(notice["code"]), str(notice.get("message")))
        else:
            self.condition = self.condition._replace(upright=bool(notice.get("upright")))

    def _take(self, newest: Frame) -> None:
        now = self._clock()
        self._silent_at, self._starts = now + FROZEN_S, 0
        if now - newest.captured_ns / 1e9 > OLDEST_S:
            return
        if self.condition.state != "live":
            self._set(self.condition._replace(state="live", code=None, message=None))
        self.on_picture(newest._replace(captured_ns=min(newest.captured_ns, int(now * 1e9))))

    def _kill(self, code: str) -> None:
        self._let_go(0.0, explained=True)
        self._fail(Fault(code, _SENTENCES[code]))

    def _let_go(self, patience_s: float, *, explained: bool) -> None:
        """Close the pipes, and give the process this time to end by itself."""
        assert self._process
        self._loop.remove_reader(self._process.fileno())
        self._process.close()
        self._dying, self._process = self._process, None
        self._explained, self._killed = explained, False
        self._patient_until = self._clock() + patience_s

    def _bury(self, process: CameraProcess, now: float) -> None:
        """Look whether a process has ended. If it takes too long, kill it, and then report it as stuck."""
        code = process.popen.poll()
        if code is not None:
            self._dying = None
            if not self._explained:
                self._fail(self._fault_of(code))
        elif now >= self._patient_until and not self._killed:
            self._killed, self._patient_until = True, now + STUCK_S
            process.popen.kill()
        elif now >= self._patient_until:
            self._patient_until = float("inf")
            self._fail(Fault("stuck", _SENTENCES["stuck"]))

    def _fault_of(self, code: int) -> Fault:
        if code == -signal.SIGKILL and not self._killed:  # by the kernel
            return Fault("out_of_memory", OUT_OF_MEMORY)
        return _crashed(how_it_ended(code))

    def _fail(self, fault: Fault) -> None:
        """Show a fault, and wait before the next start."""
        pause_s = PAUSES_S[-1 if fault.code in NEEDS_A_PERSON else min(self._starts, len(PAUSES_S) - 1)]
        self._starts += 1
        self._start_at = self._clock() + pause_s
        if fault.code != self.condition.code:
            log.warning("camera: %s", fault.message)
        state: State = "frozen" if fault.code == "frozen" else "trouble"
        self._set(self.condition._replace(state=state, code=fault.code, message=fault.message))

    def _set(self, condition: Condition) -> None:
        before, self.condition = self.condition, condition
        if condition != before:
            self.on_condition(condition)


def order_of(config: CameraConfig, backend: str, machine: str = os.uname().machine) -> Order | None:
    """Return the first order for a configuration, None if the camera is off.

    Args:
        config: the section.
        backend: of the pins. Simulated pins have a simulated camera.
        machine: of the processor. A Pi Zero (armv6l) gets small pictures instead of the defaults.
    """
    source = config.source
    if source == "auto" and backend in ("sim", "mock"):
        source = "sim" if importlib.util.find_spec("PIL") else "off"
    if source == "off":
        return None
    size, fps = config.size, config.fps
    if machine == "armv6l":
        size, fps = "320x240" if size == "640x480" else size, 15 if fps == 30 else fps
    return Order(
        source=source,
        device=config.device,
        size=pixels(size),
        fps=fps,
        quality=config.quality,
        rotation=config.rotation,
        mirror=config.mirror,
        night=config.night,
        level=0,
    )


def _crashed(how: str) -> Fault:
    return Fault("crashed", _SENTENCES["crashed"].format(how))
