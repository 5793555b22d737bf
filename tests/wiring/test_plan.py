"""The header, the plan of a configuration, and the presets with the pins of their tutorials."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar import config, configfile
from picar.config import L298NConfig, SideConfig
from picar.raspberrypi import GROUND, PINS, pin_of
from picar.wiring.plan import PRESETS, as_toml, plan

# Header number by BCM, as on the pinout in Raspberry Pi's documentation; written down apart from the code on purpose.
NUMBER = {
    2: 3, 3: 5, 4: 7, 17: 11, 27: 13, 22: 15, 10: 19, 9: 21, 11: 23, 0: 27, 5: 29, 6: 31, 13: 33, 19: 35, 26: 37,
    14: 8, 15: 10, 18: 12, 23: 16, 24: 18, 25: 22, 8: 24, 7: 26, 1: 28, 12: 32, 16: 36, 20: 38, 21: 40,
}  # fmt: skip


def test_every_gpio_is_where_it_is() -> None:
    assert {bcm: pin_of(bcm).number for bcm in range(28)} == NUMBER


def test_power_and_ground_are_where_they_are() -> None:
    def numbers(name: str) -> list[int]:
        return [pin.number for pin in PINS if pin.name == name]

    assert numbers("3V3") == [1, 17]
    assert numbers("5V") == [2, 4]
    assert numbers("GND") == [6, 9, 14, 20, 25, 30, 34, 39]
    assert [pin.number for pin in PINS] == list(range(1, 41))
    assert GROUND in numbers("GND")


def test_the_plan_of_the_defaults() -> None:
    drawn = plan(L298NConfig())
    assert [(w.terminal, w.pin.number, w.pin.bcm, w.side, w.role) for w in drawn.wires] == [
        ("ENA", 32, 12, "left", "speed"),
        ("IN1", 16, 23, "left", "forward"),
        ("IN2", 18, 24, "left", "reverse"),
        ("IN3", 13, 27, "right", "forward"),
        ("IN4", 15, 22, "right", "reverse"),
        ("ENB", 33, 13, "right", "speed"),
    ]
    assert (drawn.jumpers, drawn.resistors, drawn.sides) == ((), ("ENA", "ENB"), ("left", "right"))
    assert len({wire.colour for wire in drawn.wires}) == 6


def test_with_jumpers_the_resistors_go_to_the_inputs() -> None:
    drawn = plan(PRESETS["classic-4-wire"].wiring)
    assert [(w.terminal, w.pin.number) for w in drawn.wires] == [
        ("IN1", 11),
        ("IN2", 12),
        ("IN3", 13),
        ("IN4", 15),
    ]
    assert (drawn.jumpers, drawn.resistors) == (("ENA", "ENB"), ("IN1", "IN2", "IN3", "IN4"))


def test_one_jumper_concerns_its_own_side_only() -> None:
    drawn = plan(L298NConfig(enb="jumper"))
    assert (drawn.jumpers, drawn.resistors) == (("ENB",), ("ENA", "IN3", "IN4"))


def test_swap_exchanges_the_motors() -> None:
    drawn = plan(L298NConfig(swap=True))
    assert drawn.sides == ("right", "left")
    assert [wire.side for wire in drawn.wires] == ["right"] * 3 + ["left"] * 3


@pytest.mark.parametrize("swap", [False, True])
def test_an_inverted_motor_goes_forward_on_its_other_input(swap: bool) -> None:
    drawn = plan(L298NConfig(swap=swap), SideConfig(), SideConfig(invert=True))
    forward = {wire.side: wire.terminal for wire in drawn.wires if wire.role == "forward"}
    assert forward == ({"left": "IN3", "right": "IN2"} if swap else {"left": "IN1", "right": "IN4"})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_good_configuration_without_a_warning(tmp_path: Path, name: str) -> None:
    file = tmp_path / "picar.toml"
    file.write_text(as_toml(PRESETS[name]), encoding="utf-8")
    read = configfile.load(file, env={})
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
