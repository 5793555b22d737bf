"""The meter of the battery: it answers, its voltage fits the cells, or the fix is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from picar.doctor.machine import Answer, is_well
from picar.meters import METERS
from tests.doctor.trees import Case
from tests.fakes.i2c_chip import I2cBus

PROBE = "PYTHON -m picar.doctor.probe battery ina219 1 64 0 1.0"
INA = '[battery]\nsource = "ina219"\n'


def found(tree: Path, config: str, answer: Answer | None) -> list[tuple[str, str, str]]:
    findings = Case(config=config, answers={PROBE: answer}).examine(tree)
    assert is_well(findings)
    return [(f.status, f.message, f.fix) for f in findings if f.check == "battery"]


def test_a_car_without_a_meter_has_no_finding(tmp_path: Path) -> None:
    case = Case()
    assert not any(f.check == "battery" for f in case.examine(tmp_path))
    assert not any("battery" in line for line in case.asked)


@pytest.mark.parametrize(
    ("cells", "volts", "status", "message"),
    [
        (0, "7.4", "ok", "7.4 V"),
        (2, "7.4", "ok", "7.4 V, about 40 % if the car has stood for a while"),
        (2, "3.7", "warning", "3.7 V is 1.85 V a cell, which no li-ion cell has"),
        (1, "7.4", "warning", "7.4 V is 7.40 V a cell, which no li-ion cell has"),
    ],
)
def test_a_meter_that_answers(tmp_path: Path, cells: int, volts: str, status: str, message: str) -> None:
    ((said, words, fix),) = found(tmp_path, f"{INA}cells = {cells}\n", Answer(0, volts))
    assert (said, words) == (status, message)
    assert ("divider" in fix) == (status == "warning")


@pytest.mark.parametrize(
    ("answer", "message", "fix"),
    [
        (Answer(1, err="No device answers at 0x40 on I2C bus 1. Check the wires."), "No device", "Check the wires"),
        (Answer(None), "it does not answer", "Restart the Pi"),
        (Answer(-11), "it crashes", ""),
        (None, "cannot be started", ""),
    ],
)  # fmt: skip
def test_a_meter_that_does_not(tmp_path: Path, answer: Answer | None, message: str, fix: str) -> None:
    ((status, words, mended),) = found(tmp_path, INA, answer)
    assert (status, message in words, fix in mended) == ("warning", True, True), words


@pytest.mark.parametrize("source", sorted(METERS))
def test_the_probe_reads_each_meter(tmp_path: Path, source: str) -> None:
    bus, address = I2cBus(tmp_path), METERS[source].addresses.start
    root = Path(__file__).parents[2]
    env = os.environ | bus.env | {"PYTHONPATH": f"{root / 'tests/fakes'}:{root}"}
    command = [sys.executable, "-m", "picar.doctor.probe", "battery", source, "1", str(address), "0", "2.0"]

    def read() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    silent = read()
    assert (silent.returncode, silent.stderr[:18]) == (1, "No device answers ")
    bus.meter(address).measure(source, 2.0)
    done = read()
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(4.0, abs=0.01)
