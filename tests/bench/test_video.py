"""The arithmetic of `scripts/bench --video`, and that a car of the bench can be driven beside its viewers."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.bench.measure import Spread
from tests.bench.video.car import longest_gap
from tests.bench.video.report import LEGEND, ROWS, Row, checks, table
from tests.bench.video.run import COMMANDS, QUICK, Figures, Round, beside_viewers


def good() -> Figures:
    """What keeps every bound, and each just so."""
    figures: Figures = {}
    for row in ROWS:
        case, key = row.base or row.figure
        figures.setdefault(case, {})[key] = 0.001
    for row in ROWS:
        _set(figures, row, row.bound)
    return figures


def _set(figures: Figures, row: Row, value: float) -> None:
    case, key = row.figure
    unit = figures[row.base[0]][row.base[1]] if row.base else 0.001 if row.unit == "ms" else 1.0
    figures.setdefault(case, {})[key] = value * unit


def missed(*rounds: Figures) -> list[str]:
    found = checks([Round(Spread(0.0, 0.0, 0.0), figures) for figures in rounds])
    return [check.what for check in found if not check.kept]


def test_every_bound_can_be_kept() -> None:
    assert missed(good()) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_every_bound_can_be_missed(row: Row) -> None:
    figures = good()
    _set(figures, row, row.bound * 0.9 if row.at_least else row.bound * 1.1 + 0.1)
    assert missed(figures) == [row.what]
    shown = table("here", [Round(Spread(0.0, 0.0, 0.0), figures)], ["left out: the rest"])
    assert f"MISSED  {row.what}" in shown
    assert shown.endswith("left out: the rest")
    assert LEGEND in shown


def test_one_failsafe_in_one_round_is_a_miss_and_one_slow_round_is_none() -> None:
    spoilt = good()
    spoilt["marks"]["failsafes"] = 1.0
    spoilt["sim"]["first_picture_s"] = 9.0
    assert missed(good(), spoilt, good()) == ["1.5 Mbit/s, marks: failsafes"]


def test_a_part_that_was_left_out_has_no_bound() -> None:
    figures = {case: good()[case] for case in (*COMMANDS, "viewer")}
    assert 0 < len(checks([Round(Spread(0.0, 0.0, 0.0), figures)])) < len(ROWS)


def test_the_longest_gap_is_the_one_that_ends_after_the_time() -> None:
    log = "open http://127.0.0.1:1\nloop gap 1.0 0.9\nloop gap 1.9 0.2\nloop gap 5.0 0.1\n"
    assert longest_gap(log, 2.0) == 0.2
    assert longest_gap(log, 6.0) == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
async def test_a_car_is_driven_beside_its_viewers(tmp_path: Path) -> None:
    figures = await beside_viewers(QUICK, tmp_path, random.Random(1))
    assert set(figures) == set(COMMANDS)
    for case, found in figures.items():
        assert found["lost"] == 0
        assert found["pin_p50_s"] > 0
        assert ("camera_mib" in found) == ("min_fps" in found) == (case != "none")
