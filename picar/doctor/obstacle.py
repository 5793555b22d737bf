"""The distance sensor: one measurement, while no picar runs. A car with a faulty sensor can drive, slowly."""

from __future__ import annotations

from collections.abc import Iterator

from picar.config import Config
from picar.doctor.machine import Finding, Machine
from picar.doctor.pins import probe

_CHECK = "distance"
_NOTHING_MM = 8190  # of a VL53L0X without a target
_LOAD = (
    "sudo raspi-config nonint do_i2c 0, then: echo vl53l0x 0x29 | sudo tee /sys/bus/i2c/devices/i2c-1/new_device "
    "(docs/obstacle.md)"
)


def examine(machine: Machine, model: str | None, settings: Config, may_claim: bool) -> Iterator[Finding]:
    """Measure once.

    Args:
        machine: the machine to examine.
        model: of the Raspberry Pi, None elsewhere.
        settings: the sensor and its pins.
        may_claim: whether the pins may be used: not if another device uses one.
    """
    sensor = settings.range
    if model is None or sensor.source in ("none", "sim") or settings.motors.backend in ("sim", "mock"):
        return
    if sensor.source == "vl53l0x":
        yield _laser(machine)
    elif may_claim:
        pins = (sensor.trigger, sensor.echo) if sensor.source == "hcsr04" else (sensor.switch,)
        why, out = probe(machine, sensor.source, *map(str, pins))
        message, _, fix = why.partition(". ")
        if message.startswith("Another picar has"):
            yield Finding(_CHECK, "ok", f"{sensor.source}: in use by the running picar, so not tried")
        elif why:
            yield Finding(_CHECK, "warning", f"{message.rstrip('.')}: the car drives forward slowly", fix)
        else:
            yield Finding(_CHECK, "ok", out)


def _laser(machine: Machine) -> Finding:
    """Examine the kernel's device of a VL53L0X, and read it in a process with a deadline."""
    named = machine.find("sys/bus/iio/devices/iio:device*/name")
    folder = next((path.removesuffix("name") for path in named if machine.text(path) == "vl53l0x"), None)
    if folder is None:
        message = "the kernel has no VL53L0X: the car drives forward slowly"
        return Finding(_CHECK, "warning", message, _LOAD)
    answer = machine.ask("cat", str(machine.root / folder / "in_distance_raw"))
    if answer is None or answer.code != 0 or not answer.out.isdecimal():
        message = "the VL53L0X does not answer: the car drives forward slowly"
        return Finding(
            _CHECK, "warning", message, "check SDA, SCL, VIN and GND: i2cdetect -y 1 shows 29 or UU"
        )
    mm = int(answer.out)
    seen = "nothing within 2 m" if mm >= _NOTHING_MM else f"{mm / 10:.0f} cm"
    return Finding(_CHECK, "ok", f"VL53L0X: {seen}")
