"""Break one thing while the car drives, and see in the registers that it stops and stands."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from tests.emulator.readings import Reading, low_after, rise_of
from tests.faults.proxy import Proxy
from tests.pi.car import PATIENCE_S, WEB_PORT, Car
from tests.pi.fault import MARK
from tests.pi.outcome import Outcome, outcomes
from tests.support.product import EN_PINS
from tests.support.waiting import until

_SETTLED_S = 2.0  # a pin that is low for so long is not in the middle of something


async def break_it(car: Car, fault: str, *words: str, throttle: float = 1.0, again: bool = True) -> Outcome:
    """Drive, break, and wait until it is low, and where `again` says so until it is ready again; nothing may rise.

    Args:
        car: runs.
        fault: in words, for the table.
        words: for fault.py in there.
        throttle: full is no wave but a level, and such a pin stays high for sure when nobody makes it low.
        again: whether systemd starts it again.
    """
    server = (await car.pids())["server"]
    async with car.driven(throttle) as (reader, _):
        await car.fault(*words)
        await until(lambda: reader.is_low(_SETTLED_S), f"{fault}: every enable pin low", PATIENCE_S)
        if again:
            await car.until_active(but=server)
        readings = list(reader.readings)
    return _note(car, fault, readings, rise_of(readings, MARK))


async def cut_the_link(car: Car) -> Outcome:
    """Drive, and let nothing through any more; nobody says goodbye."""
    async with Proxy(WEB_PORT) as link, car.driven(url=link.url) as (reader, _):
        link.cut()
        since = time.monotonic()
        await until(lambda: reader.is_low(_SETTLED_S), "every enable pin low", PATIENCE_S)
        readings = list(reader.readings)
    return _note(car, "the link is cut", readings, since)


def _note(car: Car, fault: str, readings: Sequence[Reading], since: float) -> Outcome:
    after = low_after(readings, since)
    around = [reading.t for reading in readings if since - 0.5 <= reading.t <= since + after + 0.5]
    gap = max(b - a for a, b in itertools.pairwise(around))
    then = next(reading.pins for reading in readings if reading.t >= since + after + 0.1)
    became = "input" if any(then.function(bcm) == "in" for bcm in EN_PINS) else "low"
    outcome = Outcome(car.backend, car.persist, fault, after, gap, became)
    outcomes.append(outcome)
    print(f"\n{outcome}")
    return outcome
