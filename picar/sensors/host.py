"""The kernel's files about the machine that carries picar: power, heat, load, radio.

The doctor and the running car read the machine through this module. It starts no program and reads no clock.

Law: a value that is missing, forbidden or malformed is `None`; nothing here raises.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from picar.values import Value

ROOT = Path("/")
# The firmware's bits for "now"; bits 1 to 3 are: frequency capped, throttled, hot.
UNDER_VOLTAGE, THROTTLED = 1 << 0, 0b1110
SINCE_BOOT = 16  # shift of the same bits for "at any time since the machine started"

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # opening a FIFO does not wait; a driver's file may
_MOST_BYTES = 64 * 1024
_LOOK_AGAIN = 30  # readings between two searches for paths: the driver of a radio or a sensor may start late
# Columns of the line "cpu" in proc_stat(5); user time includes guest time.
_IDLE, _IOWAIT, _GUEST = 3, 4, 8


class Tree(Value):
    """The files below `root`; paths are relative to it."""

    root: Path

    def text(self, *paths: str) -> str | None:
        """Return the text of the first readable file of these, or `None`."""
        for path in paths:
            with contextlib.suppress(OSError):
                return _read(f"{self.root}/{path}").decode(errors="replace").strip("\0 \n")
        return None

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, sorted."""
        with contextlib.suppress(OSError):
            return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
        return []


class Sources(Value):
    """Paths that differ between models; empty if the machine has no such file."""

    bits: tuple[str, ...] = ()
    alarm: tuple[str, ...] = ()
    temperature: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Tree) -> Sources:
        """Search the machine for them."""
        zones = files.find("sys/class/thermal/thermal_zone*/type")
        cpu = [zone for zone in zones if re.match(r"cpu|x86_pkg", files.text(zone) or "")]
        sensors = files.find("sys/class/hwmon/hwmon*/name")
        volts = [sensor for sensor in sensors if files.text(sensor) == "rpi_volt"]
        return cls(
            tuple(files.find("sys/devices/platform/soc*/soc*:firmware/get_throttled")),
            tuple(f"{sensor.removesuffix('name')}in0_lcrit_alarm" for sensor in volts),
            tuple(f"{zone.removesuffix('type')}temp" for zone in cpu),
        )


class Host:
    """The machine over time, for facts that need several files or an earlier reading.

    Args:
        files: of the machine.
    """

    def __init__(self, files: Tree) -> None:
        self.files = files
        self.sources = Sources()
        self.bits: int | None = None  # of the firmware, in this reading
        self.under_voltage: bool | None = None
        self._was_low = False
        self._readings = 0
        self._cpu: tuple[int, int] | None = None

    def refresh(self) -> None:
        """Begin a reading."""
        if self._readings % _LOOK_AGAIN == 0:
            self.sources = Sources.of(self.files)
        self._readings += 1
        self.bits = throttle_bits(self.files, self.sources)
        self.under_voltage = voltage_is_low(self.files, self.sources, self.bits)
        self._was_low |= bool(self.under_voltage)

    def under_voltage_seen(self) -> bool | None:
        """Return whether the voltage was low at any time, as far as the firmware or an earlier reading recorded it."""
        return self._was_low or self.has(UNDER_VOLTAGE << SINCE_BOOT)

    def has(self, mask: int) -> bool | None:
        """Return whether the firmware has set one of these bits."""
        return None if self.bits is None else bool(self.bits & mask)

    def temperature_c(self) -> float | None:
        """Return the temperature of the processor, to a tenth of a degree."""
        text = self.files.text(*self.sources.temperature) or ""
        return round(int(text) / 1000, 1) if re.fullmatch(r"-?[0-9]{1,6}", text) else None

    def cpu_percent(self) -> int | None:
        """Return the load of all cores together since the last reading."""
        before, self._cpu = self._cpu, cpu_times(self.files)
        if before is None or self._cpu is None:
            return None
        busy, total = (now - then for now, then in zip(self._cpu, before, strict=True))
        return round(100 * busy / total) if 0 <= busy <= total and total > 0 else None

    def uptime_s(self) -> int | None:
        """Return the seconds since the machine started."""
        found = re.match(r"([0-9]{1,10})\.[0-9]+ ", self.files.text("proc/uptime") or "")
        return int(found[1]) if found else None


def throttle_bits(files: Tree, sources: Sources) -> int | None:
    """Return the firmware's bits (as in `vcgencmd get_throttled`)."""
    text = files.text(*sources.bits) or ""
    return int(text, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", text) else None


def voltage_is_low(files: Tree, sources: Sources, bits: int | None) -> bool | None:
    """Return whether the machine gets too little voltage now.

    The kernel's sensor keeps a dip for two seconds, so a dip between two readings is found (`raspberrypi-hwmon.c`
    polls that often and clears the bit after it); the firmware's bit is the present moment.
    """
    alarm = {"0": False, "1": True}.get(files.text(*sources.alarm) or "")
    return alarm if bits is None else bool(bits & UNDER_VOLTAGE or alarm)


def wifi_dbm(files: Tree, name: str | None = None) -> int | None:
    """Return the signal of this interface, or of the first one that has a signal."""
    for line in (files.text("proc/net/wireless") or "").splitlines():
        words = line.split()
        if len(words) < 4 or not words[0].endswith(":") or name not in (None, words[0][:-1]):
            continue
        if re.fullmatch(r"-[0-9]{1,3}\.?", words[3]) and (level := int(words[3].rstrip("."))) >= -120:
            return level
    return None


def cpu_times(files: Tree) -> tuple[int, int] | None:
    """Return the busy time and the whole time of all cores together, in the kernel's ticks since the start."""
    words = (files.text("proc/stat") or "").partition("\n")[0].split()
    ticks = [
        int(word) for word in words[1 : 1 + _GUEST] if word.isascii() and word.isdigit() and len(word) < 20
    ]
    if words[:1] != ["cpu"] or len(ticks) <= _IOWAIT:
        return None
    return sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT], sum(ticks)


def _read(path: str) -> bytes:
    """Read the beginning of a file."""
    fd = os.open(path, _READ_FLAGS)
    try:
        return os.read(fd, _MOST_BYTES)
    finally:
        os.close(fd)
