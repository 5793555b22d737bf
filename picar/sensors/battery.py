"""Reads the voltage of the battery from a meter on an I2C bus. Use it in a thread of its own: a bus can be held.

Registers have two bytes, high byte first:
- INA219 (TI SBOS448): bus voltage in 0x02, bits 15 to 3, 4 mV each. It measures from power-on.
- INA226 (TI SBOS547): bus voltage in 0x02, 1.25 mV each. It measures from power-on.
- ADS1115 (TI SBAS444): single measurement of ±4.096 V by the configuration 0x01; result in 0x00, 125 µV each.
- MAX17048 (Maxim 19-6171, VCELL): 0x02, 78.125 µV each. The 12 bits of a MAX17043 have the same place and value.

Laws:
- A meter that fails up to `FAILURES` - 1 times keeps its newest value. Then the voltage is unknown, and the meter is tried each
  `RETRY_S`.
- Only the ADS1115 is written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from picar.config import BatteryConfig
from picar.errors import BackendError
from picar.meters import address_of
from picar.system.i2c import Bus

log = logging.getLogger(__name__)

FAILURES, RETRY_S = 3, 30.0
_ADS1115_CONFIG = (
    0xC383  # start one measurement of AIN0 against ground, ±4.096 V, 128 a second, no comparator
)
_ADS1115_S = 0.01  # for a measurement: 1/128 s, and 10 % for the oscillator


class Reading(NamedTuple):
    """One reading: the voltage of the whole battery in V, None for unknown."""

    volts: float | None


UNREAD = Reading(None)


def volts_now(bus: Bus, battery: BatteryConfig) -> float:
    """Measure the voltage of the battery, in V.

    Raises:
        BackendError: the meter does not answer.
    """
    address = address_of(battery)
    if battery.source == "ina219":
        volts = (bus.read_word(address, 0x02) >> 3) * 4e-3
    elif battery.source == "ina226":
        volts = bus.read_word(address, 0x02) * 1.25e-3
    elif battery.source == "max17048":
        volts = bus.read_word(address, 0x02) * 78.125e-6
    else:
        config = _ADS1115_CONFIG | battery.channel << 12
        bus.write(address, 0x01, config >> 8, config & 0xFF)
        time.sleep(_ADS1115_S)
        steps = bus.read_word(address, 0x00)
        volts = steps * 125e-6 if steps < 0x8000 else 0.0  # slightly below ground
    return round(volts * battery.divider, 2)


class BatteryReader:
    """Reads one meter over time.

    Args:
        battery: the configuration, with a source.
        clock: seconds, monotonic.
    """

    def __init__(self, battery: BatteryConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = battery, clock
        self._bus: Bus | None = None
        self._newest, self._failures, self._retry_at = UNREAD, 0, 0.0

    def read(self) -> Reading:
        """Return the newest reading; may wait for the bus."""
        if self._failures < FAILURES or self._clock() >= self._retry_at:
            try:
                self._bus = self._bus or Bus(self._config.bus, "battery")
                self._newest = Reading(volts_now(self._bus, self._config))
                self._failures = 0
            except BackendError as error:
                self._fail(error)
        return self._newest

    def _fail(self, error: BackendError) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._newest, self._retry_at = UNREAD, self._clock() + RETRY_S
        if self._failures == FAILURES:
            log.warning("the battery is unknown; the car drives on. %s", error)
