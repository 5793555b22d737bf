"""The doctor on the vendor libraries' fakes: it tries the pins for real, and leaves a running car alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from picar.doctor import examine
from picar.doctor.machine import Answer, Finding, Machine
from tests.doctor.trees import PI_5, listen_nowhere
from tests.support.header import ADVICE, FakeHeader
from tests.support.product import ALL_PINS


def pins_as_found(header: FakeHeader, root: Path, backend: str) -> dict[str, Finding]:
    """Examine a Pi whose libraries are the fakes; everything else on it is missing."""

    def ask(*command: str) -> Answer | None:
        if command[0] != sys.executable:
            return None
        done = subprocess.run(
            command, env=os.environ | header.env, capture_output=True, text=True, check=False, timeout=60
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_text(PI_5)
    config = root / "picar.toml"
    config.write_text(f'[motors]\nbackend = "{backend}"\n')
    return {f.check: f for f in examine(Machine(root, ask, listen_nowhere), str(config), env={})}


@pytest.mark.parametrize("library", ["lgpio", "rpi-lgpio", "gpiozero"])
def test_the_library_in_use_is_tried_with_the_motor_pins(tmp_path: Path, library: str) -> None:
    header = FakeHeader(library, tmp_path)
    header.board.drive(12, 1)  # left high by somebody
    found = pins_as_found(header, tmp_path / "root", header.name)
    assert found["pins"].status == "ok", found
    assert found["pins"].message.startswith(f"{header.name} drives GPIO 12, 13, 22, 23, 24, 27")
    assert all(header.is_low_output(bcm) for bcm in ALL_PINS)


def test_the_pins_of_a_running_picar_are_left_alone(tmp_path: Path) -> None:
    header = FakeHeader("lgpio", tmp_path)
    with header.python("pins.output(23).set(1); print('high', flush=True); input()") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "high\n"
        found = pins_as_found(header, tmp_path / "root", "lgpio")
        assert header.level(23) == 1
        other.communicate("\n", timeout=60)
    assert (found["pins"].status, f"process {other.pid}" in found["pins"].message) == ("ok", True)
    assert found["lgpio"].message == "works"


def test_a_pin_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    header = FakeHeader("lgpio", tmp_path)
    header.board.tell("broken", "24")
    found = pins_as_found(header, tmp_path / "root", "lgpio")
    assert found["pins"].status == "problem"
    assert "GPIO 24" in found["pins"].message


@pytest.mark.parametrize(("backend", "asked"), [("auto", "lgpio"), ("rpigpio", "rpigpio")])
def test_it_says_what_a_library_lacks(tmp_path: Path, backend: str, asked: str) -> None:
    header = FakeHeader("rpi-lgpio", tmp_path)
    header.board.tell("lgpio", "no-access")
    found = pins_as_found(header, tmp_path / "root", backend)
    assert (found[asked].status, found[asked].message) == ("problem", "no permission for /dev/gpiochip0")
    assert ADVICE in found[asked].fix
    assert found["pins"].status == "problem"
    assert not header.board.folder.joinpath("line12").exists()
