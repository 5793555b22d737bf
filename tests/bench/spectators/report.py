"""From rounds to a verdict: the table, and the bounds for 100 and for 1,000 spectators."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from tests.bench.report import Check, cell, over, verdicts
from tests.bench.spectators.run import NAMES, Round

LEGEND = """\
picar        the real product: two processes, mock pins
broadcast    Tornado: JSON, mix and six pins written in the message handler, and write_message for each client at 20 Hz"""
# key, title, factor, decimals
ROWS = (
    ("pin_p50_s", "command to last pin write, p50, ms", 1000, 2),
    ("pin_p99_s", "  p99, ms", 1000, 2),
    ("pin_max_s", "  max of all rounds, ms", 1000, 2),
    ("lost", "commands lost, all rounds", 1, 0),
    ("state_hz", "the driver's states per second", 1, 1),
    ("spectator_min_hz", "the slowest spectator's", 1, 1),
    ("spectator_p50_hz", "  the median spectator's", 1, 1),
    ("cpu", "CPU, % of a core", 100, 1),
    ("load_cpu", "  of the spectators' process", 100, 1),
    ("rss_mib", "memory, resident (VmRSS), MiB", 1, 1),
    ("kib_each", "  for each spectator, KiB", 1, 1),
)
WIDTH = 10


def ratio(rounds: Sequence[Round], key: str, case: tuple[str, int], base: tuple[str, int]) -> float:
    """Return the median over the rounds of one case's figure divided by another's, of the same round."""
    return statistics.median(
        r.figures[case[0]][case[1]][key] / r.figures[base[0]][base[1]][key] for r in rounds
    )


def checks(rounds: Sequence[Round]) -> list[Check]:
    """Return the bounds for the numbers of spectators that have any: medians, but losses and memory at their worst."""
    counts = rounds[0].figures["picar"]
    return [
        *(_of_a_hundred(rounds) if 100 in counts else []),
        *(_of_a_thousand(rounds) if 1000 in counts else []),
    ]


def _of_a_hundred(rounds: Sequence[Round]) -> list[Check]:
    with_, without = ("picar", 100), ("picar", 0)
    return [
        Check("100 spectators: p50 / without any", ratio(rounds, "pin_p50_s", with_, without), 1.2, "x"),
        Check("100 spectators: p99 / without any", ratio(rounds, "pin_p99_s", with_, without), 5.0, "x"),
    ]


def _of_a_thousand(rounds: Sequence[Round]) -> list[Check]:
    ours, plain = ("picar", 1000), ("broadcast", 1000)
    car = [r.figures["picar"][1000] for r in rounds]

    def median(key: str) -> float:
        return statistics.median(figures[key] for figures in car)

    return [
        Check("1,000 spectators: p50 / broadcast's", ratio(rounds, "pin_p50_s", ours, plain), 0.1, "x"),
        Check("1,000 spectators: p99 / broadcast's", ratio(rounds, "pin_p99_s", ours, plain), 0.1, "x"),
        Check("1,000 spectators: commands lost", sum(figures["lost"] for figures in car), 0, ""),
        Check("1,000 spectators: the driver's states", median("state_hz"), 19.0, "Hz", True),
        Check("1,000 spectators: the slowest spectator's", median("spectator_min_hz"), 4.0, "Hz", True),
        Check("1,000 spectators: memory for each", max(f["kib_each"] for f in car), 24.0, "KiB"),
    ]


def medians(rounds: Sequence[Round]) -> dict[str, dict[int, dict[str, float]]]:
    """Return every case's figures over all rounds, as `report.over` takes them together."""
    return {
        name: {
            count: {key: over(key, [r.figures[name][count][key] for r in rounds]) for key in figures}
            for count, figures in sorted(rounds[0].figures[name].items())
        }
        for name in NAMES
    }


def table(where: str, rounds: Sequence[Round]) -> str:
    """Return the report for people."""
    summary = medians(rounds)
    counts = list(summary["picar"])
    late = [statistics.median(getattr(r.jitter, p) for r in rounds) * 1000 for p in ("p50", "p99", "max")]
    lines = [
        f"picar bench: spectators, medians of {len(rounds)} interleaved rounds",
        where,
        "this machine wakes a 1 ms sleep late by {:.2f} / {:.2f} / {:.2f} ms (p50 / p99 / max)".format(*late),
        "",
        f"{'spectators':<37}" + "".join(f"{count:>{WIDTH * len(NAMES)},}" for count in counts),
        " " * 37 + "".join(f"{name:>{WIDTH}}" for _ in counts for name in NAMES),
    ]
    for key, title, factor, decimals in ROWS:
        cells = [cell(summary[name][count].get(key), factor, decimals) for count in counts for name in NAMES]
        lines.append(f"{title:<37}" + "".join(f"{each:>{WIDTH}}" for each in cells))
    found = checks(rounds)
    judged = verdicts(found) if found else ["no bound for these: 100 and 1,000 spectators have some"]
    return "\n".join([*lines, "", LEGEND, "", *judged])


def as_json(where: str, rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "machine": where,
        "medians": medians(rounds),
        "checks": [dataclasses.asdict(check) | {"kept": check.kept} for check in checks(rounds)],
        "rounds": [dataclasses.asdict(r) for r in rounds],
    }
