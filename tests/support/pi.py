"""The kernel's files of a Raspberry Pi in a folder, and a picar that reads those instead of its machine's."""

from __future__ import annotations

import os
from pathlib import Path

BITS = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
SENSOR = "sys/class/hwmon/hwmon2/name"
ALARM = "sys/class/hwmon/hwmon2/in0_lcrit_alarm"
ZONE = "sys/class/thermal/thermal_zone0/type"
HEAT = "sys/class/thermal/thermal_zone0/temp"
RADIO = "proc/net/wireless"
LOAD = "proc/stat"
UPTIME = "proc/uptime"
FILES = {
    BITS: "0\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    SENSOR: "rpi_volt\n",
    ALARM: "0\n",
    ZONE: "cpu-thermal\n",
    HEAT: "51234\n",
    RADIO: (
        "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
        " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"
        " wlan0: 0000   58.  -52.  -256        0      0      0      0     12        0\n"
    ),
    LOAD: "cpu  1000 0 500 8000 500 0 0 0 0 0\ncpu0 1000 0 500 8000 500 0 0 0 0 0\nbtime 1\n",
    UPTIME: "3725.48 9000.12\n",
}
# Under this, a file that lets its reader wait does so, as a driver's may: picar opens files without waiting for FIFOs.
_PICAR = """
import os, pathlib, sys
from picar.sensors import host
from picar.core import limits
host.ROOT = pathlib.Path({root!r})
host._READ_FLAGS &= ~os.O_NONBLOCK
limits.GOOD_S = {good_s}
from picar.__main__ import main
sys.exit(main())
"""


class FakePi:
    """A folder with the files of a healthy Pi.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, text in FILES.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        """Write a file at once: its reader gets the old text or the new one."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name("new")
        new.write_text(text, encoding="utf-8")
        new.replace(file)

    def remove(self, path: str) -> None:
        """Take a file away."""
        (self.root / path).unlink()

    def hang(self, path: str) -> None:
        """Make a file one whose reader waits for ever."""
        fifo = self.root / "fifo"
        os.mkfifo(fifo)
        fifo.replace(self.root / path)

    def program(self, good_s: float = 1.0) -> tuple[str, ...]:
        """Return what starts a picar on this machine; `good_s` is how long the voltage must be good."""
        return ("-c", _PICAR.format(root=str(self.root), good_s=good_s))
