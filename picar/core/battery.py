"""The battery: its charge, from its voltage at rest, and the level of its voltage under load.

Laws:
- The charge comes from readings at rest alone. It rises only by more than `CHARGED_PERCENT`: the battery was charged.
- A level gets worse at any time. It gets better only at standstill, and above its limit by `HYSTERESIS_V` a cell.
- An unknown voltage, and a voltage that no cell has (the divider is wrong), change no level and end the countdown.
- The countdown runs only while the car stands and is not armed. `stay_on` puts it off once.
- Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import NamedTuple

LEVELS = ("ok", "warn", "slow", "stop")
SLOW, STOP = 2, 3  # places in `LEVELS`
MEAN_S = 10.0  # of the voltage under load; ArduPilot's timer for a low battery is 10 s too
HOLD_S = (0.0, 0.0, 10.0)  # time below the limits of warn, slow and stop
HYSTERESIS_V = 0.10
REST_S = 3.0
EMPTY_S, COUNTDOWN_S = 60.0, 60.0
CHARGED_PERCENT = 5
_REST_READINGS = 9  # the newest ones count


class Chemistry(NamedTuple):
    """Voltages of one cell.

    Args:
        charge: voltage at rest and percent, rising.
        limits: below these, the level is warn, slow, stop.
        off: below this, the battery is destroyed; None if a low voltage does no lasting harm.
        plausible: the lowest and the highest possible voltage.
    """

    charge: tuple[tuple[float, int], ...]
    limits: tuple[float, float, float]
    off: float | None
    plausible: tuple[float, float]


CHEMISTRIES = {
    "li-ion": Chemistry(
        ((3.00, 0), (3.30, 5), (3.45, 10), (3.60, 20), (3.70, 40), (3.80, 60), (3.95, 80), (4.15, 100)),
        (3.5, 3.4, 3.2),
        3.0,
        (2.0, 4.4),
    ),
    "nimh": Chemistry(
        ((1.00, 0), (1.15, 10), (1.20, 30), (1.25, 60), (1.35, 100)), (1.15, 1.10, 1.0), None, (0.5, 1.8)
    ),
    "alkaline": Chemistry(
        ((0.90, 0), (1.05, 10), (1.15, 30), (1.30, 60), (1.55, 100)), (1.05, 1.00, 0.9), None, (0.5, 1.8)
    ),
}


def charge_percent(chemistry: Chemistry, cell_v: float) -> int:
    """Return the charge of a cell with this voltage at rest, 0 to 100."""
    points = chemistry.charge
    for (low_v, low), (high_v, high) in pairwise(points):
        if cell_v < high_v:
            return round(low + (high - low) * max(0.0, cell_v - low_v) / (high_v - low_v))
    return points[-1][1]


class Battery:
    """The judgement on the readings of one battery.

    `level` is a place in `LEVELS`. `percent` is the charge, None before the first rest. `at_rest`: the charge is from now.
    `plausible`: the newest voltage is one that the cells can have.

    Args:
        chemistry: of its cells.
        cells: in series; 0 for unknown, then nothing is judged.
        shutdown: whether an empty battery may switch the machine off.
    """

    def __init__(self, chemistry: Chemistry, cells: int, shutdown: bool) -> None:
        self._chemistry, self._cells = chemistry, cells
        self._off_v = chemistry.off if shutdown else None
        self.level = 0
        self.percent: int | None = None
        self.at_rest, self.plausible, self.may_stay = False, True, True
        self._load = deque[tuple[float, float]]()  # readings of the last `MEAN_S`: time and voltage of a cell
        self._load_since = math.inf
        self._below_since = [math.inf] * len(HOLD_S)
        self._rest = deque[float](maxlen=_REST_READINGS)
        self._standing_since = self._empty_since = math.inf

    def update(self, volts: float | None, standing: bool, armed: bool, now: float) -> None:
        """Take a reading.

        Args:
            volts: of the whole battery, None if unknown.
            standing: whether the car stands still.
            armed: whether the car follows a driver.
            now: the time.
        """
        self._standing_since = min(self._standing_since, now) if standing else math.inf
        cell_v = volts / self._cells if volts is not None and self._cells else None
        least, most = self._chemistry.plausible
        self.plausible = cell_v is None or least <= cell_v <= most
        if cell_v is None or not self.plausible:
            self._forget()
            return
        self._take_rest(cell_v, now)
        if not self._load:
            self._load_since = now
        self._load.append((now, cell_v))
        while now - self._load[0][0] > MEAN_S:
            self._load.popleft()
        if now - self._load_since >= MEAN_S:
            mean_v = sum(each for _, each in self._load) / len(self._load)
            self._judge(mean_v, standing, now)
            self._look_for_the_end(mean_v, standing and not armed, now)

    def off_in_s(self, now: float) -> float | None:
        """Return the time until the machine must be switched off, None without a countdown."""
        empty_s = now - self._empty_since
        return max(0.0, EMPTY_S + COUNTDOWN_S - empty_s) if empty_s >= EMPTY_S else None

    def is_due(self, now: float) -> bool:
        """Return whether the machine must be switched off now; once for each countdown."""
        due = self.off_in_s(now) == 0.0
        if due:
            self._empty_since = now
        return due

    def stay_on(self, now: float) -> bool:
        """Put the countdown off. Returns False without one, and the second time."""
        if not self.may_stay or self.off_in_s(now) is None:
            return False
        self.may_stay, self._empty_since = False, now
        return True

    def _forget(self) -> None:
        """Forget the readings, and keep what they led to."""
        self._load.clear()
        self._rest.clear()
        self._below_since = [math.inf] * len(HOLD_S)
        self._empty_since, self.at_rest = math.inf, False

    def _take_rest(self, cell_v: float, now: float) -> None:
        self.at_rest = now - self._standing_since >= REST_S
        if not self.at_rest:
            self._rest.clear()
            return
        self._rest.append(cell_v)
        median_v = sorted(self._rest)[len(self._rest) // 2]
        percent = charge_percent(self._chemistry, median_v)
        if self.percent is None or not self.percent <= percent <= self.percent + CHARGED_PERCENT:
            self.percent = percent

    def _judge(self, mean_v: float, standing: bool, now: float) -> None:
        limits = self._chemistry.limits
        self._below_since = [
            min(since, now) if mean_v < limit else math.inf
            for since, limit in zip(self._below_since, limits, strict=True)
        ]
        reached = sum(now - since >= hold_s for since, hold_s in zip(self._below_since, HOLD_S, strict=True))
        kept = sum(mean_v < limit + HYSTERESIS_V for limit in limits) if standing else self.level
        self.level = max(reached, min(self.level, kept))

    def _look_for_the_end(self, mean_v: float, may_end: bool, now: float) -> None:
        if self._off_v is None or not may_end or mean_v >= self._off_v + HYSTERESIS_V:
            self._empty_since = math.inf
        elif mean_v < self._off_v:
            self._empty_since = min(self._empty_since, now)
