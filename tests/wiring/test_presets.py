"""The presets: each drives as its source says, on remembered pins and in the simulator."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import pytest

from picar import configfile
from picar.config import Config, L298NConfig, MotorsConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.motor.boards import Board
from picar.motor.pins.mock import MockPins
from picar.raspberrypi import pin_of
from picar.wiring.presets import PRESETS, as_toml


class Public(NamedTuple):
    """What the source of a preset says, in BCM numbers: the pins that are high for forward and for a right turn on the spot
    (of a car with a steering motor: forward to the right), those that stay low, and whether its motors roll at rest.
    """

    forward: str
    right: str
    rolls: bool = True


TABLE = {
    "picar": Public("12 23 13 27", "12 23 13 22"),
    "classic-4-wire": Public("17 27", "17 22", rolls=False),
    "classic-6-wire": Public("23 17 24 27", "23 17 24 22"),
    "electronicshub": Public("25 24 22 27", "25 24 22 17"),
    "donkeycar": Public("25 23 17 22", "25 23 17 27"),
    "pi-rc-python": Public("17 22 26 13", "17 22 26 19"),
    "watney": Public("13 25 17", "13 25 27"),
    "alphabot": Public("6 12 26 21", "6 12 26 20"),
    "easy-robo": Public("21 16 19 6", "21 16 13 5", rolls=False),
    "l293d": Public("25 23 10 11", "25 23 10 9"),
    "motozero": Public("5 24 17 6 12 23 25 13", "5 24 17 6 12 16 25 18"),
    "howchoo": Public("27 4 18 24 22", "27 4 18 24 23"),
    "go-raspi-car": Public("18 22 23 25", "18 22 23 24"),
    "alphabot2": Public("6 13 26 21", "6 13 26 20"),
    "yahboom-4wd": Public("16 20 13 19", "16 20 13 26"),
    "camjam-edukit-3": Public("9 7", "9 8"),
    "explorer-hat": Public("19 21", "19 26"),
    "rpi-car-control": Public("17", "17 23"),
    "rusty6": Public("21 16 19 6", "21 16 13 5", rolls=False),
    "pololu-drv8835": Public("12 13", "12 13 6", rolls=False),
    "adafruit-hat": Public("CH8 CH10 CH13 CH11 CH2 CH4 CH7 CH5", "CH8 CH10 CH13 CH11 CH2 CH3 CH7 CH6"),
    "adafruit-hat-2": Public("CH8 CH10 CH13 CH11", "CH8 CH10 CH13 CH12"),
    "waveshare-hat": Public("CH0 CH2 CH5 CH4", "CH0 CH2 CH5 CH3"),
    "freenove-4wd": Public("CH1 CH2 CH7 CH5", "CH1 CH2 CH6 CH4"),
    "loborobot": Public("CH0 CH1 CH5 CH3 CH6 CH8 CH11 24", "CH0 CH1 CH5 CH4 CH6 CH8 CH11 25"),
}


WITH_SERVO = {  # servo and what it gets for left, middle and right; the ESC and its neutral
    "donkeycar-pca": ("CH1", 1872, 1526, 1180, "CH0", 1506),
    "donkeycar-gpio": ("13", 1000, 1500, 2000, "18", 1500),
    "donkeycar-bridge": ("13", 1872, 1526, 1180, None, None),
    "piracer-pro": ("CH0", 2000, 1500, 1000, "CH1", 1500),
}


def number(pin: str) -> int:
    return 100 + int(pin[2:]) if pin.startswith("CH") else int(pin)


def loaded(name: str, folder: Path) -> Config:
    file = folder / "picar.toml"
    file.write_text(as_toml(PRESETS[name]), encoding="utf-8")
    return configfile.load(file, env={})


def high(pins: MockPins) -> set[int]:
    return {pin for pin, level in pins.levels.items() if level}


@pytest.mark.parametrize("name", TABLE)
def test_a_preset_drives_turns_and_stops_as_its_source_says(tmp_path: Path, name: str) -> None:
    config, public = loaded(name, tmp_path), TABLE[name]
    config = dataclasses.replace(config, motors=MotorsConfig(min_duty=0.25))
    pins, board = MockPins(clock=lambda: 0.0), Board(config)
    motors = board.claim(pins)
    right = Output(1.0, 1.0) if board.layout.steers else Output(1.0, -1.0)

    motors.apply(Output(1.0, 0.0) if board.layout.steers else Output(1.0, 1.0))
    assert high(pins) == set(map(number, public.forward.split()))
    motors.apply(COAST)
    motors.apply(right)
    assert high(pins) == set(map(number, public.right.split()))
    motors.apply(COAST)
    assert board.rolls_at_rest == public.rolls
    motors.apply(BRAKE)
    assert list(board.supplies(pins.levels)) == [(0.0, 1.0)] * len(board.layout.motors)
    motors.low()
    assert high(pins) == set()


@pytest.mark.parametrize("name", WITH_SERVO)
def test_a_preset_steers_and_its_esc_gets_neutral_and_forward(tmp_path: Path, name: str) -> None:
    servo, *ends, esc, neutral_us = WITH_SERVO[name]
    pins, board = MockPins(clock=lambda: 0.0), Board(loaded(name, tmp_path))
    motors = board.claim(pins)
    seen = []
    for steering in (-1.0, 0.0, 1.0):
        motors.apply(Output(0.0, steering))
        seen.append(pins.levels[number(str(servo))])
    assert seen == ends
    if esc is not None:
        assert pins.levels[number(str(esc))] == neutral_us
        motors.apply(Output(1.0, 0.0))
        assert pins.levels[number(str(esc))] == neutral_us + 150
    else:
        motors.apply(Output(1.0, 0.0))
        assert high(pins) == {19, 24, 13}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_configuration_that_warns_of_pins_that_are_high_at_power_on(
    tmp_path: Path, name: str
) -> None:
    read = loaded(name, tmp_path)
    assert dataclasses.replace(read, source="defaults", warnings=()) == PRESETS[name].config
    wires = Board(read).wires
    outputs = [terminal for terminal in wires.extras if terminal.section != "range"]
    early = {terminal.pin for terminal in (*wires.terminals, *outputs)} & {*range(9), 14, 15}
    of_pins = [warning for warning in read.warnings if "power-on" in warning]
    assert len(of_pins) == len(early)
    assert len(read.warnings) - len(of_pins) == Board(read).wires.keeps_driving


def test_the_presets_are_at_least_fifteen_and_of_every_drawn_kind() -> None:
    assert {*TABLE, *WITH_SERVO} == set(PRESETS)
    assert len(PRESETS) >= 15
    assert {preset.kind for preset in PRESETS.values()} >= {
        "l298n",
        "l293d",
        "tb6612",
        "drv8833",
        "l9110s",
        "phase-enable",
    }
    assert PRESETS["picar"].config.l298n == L298NConfig()


PARTS = {  # of the same sources: TRIG and ECHO, and the pins of lights and buzzers that are on when high
    "alphabot2": ((22, 27), {"horn": 4}),
    "yahboom-4wd": ((1, 0), {}),
    "camjam-edukit-3": ((17, 18), {}),
    "rpi-car-control": (None, {"left": 5, "right": 6, "rear": 13}),
    "freenove-4wd": ((27, 22), {"horn": 17}),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_parts_of_its_source(tmp_path: Path, name: str) -> None:
    sonar, outputs = PARTS.get(name, (None, {}))
    config = loaded(name, tmp_path)
    found = (config.range.trigger, config.range.echo) if config.range.source == "hcsr04" else None
    assert found == sonar
    assert {key: one.pin for key, one in config.aux.items()} == outputs


def header(name: str) -> dict[str, int]:
    wired = PRESETS[name].config.l298n.wired()
    return {terminal: pin_of(bcm).number for terminal, bcm in wired.items()}


def test_the_classic_car_has_the_articles_pins() -> None:
    """GPIO.BOARD 11, 12, 13, 15 are IN1 to IN4; with speed, 16 and 18 too."""
    inputs = {"in1": 11, "in2": 12, "in3": 13, "in4": 15}
    assert header("classic-4-wire") == inputs
    assert header("classic-6-wire") == inputs | {"ena": 16, "enb": 18}


def test_donkeycars_pins_are_its_templates() -> None:
    """LEFT_FWD 16, LEFT_BWD 18, LEFT_EN 22, RIGHT_FWD 15, RIGHT_BWD 13, RIGHT_EN 11 (`cfg_complete.py`)."""
    assert header("donkeycar") == {"in1": 16, "in2": 18, "ena": 22, "in3": 15, "in4": 13, "enb": 11}
