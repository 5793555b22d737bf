"""Pins in the configuration: each wire has its own, and a pin that is high at boot is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.config import L298NConfig
from picar.options import Option
from tests.ground.configs import (
    NOT_PULLED_DOWN,
    PINS,
    PLAIN_PINS,
    from_text,
    name_of,
    problems,
    the_problem,
)


@pytest.mark.parametrize(("section", "option"), PINS, ids=name_of)
def test_a_pin_may_be_any_of_the_header(tmp_path: Path, section: str, option: Option) -> None:
    taken = set(L298NConfig().wired().values()) - {option.default}
    for number in set(range(28)) - taken:
        settings = from_text(tmp_path, f"[{section}]\n{option.name} = {number}")
        assert getattr(settings.l298n, option.name) == number


def test_only_an_enable_may_be_a_jumper(tmp_path: Path) -> None:
    wiring = from_text(tmp_path, '[l298n]\nena = "jumper"\nenb = "jumper"').l298n
    assert wiring.wired() == {"in1": 23, "in2": 24, "in3": 27, "in4": 22}
    for _, option in PLAIN_PINS:
        assert "jumper" not in option.rule
        assert "0 to 27" in the_problem(tmp_path, f'[l298n]\n{option.name} = "jumper"')


def test_the_classic_four_wire_car_is_good(tmp_path: Path) -> None:
    text = '[l298n]\nena = "jumper"\nin1 = 17\nin2 = 18\nenb = "jumper"\nin3 = 27\nin4 = 22'
    assert from_text(tmp_path, text).l298n.wired() == {"in1": 17, "in2": 18, "in3": 27, "in4": 22}


def test_wired_pins_come_enables_first() -> None:
    assert list(L298NConfig().wired()) == ["ena", "enb", "in1", "in2", "in3", "in4"]
    assert list(L298NConfig(ena="jumper").wired()) == ["enb", "in1", "in2", "in3", "in4"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ena = 22", "[l298n] ena = 22 and in4 = 22: one pin used twice. Give each wire its own."),
        ("in4 = 23", "[l298n] in1 = 23 and in4 = 23: one pin used twice. Give each wire its own."),
        ("ena = 5\nin1 = 5\nin4 = 5", "[l298n] ena = 5 and in1 = 5 and in4 = 5: one pin used twice."),
    ],
)
def test_one_pin_for_two_wires_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    problem = the_problem(tmp_path, f"[l298n]\n{text}")
    assert sentence in problem
    assert problem.startswith(f"{tmp_path / 'picar.toml'}: ")


def test_two_pins_may_change_places(tmp_path: Path) -> None:
    wiring = from_text(tmp_path, "[l298n]\nena = 13\nenb = 12").l298n
    assert (wiring.ena, wiring.enb) == (13, 12)


def test_a_pin_used_twice_names_all_who_said_so(tmp_path: Path) -> None:
    env = {"PICAR_L298N__IN2": "5", "PICAR_L298N__ENA": "6", "PICAR_DRIVE__ACCEL": "3"}
    problem = the_problem(tmp_path, "[l298n]\nin1 = 5", env)
    origins, _, _ = problem.partition(": [l298n] in1 = 5 and in2 = 5: one pin used twice.")
    assert set(origins.split(", ")) == {"environment PICAR_L298N__IN2", str(tmp_path / "picar.toml")}


def test_a_pin_that_no_header_has_does_not_clash_with_the_default_it_replaced(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[l298n]\nena = 99\nin1 = 12")
    assert "ena = 99" in problem


@pytest.mark.parametrize(("section", "option"), PINS, ids=name_of)
@pytest.mark.parametrize("number", NOT_PULLED_DOWN)
def test_a_pin_that_is_high_at_boot_is_warned_of(
    tmp_path: Path, section: str, option: Option, number: int
) -> None:
    _, warning = from_text(tmp_path, f"[{section}]\n{option.name} = {number}").warnings
    assert f"[l298n] {option.name} = {number}" in warning
    assert "motor may run" in warning
    assert ("pulled up" in warning) == (number <= 8)
    assert ("pulsed by the serial port" in warning) == (number in (14, 15))
    assert "GPIO 9 to 13 or 16 to 27" in warning


@pytest.mark.parametrize("number", set(range(28)) - set(NOT_PULLED_DOWN) - {12, 13, 22, 24, 27})
def test_a_pin_that_is_low_at_boot_is_not(tmp_path: Path, number: int) -> None:
    (of_the_others,) = from_text(tmp_path, f"[l298n]\nin1 = {number}").warnings
    assert "in1" not in of_the_others
