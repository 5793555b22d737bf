"""The battery's part in driving: a warning, half the speed, a stop, and the end of a countdown to switching off.

Laws:
- An empty battery releases the driver and refuses commands. STOP, the page and the lights go on.
- A car that is armed, or does not stand, is never switched off.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from picar.car.limits import Limits
from picar.config import BatteryConfig
from picar.core.battery import CHEMISTRIES, LEVELS, SLOW, STOP, Battery
from picar.core.drive import Reason, State
from picar.motor.channel import Channel
from picar.sensors.battery import UNREAD, Reading

log = logging.getLogger(__name__)

_MEANING = {
    "ok": "the battery is good again",
    "warn": "the battery is low: charge it soon",
    "slow": "the battery is low: the car drives slowly",
    "stop": "the battery is empty: the car does not drive",
}


class BatteryGuard:
    """Acts on the readings of the battery.

    Args:
        config: the section, with a source.
        channel: the way to the motor process.
        limits: the speed caps.
        note: writes an event to the flight recorder.
    """

    def __init__(
        self, config: BatteryConfig, channel: Channel, limits: Limits, note: Callable[[str, str], object]
    ) -> None:
        self._battery = Battery(CHEMISTRIES[config.chemistry], config.cells, config.shutdown)
        self._channel, self._limits, self._note = channel, limits, note
        self._reading = UNREAD
        self.stay_on = self._battery.stay_on

    @property
    def refuses(self) -> bool:
        """Whether commands are refused."""
        return self._battery.level >= STOP

    def take(self, reading: Reading, now: float) -> bool:
        """Take a reading, also the same one again. Returns whether the level, or the sense of the voltage, has changed."""
        if reading is self._reading:
            return False
        battery, state = self._battery, self._channel.status.state
        before = (battery.level, battery.plausible)
        self._reading = reading
        battery.update(reading.volts, self._channel.stands_still, state == State.ARMED, now)
        percent = None if reading.volts is None else battery.percent
        self._limits.take_battery(
            {"battery_v": reading.volts, "battery_percent": percent}, battery.level >= SLOW
        )
        if self.refuses and state in (State.ARMED, State.FAILSAFE):
            self._channel.release(Reason.BATTERY)
        if battery.level != before[0]:
            self._report(LEVELS[battery.level], worse=battery.level > before[0])
        if battery.plausible < before[1]:
            log.warning("the battery seems to have %s V: check divider and cells", reading.volts)
        return before != (battery.level, battery.plausible)

    def must_end(self, now: float) -> bool:
        """Return whether the machine must be switched off now; once for each countdown."""
        return self._channel.stands_still and self._battery.is_due(now)

    def state(self, now: float) -> dict[str, Any]:
        """Return the member `battery` of a state."""
        battery, left_s = self._battery, self._battery.off_in_s(now)
        return {
            "level": LEVELS[battery.level],
            "plausible": battery.plausible,
            "at_rest": battery.at_rest,
            "off_in_s": None if left_s is None else math.ceil(left_s),
            "may_stay": battery.may_stay,
        }

    def _report(self, level: str, worse: bool) -> None:
        if worse or level == "ok":
            log.log(logging.WARNING if worse else logging.INFO, "%s", _MEANING[level])
        self._note("battery", level)
