"""The pins of the emulated Pi for a person: a table, once or live."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from picar.raspberrypi import PINS, HeaderPin
from tests.emulator.monitor import Monitor
from tests.emulator.registers import Pins

_WINDOW_S = 0.5  # fifty periods of a 100 Hz wave
_CLEAR = "\033[H\033[2J"


def share_high(samples: Sequence[Pins], bcm: int) -> float:
    """Return in which share of the samples the pin was driven high: its duty, if they are many and at random."""
    return sum(pins.drives(bcm) for pins in samples) / len(samples)


def table(samples: Sequence[Pins]) -> str:
    """Return the header with functions and levels, as it lies on the table: odd pins left, even ones right."""
    left = [_cell(pin, samples) for pin in PINS if pin.is_left]
    right = [_cell(pin, samples) for pin in PINS if not pin.is_left]
    rows = zip(left, right, PINS[::2], PINS[1::2], strict=True)
    return "\n".join(f"{a:>22} {odd.number:>3} {even.number:<3} {b}".rstrip() for a, b, odd, even in rows)


def show_once(monitor: Monitor) -> None:
    """Print the table."""
    print(table([monitor.pins()]))


def watch(monitor: Monitor) -> None:
    """Print the table twice a second, until it is interrupted."""
    while True:
        samples, until = [], time.monotonic() + _WINDOW_S
        while time.monotonic() < until:
            samples.append(monitor.pins())
        heading = f"The emulated Pi's header; {len(samples)} readings in the last {_WINDOW_S:g} s. Ctrl-C ends this."
        clear = _CLEAR if sys.stdout.isatty() else ""
        print(f"{clear}{heading}\n{table(samples)}", flush=True)


def _cell(pin: HeaderPin, samples: Sequence[Pins]) -> str:
    if pin.bcm is None:
        return pin.name
    newest = samples[-1]
    function = newest.function(pin.bcm)
    if function != "out":
        return f"{pin.name}  {function}"
    share = share_high(samples, pin.bcm)
    return f"{pin.name}  out " + ("low" if share == 0 else "HIGH" if share == 1 else f"high {share:.0%}")
