"""Try one GPIO library, or read a PCA9685, in a process of its own: a library may start threads, crash, or never return.

`python -m picar.doctor.probe NAME` claims no pin, `… i2c BUS ADDRESS` writes nothing to the chip. Exit code 0 when it works,
else 1 and why.
"""

from __future__ import annotations

import sys

from picar.errors import BackendError
from picar.motor import pins
from picar.system.i2c import Bus

ALLCALL, FACTORY_ALLCALL = (
    0x05,
    0xE0,
)  # register and its value after power-on: NXP PCA9685 data sheet, section 7.3.7


def main(name: str, bus: str = "", address: str = "") -> int:
    """Return the exit code."""
    try:
        if bus:
            _look(Bus(int(bus)), int(address))
        else:
            pins.choose(name, None)
    except BackendError as error:
        sys.stderr.write(str(error).removeprefix(f"--pins {name}: "))
        return 1
    return 0


def _look(bus: Bus, address: int) -> None:
    """Raise BackendError if there is no PCA9685; other chips have another value in this register."""
    if bus.read(address, ALLCALL) != FACTORY_ALLCALL:
        raise BackendError(
            f"The device at 0x{address:02x} is no PCA9685. Give the PCA9685 or this device (an INA219, perhaps) another address, "
            "and set address under [board]."
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
