"""The caps on the car's speed: the lowest of all sources, forward and in reverse.

Laws:
- A source that changes sets its own caps alone. The caps in force are the minimum of all sources.
- The motor process receives one command when the caps in force change, and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from picar.core.limits import GOOD_S, LOW_SPEED, SupplyCap
from picar.sensors.facts import UNKNOWN, Facts

log = logging.getLogger(__name__)


class Limits:
    """The caps of all sources, shares of `max_speed` in (0, 1].

    `facts` is the member `host` of a state: the newest readings of the machine and of the battery, with the cap for a low supply
    voltage or a low battery.

    Args:
        send: sends the caps in force, forward and in reverse, to the motor process.
        owner: the owner's cap, with which the motor process was started.
    """

    def __init__(self, send: Callable[[float, float], object], owner: float = 1.0) -> None:
        self._send = send
        self._sources = {"owner": (owner, owner)}
        self.forward = self.reverse = owner
        self._kept_owner = owner
        self._supply = SupplyCap()
        self._host, self._battery_speed = UNKNOWN, 1.0
        self._battery: Facts = {}
        self.facts = self._facts()

    @property
    def owner(self) -> float:
        """The owner's cap."""
        return self._sources["owner"][0]

    @property
    def supply(self) -> float:
        """The cap for a low supply voltage or a low battery."""
        return min(self._supply.speed, self._battery_speed)

    def put(self, source: str, forward: float, reverse: float) -> None:
        """Set the caps of one source; 1 lifts them."""
        self._sources[source] = (forward, reverse)
        in_force = [min(caps) for caps in zip(*self._sources.values(), strict=True)]
        if in_force != [self.forward, self.reverse]:
            self.forward, self.reverse = in_force
            self._send(self.forward, self.reverse)

    def put_owner(self, speed: float, kept: bool = False) -> bool:
        """Set the owner's cap in both directions; `kept`: it is on the disk. Returns whether it has changed."""
        if kept:
            self._kept_owner = speed
        if speed == self.owner:
            return False
        self.put("owner", speed, speed)
        log.info("speed cap: %g", speed)
        return True

    def follow_kept_owner(self, speed: float) -> bool:
        """Set the owner's cap that is on the disk, if it has changed there: another process may write it."""
        return speed != self._kept_owner and self.put_owner(speed, kept=True)

    def take(self, host: Facts, standing: bool, now: float) -> bool:
        """Take a reading of the machine, also the same one again; `standing`: the car stands still.

        Returns:
            Whether the cap for a low supply voltage has changed.
        """
        if host is self._host:
            return False
        self._host, low = host, host["under_voltage"]
        changed = self._supply.update(low, standing, now)
        self.facts = self._facts()
        if not changed:
            return False
        self.put("supply", self._supply.speed, self._supply.speed)
        if low:
            log.warning(
                "low voltage: speed cap %g until it has been good for %g s and the car stands",
                self._supply.speed,
                GOOD_S,
            )
        else:
            log.info("the voltage is good again: its speed cap is off")
        return True

    def take_battery(self, battery: Facts, low: bool) -> None:
        """Take the facts of the battery; `low`: its level makes the car slow."""
        self._battery, self._battery_speed = battery, LOW_SPEED if low else 1.0
        self.put("battery", self._battery_speed, self._battery_speed)
        self.facts = self._facts()

    def _facts(self) -> dict[str, float | None]:
        return {**self._host, **self._battery, "power_cap": self.supply}
