"""From rounds to a verdict: medians, the table, and the bounds that the project must keep."""

from __future__ import annotations

import dataclasses
import itertools
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tornado

from tests.bench import load
from tests.bench.page import PageCost
from tests.bench.rounds import BEFORE, ROSBRIDGE, Round

LEGEND = """\
picar        the real product: two processes, mock pins; before: of the checkout given with --against
rosbridge    the real product, driven by a guest through rosbridge
echo         a bare Tornado WebSocket that sends back; when idle, one that sends a client 20 messages a second
one process  Tornado: JSON, mix and six pins written in the message handler, and an answer
tutorial     Tornado: one HTTP POST for each press of a button, fake GPIO
20 Hz loop   as one process, but a loop writes the pins"""
# key, title, factor, decimals
ROWS = (
    ("pin_p50_s", "command to last pin write, p50, ms", 1000, 2),
    ("pin_p99_s", "  p99, ms", 1000, 2),
    ("pin_max_s", "  max of all rounds, ms", 1000, 2),
    ("answer_p50_s", "command to answer, p50, ms", 1000, 2),
    ("answer_p99_s", "  p99, ms", 1000, 2),
    ("answer_max_s", "  max of all rounds, ms", 1000, 2),
    ("lost", "paced commands lost, all rounds", 1, 0),
    ("cpu_s_per_1000", "CPU s per 1,000 commands, paced", 1, 3),
    ("flood_cpu_s_per_1000", "  in a flood", 1, 3),
    ("flood_per_s", "messages per second, flood", 1, 0),
    ("idle_cpu", "CPU when idle, % of a core", 100, 2),
    ("rss_mib", "memory, resident (VmRSS), MiB", 1, 1),
    ("pss_mib", "  shared pages shared out (Pss), MiB", 1, 1),
    ("first_page_s", "start to first page, s", 1, 2),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One bound of the project and what was measured."""

    what: str
    value: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def ratio(rounds: Sequence[Round], over: tuple[str, str], under: tuple[str, str]) -> float:
    """Return the median over the rounds of one server's figure divided by another's, of the same round."""
    return statistics.median(r.figures[over[0]][over[1]] / r.figures[under[0]][under[1]] for r in rounds)


def checks(rounds: Sequence[Round], page: PageCost) -> list[Check]:
    """Return every bound of the project with its value."""
    return [
        *car_checks(rounds, "picar"),
        *(guest_checks(rounds) if ROSBRIDGE in rounds[0].figures else ()),
        Check("page weight", page.bytes / 1000, 60.0, "kB"),
        Check("page requests", page.requests, 12, ""),
    ]


def guest_checks(rounds: Sequence[Round]) -> list[Check]:
    """Return the bounds of a guest that drives through rosbridge."""
    return [
        Check(
            "rosbridge: command to last pin write, p50 / picar's",
            ratio(rounds, (ROSBRIDGE, "pin_p50_s"), ("picar", "pin_p50_s")),
            1.5,
            "x",
        ),
        Check("rosbridge: paced commands lost", sum(r.figures[ROSBRIDGE]["lost"] for r in rounds), 0, ""),
    ]


def car_checks(rounds: Sequence[Round], car: str) -> list[Check]:
    """Return every bound of a car with its value: medians of ratios, memory and faults at their worst."""
    figures = [r.figures[car] for r in rounds]
    pin_p50 = (car, "pin_p50_s")
    return [
        Check(
            "command to last pin write, p50 / echo's p50",
            ratio(rounds, pin_p50, ("echo", "answer_p50_s")),
            1.1,
            "x",
        ),
        Check(
            "command to last pin write, p99 / echo's p99",
            ratio(rounds, (car, "pin_p99_s"), ("echo", "answer_p99_s")),
            1.2,
            "x",
        ),
        Check(
            "CPU per 1,000 commands, paced / echo's",
            ratio(rounds, (car, "cpu_s_per_1000"), ("echo", "cpu_s_per_1000")),
            1.8,
            "x",
        ),
        Check(
            "wake-ups, constant stick, both processes",
            statistics.median(r.load[car]["constant stick"]["wakes"] for r in rounds),
            95.0,
            "/s",
        ),
        Check(
            "20 Hz loop's p50 / picar's p50",
            ratio(rounds, ("20 Hz loop", "pin_p50_s"), pin_p50),
            20.0,
            "x",
            True,
        ),
        Check(
            "flood, messages per second / echo's",
            ratio(rounds, (car, "flood_per_s"), ("echo", "flood_per_s")),
            0.4,
            "x",
            True,
        ),
        Check(
            "flood, bursts out of order or newest not on pins", sum(len(r.faults[car]) for r in rounds), 0, ""
        ),
        Check("paced commands without a pin write", sum(each["lost"] for each in figures), 0, ""),
        Check(
            "memory, both processes resident, worst round",
            max(each["rss_mib"] for each in figures),
            44.0,
            "MiB",
        ),
        Check(
            "idle CPU / bare 20 Hz sender's",
            ratio(rounds, (car, "idle_cpu"), ("echo", "idle_cpu")),
            0.4,
            "x",
        ),
        Check(
            "start to first page / echo's",
            ratio(rounds, (car, "first_page_s"), ("echo", "first_page_s")),
            2.0,
            "x",
        ),
    ]


def medians(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """Return every server's figures over all rounds: medians, but the worst of `max` and the sum of `lost`."""
    summary: dict[str, dict[str, float]] = {}
    for name, keys in rounds[0].figures.items():
        summary[name] = {key: over(key, [r.figures[name][key] for r in rounds]) for key in keys}
    return summary


def over(key: str, values: list[float]) -> float:
    """Return one figure for all rounds: the median, but the worst of `max` and the sum of `lost`."""
    if key == "lost":
        return sum(values)
    return max(values) if "_max_" in key else statistics.median(values)


def machine() -> str:
    """Return what this was measured on, in a few words."""
    return (
        f"Python {platform.python_version()}, Tornado {tornado.version}, "
        f"{os.cpu_count()} cores {platform.machine()}, {platform.system()} {platform.release()}"
    )


def table(where: str, rounds: Sequence[Round], page: PageCost) -> str:
    """Return the report for people."""
    summary = medians(rounds)
    late = [
        statistics.median(getattr(r.jitter, part) for r in rounds) * 1000 for part in ("p50", "p99", "max")
    ]
    lines = [f"picar bench: medians of {len(rounds)} interleaved rounds", where]
    lines += [
        "this machine wakes a 1 ms sleep late by {:.2f} / {:.2f} / {:.2f} ms (p50 / p99 / max)".format(*late)
    ]
    lines += ["", " " * 37 + "".join(f"{name:>13}" for name in summary)]
    for key, title, factor, decimals in ROWS:
        cells = [cell(summary[name].get(key), factor, decimals) for name in summary]
        lines.append(f"{title:<37}" + "".join(f"{cell:>13}" for cell in cells))
    lines += ["", *load_table(rounds), "", LEGEND, "", *verdicts(checks(rounds, page), before(rounds))]
    lines += [f"  fault: {name}: {fault}" for r in rounds for name in r.faults for fault in r.faults[name]]
    return "\n".join([*lines, f"(page seen by {page.seen_by})"])


def load_medians(rounds: Sequence[Round]) -> dict[str, load.Load]:
    """Return the load by server and situation: medians over all rounds."""
    return {
        name: {
            situation: {
                key: statistics.median(r.load[name][situation][key] for r in rounds) for key in figures
            }
            for situation, figures in situations.items()
        }
        for name, situations in rounds[0].load.items()
    }


def load_table(rounds: Sequence[Round]) -> list[str]:
    """Return the lines about wake-ups and CPU while a client drives, rests or watches."""
    keys = [f"{process}{what}" for what in ("wakes", "cpu") for process in ("server_", "motor_", "")]
    lines = [
        f"{'30 commands per second, default ramps':<37}{'wake-ups per second':>30}{'CPU, % of a core':>30}",
        " " * 37 + "".join(f"{process:>10}" for process in ("server", "motor", "both") * 2),
    ]
    for name, situations in load_medians(rounds).items():
        for situation, figures in situations.items():
            cells = [cell(figures.get(key), *((100, 2) if key.endswith("cpu") else (1, 1))) for key in keys]
            lines.append(f"{f'{name}, {situation}':<37}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def before(rounds: Sequence[Round]) -> list[Check]:
    """Return the bounds of the car of another checkout with their values, if it was measured."""
    return car_checks(rounds, BEFORE) if BEFORE in rounds[0].figures else []


def verdicts(found: Sequence[Check], before: Sequence[Check] = ()) -> list[str]:
    """Return the lines that say which bounds were kept, and the values of the first of them before."""
    lines = ["must reach"]
    for check, old in itertools.zip_longest(found, before):
        sign, verdict = (">=" if check.at_least else "<="), ("kept" if check.kept else "MISSED")
        value = f"{check.value:.3g} {check.unit}".strip()
        bound = f"{sign} {check.bound:g} {check.unit}".strip()
        was = f"before: {old.value:.3g}" if old else ""
        lines.append(f"  {verdict:<7} {check.what:<50}{value:>12}   {bound:<12}{was}".rstrip())
    return lines


def cell(value: float | None, factor: float, decimals: int) -> str:
    """Return one figure of a table; a dash where there is none."""
    return "-" if value is None else f"{value * factor:,.{decimals}f}"


def as_json(where: str, rounds: Sequence[Round], page: PageCost) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "machine": where,
        "medians": medians(rounds),
        "load": load_medians(rounds),
        "checks": [dataclasses.asdict(check) | {"kept": check.kept} for check in checks(rounds, page)],
        "page": dataclasses.asdict(page),
        "rounds": [dataclasses.asdict(r) for r in rounds],
    }
