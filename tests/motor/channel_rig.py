"""A channel to a real motor process, for its tests."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from picar.config import Config, DriveConfig
from picar.core.shaping import NEUTRAL, Sticks
from picar.motor.channel import Channel
from picar.motor.pipe import Order, Status
from tests.motor.rig import AHEAD, DEADLINE_S, Trace

QUICK = Config(drive=DriveConfig(accel=20.0))


class Clock:
    """The machine's clock, and how far this process has slept past it."""

    def __init__(self) -> None:
        self.overslept_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.overslept_s


class Rig:
    """A channel, what it heard, and what it did about it."""

    def __init__(self, trace: Trace, backend: str = "mock") -> None:
        self.trace = trace
        self.clock = Clock()
        self.statuses: list[Status] = []
        self.lows: list[bool] = []  # for each emergency: whether the motor process was gone by then
        self.deaths = 0
        self.pins_fail = False
        self.settled: list[tuple[int, str | None]] = []
        order = Order.of(QUICK, backend, self.trace.fd)
        self.channel = Channel(order, self._pins_low, self.clock)

    def start(self) -> None:
        self.channel.start()
        self.statuses.append(self.channel.status)
        self.channel.attach(lambda _before, status: self.statuses.append(status), self._died)

    def _pins_low(self) -> None:
        self.lows.append(not alive(self.channel.pid))
        assert self.deaths == 0
        if self.pins_fail:
            raise OSError(5, "no pin answers")

    def _died(self, why: str) -> None:
        self.deaths += 1

    def pump(self, condition: Callable[[], bool], what: str, watch: Callable[[], None] | None = None) -> None:
        """Watch the motor process, as the server does, until a condition is met."""
        give_up_at = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < give_up_at, f"waited in vain for {what}; {self.statuses[-1:]}"
            select.select([self.channel.fileno()] if not self.deaths else [], [], [], 0.02)
            (watch or self.channel.check)()

    def answer(self, n: int) -> Status:
        self.pump(lambda: self.statuses[-1].n >= n, f"the answer to {n}")
        return next(status for status in self.statuses if status.n >= n)

    def drive(self, wanted: Sticks, life: float) -> int:
        """Send sticks that live for so many seconds; return the command's number."""
        return self.ask(self.channel.drive, wanted, time.monotonic() + life)

    def ask(self, send: Callable[..., None], *values: object) -> int:
        """Send a driver's command, remember its answer in `settled`, and return its number."""
        number = self.channel.sent + 1
        send(*values, lambda refusal: self.settled.append((number, refusal)))
        return number

    def at_full_speed(self) -> None:
        """Drive with a deadline far away, so that it is not what stops the car."""
        self.answer(self.drive(NEUTRAL, 0.5))
        self.drive(AHEAD, 60.0)
        self.pump(lambda: tuple(self.statuses[-1].applied) == (1.0, 1.0), "full speed")
        assert self.trace.driving()

    def kill(self, number: signal.Signals) -> None:
        assert self.channel.pid is not None
        os.kill(self.channel.pid, number)


def alive(pid: int | None) -> bool:
    """Tell whether a process exists, be it as a zombie."""
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def trace() -> Iterator[Trace]:
    """A pin trace that is read from its pipe."""
    with contextlib.closing(Trace()) as trace:
        yield trace


@pytest.fixture
def rig(trace: Trace) -> Iterator[Rig]:
    """A started motor process."""
    rig = Rig(trace)
    rig.start()
    yield rig
    if alive(rig.channel.pid):
        rig.kill(signal.SIGCONT)
    rig.channel.close()
    assert not alive(rig.channel.pid)
