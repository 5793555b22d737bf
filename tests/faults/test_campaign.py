"""A short campaign, each fault once: no pin left high, none rising again, nothing left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults import deaths, links
from tests.faults.__main__ import measure, possible
from tests.faults.bridges import LIMIT_BYTES, NICE
from tests.faults.cameras import watched
from tests.faults.catalogue import BOARD_FAULTS, DEATH_S, FAULTS, FLEET_FAULTS, HAT_FAULTS, HORN_FAULTS, Fault
from tests.faults.jitter import ROOT
from tests.faults.report import rows
from tests.faults.rig import Rig

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="scripts/faults reads /proc and needs Linux"),
]

OF_BOARDS = [fault for fault in BOARD_FAULTS if fault.name.endswith("/both-killed")]
ON_HATS = """hat-oe/both-killed hat-oe/bus-held hat/bus-held-dead hat/brown-out servo-chip/bus-held-cut
esc-oe/bus-held-gone esc/pwm-left-on"""
OF_HATS = tuple(fault for fault in HAT_FAULTS if fault.name in ON_HATS.split())
ELSEWHERE = (
    "record-cut record-server-dead record-motor-dead recorder-killed record-nowhere"  # tests/recording
)
OF_CARS = [fault for fault in FAULTS if fault.name not in ELSEWHERE.split()]
HALVES = (
    [*OF_CARS[::2], *HORN_FAULTS[::2], *OF_HATS],
    [*OF_CARS[1::2], *HORN_FAULTS[1::2], *OF_BOARDS],
)
BESIDE = "broker-stopped-cut broker-killed-dead bridge-leaks-cut garage-stopped-cut garage-hung-cut"
OF_BRIDGES = [[fault for fault in FLEET_FAULTS if fault.name in BESIDE.split()]]


def test_each_fault_stops_the_car(tmp_path: Path) -> None:
    run_and_judge(tmp_path, HALVES)


def test_a_fault_of_the_broker_the_bridge_or_the_garage_costs_no_command_and_delays_no_stop(
    tmp_path: Path,
) -> None:
    run_and_judge(tmp_path, OF_BRIDGES)


def test_the_campaign_limits_the_bridge_as_its_unit_does() -> None:
    lines = (ROOT / "systemd" / "picar-mqtt.service").read_text(encoding="utf-8").splitlines()
    assert {f"MemoryMax={LIMIT_BYTES >> 20}M", f"Nice={NICE}"} <= set(lines)


def run_and_judge(folder: Path, groups: Sequence[Sequence[Fault]]) -> None:
    """Run a campaign for each group, all at the same time: most of a run is waiting."""
    with contextlib.ExitStack() as stack:
        campaigns = []
        for number, faults in enumerate(groups):
            report = folder / f"{number}.json"
            options = ["--runs", "1", "--observe", "0.3", "--json", str(report), "--only"]
            command = [sys.executable, "-m", "tests.faults", *options, *(fault.name for fault in faults)]
            campaign = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            stack.enter_context(campaign)
            stack.callback(campaign.kill)
            campaigns.append((faults, report, campaign))
        for faults, report, campaign in campaigns:
            said, _ = campaign.communicate(timeout=480)
            judge(faults, json.loads(report.read_text()), said, campaign.returncode)


def judge(faults: Sequence[Fault], figures: Any, said: str, code: int) -> None:
    assert [row["name"] for row in figures["faults"]] == [fault.name for fault in possible(faults)]
    assert not [run for run in figures["runs"] if run["wrong"] or run["leaked"]], said
    raised = {run["fault"] for run in figures["runs"] if run["traceback"]}
    assert not {name for name in raised if "/bus-held" not in name}, said  # there the emergency cannot write
    noisy = {run["fault"] for run in figures["runs"] if run["noisy"]}  # four times in a row: a bad machine
    missed = {row["name"] for row in figures["faults"] if row["verdict"] == "MISSED"}
    assert missed <= noisy, said
    assert code == (1 if missed else 0), said


def test_a_campaign_that_is_ended_shows_what_it_has_measured(tmp_path: Path) -> None:
    report = tmp_path / "faults.json"
    command = [
        sys.executable,
        "-m",
        "tests.faults",
        "--runs",
        "1000",
        "--only",
        "sigterm",
        "--observe",
        "0.1",
    ]
    said = ""
    for wait_s in (3, 10, 30, 60):  # in the midst of a run, when one at least is over
        with subprocess.Popen(
            [*command, "--json", str(report)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as campaign:
            assert campaign.stdout
            assert campaign.stdout.readline().startswith("picar faults:")
            time.sleep(wait_s)
            campaign.terminate()
            said, _ = campaign.communicate(timeout=60)
        if "sigterm" in said:
            break
    assert "sigterm" in said
    assert [row["name"] for row in json.loads(report.read_text())["faults"]] == ["sigterm"]


async def test_a_car_that_stops_too_late_is_condemned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # looked through for what is left behind
    bound_s = 0.05
    impatient = dataclasses.replace(FAULTS[0], bound_s=bound_s)
    (row,) = rows([impatient], await measure([impatient], runs=1, seed=0, observe_s=0.1))
    assert (row.verdict, row.good) == ("MISSED", False), row
    assert row.times
    assert row.times.p50 > bound_s


async def one_command_lost(rig: Rig) -> None:
    throttle, steering = rig.driver.heading
    command = json.loads(rig.driver.session.message("drive", throttle=throttle, steering=steering))
    await rig.driver.send(**command | {"tick": 0})
    await rig.driver.until_error("stale")
    await watched(links.link_cut)(rig)


@pytest.mark.parametrize(
    ("fault", "verdict", "words"),
    [
        (
            Fault("orphan", "", watched(deaths.server_killed), DEATH_S, "fault", "camera-orphan"),
            "LEAKED",
            "process",
        ),
        (Fault("lost", "", one_command_lost), "WRONG in 1", "the camera cost commands: ['stale']"),
    ],
)
async def test_a_camera_that_outlives_the_car_or_costs_a_command_is_condemned(
    fault: Fault, verdict: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (row,) = rows([fault], await measure([fault], runs=1, seed=0, observe_s=0.1))
    assert (row.verdict, row.good) == (verdict, False), row
    (run,) = row.judged
    assert words in "".join(run.wrong + run.leaked)
