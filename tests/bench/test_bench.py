"""The benchmark itself works; what it measures is judged by `scripts/bench`, never by a timed test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from picar.access.locations import state_directory
from tests.bench import lighthouse
from tests.bench.__main__ import arguments
from tests.bench.load import STICKS
from tests.bench.measure import Spread, Trace, Write, climbed, wake_ups
from tests.bench.page import PageCost, references
from tests.bench.report import ROWS, Check, checks, table
from tests.bench.rounds import ANCHORS, BEFORE, CARS, GUESTS, ROSBRIDGE, Round, flood_faults
from tests.bench.server import ROOT, Server, environment
from tests.bench.spectators import report as spectators_report
from tests.bench.spectators import run as spectators
from tests.support.header import REAL

pytestmark = pytest.mark.slow


def duty(t: float, value: float, pin: int = 12) -> Write:
    return Write(t=t, pin=pin, op="pwm", value=value)


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
def test_a_quick_run_fills_every_row_and_names_every_bound(tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    command = [
        *(sys.executable, "-m", "tests.bench", "--quick"),
        *("--json", str(report), "--against", str(ROOT)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())
    assert set(figures["medians"]) == {*CARS, BEFORE, *GUESTS, *ANCHORS}
    measured = {key for server in figures["medians"].values() for key in server}
    assert measured == {key for key, *_ in ROWS}
    for car in ("picar", BEFORE):
        assert {"rss_mib", "pin_p50_s", "flood_per_s", "idle_cpu"} <= set(figures["medians"][car])
    assert len(figures["rounds"]) == 1
    assert all(check["what"] in done.stdout for check in figures["checks"])
    assert figures["page"]["requests"] > 1
    assert list(figures["load"]) == ["picar", BEFORE, "echo"]
    assert list(figures["load"]["picar"]) == list(figures["load"][BEFORE]) == list(STICKS)
    assert list(figures["load"]["echo"]) == ["constant stick"]
    for situation in figures["load"]["picar"].values():
        assert set(situation) == {
            f"{of}{what}" for of in ("server_", "motor_", "") for what in ("wakes", "cpu")
        }
        assert situation["wakes"] == pytest.approx(situation["server_wakes"] + situation["motor_wakes"])
        assert min(situation["server_wakes"], situation["server_cpu"]) > 0
    assert all(f"picar, {situation}" in done.stdout for situation in STICKS)


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
def test_a_quick_run_compares_backends() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--pins", *REAL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["mock", *REAL]


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
def test_a_quick_run_with_spectators_fills_every_row_and_judges_nothing(tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--spectators", "--quick", "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text())
    assert figures["checks"] == []
    assert set(figures["medians"]) == set(spectators.NAMES)
    for by_count in figures["medians"].values():
        alone, watched = by_count["0"], by_count[str(spectators.QUICK_COUNTS[0])]
        assert set(watched) == {key for key, *_ in spectators_report.ROWS}
        assert set(watched) - set(alone) == {
            *("spectator_min_hz", "spectator_p50_hz", "load_cpu", "kib_each")
        }
        assert min(watched["state_hz"], watched["spectator_min_hz"], watched["pin_p50_s"]) > 0
    assert all(title in done.stdout for _, title, *_ in spectators_report.ROWS)


def test_a_server_under_test_knows_nothing_of_the_user_s_own_car(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICAR_DRIVE__ACCEL", "1")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/picar")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/picar")
    env = environment(tmp_path)
    assert not {"PICAR_DRIVE__ACCEL", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"} & set(env)
    assert state_directory(env).is_relative_to(tmp_path)


def test_steps_are_timed_by_their_level_and_one_passed_over_counts_with_the_next() -> None:
    assert climbed(4, 0.5, [duty(1, 0.6), duty(2, 0.7), duty(3, 0.9)]) == [1, 2, 3, 3]


def test_steps_never_taken_are_none() -> None:
    assert climbed(2, 0.5, []) == [None, None]
    assert climbed(2, 0.5, [duty(1, 0.5)]) == [None, None]


def test_a_step_that_was_lost_at_the_end_is_none_when_the_last_level_is_known() -> None:
    writes = [duty(1, 0.6), duty(2, 0.7)]
    assert climbed(3, 0.5, writes) == [1, 2, 2]
    assert climbed(3, 0.5, writes, top=0.8) == [1, 2, None]


def test_a_spread_is_median_99th_percentile_and_maximum() -> None:
    assert Spread.of([float(n) for n in range(101)]) == Spread(50.0, 99.0, 100.0)


def test_a_trace_is_read_from_a_mark_in_whole_lines(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    line = '{"t":1.5,"pin":12,"op":"pwm","value":0.5}\n'
    trace.path.write_text(line)
    mark = trace.mark()
    trace.path.write_text(line + line + '{"t":2.')
    assert trace.since(mark) == [duty(1.5, 0.5)]


def both(*writes: Write) -> list[Write]:
    return [duty(w.t, w.value, pin) for w in writes for pin in (12, 13)]


@pytest.mark.parametrize(
    ("burst", "after", "fault"),
    [
        (both(duty(1, 0.3), duty(2, 0.6)), both(duty(3, 0.6)), None),
        (both(duty(1, 0.4), duty(2, 0.3)), both(duty(3, 0.3)), "out of order"),
        (both(duty(1, 0.3), duty(2, 0.5)), both(duty(3, 0.6)), "newest"),
        ([], [], "never moved"),
    ],
)
def test_a_flood_must_rise_and_end_at_the_newest(
    burst: list[Write], after: list[Write], fault: str | None
) -> None:
    faults = flood_faults(burst, burst + after)
    assert faults == [] if fault is None else all(fault in each for each in faults)
    assert len(faults) == (0 if fault is None else 2)


@pytest.mark.parametrize(
    ("value", "at_least", "kept"), [(1.0, False, True), (1.3, False, False), (1.3, True, True)]
)
def test_a_bound_is_kept_on_its_own_side(value: float, at_least: bool, kept: bool) -> None:
    assert Check("it", value, 1.2, "x", at_least).kept is kept


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
def test_the_wake_ups_of_a_process_are_those_of_all_its_threads() -> None:
    before, slept, counted = wake_ups(os.getpid()), threading.Event(), threading.Event()

    def sleep() -> None:
        for _ in range(30):
            time.sleep(0.001)
        slept.set()
        counted.wait(20)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    assert slept.wait(20)
    woken = wake_ups(os.getpid()) - before
    counted.set()
    sleeper.join()
    assert woken >= 30


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench reads /proc and needs Linux")
def test_the_car_of_another_checkout_is_the_one_that_runs(tmp_path: Path) -> None:
    (tmp_path / "picar").mkdir()
    (tmp_path / "picar" / "__init__.py").touch()
    (tmp_path / "picar" / "__main__.py").write_text("raise SystemExit('the other checkout')")
    assert arguments(["--against", str(tmp_path)]).against == tmp_path
    with pytest.raises(RuntimeError, match="the other checkout"):
        Server(BEFORE, tmp_path / "run", root=tmp_path)


def test_a_folder_without_a_car_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--against", str(tmp_path)])
    assert "is no checkout of picar" in capsys.readouterr().err


PAGE = PageCost(requests=12, bytes=60_000, seen_by="reading the page")


def a_round(names: Sequence[str] = ("picar",)) -> Round:
    """Return a round in which each of these cars just keeps every bound."""
    car = {
        "pin_p50_s": 0.0011,
        "pin_p99_s": 0.0024,
        "cpu_s_per_1000": 0.9,
        "lost": 0.0,
        "flood_per_s": 4000.0,
        "rss_mib": 44.0,
        "idle_cpu": 0.004,
        "first_page_s": 0.2,
    }
    echo = {
        "answer_p50_s": 0.001,
        "answer_p99_s": 0.002,
        "cpu_s_per_1000": 0.5,
        "flood_per_s": 10_000.0,
        "idle_cpu": 0.01,
        "first_page_s": 0.1,
    }
    figures = {name: dict(car) for name in names} | {"echo": echo, "20 Hz loop": {"pin_p50_s": 0.0221}}
    figures[ROSBRIDGE] = {"pin_p50_s": 0.00165, "lost": 0.0}
    load = {name: {"constant stick": {"wakes": 95.0}} for name in names}
    return Round(Spread(0.0, 0.0, 0.0), figures, load, {name: [] for name in names})


def missed(rounds: Sequence[Round], page: PageCost = PAGE) -> list[str]:
    return [check.what for check in checks(rounds, page) if not check.kept]


def test_every_bound_can_be_kept() -> None:
    assert missed([a_round()]) == []


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("pin_p50_s", 0.00111, "command to last pin write, p50 / echo's p50"),
        ("pin_p50_s", 0.00111, "20 Hz loop's p50 / picar's p50"),
        ("pin_p99_s", 0.00241, "command to last pin write, p99 / echo's p99"),
        ("cpu_s_per_1000", 0.91, "CPU per 1,000 commands, paced / echo's"),
        ("lost", 1.0, "paced commands without a pin write"),
        ("flood_per_s", 3990.0, "flood, messages per second / echo's"),
        ("rss_mib", 44.1, "memory, both processes resident, worst round"),
        ("idle_cpu", 0.0041, "idle CPU / bare 20 Hz sender's"),
        ("first_page_s", 0.21, "start to first page / echo's"),
    ],
)
def test_every_bound_of_a_figure_can_be_missed(key: str, value: float, what: str) -> None:
    spoilt = a_round()
    spoilt.figures["picar"][key] = value
    assert what in missed([spoilt])


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("pin_p50_s", 0.00166, "rosbridge: command to last pin write, p50 / picar's"),
        ("lost", 1.0, "rosbridge: paced commands lost"),
    ],
)
def test_the_bounds_of_a_guest_can_be_missed(key: str, value: float, what: str) -> None:
    spoilt = a_round()
    spoilt.figures[ROSBRIDGE][key] = value
    assert missed([spoilt]) == [what]


def test_the_bounds_of_wake_ups_floods_and_the_page_can_be_missed() -> None:
    spoilt = a_round()
    spoilt.load["picar"]["constant stick"]["wakes"] = 96.0
    spoilt.faults["picar"].append("flood: pin 12 never moved")
    assert missed([spoilt], PageCost(13, 60_001, "reading the page")) == [
        "wake-ups, constant stick, both processes",
        "flood, bursts out of order or newest not on pins",
        "page weight",
        "page requests",
    ]


def test_the_car_of_another_checkout_is_shown_and_not_judged() -> None:
    found = a_round(("picar", BEFORE))
    found.figures[BEFORE]["rss_mib"] = 50.0
    found.faults[BEFORE].append("flood: pin 12 never moved")
    assert missed([found]) == []
    assert "before: 50" in table("here", [found], PAGE)
    assert f"fault: {BEFORE}: flood: pin 12 never moved" in table("here", [found], PAGE)
    assert not re.search(r"before: \d", table("here", [a_round()], PAGE))


def test_references_of_html_css_and_scripts_are_found() -> None:
    html = '<link rel="icon" href="data:,"><link rel="stylesheet" href="/a.css"><script src="b.js"></script>'
    assert references(html) == ["/a.css", "b.js"]
    assert references('@import "c.css"; p { background: url(d.svg) }') == ["c.css", "d.svg"]
    script = 'import { x } from "./e.js"; import "./f.js"; await import("./g.js"); fetch("/h.json")'
    assert references(script) == ["./e.js", "./f.js", "./g.js", "/h.json"]


def lighthouse_report(performance: float, shift: float) -> str:
    """Return the part of Lighthouse's JSON that is read."""
    audits: dict[str, dict[str, float | None]]
    audits = {name: {"score": 1, "numericValue": 900} for name in lighthouse.SHOWN}
    audits[lighthouse.CLS] = {"score": 1, "numericValue": shift}
    audits |= {"label-content-name-mismatch": {"score": 0}, "not-applicable": {"score": None}}
    categories = {name: {"score": 1} for name in lighthouse.CATEGORIES} | {
        "performance": {"score": performance}
    }
    return json.dumps({"audits": audits, "categories": categories})


def test_the_median_of_lighthouse_is_judged_and_a_failed_audit_is_named() -> None:
    runs = [lighthouse.read(lighthouse_report(*each)) for each in ((0.9, 0.01), (0.96, 0.03), (0.97, 0.03))]
    shown = dict(lighthouse.lines(runs))
    assert shown["       96  performance, at least 95"] is True
    assert shown["     0.03  cumulative-layout-shift, at most 0.02"] is False
    assert "           audit: label-content-name-mismatch" in shown
    assert not any("not-applicable" in line for line in shown)
