"""From the rounds of `scripts/bench --video` to a verdict."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.bench.report import Check, verdicts
from tests.bench.video.run import FIVE, Round

LEGEND = """\
none, one, five, eater   a driver beside so many viewers of pictures of 38 kB, 30 a second; eater: five, and the camera holds its GIL
viewer                   server CPU for each further viewer, share of a core; bare: a Tornado socket that sends the same bytes and
                         parses the viewers' answers; silent: it gets no answers
sim, page, img           the simulated camera; the picture on the page and in an <img> of /stream.mjpg, in Chromium
fifo, marks, narrow      links of 1.5 Mbit/s (tbf); the queue of `marks` is pfifo_fast, which sends the driver's marked packets first"""
Place = tuple[str, str]  # case and key


class Row(NamedTuple):
    """A bound: of a figure, or of its ratio to another one of the same round; `over` takes the rounds together."""

    what: str
    bound: float
    unit: str
    figure: Place
    base: Place | None = None
    over: Callable[[Sequence[float]], float] = statistics.median
    at_least: bool = False


def _beside(what: str, case: str, key: str, bound: float) -> Row:
    return Row(f"{what} / no video", bound, "x", (case, key), ("none", key))


def _driver(what: str, case: str, bound: float) -> Row:
    return Row(what, bound, "x", (case, "age_p99_s"), (f"bare {case}", "age_p99_s"))


ROWS = (
    _beside("5 viewers: command to pin, p50", "five", "pin_p50_s", 1.15),
    _beside("5 viewers: p99", "five", "pin_p99_s", 1.5),
    _beside("1 viewer: p99", "one", "pin_p99_s", 1.5),
    _beside("5 viewers, camera holds its GIL: p99", "eater", "pin_p99_s", 1.5),
    *(Row(f"{case}: commands lost", 0, "", (case, "lost"), over=sum) for case in ("one", "five", "eater")),
    Row(f"{FIVE} viewers: pictures a second of the slowest", 27, "/s", ("five", "min_fps"), at_least=True),
    Row("server CPU for a further viewer / bare socket", 1.5, "x", ("viewer", "picar"), ("viewer", "bare")),
    Row("camera process without Pillow, Pss", 8, "MiB", ("five", "camera_mib"), over=max),
    Row("camera process of the simulated car, Pss", 35, "MiB", ("sim", "camera_mib"), over=max),
    Row("age of the picture, p50: page / <img>", 2.5, "x", ("page", "age_p50_s"), ("img", "age_p50_s")),
    Row("1.5 Mbit/s: age, p95: page / <img>", 0.3, "x", ("narrow page", "age_p95_s"), ("narrow img", "age_p95_s")),
    Row("1.5 Mbit/s: age on the page, last second / first", 1.5, "x", ("narrow page", "last_by_first")),
    _driver("1.5 Mbit/s: link age, p99 / no video", "fifo", 3),
    _driver("1.5 Mbit/s, marks: link age, p99 / no video", "marks", 1.5),
    *(Row(f"1.5 Mbit/s, {case}: failsafes", 0, "", (case, "failsafes"), over=sum) for case in ("fifo", "marks")),
    Row("page opened to first picture, simulated car", 1.5, "s", ("sim", "first_picture_s")),
    Row("last viewer gone to camera gone", 6, "s", ("sim", "gone_s"), over=max),
    Row("gap of the server's loop, camera started", 20, "ms", ("sim", "start_gap_s")),
    Row("gap of the server's loop, camera started again", 20, "ms", ("sim", "restart_gap_s")),
)  # fmt: skip


def checks(rounds: Sequence[Round]) -> list[Check]:
    """Return every bound of the measured parts with its value."""
    return [
        Check(row.what, row.over([_value(row, r) for r in rounds]), row.bound, row.unit, row.at_least)
        for row in ROWS
        if row.figure[0] in rounds[0].figures
    ]


def _value(row: Row, measured: Round) -> float:
    case, key = row.figure
    value = measured.figures[case][key] * (1000 if row.unit == "ms" else 1)
    return value if row.base is None else value / measured.figures[row.base[0]][row.base[1]]


def table(where: str, rounds: Sequence[Round], left_out: Sequence[str]) -> str:
    """Return the report for people: each figure as median and worst, then the bounds."""
    late = [statistics.median(getattr(r.jitter, p) for r in rounds) * 1000 for p in ("p50", "p99", "max")]
    lines = [
        f"picar bench: video, medians of {len(rounds)} interleaved rounds",
        where,
        "this machine wakes a 1 ms sleep late by {:.2f} / {:.2f} / {:.2f} ms (p50 / p99 / max)".format(*late),
        "",
        f"{'':<37}{'median':>12}{'most':>12}",
    ]
    for case, figures in rounds[0].figures.items():
        for key in figures:
            values = [r.figures[case][key] for r in rounds]
            lines.append(f"{f'{case}, {key}':<37}{statistics.median(values):>12.4f}{max(values):>12.4f}")
    return "\n".join([*lines, "", LEGEND, "", *verdicts(checks(rounds)), *left_out])


def as_json(where: str, rounds: Sequence[Round], left_out: Sequence[str]) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "machine": where,
        "left_out": list(left_out),
        "checks": [dataclasses.asdict(check) | {"kept": check.kept} for check in checks(rounds)],
        "rounds": [dataclasses.asdict(r) for r in rounds],
    }
