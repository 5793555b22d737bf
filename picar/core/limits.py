"""A low supply voltage lowers the speed cap, so that the motors draw less current.

Motors that start or stall draw the most current. They pull the supply voltage down until the computer resets and the car
is out of control. At half the speed they draw less. The voltage itself is read in `sensors/host.py`.

Law: the cap falls at once. It rises only at standstill, and after `GOOD_S` of good voltage without a break; an unknown
voltage is not good. So a car at full throttle never speeds up by itself.
"""

from __future__ import annotations

LOW_SPEED = 0.5  # a share of max_speed
GOOD_S = 10.0


class SupplyCap:
    """The cap in force: `speed`, a share of `max_speed` in (0, 1]."""

    def __init__(self) -> None:
        self.speed = 1.0
        self._good_since: float | None = None

    def update(self, low: bool | None, standing: bool, now: float) -> bool:
        """Take a reading.

        Args:
            low: whether the voltage is low, `None` if it is unknown.
            standing: whether the car stands still.
            now: the time in seconds, monotonic.

        Returns:
            Whether the cap has changed.
        """
        before = self.speed
        if low is not False:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        if low:
            self.speed = LOW_SPEED
        elif self._good_since is not None and now - self._good_since >= GOOD_S and standing:
            self.speed = 1.0
        return self.speed != before
