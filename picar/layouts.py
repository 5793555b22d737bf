"""The layouts: which motors a car has, and which of the two speeds each of them follows.

A car with sides has the speeds of its left and right side; a car with steering has throttle and steering. The motors of the
first speed come first, then as many of the second, in the same order.

The motor process reads this file: it loads neither the options nor `dataclasses`.
"""

from __future__ import annotations

from picar.tuples import NamedTuple


class Layout(NamedTuple):
    """The motors by name; `steers`: the speeds are throttle and steering; `servo`: a servo follows the steering."""

    motors: tuple[str, ...]
    steers: bool = False
    servo: bool = False

    @property
    def speeds(self) -> tuple[str, str]:
        """The names of the two speeds."""
        return ("throttle", "steering") if self.steers else ("left", "right")

    def speed_of(self, motor: str) -> int:
        """Return the speed that a motor follows: 0 for the first, 1 for the second."""
        return self.motors.index(motor) * 2 // len(self.motors)

    def partner_of(self, motor: str) -> str:
        """Return the motor with which `swap` exchanges this one."""
        count = len(self.motors)
        return self.motors[(self.motors.index(motor) + count // 2) % count]


LAYOUTS = {
    "sides": Layout(("left", "right")),
    "four": Layout(("front_left", "rear_left", "front_right", "rear_right")),
    "steer-motor": Layout(("drive", "steer"), steers=True),
    "steer-servo": Layout(("drive",), steers=True, servo=True),
}
MOTORS = tuple(dict.fromkeys(motor for layout in LAYOUTS.values() for motor in layout.motors))
