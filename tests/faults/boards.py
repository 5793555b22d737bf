"""The cars with other boards than the default L298N, and the motors behind the pins in the trace of such a car.

A car is low when every terminal with a wire is low. Its motors are judged by the chips of `tests/motor/chips.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from picar.wires import wires_of
from tests.bench.measure import Write
from tests.faults.judge import written
from tests.motor.conformance import DRIVES
from tests.motor.kinds_rig import Car, ChipPins, Form, car

BOARDS = {
    "tb6612": car(Form("tb6612", standby=True), "sides"),
    "drv8833": car(Form("drv8833"), "sides"),
    "four": car(Form("drv8833", standby=True), "four"),
    "steer-motor": car(Form("l298n"), "steer-motor"),
}
TITLES = {
    "tb6612": "TB6612 with standby",
    "drv8833": "DRV8833",
    "four": "four motors (DRV8833 with standby)",
    "steer-motor": "steering motor (L298N)",
}


def terminals(toy: Car) -> tuple[int, ...]:
    """Return the pins that must all be low."""
    return tuple(terminal.pin for terminal in wires_of(toy.config).terminals)


class Drives(NamedTuple):
    """The writes after a fault that let a board drive a motor.

    `other`: in a direction in which the motor was not driven when the fault struck. `again`: after it was released.
    """

    other: list[Write]
    again: list[Write]


def drives(toy: Car, writes: Iterable[Write], hit_at: float) -> Drives:
    """Return what the chips did with the motors after the fault.

    Args:
        toy: the car.
        writes: of both processes, in any order.
        hit_at: when the fault struck.

    Raises:
        AssertionError: a write brought levels that no board may see; see `ChipPins`.
    """
    pins, found = ChipPins(toy), Drives([], [])
    at_fault = before = _driven(pins)
    for write in sorted(written(writes), key=lambda each: each.t):
        pins.record(write.pin, write.op, write.value)
        now = _driven(pins)
        if write.t < hit_at:
            at_fault = now
        elif now - before:
            (found.other if now - at_fault else found.again).append(write)
        before = now
    return found


def _driven(pins: ChipPins) -> set[tuple[int, str]]:
    return {(index, action) for index, actions in enumerate(pins.doing) for action in actions & DRIVES}
