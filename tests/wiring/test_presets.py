"""The presets: good configurations, and the tutorials' own pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar import config
from picar.raspberrypi import pin_of
from picar.wiring.presets import PRESETS, as_toml


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_good_configuration_without_a_warning(tmp_path: Path, name: str) -> None:
    file = tmp_path / "picar.toml"
    file.write_text(as_toml(PRESETS[name]), encoding="utf-8")
    read = config.load(file, env={})
    assert read.l298n == PRESETS[name].wiring
    assert read.warnings == ()
    assert read.motors.pwm_hz == (PRESETS[name].pwm_hz or 200)


def numbers(name: str) -> dict[str, int]:
    return {terminal: pin_of(bcm).number for terminal, bcm in PRESETS[name].wiring.wired().items()}


def test_the_classic_car_has_the_articles_pins() -> None:
    """GPIO.BOARD 11, 12, 13, 15 are IN1 to IN4; with speed, 16 and 18 too."""
    inputs = {"in1": 11, "in2": 12, "in3": 13, "in4": 15}
    assert numbers("classic-4-wire") == inputs
    assert numbers("classic-6-wire") == inputs | {"ena": 16, "enb": 18}


def test_donkeycars_pins_are_its_templates() -> None:
    """LEFT_FWD 16, LEFT_BWD 18, LEFT_EN 22, RIGHT_FWD 15, RIGHT_BWD 13, RIGHT_EN 11 (`cfg_complete.py`)."""
    assert numbers("donkeycar") == {"in1": 16, "in2": 18, "ena": 22, "in3": 15, "in4": 13, "enb": 11}


def test_the_widely_copied_tutorial_has_its_three_pins() -> None:
    wired = PRESETS["electronicshub"].wiring.wired()
    assert (wired["in1"], wired["in2"], wired["ena"]) == (24, 23, 25)


def test_the_first_preset_is_the_default() -> None:
    assert PRESETS["picar"].wiring == config.L298NConfig()
