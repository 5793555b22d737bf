"""The pin trace: one JSON line for each write, and never in a write's way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from picar import linewriter
from picar.errors import PicarError, PinError
from picar.motor.emergency import pins_low
from picar.motor.pins import trace as trace_module
from picar.motor.pins.mock import MockPins
from picar.motor.pins.trace import Note, PinTrace, TracedPins, TraceFile
from tests.motor.boards import wired
from tests.motor.rig import Trace, wait_until

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@contextlib.contextmanager
def tracing(file: Path) -> Iterator[Note]:
    """Trace into a file; every line is in it at the end."""
    trace = TraceFile(str(file))
    try:
        trace.open()
        yield trace.trace.line
    finally:
        trace.close()


def test_each_write_is_a_line_of_time_pin_op_and_value(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    with tracing(file) as note:
        pins = TracedPins(MockPins(), note)
        before = time.monotonic()
        enable = pins.pwm(12, 200)
        level = pins.output(23)
        level.set(1)
        enable.set(1 / 3)
        pins.close()
        after = time.monotonic()
    entries = lines(file)
    assert [(e["pin"], e["op"], e["value"]) for e in entries] == [
        (12, "claim", 0),
        (23, "claim", 0),
        (23, "write", 1),
        (12, "pwm", 0.333333),
        (12, "close", 0),
        (23, "close", 0),
    ]
    assert all(list(e) == ["t", "pin", "op", "value"] for e in entries)
    times = [e["t"] for e in entries]
    assert times == sorted(times)
    assert before - 1e-6 <= times[0] <= times[-1] <= after + 1e-6


def test_a_line_is_there_soon_after_the_pin_is_written(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    with tracing(file) as note:
        level = TracedPins(MockPins(), note).output(23)
        for count in range(2, 6):
            level.set(count % 2)
            wait_until(lambda goal=count: len(lines(file)) == goal, f"{count} lines")  # type: ignore[misc]


def test_the_trace_is_appended_to_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    with tracing(file) as first, tracing(file) as second:
        first(12, "claim", 0)
        wait_until(lambda: len(lines(file)) == 1, "the first line")
        second(13, "claim", 0)
        wait_until(lambda: len(lines(file)) == 2, "the second line")
        first(12, "close", 0)
    with tracing(file) as third:
        third(13, "close", 0)
    assert [(e["pin"], e["op"]) for e in lines(file)] == [
        (12, "claim"),
        (13, "claim"),
        (12, "close"),
        (13, "close"),
    ]


def test_a_refused_use_leaves_no_line() -> None:
    noted: list[tuple[int, str]] = []
    pins = TracedPins(MockPins(), lambda pin, op, _value: noted.append((pin, op)))
    level = pins.output(23)
    misuses: list[Callable[[], object]] = [
        lambda: level.set(0.5),
        lambda: pins.output(23),
        lambda: pins.output(99),
        lambda: pins.pwm(12, 0),
    ]
    for misuse in misuses:
        with pytest.raises(PinError):
            misuse()
    assert noted == [(23, "claim")]


def test_pulses_and_levels_of_rest_are_traced_as_they_are() -> None:
    noted: list[tuple[int, str, float]] = []
    pins = TracedPins(MockPins(), lambda *line: noted.append(line))
    pins.prepare()
    disable, servo = pins.output(5, rest=1), pins.pulse(100)
    disable.set(0)
    servo.set(1500)
    pins.commit()
    pins.close()
    assert noted == [(5, "claim", 1), (5, "write", 0), (100, "pulse", 1500), (5, "close", 1)]


def test_closing_twice_is_traced_once() -> None:
    noted: list[str] = []
    pins = TracedPins(MockPins(), lambda _pin, op, _value: noted.append(op))
    pins.output(23)
    pins.close()
    pins.close()
    assert noted == ["claim", "close"]


@pytest.mark.parametrize("name", ["", "none/trace.jsonl", "file/trace.jsonl"])
def test_a_path_that_cannot_be_written_is_said_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(PicarError, match=r"^--pin-trace .*: .+\. Name a file that can be written\.$"),
        tracing(tmp_path / name),
    ):
        pass


def test_a_file_that_does_not_open_in_time_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import sys; sys.stdin.read()")  # as an `open` on a disk that hangs
    monkeypatch.setattr(linewriter, "__file__", str(slow))
    monkeypatch.setattr(trace_module, "START_TIMEOUT_S", 0.1)
    with pytest.raises(PicarError, match="the disk does not answer"), tracing(tmp_path / "t"):
        pass


def test_a_writer_that_ends_at_once_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linewriter, "__file__", os.devnull)
    with pytest.raises(PicarError, match="the process that writes it ended"), tracing(tmp_path / "t"):
        pass


def test_a_process_too_many_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(PicarError, match="did not start: No such file"), tracing(tmp_path / "t"):
        pass


@needs_full
def test_a_full_disk_keeps_no_pin_from_being_written_and_is_told_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    mock = MockPins()
    with tracing(FULL) as note:
        pins = TracedPins(mock, note)
        level = pins.output(23)
        for value in (1, 0, 1):
            level.set(value)
        assert mock.levels == {23: 1}
        pins.close()
        assert mock.levels == {23: 0}
    complaints = capfd.readouterr().err.splitlines()
    assert complaints == [f"picar: the pin trace ends here: {os.strerror(28)}"]


def test_a_pipe_that_nobody_reads_is_said_at_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PicarError, match=r"Name a file that can be written\.$"), tracing(tmp_path / "pipe"):
        pass


def test_a_pipe_whose_reader_sleeps_keeps_no_pin_waiting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        mock = MockPins()
        with tracing(tmp_path / "pipe") as note:
            level = TracedPins(mock, note).output(23)
            for n in range(5000):  # more than a pipe takes
                level.set(n % 2)
            assert mock.levels == {23: 1}
        assert capfd.readouterr().err.count("the pin trace ends here") == 1
    finally:
        os.close(reader)


def test_lines_that_the_pipe_does_not_take_are_counted_in_the_next_that_fits(tmp_path: Path) -> None:
    with contextlib.closing(Trace()) as pipe:
        trace = PinTrace(os.dup(pipe.fd))
        pipe.fill()
        for _ in range(3):
            trace.line(12, "pwm", 1)
        pipe.drain()
        trace.line(12, "pwm", 0)
        trace.line(13, "pwm", 0)
        trace.close()
        first, second, third = pipe.drain().splitlines()
    assert first == b"lost 3"
    assert [json.loads(line)["pin"] for line in (second, third)] == [12, 13]


def test_lines_that_are_lost_at_the_end_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(Trace()) as pipe:
        trace = PinTrace(os.dup(pipe.fd))
        pipe.fill()
        trace.line(12, "pwm", 1)
        trace.close()
    assert capfd.readouterr().err == "picar: the pin trace lacks 1 lines: nothing read them\n"


def test_lost_lines_are_told_once_and_are_not_in_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, trace = tmp_path / "t", TraceFile(str(tmp_path / "t"))
    for filling in (b"{}\n" * 100, b"{}\n"):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(trace.trace.fd, filling)
    for _ in range(2):
        trace.trace.line(12, "pwm", 1)
    trace.open()

    def takes_lines_again() -> bool:
        trace.trace.line(12, "pwm", 0)
        return file.read_text().endswith('"value":0}\n')

    wait_until(takes_lines_again, "room in the pipe")
    trace.close()
    assert '"value":1' not in file.read_text()
    assert "lost" not in file.read_text()
    assert capfd.readouterr().err.count("the pin trace lacks") == 1


def test_a_signal_to_the_process_that_writes_loses_no_line(tmp_path: Path) -> None:
    trace = TraceFile(str(tmp_path / "t"))
    trace.open()
    writer = trace.pid
    assert writer is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(writer, number)
    trace.trace.line(12, "pwm", 1)
    trace.close()
    assert [line["pin"] for line in lines(tmp_path / "t")] == [12]


def test_a_writer_that_is_killed_keeps_no_pin_waiting_and_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = TraceFile(str(tmp_path / "t"))
    trace.open()
    assert trace.pid is not None
    os.kill(trace.pid, signal.SIGKILL)
    os.waitid(os.P_PID, trace.pid, os.WEXITED | os.WNOWAIT)
    mock = MockPins()
    level = TracedPins(mock, trace.trace.line).output(23)
    trace.close()
    assert capfd.readouterr().err.count("the pin trace lacks") == 1
    level.set(1)  # the descriptor is closed: even that is no reason to leave a pin
    assert mock.levels == {23: 1}


@pytest.fixture
def a_full_standard_error() -> Iterator[int]:
    """A pipe whose reader sleeps, full to the brim, as descriptor 2. Writing to it would wait for ever."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    before = os.dup(2)
    os.dup2(writing, 2)
    yield reading
    os.dup2(before, 2)
    for fd in (before, writing, reading):
        os.close(fd)


@needs_full
@pytest.mark.usefixtures("a_full_standard_error")
def test_neither_does_a_log_that_takes_no_more() -> None:
    mock = MockPins()
    with tracing(FULL) as note:
        pins = TracedPins(mock, note)
        pins.output(23).set(1)
        assert mock.levels == {23: 1}
        pins.close()
        assert mock.levels == {23: 0}


@needs_full
@pytest.mark.usefixtures("a_full_standard_error")
def test_an_emergency_reaches_every_pin_though_nothing_can_be_traced_nor_said() -> None:
    mock, board = MockPins(), wired()
    with tracing(FULL) as note:
        pins_low(lambda: TracedPins(mock, note), board)
    written = {write.pin for write in mock.writes if write.op == "write"}
    assert written == {terminal.pin for terminal in board.wires.terminals}


def test_a_line_that_fits_in_part_is_the_last(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from picar.motor.pins.trace import TraceFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (110, 110))\n"
        "trace = TraceFile(sys.argv[1]); [trace.trace.line(12, 'pwm', 0.5) for _ in range(9)]; trace.save()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "picar: the pin trace ends here: the file is full\n"
    assert (tmp_path / "t").stat().st_size == 110
