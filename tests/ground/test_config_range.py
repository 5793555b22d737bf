"""The section [range]: what it accepts, and what it refuses with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar import configfile
from picar.config import Config
from picar.errors import ConfigError

ECHO = 'source = "hcsr04"\ntrigger = 5\necho = 6\n'


def load(folder: Path, text: str, more: str = "") -> Config:
    file = folder / "picar.toml"
    file.write_text(f"[range]\n{text}\n{more}")
    return configfile.load(file, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        ECHO,
        'source = "switch"\nswitch = 6',
        'source = "vl53l0x"',
        'source = "sim"',
        'source = "none"\nslow_m = 0.1',
    ],
)
def test_a_complete_sensor_is_accepted(text: str, tmp_path: Path) -> None:
    load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "sonar"', "hcsr04"),
        ('source = "hcsr04"\ntrigger = 5', "lacks echo"),
        ('source = "hcsr04"\necho = 5', "lacks trigger"),
        ('source = "switch"', "lacks switch"),
        ('source = "sim"\nstop_m = 0.5\nslow_m = 0.5', "stop_m = 0.5 must be less than slow_m = 0.5"),
        (
            'source = "hcsr04"\ntrigger = 5\necho = 5',
            "[range] trigger and [range] echo = 5: one pin used twice",
        ),
        (
            'source = "hcsr04"\ntrigger = 12\necho = 6',
            "[l298n] ena and [range] trigger = 12: one pin used twice",
        ),
    ],
)
def test_an_incomplete_sensor_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert words in str(error.value)
    assert "[range]" in str(error.value)


@pytest.mark.parametrize("backend", ["mock", "lgpio", "rpigpio", "gpiozero"])
def test_the_simulated_sensor_belongs_to_the_simulated_car(backend: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, 'source = "sim"', f'[motors]\nbackend = "{backend}"')
    assert "Name the sensor of this car" in str(error.value)


def test_a_pin_of_a_light_is_no_pin_of_the_sensor(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, ECHO, "[lamp]\npin = 6")
    assert "[lamp] pin and [range] echo = 6: one pin used twice" in str(error.value)
