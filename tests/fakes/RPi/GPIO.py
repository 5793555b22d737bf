"""fake-rpigpio, made to record on a board in a folder, and to refuse what RPi.GPIO 0.7.1 refuses."""

from __future__ import annotations

import threading
import time
import warnings

from fake_rpigpio.RPi import GPIO as _fake

from tests.fakes.board import Board

BOARD, BCM, IN, OUT, LOW, HIGH = _fake.BOARD, _fake.BCM, _fake.IN, _fake.OUT, _fake.LOW, _fake.HIGH

_mode: int | None = None
_warnings = True
_outputs: set[int] = set()
_waves: dict[int, float] = {}  # channel -> Hz, as the library's list of threads

if Board.here().says("rpigpio", "missing"):
    raise ImportError("No module named 'RPi'")
if Board.here().says("rpigpio", "no-pi"):
    raise RuntimeError("This module can only be run on a Raspberry Pi!")


def setwarnings(state: bool) -> None:
    global _warnings
    _fake.setwarnings(state)
    _warnings = state


def setmode(mode: int) -> None:
    global _mode
    if _mode not in (None, mode):
        raise ValueError("A different mode has already been set!")
    _fake.setmode(mode)
    _mode = mode


def setup(channel: int, direction: int, initial: int = -1) -> None:
    _expect_library(channel)
    board = Board.here()
    board.note("setup", channel, direction, initial)
    if _warnings and channel not in _outputs and board.line(channel).startswith("out"):
        warnings.warn("This channel is already in use, continuing anyway.", RuntimeWarning, stacklevel=2)
    _fake.setup(channel, direction, initial=initial)
    if initial in (LOW, HIGH):
        board.drive(channel, initial)
    else:
        board.drive(channel, board.line(channel) == "out 1")
    _outputs.add(channel)


def output(channel: int, value: int) -> None:
    _expect_library(channel)
    if channel not in _outputs:
        raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
    Board.here().note("output", channel, value)
    _fake.output(channel, value)
    Board.here().drive(channel, value)


def gpio_function(channel: int) -> int:
    _expect_library(channel)
    return int(OUT if channel in _outputs else IN)


def cleanup() -> None:
    Board.here().note("cleanup")
    for channel in _outputs:
        Board.here().float_(channel)
    _outputs.clear()


class PWM:
    def __init__(self, channel: int, frequency: float) -> None:
        if channel in _waves:
            raise RuntimeError("A PWM object already exists for this GPIO channel")
        if channel not in _outputs:
            raise RuntimeError("You must setup() the GPIO channel as an output first")
        if frequency <= 0.0:
            raise ValueError("frequency must be greater than 0.0")
        self._fake = _fake.PWM(channel, frequency)
        self._channel = channel
        _waves[channel] = frequency

    def start(self, duty: float) -> None:
        _waves.setdefault(self._channel, 1000.0)  # a stopped one starts anew, at the library's default
        self._fake.start(duty)
        self.ChangeDutyCycle(duty)

    def ChangeDutyCycle(self, duty: float) -> None:
        if duty < 0.0 or duty > 100.0:  # NaN goes through
            raise ValueError("dutycycle must have a value from 0.0 to 100.0")
        Board.here().note("pwm", self._channel, float(_waves[self._channel]), float(duty))
        self._fake.ChangeDutyCycle(duty)
        Board.here().drive(self._channel, duty)

    def stop(self) -> None:
        """Set a flag: the thread may write high once more, then low within a period, if the process lives as long."""
        hz = _waves.pop(self._channel, None)
        if hz is None:
            return
        Board.here().note("pwm_stop", self._channel)
        self._fake.stop()
        Board.here().drive(self._channel, HIGH)
        last_period = threading.Thread(
            target=_last_period, args=(Board.here(), self._channel, 1.0 / hz), daemon=True
        )
        last_period.start()

    def __del__(self) -> None:
        if hasattr(self, "_channel"):
            self.stop()


def _last_period(board: Board, channel: int, period_s: float) -> None:
    """Write what the thread of a stopped wave still writes: one thread, so that low is its last word, however late."""
    for level in (HIGH, LOW):
        time.sleep(period_s / 4)
        if channel not in _waves:
            board.note("thread", channel, level)
            board.drive(channel, level)


def _expect_library(channel: int) -> None:
    board = Board.here()
    if board.says("rpigpio", "pi5"):
        raise RuntimeError("Cannot determine SOC peripheral base address")
    if board.says("rpigpio", "no-access"):
        raise RuntimeError("No access to /dev/mem.  Try running as root!")
    if _mode is None:
        raise RuntimeError(
            "Please set pin numbering mode using GPIO.setmode(GPIO.BOARD) or GPIO.setmode(GPIO.BCM)"
        )
    if not 0 <= channel < 54:
        raise ValueError("The channel sent is invalid on a Raspberry Pi")
