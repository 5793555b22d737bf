"""The machine that carries picar, as its kernel's files tell it: power, heat, load, radio.

The doctor and the running car read the same facts here. It starts no program and keeps no clock.

Law: what is missing, forbidden or makes no sense is None; nothing here raises, and nothing is guessed.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path("/")
# Of the firmware's bits: now. 1 to 3 are frequency capped, throttled, hot.
UNDER_VOLTAGE, THROTTLED = 1 << 0, 0b1110
SINCE_BOOT = 16  # the same bits so much higher: at any time since the machine started

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO does not make its reader wait; a driver may
_MOST_BYTES = 64 * 1024
_LOOK_AGAIN = 30  # readings until the paths are looked for anew: a radio's or a sensor's driver may come late
# Columns of the line "cpu" in proc_stat(5); guest time is in user time already.
_IDLE, _IOWAIT, _GUEST = 3, 4, 8


class Files(Protocol):
    """Files to read; paths are relative to the machine's root."""

    def text(self, *paths: str) -> str | None:
        """Return the text of the first of these files that can be read, None without any."""
        ...

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class Tree:
    """The files below `root`."""

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


@dataclass(frozen=True, slots=True)
class Host:
    """How the machine is; None is unknown. `…_seen` is at any time since it started."""

    temperature_c: float | None = None
    under_voltage: bool | None = None
    under_voltage_seen: bool | None = None
    throttled: bool | None = None
    throttled_seen: bool | None = None
    cpu_percent: int | None = None
    wifi_dbm: int | None = None
    uptime_s: int | None = None


UNKNOWN = Host()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where this machine tells what: that differs from model to model. Nowhere is empty."""

    bits: tuple[str, ...]
    alarm: tuple[str, ...]
    temperature: tuple[str, ...]

    @classmethod
    def of(cls, files: Files) -> Sources:
        """Look for them."""
        zones = files.find("sys/class/thermal/thermal_zone*/type")
        cpu = [zone for zone in zones if re.match(r"cpu|x86_pkg", files.text(zone) or "")]
        sensors = files.find("sys/class/hwmon/hwmon*/name")
        volts = [sensor for sensor in sensors if files.text(sensor) == "rpi_volt"]
        return cls(
            tuple(files.find("sys/devices/platform/soc*/soc*:firmware/get_throttled")),
            tuple(f"{sensor.removesuffix('name')}in0_lcrit_alarm" for sensor in volts),
            tuple(f"{zone.removesuffix('type')}temp" for zone in cpu),
        )


class HostReader:
    """Reads all facts, again and again.

    Args:
        files: of the machine.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._sources = Sources((), (), ())
        self._readings = 0
        self._cpu: tuple[int, int] | None = None
        self._under_voltage_seen = False

    def read(self) -> Host:
        """Return how the machine is now; `cpu_percent` is since the last reading."""
        if self._readings % _LOOK_AGAIN == 0:
            self._sources = Sources.of(self._files)
        self._readings += 1
        files, sources = self._files, self._sources
        bits = throttle_bits(files, sources)
        low = voltage_is_low(files, sources, bits)
        self._under_voltage_seen |= bool(low)
        return Host(
            temperature_c=temperature_c(files, sources),
            under_voltage=low,
            under_voltage_seen=self._under_voltage_seen or _has(bits, UNDER_VOLTAGE << SINCE_BOOT),
            throttled=_has(bits, THROTTLED),
            throttled_seen=_has(bits, THROTTLED | THROTTLED << SINCE_BOOT),
            cpu_percent=self._cpu_percent(),
            wifi_dbm=wifi_dbm(files),
            uptime_s=uptime_s(files),
        )

    def _cpu_percent(self) -> int | None:
        before, self._cpu = self._cpu, cpu_times(self._files)
        if before is None or self._cpu is None:
            return None
        busy, total = (now - then for now, then in zip(self._cpu, before, strict=True))
        return round(100 * busy / total) if 0 <= busy <= total and total > 0 else None


def throttle_bits(files: Files, sources: Sources) -> int | None:
    """Return what the firmware says (bits as of `vcgencmd get_throttled`)."""
    text = files.text(*sources.bits) or ""
    return int(text, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", text) else None


def voltage_is_low(files: Files, sources: Sources, bits: int | None) -> bool | None:
    """Tell whether the machine gets too little voltage now.

    The kernel's sensor remembers for two seconds, so a dip between two readings is seen (`raspberrypi-hwmon.c`
    polls that often and clears what it read); the firmware's bit is of this moment.
    """
    alarm = {"0": False, "1": True}.get(files.text(*sources.alarm) or "")
    bit = _has(bits, UNDER_VOLTAGE)
    return alarm if bit is None else bit or bool(alarm)


def temperature_c(files: Files, sources: Sources) -> float | None:
    """Return the processor's temperature, to a tenth of a degree."""
    text = files.text(*sources.temperature) or ""
    value = int(text) / 1000 if re.fullmatch(r"-?[0-9]{1,6}", text) else None
    return round(value, 1) if value is not None and -40.0 <= value <= 150.0 else None


def wifi_dbm(files: Files, name: str | None = None) -> int | None:
    """Return the signal of this interface, or of the first that has one."""
    for line in (files.text("proc/net/wireless") or "").splitlines():
        words = line.split()
        if len(words) < 4 or not words[0].endswith(":") or name not in (None, words[0][:-1]):
            continue
        if re.fullmatch(r"-[0-9]{1,3}\.?", words[3]) and (level := int(words[3].rstrip("."))) >= -120:
            return level
    return None


def cpu_times(files: Files) -> tuple[int, int] | None:
    """Return the time that all cores together were busy and were there, in the kernel's ticks since the start."""
    words = (files.text("proc/stat") or "").partition("\n")[0].split()
    ticks = [int(word) for word in words[1 : 1 + _GUEST] if re.fullmatch(r"[0-9]{1,19}", word)]
    if words[:1] != ["cpu"] or len(ticks) <= _IOWAIT:
        return None
    return sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT], sum(ticks)


def uptime_s(files: Files) -> int | None:
    """Return the seconds since the machine started."""
    found = re.match(r"([0-9]{1,10})\.[0-9]+ ", files.text("proc/uptime") or "")
    return int(found[1]) if found else None


def _has(bits: int | None, mask: int) -> bool | None:
    return None if bits is None else bool(bits & mask)


def _read(path: Path) -> bytes:
    """Read the beginning of a file."""
    fd = os.open(path, _READ_FLAGS)
    try:
        return os.read(fd, _MOST_BYTES)
    finally:
        os.close(fd)
