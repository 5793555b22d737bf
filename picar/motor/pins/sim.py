"""Mock pins wired through a simulated L298N to a simulated car: what a laptop drives.

The chip is read from its terminals, as the real one would: a wrong order of writes or a swapped wire
shows on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from picar.config import L298NConfig
from picar.motor.pins.mock import MockPins
from picar.motor.simcar import SimCar


class SimPins(MockPins):
    """A backend whose pins move `car`.

    Args:
        wiring: which pin is which terminal of the board.
        clock: seconds, monotonic.
    """

    def __init__(self, wiring: L298NConfig, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._wiring = wiring
        self.car = SimCar()

    def record(self, bcm: int, op: str, value: float) -> None:
        """Change a pin's level, and so the voltages at the motors."""
        super().record(bcm, op, value)
        w = self._wiring
        self.car.power(self._bridge(w.ena, w.in1, w.in2), self._bridge(w.enb, w.in3, w.in4), self._clock())

    def _bridge(self, enable: int | str, forward: int, reverse: int) -> tuple[float, float]:
        """Return what one bridge gives its motor: power in [-1, 1], and how much of the time it brakes."""
        level = self.levels.get
        enabled = 1.0 if isinstance(enable, str) else level(enable, 0.0)
        difference = level(forward, 0.0) - level(reverse, 0.0)
        return enabled * difference, enabled * (1.0 - abs(difference))


def open_pins(wiring: L298NConfig) -> SimPins:
    """Open the backend."""
    return SimPins(wiring)
