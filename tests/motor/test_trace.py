"""The pin trace: one JSON line for each write, and never in a write's way."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from picar.config import L298NConfig
from picar.errors import PicarError, PinError
from picar.motor.emergency import pins_low
from picar.motor.pins.mock import MockPins
from picar.motor.pins.trace import PinTrace, TracedPins

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_each_write_is_a_line_of_time_pin_op_and_value(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    pins = TracedPins(MockPins(), PinTrace(file).line)
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


def test_a_line_is_there_as_soon_as_the_pin_is_written(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    pins = TracedPins(MockPins(), PinTrace(file).line)
    level = pins.output(23)
    for count in range(2, 6):
        level.set(count % 2)
        assert len(lines(file)) == count


def test_the_trace_is_appended_to_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    first, second = PinTrace(file), PinTrace(file)
    first.line(12, "claim", 0)
    second.line(13, "claim", 0)
    first.line(12, "close", 0)
    PinTrace(file).line(13, "close", 0)
    assert [(e["pin"], e["op"]) for e in lines(file)] == [
        (12, "claim"),
        (13, "claim"),
        (12, "close"),
        (13, "close"),
    ]


def test_a_refused_use_leaves_no_line(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    pins = TracedPins(MockPins(), PinTrace(file).line)
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
    assert [(e["pin"], e["op"]) for e in lines(file)] == [(23, "claim")]


def test_closing_twice_is_traced_once(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    pins = TracedPins(MockPins(), PinTrace(file).line)
    pins.output(23)
    pins.close()
    pins.close()
    assert [e["op"] for e in lines(file)] == ["claim", "close"]


@pytest.mark.parametrize("name", ["", "none/trace.jsonl", "file/trace.jsonl"])
def test_a_path_that_cannot_be_written_is_said_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PicarError, match=r"^--pin-trace .*: .+\. Name a file that can be written\.$"):
        PinTrace(tmp_path / name)


@needs_full
def test_a_full_disk_keeps_no_pin_from_being_written_and_is_told_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    mock = MockPins()
    pins = TracedPins(mock, PinTrace(FULL).line)
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
    with pytest.raises(PicarError, match=r"Name a file that can be written\.$"):
        PinTrace(tmp_path / "pipe")


def test_a_pipe_whose_reader_sleeps_keeps_no_pin_waiting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        mock = MockPins()
        level = TracedPins(mock, PinTrace(tmp_path / "pipe").line).output(23)
        for n in range(5000):  # more than a pipe takes
            level.set(n % 2)
        assert mock.levels == {23: 1}
        assert capfd.readouterr().err.count("the pin trace ends here") == 1
    finally:
        os.close(reader)


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
    pins = TracedPins(mock, PinTrace(FULL).line)
    pins.output(23).set(1)
    assert mock.levels == {23: 1}
    pins.close()
    assert mock.levels == {23: 0}


@needs_full
@pytest.mark.usefixtures("a_full_standard_error")
def test_an_emergency_reaches_every_pin_though_nothing_can_be_traced_nor_said() -> None:
    mock, wiring = MockPins(), L298NConfig()
    pins_low(lambda: TracedPins(mock, PinTrace(FULL).line), wiring)
    written = {write.pin for write in mock.writes if write.op == "write"}
    assert written == set(wiring.wired().values())


def test_a_line_that_fits_in_part_is_the_last(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from picar.motor.pins.trace import PinTrace\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (110, 110)); import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "trace = PinTrace(Path(sys.argv[1])); [trace.line(12, 'pwm', 0.5) for _ in range(9)]"
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
