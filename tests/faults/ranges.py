"""A distance sensor that sees nothing in the way until its fault; see `catalogue.py`.

The HC-SR04 is a pipe with the kernel's records: the loop waits for it as for ECHO. The VL53L0X is a folder like that of its
driver, with the real process that reads it. `sensed.py` has the acts.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from picar.motor.ranging import vl53l0x
from picar.motor.ranging.hcsr04 import Pins
from picar.motor.ranging.lines import EVENT, FALLING, RISING, Line

ECHO_S = 0.02  # 3.4 m
FOLDER = "FAULTS_IIO"  # an environment variable: where the files of the driver of the VL53L0X are
LASERS = ("laser-hung", "laser-killed")
CONFIGS = dict.fromkeys(LASERS, '[range]\nsource = "vl53l0x"\n')
HCSR04 = '[range]\nsource = "hcsr04"\ntrigger = 5\necho = 6\n'


class _Echo(Line):
    """ECHO as a pipe, written by `ping`."""

    def __init__(self, fault: str) -> None:
        reading, self._end = os.pipe()
        os.set_blocking(self._end, False)
        os.set_blocking(reading, False)
        super().__init__(reading)
        self._fault, self._broken = fault, False
        signal.signal(signal.SIGUSR1, self._break)

    def _break(self, _number: int, _frame: object) -> None:
        self._broken = True

    def set(self, level: int) -> None:
        """Answer the end of a ping."""
        now = time.monotonic()
        if level or (self._broken and self._fault == "dead"):
            return
        edges = [(now, RISING), (now + ECHO_S, FALLING)]
        if self._broken and self._fault == "high":
            edges = edges[:1]
        if self._broken and self._fault == "noisy":
            edges = [(now + n * 1e-5, RISING + n % 2) for n in range(16)]
        records = (EVENT.pack(round(at * 1e9), kind, 6, 1, 1) for at, kind in edges)
        os.write(self._end, b"".join(records))


def break_at_a_signal(fault: str) -> None:
    """Give the motor process this sensor instead of one at its pins."""

    def opened(*_pins: object) -> Pins:
        echo = _Echo(fault)
        return Pins(echo, echo)

    if fault in LASERS:
        folder = Path(os.environ[FOLDER])
        device = folder / "iio:device0"
        device.mkdir(exist_ok=True)
        (device / "name").write_text("vl53l0x")
        (device / "in_distance_raw").write_text("8190")
        setattr(vl53l0x, "ROOT", str(folder))  # noqa: B010
    else:
        setattr(Pins, "open", opened)  # noqa: B010
