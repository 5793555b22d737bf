"""Break one thing while the car drives, and see in the registers that it stops and stands."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from tests.emulator.readings import Reading, drove, low_after, rise_of
from tests.faults.proxy import Proxy
from tests.pi.car import PATIENCE_S, WEB_PORT, Car
from tests.pi.fault import MARK
from tests.pi.outcome import Outcome, outcomes
from tests.support.product import EN_PINS
from tests.support.waiting import until

_TRIES = 6  # a stick that comes a second late, and the car stands already; a wave that dies in its low half
PYTHON_STARTS_S = 0.5  # a pin that only `picar pins-low` can have made low was high for at least so long
SOON_S = 5.0  # picar itself, and nothing that waits for the watchdog
_SETTLED_S = 2.0  # a pin that is low for so long is not in the middle of something


async def break_it(
    car: Car,
    fault: str,
    what: str,
    *whom: str,
    throttle: float = 1.0,
    again: bool = True,
    least_s: float = 0.0,
    most_s: float = PATIENCE_S,
) -> Outcome:
    """Drive, break, and wait until it is low, and ready again or, as `again` says, over; nothing may rise.

    Args:
        car: runs.
        fault: in words, for the table.
        what: of fault.py: a signal, or "run".
        whom: which of "server" and "motor" get the signal; the command to run.
        throttle: full is no wave but a level, and such a pin stays high for sure when nobody makes it low.
        again: whether systemd starts it again.
        least_s: low before this is low by chance, and shows nothing; once more.
        most_s: a pin that is low later was made low by another part than the one under test.
    """
    for _ in range(_TRIES):
        await car.ready()
        pids = await car.pids()
        words = whom if what == "run" else [str(pids[one]) for one in whom]
        async with car.fault(what, *words) as go, car.driven(throttle) as (reader, _phone):
            go()
            await until(lambda: reader.rose(MARK), "the fault", PATIENCE_S)
            await until(lambda: reader.is_low(_SETTLED_S), f"{fault}: every enable pin low", PATIENCE_S)
            readings = list(reader.readings)
            since = rise_of(readings, MARK)
            if again:
                await car.until_active(but=pids["server"])
            else:
                await car.until_inactive()
            assert low_after(reader.readings, since) == low_after(readings, since), "it rose again"
        if drove(readings, since) and low_after(readings, since) >= least_s:
            outcome = note(car, fault, readings, since)
            assert outcome.low_after_s <= most_s
            return outcome
        print(f"\n{fault}: it stood already, or a wave died in its low half; once more")
    raise AssertionError(f"{fault}: it stood already each time")


async def cut_the_link(car: Car) -> Outcome:
    """Drive, and let nothing through any more; nobody says goodbye."""
    await car.ready()
    async with Proxy(WEB_PORT) as link, car.driven(url=link.url) as (reader, _phone):
        link.cut()
        since = time.monotonic()
        await until(lambda: reader.is_low(_SETTLED_S), "every enable pin low", PATIENCE_S)
        readings = list(reader.readings)
    outcome = note(car, "the link is cut", readings, since)
    assert outcome.low_after_s < SOON_S
    return outcome


def note(car: Car, fault: str, readings: Sequence[Reading], since: float) -> Outcome:
    """Add what the readings say to the table."""
    assert drove(readings, since), "it stood already"
    after = low_after(readings, since)
    around = [reading.t for reading in readings if since - 0.5 <= reading.t <= since + after + 0.5]
    gap = max(b - a for a, b in itertools.pairwise(around))
    then = next(reading.pins for reading in readings if reading.t >= since + after + 0.1)
    became = "input" if any(then.function(bcm) == "in" for bcm in EN_PINS) else "low"
    outcome = Outcome(car.backend, car.persist, fault, after, gap, became)
    assert became == "low" or not car.persist, "nobody drives them low"
    outcomes.append(outcome)
    print(f"\n{outcome}")
    return outcome
