"""The calls of lgpio 0.2.2 that picar uses, on a board in a folder, with their traps."""

from __future__ import annotations

import os
import sys
import time
import types

from picar.motor.pins import library
from tests.fakes.board import Board

SET_PULL_UP = 32
SET_PULL_DOWN = 64
SET_PULL_NONE = 128
TX_PWM = 0
CLOSING_S = "0.1"  # the library sleeps so long
_CHIPS = ["0:raspberrypi-exp-gpio", "2:pinctrl-bcm2711"]


class error(Exception):
    def __init__(self, value: str) -> None:
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)


def _import() -> None:
    """Leave a FIFO in the working directory, which becomes the process's; a second one of that name fails."""
    os.chdir(os.environ.get("LG_WD", "."))
    os.mkfifo(".lgd-nfy0")


if Board.here().says("lgpio", "missing"):
    raise ImportError("No module named 'lgpio'")
_import()
if Board.here().says("lgpio", "empty"):
    sys.modules[__name__] = types.ModuleType("lgpio")


def _label(device: str) -> str:
    """What the kernel would say of the board's chips."""
    if Board.here().says("lgpio", "no-access"):
        raise PermissionError(13, "Permission denied", device)
    for word in Board.here().words("chips") or _CHIPS:
        number, label = word.split(":")
        if device == f"/dev/gpiochip{number}":
            return label
    raise FileNotFoundError(2, "No such file or directory", device)


library.label = _label


class _Chip:
    def __init__(self, label: str) -> None:
        self.label = label
        self.held: dict[int, int] = {}
        self.waves: set[int] = set()


_handles: list[_Chip | None] = []


def _chip(handle: int) -> _Chip:
    chip = _handles[handle]
    if chip is None:
        raise error("unknown handle")
    return chip


def gpiochip_open(number: int) -> int:
    Board.here().note("gpiochip_open", number)
    try:
        _handles.append(_Chip(_label(f"/dev/gpiochip{number}")))
    except OSError:
        raise error("can not open gpiochip") from None
    return len(_handles) - 1


def gpiochip_close(handle: int) -> int:
    Board.here().note("gpiochip_close")
    time.sleep(float((Board.here().words("closing_s") or [CLOSING_S])[0]))
    for fd in _chip(handle).held.values():
        Board.release(fd)
    _handles[handle] = None
    return 0


def gpio_get_mode(handle: int, gpio: int) -> int:
    return 0x202 if gpio in _chip(handle).held else 0


def gpio_claim_output(handle: int, gpio: int, level: int = 0, flags: int = 0) -> int:
    chip, board = _chip(handle), Board.here()
    board.note("claim_output", gpio, level, flags)
    if not chip.label.startswith("pinctrl-"):
        raise error("bad GPIO number")
    if gpio in chip.held:
        return 0  # an output already: nothing is written
    if flags and board.says("lgpio", "no-pulls"):
        raise error("unexpected error")
    try:
        fd = board.hold(gpio)
    except BlockingIOError:
        raise error("GPIO busy") from None
    chip.held[gpio] = fd
    board.drive(gpio, level)
    return 0


def gpio_write(handle: int, gpio: int, level: int) -> int:
    _expect_output(handle, gpio)
    board = Board.here()
    board.note("write", gpio, level)
    try:
        board.drive(gpio, level or gpio in _chip(handle).waves)  # the wave goes on
    except OSError:
        raise error("bad GPIO write") from None
    return 0


def tx_busy(handle: int, gpio: int, kind: int) -> int:
    assert kind == TX_PWM
    return int(gpio in _chip(handle).waves)


def tx_pwm(handle: int, gpio: int, hz: float, duty: float, offset: int = 0, cycles: int = 0) -> int:
    _expect_output(handle, gpio)
    chip, board = _chip(handle), Board.here()
    board.note("tx_pwm", gpio, float(hz), float(duty))
    if hz == 0:
        if gpio not in chip.waves:
            raise error("bad PWM micros")
        chip.waves.discard(gpio)  # the level stays as it is
        return 0
    if hz < 0.1 or hz > 10_000:
        raise error("bad PWM frequency")
    if duty < 0 or duty > 100:  # NaN goes through
        raise error("bad PWM duty cycle")
    chip.waves.add(gpio)
    try:
        board.drive(gpio, 1)
    except OSError:
        raise error("bad GPIO write") from None
    return 8


def _expect_output(handle: int, gpio: int) -> None:
    if gpio not in _chip(handle).held:
        raise error("GPIO not an output")
