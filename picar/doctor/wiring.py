"""Motor pins that something else uses, or that are high before picar runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from picar.config import L298NConfig
from picar.doctor import bootconfig
from picar.doctor.bootconfig import Use
from picar.doctor.findings import Finding
from picar.doctor.machine import Machine

WELL = Finding("wiring", "ok", "no motor pin is pulled up at power-on or used by something else")
_GOOD = (25, 17, 27, 22, 23, 24, 26, 16, 20, 21, 19, 18, 13, 12)  # low at power-on, and no bus that is common
_PULLED_UP = range(9)  # BCM2835 ARM Peripherals p. 102
_SERIAL = (14, 15)


def hazards(machine: Machine, model: str | None, wiring: L298NConfig) -> Iterator[Finding]:
    """Look at each motor pin.

    Args:
        machine: whose config.txt is read.
        model: of the Raspberry Pi, None elsewhere.
        wiring: the motor pins.
    """
    active = bootconfig.lines(machine.text(*bootconfig.PATHS) or "", model)
    users = {use.pin: use for use in bootconfig.uses(active)}
    file = next((f"/{path}" for path in bootconfig.PATHS if machine.has(path)), "config.txt")
    free = _free(wiring, users)
    for terminal, number in wiring.wired().items():
        move = next(
            (f"move its wire to GPIO {pin} and set {terminal} = {pin} under [l298n]" for pin in free), ""
        )
        if number in users:
            yield _used(
                terminal, number, users[number], f"{move}; or delete that line from {file}, and reboot"
            )
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


def _free(wiring: L298NConfig, users: Mapping[int, Use]) -> list[int]:
    return [pin for pin in _GOOD if pin not in users and pin not in wiring.wired().values()]
