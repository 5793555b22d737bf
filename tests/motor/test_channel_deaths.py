"""The server's end of a real motor process that dies or hangs: one emergency, and only after it was ready."""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from picar.core.shaping import NEUTRAL
from picar.errors import ChannelError
from picar.motor import channel as channel_module
from tests.motor.channel_rig import Rig, alive, rig, trace
from tests.motor.rig import AHEAD, DEADLINE_S, ROOT, Trace
from tests.support.descriptors import open_descriptors

__all__ = ["rig", "trace"]


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
    rig.pump(lambda: rig.deaths > 0, "its death to be noticed", rig.channel.read)
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
    select.select([rig.channel._status], [], [], DEADLINE_S)
    rig.clock.overslept_s = 60.0
    rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)


def test_a_status_that_is_read_late_counts_from_its_own_time(rig: Rig) -> None:
    rig.at_full_speed()
    stopped_at = time.monotonic()
    rig.kill(signal.SIGSTOP)
    time.sleep(0.3)  # nothing reads, as between two pulses of the server
    rig.channel.read()
    assert rig.channel.silence_s >= time.monotonic() - stopped_at - 0.001
    assert rig.deaths == 0


def test_pins_that_cannot_be_lowered_are_told_and_the_server_still_hears_of_the_death(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.pins_fail = True
    rig.kill(signal.SIGKILL)
    with caplog.at_level(logging.CRITICAL - 10):
        rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    assert "the pins could not be driven low from the server" in caplog.text
    assert rig.lows == [True]


def test_after_a_death_a_close_leaves_nothing_open(trace: Trace) -> None:
    before = open_descriptors()
    rig = Rig(trace)
    rig.start()
    rig.kill(signal.SIGKILL)
    rig.pump(lambda: rig.deaths > 0, "its death to be noticed")
    rig.channel.close()
    assert open_descriptors() == before
    assert rig.deaths == 1


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
