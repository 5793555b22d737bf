"""The section `[battery]`: off by default, and one sentence for each combination that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.commands.check_config import needs
from picar.config import BatteryConfig, Config
from picar.configfile import as_toml
from picar.wiring.presets import PRESETS
from picar.wiring.presets import as_toml as toml_of
from tests.ground.configs import from_text, problems, the_problem

on = pytest.mark.parametrize
HAT = toml_of(PRESETS["waveshare-hat"])
HAT_WITH_OE = HAT.replace("address = 64", "address = 64\noe = 5")
INA = '[battery]\nsource = "ina219"\naddress = 0x41\n'


def test_there_is_no_battery_by_default() -> None:
    assert Config().battery == BatteryConfig(source="none")
    assert needs(Config()) == []


@on(
    "text",
    [
        'source = "none"\nchemistry = "power-bank"',
        'source = "ina219"\ncells = 2\nshutdown = true',
        'source = "ina226"\ncells = 8\naddress = 0x4F',
        'source = "ads1115"\ncells = 2\ndivider = 3.0\nchannel = 3',
        'source = "max17048"\ncells = 1',
        'source = "ina219"\nchemistry = "nimh"\ncells = 6',
        'source = "ina219"',
    ],
)
def test_what_works(tmp_path: Path, text: str) -> None:
    config = from_text(tmp_path, f"[battery]\n{text}\n")
    assert config.warnings == ()
    assert from_text(tmp_path, as_toml(config)).battery == config.battery
    assert ("DeviceAllow=char-i2c rw" in needs(config)) == ("none" not in text)


@on(
    ("text", "sentence"),
    [
        ("shutdown = true", "has no use without a meter"),
        ('source = "ina219"\nchemistry = "power-bank"', "its 5 V do not show its charge"),
        ('source = "ina219"\nshutdown = true', "needs the number of cells"),
        ('source = "ina219"\nshutdown = true\ncells = 6\nchemistry = "nimh"', 'is for chemistry = "li-ion"'),
        ('source = "ina219"\nchannel = 1', "channel = 1 is for the ads1115"),
        ('source = "max17048"\ncells = 2', "measures one cell"),
        ('source = "max17048"\ndivider = 2', "measures one cell"),
        ('source = "ads1115"\ncells = 2\ndivider = 2', "Wire a divider of at least 2.55"),
        ('source = "ina219"\ncells = 7', "7 cells reach 29.4 V, and the ina219 takes 26 V at most"),
        ('source = "ads1115"\naddress = 0x40', "which has 0x48 to 0x4b"),
        ('source = "max17048"\naddress = 0x40', "delete it for 0x36"),
    ],
)
def test_what_cannot_work_is_refused_with_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    problem = the_problem(tmp_path, f"[battery]\n{text}\n")
    assert sentence in problem
    assert "picar.toml: [battery] " in problem


def test_the_bus_of_a_hat_needs_oe(tmp_path: Path) -> None:
    assert "OE has no wire: a meter on this bus could delay a stop" in the_problem(tmp_path, HAT + INA)
    assert from_text(tmp_path, HAT_WITH_OE + INA).battery.address == 0x41
    assert from_text(tmp_path, HAT + INA + "bus = 3\n").battery.bus == 3


def test_the_address_of_the_hat_is_taken(tmp_path: Path) -> None:
    assert "0x40 is that of the PCA9685" in the_problem(tmp_path, HAT_WITH_OE + INA.replace("0x41", "0"))


@on("pins", ["[l298n]\nena = 2\nin1 = 23\nin2 = 24\nenb = 13\nin3 = 27\nin4 = 22\n", "[l298n]\nin4 = 3\n"])
def test_the_pins_of_the_bus_have_no_other_wire(tmp_path: Path, pins: str) -> None:
    assert "[battery] bus = 1 is on GPIO 2 and 3, but [" in the_problem(tmp_path, pins + INA)


def test_other_problems_come_first(tmp_path: Path) -> None:
    assert len(problems(tmp_path, '[battery]\nsource = "ina219"\nchannel = 9\n')) == 1
