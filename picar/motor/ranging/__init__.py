"""The distance sensor in the motor process: it reads without waiting, and `core.obstacle` judges.

Laws:
- No call waits, except 10 µs for the trigger of an HC-SR04, and no call raises.
- A sensor that cannot be opened or that fails is unknown, which makes the car slow; the motor process goes on.
- A noisy line wakes the loop at most twice between two pings.
"""

from __future__ import annotations

from collections.abc import Callable

from picar.core.obstacle import ObstacleCap
from picar.linewriter import say
from picar.motor.ranging.sensor import IS_SLOW, Sensor, Source
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from picar.config import RangeConfig
    from picar.motor.ranging.sim import Place


def open_sensor(config: RangeConfig, place: Place | None, tell: Callable[[str], None] = say) -> Sensor:
    """Open the sensor of a configuration.

    Args:
        config: the section [range], with a source.
        place: the simulated car, which simulates each sensor.
        tell: writes a line for a person.
    """
    try:
        source = _source(config, place)
    except Exception as error:  # the task's boundary: no sensor stops the motors
        source = None
        tell(f"picar motor: the distance sensor cannot be used: {error}. {IS_SLOW}")
    return Sensor(ObstacleCap(config.stop_m, config.slow_m), source, tell)


def _source(config: RangeConfig, place: Place | None) -> Source:
    """Open a sensor. Only its own modules are loaded."""
    if place is not None:
        from picar.motor.ranging.sim import open_simulated

        return open_simulated(config.source, place)
    if config.source == "hcsr04":
        from picar.motor.ranging.hcsr04 import HcSr04, Pins

        return HcSr04(Pins.open(config.trigger, config.echo))
    if config.source == "vl53l0x":
        from picar.motor.ranging.vl53l0x import Vl53l0x

        return Vl53l0x()
    if config.source == "switch":
        from picar.motor.ranging.switch import Switch

        return Switch.open(config.switch, config.when)
    raise ValueError("only the backend sim has a simulated sensor")
