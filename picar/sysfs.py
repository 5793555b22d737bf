"""What Linux tells of its machine in /proc and /sys: power, heat, load, radio. Files only, no program is asked.

The doctor reads it once, `telemetry.py` every few seconds. Paths and bits: Raspberry Pi's documentation of
`get_throttled`, its kernel's raspberrypi-hwmon.c, proc(5). Nothing here raises; what cannot be read is None.

A read may take its time: the firmware's answer to `get_throttled` and a radio's to /proc/net/wireless come from another
chip. So no loop that drives may call this.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 64 * 1024
UNDER_VOLTAGE = (1 << 0, 1 << 16)  # now, and since boot; of `get_throttled`
SLOWED = (0b1110, 0b1110 << 16)  # frequency capped, throttled, soft temperature limit
_HEX = re.compile(r"[0-9a-fA-F]{1,8}")


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of files; `/` is this machine's, tests have others."""

    root: Path

    def text(self, *paths: str) -> str | None:
        """Return the text of the first of these files that can be read, None without any."""
        for path in paths:
            with contextlib.suppress(OSError):
                return _read(self.root / path).decode(errors="replace").strip("\0 \n")
        return None

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, sorted."""
        with contextlib.suppress(OSError):
            return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
        return []

    def has(self, path: str) -> bool:
        """Tell whether there is such a file or folder."""
        return os.path.lexists(self.root / path)


def throttle_path(tree: Tree) -> str | None:
    """Return the file with the firmware's bits; a Pi's kernel has it, others have not."""
    return next(iter(tree.find("sys/devices/platform/soc*/soc*:firmware/get_throttled")), None)


def throttle_bits(tree: Tree, path: str | None) -> int | None:
    """Return the firmware's bits, see `UNDER_VOLTAGE` and `SLOWED`."""
    text = tree.text(path) if path else None
    return int(text, 16) if text and _HEX.fullmatch(text) else None


def alarm_path(tree: Tree) -> str | None:
    """Return the file of the kernel's voltage alarm."""
    for path in tree.find("sys/class/hwmon/hwmon*/name"):
        if tree.text(path) == "rpi_volt":
            return path.replace("/name", "/in0_lcrit_alarm")
    return None


def voltage_alarm(tree: Tree, path: str | None) -> bool | None:
    """Tell whether the supply was too low in the last two seconds, which is how often that driver looks."""
    text = tree.text(path) if path else None
    return None if text is None else text != "0"


def radios(tree: Tree) -> list[str]:
    """Return the names of the WiFi interfaces."""
    for pattern in ("sys/class/net/*/phy80211", "sys/class/net/*/wireless"):
        if names := sorted({path.split("/")[3] for path in tree.find(pattern)}):
            return names
    return []


def wifi_dbm(tree: Tree, name: str) -> int | None:
    """Return how strong this interface hears its access point; None for one that is not connected, or is one itself."""
    for line in (tree.text("proc/net/wireless") or "").splitlines():
        words = line.split()
        if words and words[0] == f"{name}:" and len(words) > 3 and re.fullmatch(r"-\d{1,3}\.?", words[3]):
            return int(words[3].rstrip("."))
    return None


def temperature_c(tree: Tree) -> float | None:
    """Return the temperature of the processor; on a Pi that is zone 0."""
    text = tree.text("sys/class/thermal/thermal_zone0/temp") or ""
    return int(text) / 1000 if re.fullmatch(r"-?\d{1,7}", text) else None


def load(tree: Tree) -> float | None:
    """Return how many tasks wanted to run in the last minute, on average."""
    return _first_number(tree.text("proc/loadavg"))


def uptime_s(tree: Tree) -> float | None:
    """Return the seconds since the start of the machine."""
    return _first_number(tree.text("proc/uptime"))


def cpu_times(tree: Tree) -> tuple[int, int] | None:
    """Return (busy, all) of the processor's time since the start, in kernel ticks over all cores."""
    words = ((tree.text("proc/stat") or "").partition("\n")[0]).split()
    if len(words) < 6 or words[0] != "cpu" or not all(word.isdecimal() for word in words[1:]):
        return None
    times = [int(word) for word in words[1:9]]  # the two after them, guests, are in the first two already
    return sum(times) - times[3] - times[4], sum(times)


def _first_number(text: str | None) -> float | None:
    word = (text or "").partition(" ")[0]
    return float(word) if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", word) else None


def _read(path: Path) -> bytes:
    """Read the beginning of a file; one that would make its reader wait, like a FIFO, is empty."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, MOST_BYTES)
    finally:
        os.close(fd)
