"""Try one GPIO library, or read a chip, in a process of its own: a library may start threads, crash, or never return.

`python -m picar.doctor.probe NAME` claims no pin, `… i2c BUS ADDRESS` writes nothing to a PCA9685, `… battery SOURCE BUS ADDRESS
CHANNEL DIVIDER` prints the voltage of the battery, `… hcsr04 TRIGGER ECHO` measures a distance, and `… switch PIN` reads a switch;
these two do not use the pins of a running picar. Exit code 0 when it works, else 1 and why.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from picar.config import BatteryConfig
from picar.core.obstacle import ObstacleCap
from picar.errors import BackendError
from picar.motor import pins
from picar.motor.pins.library import PinsLock
from picar.motor.ranging.hcsr04 import RANGE_M, HcSr04, Pins
from picar.motor.ranging.lines import EDGES, INPUT, OUTPUT, PULL_DOWN, PULL_UP, Line
from picar.system.i2c import Bus

MEASURE_S = 0.5  # eight pings
ALLCALL, FACTORY_ALLCALL = (
    0x05,
    0xE0,
)  # register and its value after power-on: NXP PCA9685 data sheet, section 7.3.7


def main(name: str, *words: str) -> int:
    """Return the exit code."""
    try:
        if name == "battery":
            _measure(*words)
        elif name == "i2c":
            bus, address = map(int, words)
            _look(Bus(bus), address)
        elif name in ("hcsr04", "switch"):
            read = _distance if name == "hcsr04" else _switch
            lock = PinsLock()
            try:
                sys.stdout.write(read(*map(int, words)))
            finally:
                lock.release()
        else:
            pins.choose(name, None)
    except BackendError as error:
        sys.stderr.write(str(error).removeprefix(f"--pins {name}: "))
        return 1
    return 0


def _distance(trigger: int, echo: int) -> str:
    """Measure for at most `MEASURE_S`. Returns a sentence with the distance."""
    lines = Line.claim(trigger, OUTPUT), Line.claim(echo, INPUT | EDGES | PULL_DOWN)
    sensor, judge, rose = HcSr04(Pins(*lines)), ObstacleCap(0.25, 0.8), False
    until = time.monotonic() + MEASURE_S
    while (now := time.monotonic()) < until:
        sensor.advance(judge, now)
        if (m := judge.distance(now)) is not None:
            return f"HC-SR04: {'nothing within 4 m' if m >= RANGE_M else f'{m * 100:.0f} cm'}"
        time.sleep(0.002)
        rose = rose or bool(lines[1].level())
    if rose:
        raise BackendError(
            "ECHO rises, and gives no steady distance. Check the wire of ECHO, its resistors and GND."
        )
    raise BackendError("ECHO never rises. Check the wires of TRIG, ECHO, VCC (5 V) and GND.")


def _switch(pin: int) -> str:
    """Return a sentence with the state of a switch."""
    return f"switch: {'open' if Line.claim(pin, INPUT | PULL_UP).level() else 'closed'}"


def _measure(source: str, bus: str, address: str, channel: str, divider: str) -> None:
    """Print the voltage; the source was checked before."""
    from picar.sensors.battery import volts_now

    values: Any = {"source": source, "divider": float(divider)}
    battery = BatteryConfig(**values, bus=int(bus), address=int(address), channel=int(channel))
    sys.stdout.write(f"{volts_now(Bus(battery.bus, 'battery'), battery)}\n")


def _look(bus: Bus, address: int) -> None:
    """Raise BackendError if there is no PCA9685; other chips have another value in this register."""
    if bus.read(address, ALLCALL) != FACTORY_ALLCALL:
        raise BackendError(
            f"The device at 0x{address:02x} is no PCA9685. Give the PCA9685 or this device (an INA219, perhaps) another address, "
            "and set address under [board]."
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
