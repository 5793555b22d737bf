"""The server's end of a real motor process: its death, its silence, its refusal to start, its clean end."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picar.config import Config, DriveConfig
from picar.core.drive import Reason
from picar.core.shaping import NEUTRAL, Sticks
from picar.errors import BackendError, ChannelError
from picar.motor import channel as channel_module
from picar.motor.channel import Channel
from picar.motor.pipe import Order, Status
from tests.motor.rig import AHEAD, DEADLINE_S, ROOT, Trace, wait_until
from tests.support.header import FakeHeader

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
        order = Order.of(QUICK, backend, self.trace.fd)
        self.channel = Channel(order, self._pins_low, self.clock)

    def start(self) -> None:
        self.statuses.append(self.channel.start())
        self.channel.attach(self.statuses.append, self._died)

    def _pins_low(self) -> None:
        self.lows.append(not alive(self.channel.pid))
        assert self.deaths == 0
        if self.pins_fail:
            raise OSError(5, "no pin answers")

    def _died(self, why: str) -> None:
        self.deaths += 1

    def pump(self, condition: Callable[[], bool], what: str) -> None:
        """Watch the motor process, as the server does, until a condition is met."""
        give_up_at = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < give_up_at, f"waited in vain for {what}; {self.statuses[-1:]}"
            select.select([self.channel.fileno()] if not self.deaths else [], [], [], 0.02)
            self.channel.check()

    def answer(self, n: int) -> Status:
        self.pump(lambda: self.statuses[-1].n >= n, f"the answer to {n}")
        return next(status for status in self.statuses if status.n >= n)

    def drive(self, wanted: Sticks, life: float) -> int:
        return self.channel.drive(wanted, time.monotonic() + life)

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


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


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


def test_after_the_start_the_pins_are_claimed_and_low(rig: Rig) -> None:
    assert (rig.statuses[0].n, rig.statuses[0].state) == (0, "disarmed")
    assert rig.trace.low()
    assert rig.channel.ready
    assert rig.channel.fresh()
    assert rig.channel.silence_s < DEADLINE_S


def test_every_kind_of_command_comes_through_and_is_numbered(rig: Rig) -> None:
    now = time.monotonic
    numbers = [
        rig.drive(NEUTRAL, 10.0),
        rig.drive(AHEAD, 10.0),
        rig.channel.limit(0.5, now() + 10.0),
        rig.channel.release(Reason.RELEASED),
        rig.channel.stop(),
    ]
    assert numbers == [1, 2, 3, 4, 5]
    status = rig.answer(5)
    assert (status.state, status.speed_limit) == ("stopped", 0.5)
    n = rig.channel.reset(now(), now() + 10.0)
    assert rig.answer(n).state == "disarmed"
    refused = rig.drive(AHEAD, 10.0)
    assert rig.answer(refused).refused[-1][0] == refused


def test_an_end_by_sigkill_is_followed_by_one_emergency(rig: Rig) -> None:
    rig.at_full_speed()
    rig.kill(signal.SIGKILL)
    rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    assert rig.lows == [True]
    assert not rig.channel.fresh()
    for _ in range(3):
        rig.channel.read()
        rig.channel.check()
    rig.channel.close()
    assert (len(rig.lows), rig.deaths) == (1, 1)


def test_an_end_is_noticed_by_reading_alone(rig: Rig) -> None:
    rig.kill(signal.SIGKILL)
    select.select([rig.channel.fileno()], [], [], DEADLINE_S)
    rig.channel.read()
    assert (rig.lows, rig.deaths) == ([True], 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGSEGV], ids=lambda n: n.name)
def test_any_end_that_was_not_asked_for_is_a_death(rig: Rig, number: signal.Signals) -> None:
    rig.at_full_speed()
    rig.kill(number)
    rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    assert rig.lows == [True]


def test_half_a_second_of_silence_while_driving_is_a_death(rig: Rig) -> None:
    rig.at_full_speed()
    stopped_at = time.monotonic()
    rig.kill(signal.SIGSTOP)
    rig.pump(lambda: rig.deaths > 0, "the silence to be judged")
    assert 0.4 < time.monotonic() - stopped_at < 5.0
    assert (rig.lows, rig.deaths) == ([True], 1)


def test_half_a_second_without_an_answer_is_a_death_at_rest_too(rig: Rig) -> None:
    rig.kill(signal.SIGSTOP)
    sent_at = time.monotonic()
    rig.drive(NEUTRAL, 0.5)
    rig.pump(lambda: rig.deaths > 0, "the silence to be judged")
    assert 0.5 <= time.monotonic() - sent_at < 5.0
    assert rig.lows == [True]


def test_a_rest_is_silent_longer_before_it_is_a_death(rig: Rig) -> None:
    rig.kill(signal.SIGSTOP)
    stopped_at = time.monotonic()
    rig.pump(lambda: rig.deaths > 0, "the silence to be judged")
    assert 1.4 < time.monotonic() - stopped_at < 8.0
    assert rig.lows == [True]


@pytest.mark.parametrize("driving", [True, False])
def test_a_motor_process_that_beats_is_left_alone(rig: Rig, driving: bool) -> None:
    if driving:
        rig.at_full_speed()
    end = time.monotonic() + 1.2
    rig.pump(lambda: time.monotonic() > end, "the time to pass")
    assert rig.channel.fresh()
    assert (rig.lows, rig.deaths) == ([], 0)


def test_a_watcher_that_overslept_reads_before_it_judges(rig: Rig) -> None:
    rig.at_full_speed()
    select.select([rig.channel.fileno()], [], [], DEADLINE_S)
    rig.clock.overslept_s = 60.0
    rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)


def test_pins_that_cannot_be_lowered_are_told_and_the_server_still_hears_of_the_death(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.pins_fail = True
    rig.kill(signal.SIGKILL)
    with caplog.at_level(logging.CRITICAL - 10):
        rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    assert "the pins could not be driven low from the server" in caplog.text
    assert rig.lows == [True]


def test_a_clean_close_is_no_death(trace: Trace) -> None:
    before = open_descriptors()
    rig = Rig(trace)
    rig.start()
    rig.at_full_speed()
    rig.channel.close()
    assert not alive(rig.channel.pid)
    assert rig.trace.low()
    assert (rig.lows, rig.deaths) == ([], 0)
    rig.channel.close()
    rig.channel.read()
    rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert open_descriptors() == before


def test_after_a_death_a_close_leaves_nothing_open(trace: Trace) -> None:
    before = open_descriptors()
    rig = Rig(trace)
    rig.start()
    rig.kill(signal.SIGKILL)
    rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    rig.channel.close()
    assert open_descriptors() == before
    assert rig.deaths == 1


def test_a_channel_that_was_never_started_may_be_closed(trace: Trace) -> None:
    rig = Rig(trace)
    assert rig.channel.pid is None
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([], 0)


def test_a_cut_makes_the_pins_low_and_the_end_that_follows_is_no_death(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.channel.cut()
    wait_until(rig.trace.low, "every pin low")
    select.select([rig.channel.fileno()], [], [], DEADLINE_S)
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    assert (rig.lows, rig.deaths) == ([], 0)


def test_after_a_clean_end_its_silence_is_no_death(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    for seconds in (0.6, 3.0, 60.0):
        rig.clock.overslept_s = seconds
        rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert not rig.channel.fresh()


def test_a_command_after_the_cut_goes_nowhere(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.drive(AHEAD, 60.0)
    rig.channel.stop()
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    assert rig.trace.low()
    assert rig.deaths == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_any_other_end_after_the_cut_is_a_death(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(channel_module, "EXIT_TIMEOUT_S", 0.3)
    rig.at_full_speed()
    rig.kill(signal.SIGSTOP)
    rig.channel.cut()
    rig.kill(how)
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([True], 1)


def test_the_end_of_file_comes_though_another_child_lives(rig: Rig) -> None:
    with subprocess.Popen(["sleep", "60"], close_fds=False) as other:
        rig.channel.cut()
        rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
        other.kill()
    assert rig.deaths == 0


def test_a_flood_never_blocks_and_is_answered_in_its_order(rig: Rig) -> None:
    rig.kill(signal.SIGSTOP)
    count = 40_000  # more than the pipe takes
    deadline = time.monotonic() + 60.0
    for n in range(count - 1):
        rig.channel.drive(Sticks((-1.0) ** n, 0.0), deadline)
    rig.channel.stop()
    rig.kill(signal.SIGCONT)
    status = rig.answer(count)
    assert status.state == "stopped"
    answers = [status.n for status in rig.statuses]
    assert answers == sorted(answers)
    refused = [n for status in rig.statuses for n, _ in status.refused]  # but those that did not fit the pipe
    assert refused == sorted(set(refused))
    assert rig.deaths == 0


def test_a_backend_without_its_library_is_an_error_with_its_sentence(
    trace: Trace, install_fake: Callable[[str], FakeHeader]
) -> None:
    install_fake("lgpio").board.tell("lgpio", "missing")
    before = open_descriptors()
    rig = Rig(trace, backend="lgpio")
    with pytest.raises(BackendError, match="its library is not installed"):
        rig.start()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert not alive(rig.channel.pid)
    assert open_descriptors() == before


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Let a fake be started instead of the motor process."""
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.motor.fake_motor {mode}\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


@pytest.mark.parametrize("mode", ["dies", "hangs"])
def test_before_it_was_ready_its_end_touches_no_pin(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    stand_in(tmp_path, monkeypatch, mode)
    monkeypatch.setattr(channel_module, "START_TIMEOUT_S", DEADLINE_S if mode == "dies" else 0.3)
    before = open_descriptors()
    rig = Rig(trace)
    with pytest.raises(ChannelError, match=r"did not get ready.*Start picar again\."):
        rig.start()
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert not alive(rig.channel.pid)
    assert open_descriptors() == before


def test_a_pipe_that_stays_full_is_a_death_though_it_talks(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "talks")
    rig = Rig(trace)
    rig.start()
    with contextlib.closing(rig.channel):
        for _ in range(40_000):
            rig.drive(AHEAD, 60.0)
        rig.pump(lambda: rig.deaths > 0, "a full pipe to be judged")
        assert rig.lows == [True]


def test_the_folder_it_is_started_in_cannot_change_what_is_started(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("picar", "json", "select"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a trap')\n")
    monkeypatch.chdir(tmp_path)
    rig = Rig(trace)
    rig.start()
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([], 0)
