"""`picar check-config --needs`, and `picar-board`, which allows the service what the configured board needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.cars import CARS, I2C, PWM

ROOT = Path(__file__).parents[2]
OWN = "[Service]\nNice=-5\n"


class House:
    """The files of an installed picar below a folder, and `picar-board` with its paths moved there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._bin = folder, folder / "venv" / "bin"
        self._bin.mkdir(parents=True)
        (folder / "units" / "picar.service.d").mkdir(parents=True)
        (folder / "units" / "picar.service.d" / "override.conf").write_text(OWN)
        text = (ROOT / "systemd" / "picar-board").read_text(encoding="utf-8")
        for place, here in (
            ("/etc/picar/", "/"),
            ("/etc/systemd/system", "/units"),
            ("/run/picar/", "/"),
        ):
            assert place in text
            text = text.replace(place, f"{folder}{here}")
        self._put("picar-board", text.removeprefix("#!/bin/sh\n"))
        self._put("picar", f'echo "picar $*" >>{folder}/ran; exec {sys.executable} -m picar "$@"')
        for tool in ("systemctl", "groupadd"):
            self._put(tool, f'echo "{tool} $*" >>{folder}/ran')
        self._put("getent", "exit 2")

    def _put(self, name: str, text: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def start(self, config: str | None = None) -> list[str]:
        """Write the configuration if one is given, and run `picar-board`. Returns the commands that it ran."""
        ran, path = self.folder / "ran", f"{self._bin}:{os.environ['PATH']}"
        ran.write_text("")
        if config is not None:
            (self.folder / "picar.toml").write_text(config)
        done = subprocess.run(
            [self._bin / "picar-board"],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return ran.read_text().replace(f"{self.folder}/", "").splitlines()

    def allowed(self, unit: str = "picar") -> list[str] | None:
        """Return the lines of the drop-in for a unit, without its comment, and None without one."""
        path = self.folder / "units" / f"{unit}.service.d" / "picar-board.conf"
        return path.read_text().splitlines()[1:] if path.exists() else None


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


ASKED = "picar check-config --needs picar.toml"
RELOADED = "systemctl daemon-reload"


@pytest.mark.parametrize("car", CARS)
def test_what_a_board_needs(car: str, tmp_path: Path) -> None:
    text, needs = CARS[car]
    path = tmp_path / "picar.toml"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "picar", "check-config", "--needs", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(done.stdout.split("\n")[:-1]) == needs


def test_a_car_without_needs_gets_nothing(house: House) -> None:
    assert house.start("") == [ASKED]
    assert house.allowed() is None
    assert house.start() == [], "Python starts for a changed configuration alone"


def test_a_chip_gets_its_bus_in_both_units_and_a_unit_at_boot(house: House) -> None:
    enable = "systemctl --quiet --no-reload enable picar-pins-low"
    assert house.start(CARS["hat"][0]) == [ASKED, "groupadd --system i2c", enable, RELOADED]
    for unit in ("picar", "picar-pins-low"):
        assert house.allowed(unit) == ["[Service]", *I2C]
    assert house.start() == []
    assert house.start(CARS["hat"][0] + "\n") == [ASKED], "another file, the same needs"


def test_the_kernel_s_pwm_gets_its_paths_and_no_group(house: House) -> None:
    disable = "systemctl --quiet --no-reload disable picar-pins-low"
    assert house.start(CARS["servo"][0]) == [ASKED, disable, RELOADED]
    assert house.allowed() == ["[Service]", *PWM]


def test_what_is_no_longer_needed_is_taken_back_and_drop_ins_of_the_owner_stay(house: House) -> None:
    house.start(CARS["servo-beside-a-chip"][0])
    assert house.allowed() == ["[Service]", *I2C, *PWM]
    assert house.start("")[-2:] == ["systemctl --quiet --no-reload disable picar-pins-low", RELOADED]
    assert house.allowed() is None
    assert not (house.folder / "units" / "picar-pins-low.service.d").exists()
    assert (house.folder / "units" / "picar.service.d" / "override.conf").read_text() == OWN


def test_pins_that_are_still_to_be_made_low_keep_the_devices_of_their_board(house: House) -> None:
    house.start(CARS["hat"][0])
    (house.folder / "driven.toml").write_text(CARS["hat"][0])
    assert house.start("") == []
    assert house.allowed() == ["[Service]", *I2C]
    (house.folder / "driven.toml").unlink()
    house.start()
    assert house.allowed() is None


def test_a_faulty_configuration_changes_nothing_and_is_reported_by_serve(house: House) -> None:
    house.start(CARS["hat"][0])
    assert house.start("[board]\nkind = 1\n") == [ASKED]
    assert house.allowed() == ["[Service]", *I2C]


def test_without_a_configuration_it_does_nothing(house: House) -> None:
    assert house.start() == []
