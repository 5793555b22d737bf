"""Mock pins wired through a simulated motor board to a simulated car: the backend for a laptop.

The board is read from the levels of its terminals, as the real one is: a wrong order of writes or a swapped wire
shows on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from picar.motor.pins import Circuit
from picar.motor.pins.mock import MockPins
from picar.motor.simcar import SimCar


class SimPins(MockPins):
    """A backend that moves `car`.

    Args:
        circuit: the motor board between the pins and the motors.
        clock: seconds, monotonic.
    """

    def __init__(self, circuit: Circuit, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._circuit = circuit
        self.car = SimCar(circuit.layout)

    def record(self, bcm: int, op: str, value: float) -> None:
        """Change a pin's level, and with it the supply of the motors."""
        super().record(bcm, op, value)
        self.car.power(self._circuit.supplies(self.levels), self._clock())


def open_pins(circuit: Circuit) -> SimPins:
    """Open the backend."""
    return SimPins(circuit)
