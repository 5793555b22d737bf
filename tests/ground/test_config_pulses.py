"""Cars with a steering servo, an ESC and a PCA9685: how their pins are written, and each sentence about what is wrong."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from picar.config import Config
from picar.configfile import as_toml, load, reference
from picar.wires import Chip, wires_of
from tests.ground.configs import from_text, problems, the_problem
from tests.motor.escs import esc_car
from tests.motor.kinds_rig import ON_CHIPS, Car

SERVO = '[layout]\nkind = "steer-servo"\n[steering]\npin = 19\n'
ESC = f'[board]\nkind = "esc"\n{SERVO}[motor.drive]\npwm = 18\n'
DRIVE = f'[board]\nkind = "drv8833"\n{SERVO}[motor.drive]\nin1 = 23\nin2 = 24\n'
HAT = (
    '[board]\nkind = "tb6612"\nchip = "pca9685"\naddress = 0x60\n[motor.left]\npwm = 8\nin1 = 10\nin2 = 9\n'
    "[motor.right]\npwm = 13\nin1 = 11\nin2 = 12\n"
)
HAT_ESC = '[board]\nkind = "esc"\nchip = "pca9685"\n[layout]\nkind = "steer-servo"\n[steering]\npin = 1\n[motor.drive]\npwm = 0\n'
KEEPS_DRIVING = (
    "If the Pi hangs, this board keeps driving. Only its switch stops it. Wire OE of the PCA9685, and set oe under [board]; "
    "docs/motor-hats.md shows it."
)


@pytest.mark.parametrize("car", ON_CHIPS, ids=str)
def test_every_car_on_a_chip_reads_back_as_it_is_printed(tmp_path: Path, car: Car) -> None:
    printed = as_toml(car.config)
    again = from_text(tmp_path, printed)
    assert dataclasses.replace(again, source="defaults", warnings=()) == car.config
    assert list(again.warnings) == ([] if car.oe else [KEEPS_DRIVING])
    tables = tomllib.loads(printed)
    for motor in car.motors:
        for role, pin in motor.pins.items():
            assert tables["motor"][motor.name][role] == (pin - 100 if pin >= 100 else f"GPIO{pin}")
    assert tables["board"].get("oe") == (5 if car.oe else "none")


@pytest.mark.parametrize(("chip", "oe"), [("header", False), ("pca9685", False), ("pca9685", True)])
def test_every_esc_reads_back_as_it_is_printed(tmp_path: Path, chip: str, oe: bool) -> None:
    config = esc_car(chip=chip, oe=oe)
    again = from_text(tmp_path, as_toml(config))
    assert dataclasses.replace(again, source="defaults", warnings=()) == config
    assert len(again.warnings) == (chip != "header" and not oe)


@pytest.mark.parametrize("pwm", ["8", '"CH8"', '"ch 8"'])
@pytest.mark.parametrize(
    ("in1", "pin"), [('"GPIO17"', 17), ('"BCM17"', 17), ('"BOARD11"', 17), ('"J8:11"', 17)]
)
def test_a_pin_of_a_car_with_a_chip_is_a_channel_or_a_text(
    tmp_path: Path, pwm: str, in1: str, pin: int
) -> None:
    text = (
        HAT.replace("pwm = 8", f"pwm = {pwm}")
        .replace("in1 = 10", f"in1 = {in1}")
        .replace("in2 = 9", 'in2 = "GPIO27"')
    )
    motor = wires_of(from_text(tmp_path, text)).motors[0]
    assert {role: terminal.pin for role, terminal in motor.terminals.items()} == {
        "pwm": 108,
        "in1": pin,
        "in2": 27,
    }


def test_the_chip_has_one_frequency_that_of_the_motors_or_that_of_pulses(tmp_path: Path) -> None:
    assert wires_of(from_text(tmp_path, HAT)).chip == Chip(1, 0x60, 200, None)
    chip = wires_of(
        from_text(
            tmp_path, "[motors]\npwm_hz = 1000\n" + HAT.replace("[motor.left]", "oe = 6\n[motor.left]", 1)
        )
    ).chip
    assert chip
    assert chip.hz == 1000
    assert chip.oe
    assert chip.oe.pin == 6
    esc = wires_of(from_text(tmp_path, HAT_ESC))
    assert esc.chip
    assert (esc.chip.hz, [terminal.pin for terminal in esc.pulses]) == (50, [100, 101])
    header = wires_of(from_text(tmp_path, ESC))
    assert header.chip is None
    assert [str(terminal) for terminal in header.pulses] == ["drive.pwm", "pin"]


def test_the_environment_alone_describes_an_esc_on_a_chip() -> None:
    env = {
        "BOARD__KIND": "esc",
        "BOARD__CHIP": "pca9685",
        "BOARD__OE": "5",
        "LAYOUT__KIND": "steer-servo",
        "STEERING__PIN": "CH15",
        "MOTOR_DRIVE__PWM": "3",
        "ESC__REVERSE": "none",
        "ESC__MAX_THROTTLE": "0.5",
    }
    config = load(None, {f"PICAR_{name}": value for name, value in env.items()})
    wires = wires_of(config)
    assert [terminal.pin for terminal in wires.terminals] == [5, 103, 115]
    assert (config.esc.reverse, config.esc.max_throttle, config.warnings) == ("none", 0.5, ())
    again = {f"PICAR_{name}": value for name, value in env.items()} | {"PICAR_MOTOR_DRIVE__PWM": "GPIO18"}
    assert [terminal.pin for terminal in wires_of(load(None, again)).terminals] == [5, 18, 115]


def test_a_board_driven_by_a_chip_without_oe_is_warned_of(tmp_path: Path) -> None:
    assert from_text(tmp_path, HAT).warnings == (KEEPS_DRIVING,)
    with_oe = HAT.replace("[motor.left]", "oe = {}\n[motor.left]", 1)
    assert from_text(tmp_path, with_oe.format(5)).warnings == ()
    (warning,) = from_text(tmp_path, with_oe.format(17)).warnings
    assert "oe = 17: " in warning
    assert warning.endswith("Use GPIO 5 or 6.")
    only_servo = DRIVE.replace("[layout]", 'chip = "pca9685"\n[layout]', 1).replace("= 23", '= "GPIO23"')
    assert from_text(tmp_path, only_servo.replace("= 24", '= "GPIO24"').replace("= 19", "= 1")).warnings == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            DRIVE.replace("pin = 19", ""),
            "[steering] lacks pin: the layout steer-servo has a servo. Add the pin of its signal.",
        ),
        (
            DRIVE.replace("19", "17"),
            "[steering] pin = 17: servo pulses need the kernel's PWM, which only GPIO 12, 13, 18 and 19 have, or a channel of a "
            "PCA9685. Move the wire to one of them.",
        ),
        (
            ESC.replace("= 18", "= 17"),
            "[motor.drive] pwm = 17: servo pulses need the kernel's PWM, which only GPIO 12, 13, 18 and 19 have, or a channel of "
            "a PCA9685. Move the wire to one of them.",
        ),
        (
            ESC.replace("= 18", "= 13"),
            "[motor.drive] pwm = 13 and [steering] pin = 19 share one PWM of the kernel. Use one of 12 and 18, and one of 13 and 19.",
        ),
        (
            ESC.replace("= 18", "= 19"),
            "[motor.drive] pwm and [steering] pin = 19: one pin used twice. Give each wire its own.",
        ),
        (
            DRIVE.replace("pin = 19", "pin = 19\ncenter_us = 1960"),
            "[steering] center_us = 1960 must be between left_us = 1000 and right_us = 2000, at least 50 µs from each. Change one "
            "of them.",
        ),
        (
            DRIVE.replace("pin = 19", "pin = 19\nleft_us = 2000"),
            "[steering] center_us = 1500 must be between left_us = 2000 and right_us = 2000",
        ),
        (
            DRIVE.replace('"steer-servo"', '"steer-motor"') + "[motor.steer]\nin1 = 20\nin2 = 21\n",
            '[steering] is for the layout steer-servo. Set kind = "steer-servo" under [layout], or delete it.',
        ),
        (
            DRIVE + "[esc]\nstart_us = 30\n",
            '[esc] is for the kind esc. Set kind = "esc" under [board], or delete the section.',
        ),
        (
            '[board]\nkind = "esc"\n[layout]\nkind = "steer-motor"\n[motor.drive]\npwm = 12\n[motor.steer]\npwm = 13\n',
            '[board] kind = "esc" drives one motor. Set kind = "steer-servo" under [layout].',
        ),
        (
            ESC + "[esc]\nmax_throttle = 0.08\n",
            "[esc] start_us = 40 reaches the 40 µs of max_throttle. Lower start_us, or raise max_throttle.",
        ),
        (
            ESC.replace("kind = \"esc\"\n", "kind = \"esc\"\nswap = true\n"),
            "[board] swap = true has no use: this car has one motor. Delete the option.",
        ),
        (
            ESC.replace("kind = \"esc\"\n", "kind = \"esc\"\nstandby = 26\n"),
            "[board] standby = 26: the kind esc has no standby line. Delete the option.",
        ),
        (
            ESC.replace("= 18", '= "jumper"'),
            '[motor.drive] pwm = "jumper" is not possible: the kind esc needs this wire. Add its pin.',
        ),
        (
            ESC + "in1 = 20\n",
            "[motor.drive] in1 = 20 has no use: the kind esc has pwm for each motor. Delete the option.",
        ),
        (
            DRIVE.replace("[layout]", "oe = 5\n[layout]", 1),
            '[board] oe has no use without a PCA9685. Set chip = "pca9685", or delete the option.',
        ),
        (
            DRIVE.replace("= 23", '= "CH3"'),
            '[motor.drive] in1 is a channel. Set chip = "pca9685" under [board], or use a pin.',
        ),
        (
            HAT.replace("= 8", '= "GPIO12"')
            .replace("= 10", '= "GPIO16"')
            .replace("= 9", '= "GPIO17"')
            .replace("= 13", '= "GPIO13"')
            .replace("= 11", '= "GPIO22"')
            .replace("= 12", '= "GPIO23"'),
            '[board] chip = "pca9685" has no use: no motor, servo or other output is at one of its channels. Delete the option, or write '
            'the channels as plain numbers, without "GPIO".',
        ),
        (
            HAT.replace("0x60", "0x70"),
            "[board] address = 0x70 is the address to which every PCA9685 answers. Use the board's own.",
        ),
        (
            HAT.replace("= 9", '= "GPIO3"').replace("= 10", '= "GPIO17"'),
            "GPIO 2 and 3 are the I2C bus of the PCA9685. Use other pins.",
        ),
        ("[motors]\npwm_hz = 20\n" + HAT, "[motors] pwm_hz = 20: a PCA9685 has 24 to 1526 Hz. Change it."),
        ("[motors]\npwm_hz = 1527\n" + HAT, "[motors] pwm_hz = 1527: a PCA9685 has 24 to 1526 Hz. Change it."),
        (
            HAT_ESC + "[esc]\nmax_throttle = 0.31\n",
            "[esc] max_throttle = 0.31: without a wire to OE, nothing stops this ESC when the Pi hangs. Wire OE and set oe under "
            "[board], or lower max_throttle to 0.3.",
        ),
        (HAT.replace("= 9", "= 13"), "[motor.right] pwm and [motor.left] in2 = channel 13: one pin used twice."),
        (
            HAT.replace("= 9", '= "GPIO17"'),
            "[motor.left] mixes channels of the PCA9685 and pins of the header. Possible is pwm at a channel with in1 and in2 at "
            "pins. Move the wires.",
        ),
        (
            HAT.replace("tb6612", "phase-enable").replace("in2 = 9\n", "").replace("in2 = 12\n", "").replace("= 11", '= "GPIO17"'),
            "[motor.right] mixes channels of the PCA9685 and pins of the header.",
        ),
        (HAT.replace("= 9", "= 16"), "[motor.left] in2 = 16 is not a BCM pin number of the 40-pin header, 0 to 27"),
        (HAT.replace("= 9", "= -1"), "A PCA9685 has the channels 0 to 15; a pin of the header is a text like \"GPIO17\"."),
        (HAT.replace("= 9", f"= 0x{'f' * 5000}"), "A PCA9685 has the channels 0 to 15"),
        (HAT.replace("= 9", '= "CH16"'), "A PCA9685 has the channels 0 to 15"),
        (HAT.replace("[motor.left]", "oe = \"CH3\"\n[motor.left]", 1), '[board] oe = "CH3" is not a BCM pin number'),
        (HAT.replace("address = 0x60", "address = 0x3F"), "[board] address = 63 is not a whole number from 64 to 127."),
        ('[l298n]\nena = "CH3"\n', '[l298n] ena = "CH3" is not a BCM pin number'),
        ("[l298n]\nin1 = 103\n", "[l298n] in1 = 103 is not a BCM pin number"),
        (DRIVE.replace("= 23", "= 103"), "[motor.drive] in1 = 103 is not a BCM pin number"),
        ("[steering]\npin = 19\n", '[steering] is for the layout steer-servo. Set kind = "steer-servo" under [layout]'),
    ],
)  # fmt: skip
def test_what_describes_no_such_car_is_refused_with_a_fix(tmp_path: Path, text: str, sentence: str) -> None:
    found = problems(tmp_path, text)
    assert any(sentence in problem for problem in found), found
    assert all(problem.endswith((".", "?")) for problem in found)


def test_one_sentence_is_enough_for_one_mistake(tmp_path: Path) -> None:
    assert the_problem(tmp_path, DRIVE.replace("19", "17"))
    assert the_problem(tmp_path, HAT_ESC + "[esc]\nmax_throttle = 0.31\n")
    assert the_problem(tmp_path, HAT.replace("0x60", "0x70"))


def test_oe_lifts_the_limit_of_an_esc_on_a_chip_and_the_header_has_none(tmp_path: Path) -> None:
    fast = "[esc]\nmax_throttle = 1.0\n"
    assert from_text(tmp_path, ESC + fast).esc.max_throttle == 1.0
    wired = HAT_ESC.replace("[layout]", "oe = 6\n[layout]", 1)
    assert from_text(tmp_path, wired + fast).warnings == ()


def test_a_servo_mounted_the_other_way_round_has_its_ends_exchanged(tmp_path: Path) -> None:
    text = DRIVE.replace("pin = 19", "pin = 19\nleft_us = 1900\ncenter_us = 1450\nright_us = 1100")
    assert from_text(tmp_path, text).steering.right_us == 1100


def test_the_reference_has_the_sections_of_pulses() -> None:
    text = reference()
    assert "## [steering]" in text
    assert "## [esc]" in text
    assert '| `reverse` | `"double"` |' in text
    assert as_toml(Config()).count("steering") == 0
