"""What a row of readings of the pins says: when a car stopped, whether it stayed so, and in which order its pins changed.

A pin that is no output drives nothing here: on a Pi its pull resistor decides then, and picar's pins are pulled down.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tests.emulator.registers import Pins
from tests.support.product import EN_PINS

BRIDGES = ((12, 23, 24), (13, 27, 22))  # EN, IN forward, IN reverse: the configuration's defaults


@dataclass(frozen=True, slots=True)
class Reading:
    """The pins at one moment; `t` in seconds of this machine's monotonic clock."""

    t: float
    pins: Pins

    @property
    def drives(self) -> bool:
        """Whether an enable pin is driven high."""
        return any(self.pins.drives(bcm) for bcm in EN_PINS)


def rise_of(readings: Sequence[Reading], bcm: int) -> float:
    """Return when a pin was last seen to have risen."""
    rises = [b.t for a, b in itertools.pairwise(readings) if b.pins.drives(bcm) > a.pins.drives(bcm)]
    assert rises, f"GPIO {bcm} did not rise"
    return rises[-1]


def drove(readings: Sequence[Reading], at: float, within_s: float = 0.1) -> bool:
    """Tell whether an enable pin was high shortly before; the low half of a wave is shorter."""
    return any(reading.drives for reading in readings if at - within_s <= reading.t <= at)


def low_after(readings: Sequence[Reading], since: float) -> float:
    """Return how long after `since` an enable pin was last seen high, the time to the next reading included.

    0 if they were low already; never too short, but for a wave in its low half.
    """
    last = max((i for i, reading in enumerate(readings) if reading.drives), default=-1)
    assert last + 1 < len(readings), "an enable pin is high at the end"
    return max(0.0, readings[last + 1].t - since) if last >= 0 and readings[last].t >= since else 0.0


def share_high(readings: Sequence[Reading], bcm: int) -> float:
    """Return in which share of the readings a pin was driven high."""
    return sum(reading.pins.drives(bcm) for reading in readings) / len(readings)


def direction(pins: Pins, bridge: tuple[int, int, int]) -> int:
    """Return 1 for forward, -1 for reverse, 0 where it does not drive."""
    enable, forward, reverse = (pins.drives(bcm) for bcm in bridge)
    return (forward - reverse) if enable else 0


def broken_rules(readings: Sequence[Reading], pause_s: float) -> list[str]:
    """Return where a bridge had both IN pins high, or changed its direction without a pause.

    Args:
        readings: of a bridge with full duty: the low half of a wave would be taken for a pause.
        pause_s: the shortest pause between two directions.
    """
    found = []
    for bridge in BRIDGES:
        before, ended_at = 0, 0.0
        for reading in readings:
            if reading.pins.drives(bridge[1]) and reading.pins.drives(bridge[2]):
                found.append(f"{reading.t:.3f}: GPIO {bridge[1]} and {bridge[2]} are high together")
            now = direction(reading.pins, bridge)
            if now == -before != 0 and reading.t - ended_at < pause_s:
                found.append(
                    f"{reading.t:.3f}: GPIO {bridge[0]}: reversed within {reading.t - ended_at:.3f} s"
                )
            if now:
                before, ended_at = now, reading.t
    return found
