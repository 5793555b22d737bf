"""The rounds: every server with every number of spectators, in an order of chance, each a fresh process."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Spread, jitter
from tests.bench.spectators.drive import measure

NAMES = ("picar", "broadcast")
COUNTS, QUICK_COUNTS = (10, 100, 1000), (10,)
COMMANDS, QUICK_COMMANDS = 250, 25  # at 50 Hz
JITTER_S = 0.3


@dataclass(frozen=True, slots=True)
class Round:
    """All figures of one round, by server and by number of spectators, named as in `report.ROWS`."""

    jitter: Spread
    figures: dict[str, dict[int, dict[str, float]]]


async def run(
    counts: Sequence[int], rounds: int, commands: int, folder: Path, tell: Callable[[str], None]
) -> list[Round]:
    """Measure both servers with none and with each number of spectators, so many times."""
    done = []
    for number in range(1, rounds + 1):
        rng = random.Random(number)
        late = jitter(JITTER_S)
        figures: dict[str, dict[int, dict[str, float]]] = {name: {} for name in NAMES}
        cases = list(itertools.product(NAMES, (0, *counts)))
        for name, count in rng.sample(cases, len(cases)):
            tell(f"round {number} of {rounds}: {count} spectators at {name}")
            place = folder / f"{number}-{name}-{count}"
            place.mkdir(parents=True)
            figures[name][count] = await measure(name, count, commands, place, rng)
        for by_count in figures.values():
            for count in counts:
                by_count[count]["kib_each"] = kib_each(by_count, count)
        done.append(Round(late, figures))
    tell("")
    return done


def kib_each(by_count: dict[int, dict[str, float]], count: int) -> float:
    """Return what a spectator adds to a server's memory, in KiB."""
    return (by_count[count]["rss_mib"] - by_count[0]["rss_mib"]) * 1024 / count
