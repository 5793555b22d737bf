"""How the machine is, as the state says it, and what that does to the speed."""

from __future__ import annotations

import logging

from picar.core.powercap import GOOD_S, PowerCap
from picar.sensors.facts import UNKNOWN, Facts

log = logging.getLogger(__name__)


class Condition:
    """The newest facts: `facts` is the member `host` of a state."""

    def __init__(self) -> None:
        self._cap = PowerCap()
        self._host: Facts | None = None
        self.facts: dict[str, float | None] = {}
        self.take(UNKNOWN, standing=True, now=0.0)

    @property
    def speed_cap(self) -> float:
        """The cap that a low voltage puts beside the owner's, a share of `max_speed` in (0, 1]."""
        return self._cap.speed

    def take(self, host: Facts, standing: bool, now: float) -> bool:
        """Take a reading, which may be the one from before.

        Args:
            host: the reading.
            standing: whether the car stands still.
            now: the time in seconds, monotonic.

        Returns:
            Whether `speed_cap` has changed.
        """
        if host is self._host:
            return False
        self._host, low = host, host["under_voltage"]
        changed = self._cap.update(low, standing, now)
        self.facts = {**host, "power_cap": self._cap.speed}
        if changed and low:
            log.warning(
                "low voltage: speed cap %g until it has been good for %g s and the car stands",
                self._cap.speed,
                GOOD_S,
            )
        elif changed:
            log.info("the voltage is good again: its speed cap is off")
        return changed
