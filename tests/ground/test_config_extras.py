"""The sections `[aux.*]`, `[lamp]` and `[range]`: how they are read and printed, and each sentence about what is wrong."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from picar.config import MOST_AUX
from picar.configfile import as_toml
from picar.wires import wires_of
from tests.ground.configs import from_text, problems, the_problem

GOOD = """
[aux.light]
pin = 5
label = "Headlight"
icon = "light"
key = "n"
[aux.horn]
kind = "momentary"
pin = 6
key = "h"
button = 0
tone_hz = 440
[aux.glow]
kind = "dimmer"
pin = 16
[aux.back]
pin = 20
follow = "reverse"
[aux.pan]
kind = "servo"
pin = 18
axis = "pan"
left_us = 2000
right_us = 1000
[aux.tilt]
kind = "servo"
pin = 19
axis = "tilt"
relax = true
[lamp]
pin = 21
"""
DEFAULT_PINS = "[l298n]\nena = 12\nin1 = 23\nin2 = 24\nenb = 13\nin3 = 27\nin4 = 22\n"
HAT = (
    '[board]\nkind = "tb6612"\nchip = "pca9685"\n[motor.left]\npwm = 8\nin1 = 10\nin2 = 9\n'
    "[motor.right]\npwm = 13\nin1 = 11\nin2 = 12\n"
)


def test_all_kinds_of_outputs_are_read_and_read_back_as_they_are_printed(tmp_path: Path) -> None:
    config = from_text(tmp_path, GOOD + DEFAULT_PINS)
    again = from_text(tmp_path, as_toml(config))
    assert dataclasses.replace(again, source=config.source, warnings=config.warnings) == config
    wires = wires_of(config)
    assert [terminal.pin for terminal in wires.extras] == [21, 5, 6, 16, 20]
    assert [terminal.pin for terminal in wires.servos] == [18, 19]
    assert wires.terminals[0].pin == 12, "the motors go low first"


def test_the_examples_of_the_manual_are_one_good_configuration(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs/extras.md").read_text(encoding="utf-8")
    config = from_text(tmp_path, DEFAULT_PINS + "".join(re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)))
    assert len(config.aux) == MOST_AUX
    assert config.warnings == ()


def test_a_laser_beside_a_hat_without_oe_is_warned_of(tmp_path: Path) -> None:
    laser = '[range]\nsource = "vl53l0x"\n'
    (warning,) = set(from_text(tmp_path, HAT + laser).warnings) - set(from_text(tmp_path, HAT).warnings)
    assert "on bus 1, that of the PCA9685, the sensor could delay a stop" in warning
    for car in (DEFAULT_PINS, HAT.replace("[motor.left]", "oe = 5\n[motor.left]")):
        assert not from_text(tmp_path, car + laser).warnings


@pytest.mark.parametrize("pin", [2, 8, 14])
def test_a_light_at_a_pin_that_is_high_at_power_on_is_warned_of(tmp_path: Path, pin: int) -> None:
    config = from_text(tmp_path, f"{DEFAULT_PINS}[aux.light]\npin = {pin}\n")
    assert config.warnings == (
        f"[aux.light] pin = {pin}: this pin is not low at power-on, so this output may be on before picar starts. Use one of "
        "GPIO 9 to 13 or 16 to 27.",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[range]\ntrigger = 5\necho = 6\n",
            '[range] has pins, but source = "none": the car has no distance sensor. Set source, or delete the pins.',
        ),
        (
            "[battery]\ncells = 2\n",
            '[battery] cells = 2, but source = "none": the battery is not measured. Set source, or delete cells.',
        ),
    ],
)
def test_a_part_without_a_source_is_warned_of(tmp_path: Path, text: str, sentence: str) -> None:
    assert from_text(tmp_path, DEFAULT_PINS + text).warnings == (sentence,)


def test_a_power_bank_needs_no_source(tmp_path: Path) -> None:
    text = '[battery]\ncells = 1\nchemistry = "power-bank"\n'
    assert from_text(tmp_path, DEFAULT_PINS + text).warnings == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[aux.light]\n", "[aux.light] is empty. Add the pin of its wire, or delete the section."),
        (
            '[aux.back]\npin = 5\nfollow = "reverse"\nkey = "b"\n',
            "[aux.back] key has no use: an output with follow is switched by the car alone. Delete the option.",
        ),
        (
            '[aux.back]\npin = 5\nfollow = "reverse"\nbutton = 0\n',
            "[aux.back] button has no use: an output with follow is switched by the car alone. Delete the option.",
        ),
        (
            "[aux]\npin = 5\n",
            "aux.pin = 5 is not a section. Each output has a section with a name: write [aux.light] or another name "
            "above its options.",
        ),
        ("[aux]\nlight = 5\n", "aux.light = 5 is not a section. Write [aux.light] on its own line."),
        (
            "[lights]\npin = 5\n",
            "unknown section [lights]. An output is a section [aux.NAME], for example [aux.lights].",
        ),
        ('[aux.light]\nlabel = "Light"\n', "[aux.light] lacks pin. Add the pin of its wire."),
        (
            '[aux.light]\npin = 5\naxis = "pan"\n',
            '[aux.light] axis = "pan" is for a servo. Set kind = "servo", or delete the option.',
        ),
        (
            '[aux.arm]\nkind = "servo"\npin = 18\nfollow = "brake"\n',
            '[aux.arm] follow = "brake" is for a light. A servo cannot follow the car. Delete the option.',
        ),
        (
            '[aux.glow]\nkind = "dimmer"\npin = 5\ntone_hz = 440\n',
            "[aux.glow] tone_hz = 440 has no use for the kind dimmer. Delete the option.",
        ),
        (
            '[aux.arm]\nkind = "servo"\npin = 18\nleft_us = 1500\nright_us = 1590\n',
            "[aux.arm] left_us = 1500 and right_us = 1590 must be at least 100 µs apart. Change one of them.",
        ),
        ('[aux.light]\npin = 5\nkey = "F1"\n', '[aux.light] key = "F1" is not one letter or digit, like h.'),
        ('[aux.light]\npin = 5\nkey = "W"\n', '[aux.light] key = "W" drives the car. Use another key.'),
        (
            "[aux.light]\npin = 5\nbutton = 1\n",
            "[aux.light] button = 1 of a gamepad drives the car, stops it or changes its speed limit. Use another one.",
        ),
        (
            '[aux.a]\npin = 5\nkey = "h"\n[aux.b]\npin = 6\nkey = "H"\n',
            '[aux.a] and [aux.b] have the same key = "h". Change one of them.',
        ),
        (
            "[aux.a]\npin = 5\nbutton = 2\n[aux.b]\npin = 6\nbutton = 2\n",
            "[aux.a] and [aux.b] have the same button = 2. Change one of them.",
        ),
        (
            '[aux.a]\nkind = "servo"\npin = 18\naxis = "pan"\n[aux.b]\nkind = "servo"\npin = 19\naxis = "pan"\n',
            '[aux.a] and [aux.b] have the same axis = "pan". Change one of them.',
        ),
        (
            '[aux.a]\nkind = "servo"\npin = 18\naxis = "pan"\n[aux.b]\npin = 6\nkey = "k"\n',
            '[aux.b] key = "k" moves the servos of the second stick. Use another key.',
        ),
        (
            '[aux.arm]\nkind = "servo"\npin = 5\n',
            "[aux.arm] pin = 5: servo pulses need the kernel's PWM, which only GPIO 12, 13, 18 and 19 have, or a channel of a "
            "PCA9685. Move the wire to one of them.",
        ),
        (
            '[aux.light]\npin = "CH3"\n',
            '[aux.light] pin is a channel. Set chip = "pca9685" under [board], or use a pin.',
        ),
        (
            "[aux.light]\npin = 12\n",
            "[l298n] ena and [aux.light] pin = 12: one pin used twice. Give each wire its own.",
        ),
        (
            "[aux.light]\npin = 5\n[lamp]\npin = 5\n",
            "[lamp] pin and [aux.light] pin = 5: one pin used twice. Give each wire its own.",
        ),
        (
            '[range]\nsource = "hcsr04"\ntrigger = 5\n',
            "[range] lacks echo: the source hcsr04 has this wire. Add its pin.",
        ),
        (
            '[range]\nsource = "switch"\n',
            "[range] lacks switch: the source switch has this wire. Add its pin.",
        ),
        (
            '[range]\nsource = "hcsr04"\ntrigger = 5\necho = 23\n',
            "[l298n] in1 and [range] echo = 23: one pin used twice. Give each wire its own.",
        ),
        (
            '[range]\nsource = "vl53l0x"\nstop_m = 0.8\n',
            "[range] stop_m = 0.8 must be less than slow_m = 0.8. Change one of them.",
        ),
    ],
)
def test_an_output_that_cannot_work_is_refused_with_a_fix(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "picar.toml"
    assert the_problem(tmp_path, DEFAULT_PINS + text) == f"{file}: {sentence}"


def test_there_are_at_most_eight_outputs(tmp_path: Path) -> None:
    text = "".join(f"[aux.a{n}]\npin = {14 + n}\n" for n in range(MOST_AUX))
    text = text.replace("pin = 22", "pin = 5")
    from_text(tmp_path, DEFAULT_PINS + text)
    assert "[aux.*] has 9 outputs. The most is 8. Delete some." in the_problem(
        tmp_path, f"{DEFAULT_PINS}{text}[aux.b]\npin = 6\n"
    )


def test_an_output_may_be_at_a_channel_of_the_chip(tmp_path: Path) -> None:
    config = from_text(
        tmp_path, f'{HAT}[aux.light]\npin = 0\n[aux.pan]\nkind = "servo"\npin = 1\naxis = "pan"\n'
    )
    wires = wires_of(config)
    assert [terminal.pin for terminal in (*wires.extras, *wires.servos)] == [100, 101]
    assert wires.chip
    assert wires.chip.hz == 50, "a servo needs it"
    found = problems(tmp_path, f'{HAT}[aux.horn]\nkind = "momentary"\npin = 8\ntone_hz = 400\n')
    assert [problem.partition(": ")[2] for problem in found] == [
        "[aux.horn] tone_hz = 400: all channels of a PCA9685 have one frequency. Use a pin of the header.",
        "[motor.left] pwm and [aux.horn] pin = channel 8: one pin used twice. Give each wire its own.",
    ]


@pytest.mark.parametrize("name", ["Horn", "9", "a" * 17, "höhe", "a b"])
def test_a_name_is_a_short_word(tmp_path: Path, name: str) -> None:
    assert "A name has at most 16 characters" in the_problem(tmp_path, f'[aux."{name}"]\npin = 5\n')
