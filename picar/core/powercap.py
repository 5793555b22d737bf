"""Low voltage makes the car slow: a second speed cap, beside the owner's.

Motors that start or stall draw the most current and pull the supply down with them, until the computer resets
and the car is gone. Half the speed draws less. Telling whether the voltage is low is not done here.

Law: the cap falls at once, and rises only at a standstill and after `GOOD_S` of good voltage without a break;
what is unknown is not good. So a car that is held at full throttle does not surge by itself.
"""

from __future__ import annotations

LOW_SPEED = 0.5  # a share of max_speed
GOOD_S = 10.0


class PowerCap:
    """The cap that is in force: `speed`, a share of `max_speed` in (0, 1]."""

    def __init__(self) -> None:
        self.speed = 1.0
        self._good_since: float | None = None

    def update(self, low: bool | None, standing: bool, now: float) -> bool:
        """Take a reading.

        Args:
            low: whether the voltage is low; None is unknown.
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
