"""Motor pins that something else uses, or that are high before picar runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from picar.config import SECTIONS
from picar.doctor import bootconfig
from picar.doctor.bootconfig import Use
from picar.doctor.findings import Finding
from picar.doctor.machine import Machine
from picar.motor.boards import Board

WELL = Finding("wiring", "ok", "no motor pin is pulled up at power-on or used by something else")
_GOOD = (25, 17, 27, 22, 23, 24, 26, 16, 20, 21, 19, 18, 13, 12)  # low at power-on, and no bus that is common
_PULLED_UP = range(9)  # BCM2835 ARM Peripherals p. 102
_SERIAL = (14, 15)


def hazards(machine: Machine, model: str | None, board: Board) -> Iterator[Finding]:
    """Look at each motor pin.

    Args:
        machine: whose config.txt is read.
        model: of the Raspberry Pi, None elsewhere.
        board: the motor board.
    """
    active = bootconfig.lines(machine.text(*bootconfig.PATHS) or "", model)
    users = {use.pin: use for use in bootconfig.uses(active)}
    file = next((f"/{path}" for path in bootconfig.PATHS if machine.has(path)), "config.txt")
    section = board.config.board
    free = _free(board, users) if section in SECTIONS else []  # a board without a section has fixed pins
    for terminal, number in board.terminals().items():
        move = (
            f"move its wire to GPIO {free[0]} and set {terminal} = {free[0]} under [{section}]"
            if free
            else ""
        )
        if number in users:
            delete = f"delete that line from {file}, and reboot"
            yield _used(terminal, number, users[number], f"{move}; or {delete}" if move else delete)
        elif number in _PULLED_UP or number in _SERIAL:
            why = "pulled up" if number in _PULLED_UP else "pulsed by the serial port"
            message = (
                f"{terminal} = {number}: this pin is {why} at power-on, so a motor may run before picar does"
            )
            yield Finding("wiring", "warning", message, move)
        else:
            continue
        free = free[1:]


def _used(terminal: str, number: int, use: Use, fix: str) -> Finding:
    if use.drives_high:
        message = f"{terminal} = {number}: the line {use.line} makes this pin high at boot: a motor runs before picar does"
    else:
        message = f"{terminal} = {number}: this pin is used by {use.by} ({use.line})"
    return Finding("wiring", "problem", message, fix)


def _free(board: Board, users: Mapping[int, Use]) -> list[int]:
    return [pin for pin in _GOOD if pin not in users and pin not in board.terminals().values()]
