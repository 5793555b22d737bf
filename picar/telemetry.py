"""How the car's computer is: heat, voltage, load, radio, every few seconds, for `host` in the state.

The one thread of picar. Its files are answered by other chips (see `sysfs.py`), which may take a second on a bad day, and
neither loop may wait for that. It only reads, and puts down a finished value that the server takes when it likes; nothing
waits for it, also at the end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picar import sysfs
from picar.sysfs import Tree

PERIOD_S = 2.0  # how often the kernel's own alarm looks at the voltage
SEARCH_EVERY = 30  # readings: a radio that is plugged in is found within a minute
LOW_FOR = 5  # readings: so long low voltage counts as "now", or the speed limit would flutter with the motors

Host = dict[str, float | bool | None]
UNKNOWN: Host = dict.fromkeys(
    (
        "under_voltage",
        "under_voltage_since_boot",
        "throttled",
        "throttled_since_boot",
        "temperature_c",
        "cpu_percent",
        "load",
        "wifi_dbm",
        "uptime_s",
    )
)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where this machine tells it; to look for these costs more than to read them."""

    throttled: str | None
    alarm: str | None
    radios: tuple[str, ...]

    @classmethod
    def of(cls, tree: Tree) -> _Places:
        return cls(sysfs.throttle_path(tree), sysfs.alarm_path(tree), tuple(sysfs.radios(tree)))


class Sampler:
    """Reads everything once per call; it remembers what a difference or "since boot" needs.

    Args:
        tree: the machine's files.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._places = _Places.of(tree)
        self._readings = 0
        self._cpu: tuple[int, int] | None = None
        self._low_for = 0
        self._was_low = self._was_slowed = False

    def sample(self) -> Host:
        """Return the facts; None is unknown."""
        if self._readings and self._readings % SEARCH_EVERY == 0:
            self._places = _Places.of(self._tree)
        self._readings += 1
        tree = self._tree
        signals = (sysfs.wifi_dbm(tree, name) for name in self._places.radios)
        temperature, load, uptime = sysfs.temperature_c(tree), sysfs.load(tree), sysfs.uptime_s(tree)
        return {
            **self._power(),
            "temperature_c": None if temperature is None else round(temperature, 1),
            "cpu_percent": self._cpu_percent(),
            "load": load,
            "wifi_dbm": next((dbm for dbm in signals if dbm is not None), None),
            "uptime_s": None if uptime is None else round(uptime),
        }

    def _power(self) -> Host:
        """Return under-voltage and slowing down, now and since boot."""
        bits = sysfs.throttle_bits(self._tree, self._places.throttled)
        alarm = sysfs.voltage_alarm(self._tree, self._places.alarm)
        low = slowed = low_before = slowed_before = None
        if bits is not None:
            low, low_before = (bool(bits & bit) for bit in sysfs.UNDER_VOLTAGE)
            slowed, slowed_before = (bool(bits & bit) for bit in sysfs.SLOWED)
        if alarm is not None:
            low = alarm or bool(low)
        self._low_for = LOW_FOR if low else max(0, self._low_for - 1)
        self._was_low |= bool(low or low_before)
        self._was_slowed |= bool(slowed or slowed_before)
        return {
            "under_voltage": None if low is None else self._low_for > 0,
            "under_voltage_since_boot": self._was_low or low_before,
            "throttled": slowed,
            "throttled_since_boot": self._was_slowed or slowed_before,
        }

    def _cpu_percent(self) -> float | None:
        """Return how busy the processor was since the last reading."""
        before, self._cpu = self._cpu, sysfs.cpu_times(self._tree)
        if before is None or self._cpu is None or self._cpu[1] <= before[1]:
            return None
        return round(100 * (self._cpu[0] - before[0]) / (self._cpu[1] - before[1]), 1)


class Telemetry:
    """Reads on a thread of its own; `host` is the newest reading.

    Args:
        sample: reads once. What it raises ends the readings, and all is unknown from then on.
        period_s: pause between two readings.
    """

    def __init__(self, sample: Callable[[], Host], period_s: float = PERIOD_S) -> None:
        self._sample, self._period_s = sample, period_s
        self._ended = threading.Event()
        self.host: Host = dict(UNKNOWN)

    def start(self) -> None:
        """Begin. The thread ends with the process, or soon after `end`."""
        threading.Thread(target=self._run, name="telemetry", daemon=True).start()

    def end(self) -> None:
        """Read no more."""
        self._ended.set()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the loop, and at once
        try:
            self.host = self._sample()
            while not self._ended.wait(self._period_s):
                self.host = self._sample()
        except Exception:  # the thread's boundary: a car without telemetry drives
            self.host = dict(UNKNOWN)


def of_this_machine() -> Telemetry:
    """Return the telemetry of the machine that this runs on."""
    return Telemetry(Sampler(Tree(Path("/"))).sample)
