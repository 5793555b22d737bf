"""A VL53L0X through the kernel's driver vl53l0x-i2c, read by a small process of its own.

A read of the driver's file waits for a measurement, about 30 ms, and for a broken bus much longer. So the loop of the motors
does not read that file: this module, started as `python -m picar.motor.ranging.vl53l0x FOLDER`, writes one line in mm for each
measurement. It ends when its input ends, which is the end of the motor process; the kernel ends it if it hangs then.

Source: drivers/iio/proximity/vl53l0x-i2c.c and Documentation/ABI/testing/sysfs-bus-iio of Linux.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
from pathlib import Path

from picar.core.obstacle import ObstacleCap

ROOT = "/sys/bus/iio/devices"
RANGE_M = 2.0  # data sheet: the most, for a white target
NOTHING_MM = 8190  # the value without a target
PAUSE_S = 0.01  # between two measurements
RETRY_S = 1.0
READ_BYTES = 4096
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Vl53l0x:
    """The sensor (`ranging.Source`): the end of the pipe in the motor process."""

    def __init__(self) -> None:
        import subprocess  # here, because no other car needs it

        from picar.program import python, python_environment

        pipe = subprocess.PIPE
        command = [*python("picar.motor.ranging.vl53l0x"), ROOT]
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, bufsize=0, env=python_environment()
        )
        assert self._process.stdout
        self._fd = self._process.stdout.fileno()
        os.set_blocking(self._fd, False)
        self._rest = b""

    def fileno(self) -> int:
        """Return the descriptor of the pipe."""
        return self._fd

    def advance(self, judge: ObstacleCap, now: float) -> None:
        """Take the lines of the process. Raises when it has ended."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise ChildProcessError("the process that reads the VL53L0X has ended")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > READ_BYTES:
            raise ValueError("the process that reads the VL53L0X does not write lines")
        for line in lines:
            mm = int(line)
            judge.measured(RANGE_M if mm >= NOTHING_MM else min(RANGE_M, mm / 1000), now)

    def next_event(self) -> float:
        """Return infinity: the pipe wakes the loop."""
        return math.inf


def main(root: str) -> int:
    """Write a line for each measurement until the input or the reader ends."""
    _end_with_parent()
    wait_s = 0.0
    while not select.select([0], [], [], wait_s)[0]:
        try:
            line, wait_s = f"{_measured(root)}\n".encode(), PAUSE_S
        except (
            OSError,
            ValueError,
            LookupError,
        ):  # no such sensor, or the bus failed: the reader notices the silence
            wait_s = RETRY_S
            continue
        try:
            os.write(1, line)
        except BrokenPipeError:
            break
    return 0


def _end_with_parent() -> None:
    import ctypes  # here, because the motor process needs none

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _measured(root: str) -> int:
    """Return the distance in mm; raises OSError, ValueError or LookupError."""
    named = (folder for folder in Path(root).iterdir() if _is_sensor(folder))
    sensor = next(named, None)
    if sensor is None:
        raise LookupError(root)
    return int((sensor / "in_distance_raw").read_text())


def _is_sensor(folder: Path) -> bool:
    try:
        return (folder / "name").read_text().strip() == "vl53l0x"
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
