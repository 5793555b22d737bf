"""Cars with `[board]`, `[layout]` and `[motor.*]`: what is good, each sentence about what is not, and what is printed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.calibration.values import Calibration
from picar.config import SECTIONS, Config
from picar.configfile import as_toml, load, sections_of
from picar.errors import ConfigError
from picar.layouts import LAYOUTS
from picar.options import options_of
from picar.wires import KEYS, wires_of
from tests.ground.configs import NOT_PULLED_DOWN, from_text, problems, the_problem
from tests.motor.kinds_rig import CARS, Car

OF_BOARDS = [car for car in CARS if car.config.board]
LEFT = "[motor.left]\npwm = 12\nin1 = 23\nin2 = 24\n"
RIGHT = "[motor.right]\npwm = 13\nin1 = 27\nin2 = 22\n"
FOUR = '[layout]\nkind = "four"\n' + "".join(
    f"[motor.{motor}]\npwm = {pwm}\nin1 = {in1}\nin2 = {in2}\n"
    for motor, pwm, in1, in2 in (
        ("front_left", 12, 23, 24),
        ("rear_left", 12, 23, 24),
        ("front_right", 13, 27, 22),
        ("rear_right", 13, 27, 22),
    )
)
TWO_INPUTS = "[motor.left]\nin1 = 23\nin2 = 24\n[motor.right]\nin1 = 27\nin2 = 22\n"
PHASE = "[motor.left]\npwm = 12\nin1 = 23\n[motor.right]\npwm = 13\nin1 = 27\n"


@pytest.mark.parametrize("car", OF_BOARDS, ids=str)
def test_every_car_reads_back_as_it_is_printed(tmp_path: Path, car: Car) -> None:
    again = from_text(tmp_path, as_toml(car.config))
    assert dataclasses.replace(again, source="defaults", warnings=()) == car.config
    high = car.pins & {*NOT_PULLED_DOWN}  # some public wirings have such pins
    assert {number for number in high if any(f" = {number}:" in said for said in again.warnings)} == high
    assert any("power-on" in said for said in again.warnings) == bool(high)
    printed = tomllib.loads(as_toml(car.config))
    assert "l298n" not in printed
    assert "left" not in printed
    assert {*printed["motor"]} == {*car.layout.motors}
    assert all("none" not in table.values() for table in printed["motor"].values())


@pytest.mark.parametrize("car", CARS, ids=str)
def test_the_wires_are_those_of_the_configuration_standby_first_and_speeds_before_inputs(car: Car) -> None:
    wires = wires_of(car.config)
    assert [motor.name for motor in wires.motors] == list(car.layout.motors)
    for motor, wired in zip(car.motors, wires.motors, strict=True):
        assert {role: terminal.pin for role, terminal in wired.terminals.items()} == motor.pins
        for terminal in wired.terminals.values():
            assert getattr(car.config.section(terminal.section), terminal.key) == terminal.pin
    numbers = [terminal.pin for terminal in wires.terminals]
    standby = car.motors[0].standby
    assert numbers[: standby is not None] == ([standby] if standby else [])
    kinds = [terminal.key in ("pwm", "ena", "enb") for terminal in wires.terminals[standby is not None :]]
    assert kinds == sorted(kinds, reverse=True)


values = st.fixed_dictionaries(
    {"invert": st.booleans(), "trim": st.floats(0.5, 1.0)},
)


@given(st.sampled_from(OF_BOARDS), st.booleans(), st.data())
def test_every_good_car_survives_being_printed_and_read(
    tmp_path_factory: pytest.TempPathFactory, car: Car, swap: bool, data: st.DataObject
) -> None:
    config = car.config.having("board", swap=swap and len(car.layout.motors) > 1)
    of_group: dict[str, dict[str, Any]] = {}
    for motor in car.layout.motors:
        group = motor.split("_")[-1] if "twins" in car.name else motor
        config = config.having(f"motor.{motor}", **of_group.setdefault(group, data.draw(values)))
    file = tmp_path_factory.getbasetemp() / "printed.toml"
    file.write_text(as_toml(config), encoding="utf-8")
    assert dataclasses.replace(load(file, {}), source="defaults", warnings=()) == config


def test_a_pin_may_have_a_name_and_the_environment_overrides_the_file(tmp_path: Path) -> None:
    text = '[board]\nkind = "tb6612"\nstandby = "BOARD37"\n' + LEFT.replace("12", '"GPIO12"') + RIGHT
    env = {
        "PICAR_BOARD__SWAP": "true",
        "PICAR_MOTOR_LEFT__IN1": "BOARD40",
        "PICAR_MOTOR_RIGHT__TRIM": "0.8",
        "PICAR_MOTOR_RIGHT__INVERT": "true",
    }
    config = from_text(tmp_path, text, env)
    assert config.board
    assert (config.board.standby, config.board.swap) == (26, True)
    assert (config.motor.left.pwm, config.motor.left.in1) == (12, 21)
    assert (config.motor.right.trim, config.motor.right.invert) == (0.8, True)


def test_the_environment_alone_describes_a_car() -> None:
    env = {"PICAR_BOARD__KIND": "drv8833", "PICAR_LAYOUT__KIND": "steer-motor"}
    pins = {"DRIVE__IN1": 17, "DRIVE__IN2": 18, "STEER__IN1": 22, "STEER__IN2": 23}
    config = load(None, env | {f"PICAR_MOTOR_{name}": str(pin) for name, pin in pins.items()})
    assert [t.pin for t in wires_of(config).terminals] == [17, 18, 22, 23]
    assert str(wires_of(config).terminals[2]) == "steer.in1"


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("PICAR_MOTOR_LEFT_IN1", "PICAR_MOTOR_LEFT__IN1"),
        ("PICAR_MOTOR_FRONT_LEFT_PWM", "PICAR_MOTOR_FRONT_LEFT__PWM"),
        ("PICAR_BOARD_KIND", "PICAR_BOARD__KIND"),
    ],
)
def test_a_variable_with_one_underscore_too_few_is_refused_with_the_right_one(
    variable: str, right: str
) -> None:
    with pytest.raises(Exception, match=rf"^environment {variable}: .* Write {right}\.$"):
        load(None, {variable: "12"})


def test_a_motor_without_its_section_is_told_by_the_name_of_the_board_s_terminals(tmp_path: Path) -> None:
    found = problems(tmp_path, '[layout]\nkind = "four"\n')
    assert found == [
        f"{tmp_path / 'picar.toml'}: [motor.{motor}] lacks pwm, in1, in2: the kind l298n has pwm, in1, in2 for each motor. "
        "Add the pin of each wire."
        for motor in LAYOUTS["four"].motors
    ]


@pytest.mark.parametrize("server", ["", "[server]\nport = 1\n"])
def test_a_problem_of_a_board_from_the_environment_names_the_variable(tmp_path: Path, server: str) -> None:
    variable = "PICAR_MOTOR_LEFT__IN1"
    for problem in problems(tmp_path, server, {variable: "3"}):
        assert problem.startswith(f"environment {variable}: [motor.")
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: "3"})
    assert caught.value.problems[0].startswith(f"environment {variable}: [motor.left] lacks pwm, in2: ")


def test_a_problem_of_a_board_names_the_file_and_the_variable(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, LEFT + RIGHT, {"PICAR_MOTOR_LEFT__IN1": "27"})
    assert problem.startswith(
        f"{tmp_path / 'picar.toml'}, environment PICAR_MOTOR_LEFT__IN1: [motor.left] in1 and "
    )


@pytest.mark.parametrize(
    ("text", "hints"),
    [
        ("[motor.left]\ninvert = true\n", [" With [l298n], write invert under [left].", ""]),
        ("[l298n]\nena = 12\n[motor.right]\ntrim = 0.9\n", ["", " With [l298n], write trim under [right]."]),
        ("[motor.left]\ninvert = true\nin1 = 23\n", ["", ""]),
        ("[board]\nswap = true\n[motor.left]\ninvert = true\n", ["", ""]),
    ],
)
def test_a_side_of_the_l298n_under_the_name_of_a_motor_gets_a_hint(
    tmp_path: Path, text: str, hints: list[str]
) -> None:
    lacks = [problem for problem in problems(tmp_path, text) if " lacks " in problem]
    assert [problem.partition("Add the pin of each wire.")[2] for problem in lacks] == hints


@pytest.mark.parametrize("kind", KEYS)
def test_each_missing_terminal_is_named(tmp_path: Path, kind: str) -> None:
    whole = [f"{key} = {pin}\n" for key, pin in zip(KEYS[kind], (13, 27, 22), strict=False)]
    for missing, key in enumerate(KEYS[kind]):
        left = "".join(line.replace("13", "12").replace("27", "23").replace("22", "24") for line in whole)
        right = "".join(line for n, line in enumerate(whole) if n != missing)
        text = f'[board]\nkind = "{kind}"\n[motor.left]\n{left}[motor.right]\n{right}'
        sentence = f"[motor.right] lacks {key}: the kind {kind} has "
        assert any(sentence in problem for problem in problems(tmp_path, text))
        assert kind == "esc" or len(problems(tmp_path, text)) == 1  # an ESC is of another layout too


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"[l298n]\nena = 12\n[board]\nswap = true\n{LEFT}{RIGHT}",
            "[l298n] and [board] describe the same motors. Delete one of the two.",
        ),
        (
            f"[l298n]\nswap = true\n{LEFT}{RIGHT}",
            "[l298n] and [board] describe the same motors. Delete one of the two.",
        ),
        (
            f"[left]\ntrim = 0.9\n{LEFT}{RIGHT}",
            "[left] belongs to [l298n]. With [board], write its options under [motor.left].",
        ),
        (
            f"{LEFT}{RIGHT}[motor.drive]\ninvert = true\n",
            "[motor.drive] is no motor of the layout sides, which has left, right. Delete the section, or change kind under "
            "[layout].",
        ),
        (
            f'[board]\nkind = "drv8833"\n{TWO_INPUTS}pwm = 13\n',
            "[motor.right] pwm = 13 has no use: the kind drv8833 has in1, in2 for each motor. Delete the option.",
        ),
        (
            f'[board]\nkind = "bts7960"\n{TWO_INPUTS}pwm = "jumper"\n',
            '[motor.right] pwm = "jumper" has no use: the kind bts7960 has in1, in2 for each motor. Delete the option.',
        ),
        (
            f'[board]\nkind = "phase-enable"\n{PHASE}in2 = 22\n',
            "[motor.right] in2 = 22 has no use: the kind phase-enable has pwm, in1 for each motor. Delete the option.",
        ),
        (
            f'[board]\nkind = "phase-enable"\n{PHASE.replace("13", chr(34) + "jumper" + chr(34))}',
            '[motor.right] pwm = "jumper" is not possible: the kind phase-enable needs this wire. Add its pin.',
        ),
        (
            f'[board]\nkind = "l9110s"\nstandby = 26\n{TWO_INPUTS}',
            "[board] standby = 26: the kind l9110s has no standby line. Delete the option.",
        ),
        (
            f'[board]\nkind = "phase-enable"\nstandby = 26\n{PHASE}',
            "[board] standby = 26: the kind phase-enable has no standby line. Delete the option.",
        ),
        (
            f"[board]\nstandby = 26\n{LEFT}{RIGHT}",
            "[board] standby = 26: the enables of the kind l298n are either the speed or the standby line. Delete the option; "
            'or, if this pin goes to all enables, set pwm = "jumper" for each motor.',
        ),
        (
            f'[board]\nkind = "tb6612"\nstandby = 23\n{LEFT}{RIGHT}',
            "[board] standby and [motor.left] in1 = 23: one pin used twice. Give each wire its own.",
        ),
        (
            LEFT + RIGHT.replace("27", "23"),
            "[motor.left] in1 and [motor.right] in1 = 23: one pin used twice. Give each wire its own.",
        ),
        (
            LEFT + RIGHT.replace("13", "12"),
            "[motor.left] pwm and [motor.right] pwm = 12: one pin used twice. Give each wire its own. If it goes to all "
            'enables, set standby = 12 under [board] and pwm = "jumper" for each motor.',
        ),
        (
            '[board]\nkind = "tb6612"\n' + LEFT + RIGHT.replace("13", "12"),
            "[motor.left] pwm and [motor.right] pwm = 12: one pin used twice. Give each wire its own.",
        ),
        (
            LEFT + RIGHT.replace("22", "27"),
            "[motor.right] in1 and [motor.right] in2 = 27: one pin used twice. Give each wire its own.",
        ),
        (
            FOUR.replace("23", "25", 1),
            "[motor.front_left] in2 and [motor.rear_left] in2 = 24: one pin used twice. Give each wire its own.",
        ),
        (
            FOUR.replace("[motor.rear_left]", "[motor.rear_left]\ninvert = true"),
            "[motor.front_left] and [motor.rear_left] share their pins and turn together. Give both the same invert and trim.",
        ),
        (
            FOUR + "trim = 0.9\n",
            "[motor.front_right] and [motor.rear_right] share their pins and turn together. Give both the same invert and trim.",
        ),
        (
            f'[board]\nkind = "l298"\n{LEFT}{RIGHT}',
            '[board] kind = "l298" is not one of "l298n", "l293d", "tb6612"',
        ),
        (
            '[layout]\nkind = "six"\n' + LEFT + RIGHT,
            '[layout] kind = "six" is not one of "sides", "four", "steer-motor", "steer-servo".',
        ),
        (
            f"[motor]\nleft = 5\n{RIGHT}",
            "motor.left = 5 is not a section. Write [motor.left] on its own line.",
        ),
        ("[motor.middle]\nin1 = 5\n", "unknown section [motor.middle]. Did you mean motor."),
        ("[motor]\nin1 = 5\n", "unknown section [motor.in1]. Did you mean motor."),
        ("motor = 5\n", "unknown section [motor]."),
        ("[motor.left]\nin3 = 5\n", "[motor.left] in3 = 5: unknown option. Did you mean in"),
    ],
)
def test_what_describes_no_car_is_refused_with_a_fix(tmp_path: Path, text: str, sentence: str) -> None:
    found = problems(tmp_path, text)
    assert any(f"{tmp_path / 'picar.toml'}: {sentence}" in problem for problem in found), found
    assert all(problem.endswith((".", "?")) for problem in found)


def test_one_sentence_is_enough_for_one_mistake(tmp_path: Path) -> None:
    assert the_problem(tmp_path, f"[l298n]\nena = 12\n{LEFT}{RIGHT}")
    assert the_problem(tmp_path, FOUR.replace("[motor.rear_left]", "[motor.rear_left]\ninvert = true"))
    assert the_problem(tmp_path, f'[board]\nkind = "l298"\n{LEFT}{RIGHT}')


def test_a_bad_pin_is_told_alone(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, LEFT.replace("23", "99") + RIGHT)
    assert '[motor.left] in1 = 99 is not a BCM pin number of the 40-pin header, 0 to 27 or "none"' in problem


def test_motors_of_one_side_may_share_all_their_pins(tmp_path: Path) -> None:
    wires = wires_of(from_text(tmp_path, FOUR))
    assert len({terminal.pin for terminal in wires.terminals}) == 6
    assert [wires.twin_of(motor).name for motor in wires.motors] == ["front_left"] * 2 + ["front_right"] * 2


def test_motors_of_two_sides_may_not_share_their_pins(tmp_path: Path) -> None:
    crossed = FOUR.replace("12", "20").replace("13", "12").replace("27", "23").replace("22", "24")
    assert len(problems(tmp_path, crossed.replace("20", "12"))) == 3


@pytest.mark.parametrize("number", NOT_PULLED_DOWN)
def test_each_terminal_that_is_high_at_power_on_is_warned_of(tmp_path: Path, number: int) -> None:
    for text, terminal in (
        (f'[board]\nkind = "tb6612"\nstandby = {number}\n{LEFT}{RIGHT}', "[board] standby"),
        (LEFT + RIGHT.replace("27", str(number)), "[motor.right] in1"),
        (LEFT.replace("12", str(number)) + RIGHT, "[motor.left] pwm"),
    ):
        (warning,) = from_text(tmp_path, text).warnings
        assert warning.startswith(f"{terminal} = {number}: this pin is pul")
        assert warning.endswith("a motor may run before picar does. Use one of GPIO 9 to 13 or 16 to 27.")


def test_a_car_has_the_sections_that_describe_it(tmp_path: Path) -> None:
    old, new = Config(), from_text(tmp_path, LEFT + RIGHT)
    assert {"l298n", "left", "right"} <= {*sections_of(old)}
    assert not [name for name in sections_of(old) if name.split(".")[0] in ("board", "layout", "motor")]
    assert {name for name in SECTIONS if name not in sections_of(new)} >= {
        "l298n",
        "left",
        "right",
        "motor.drive",
    }
    assert {"board", "layout", "motor.left", "motor.right"} <= {*sections_of(new)}
    for name in sections_of(new):
        assert {*options_of(SECTIONS[name])} == {f.name for f in dataclasses.fields(new.section(name))}


@pytest.mark.parametrize(
    "sections", ["[board]", "[layout]", "[motor]", "[board]\n[layout]\n[motor.left]\n[motor.right]"]
)
def test_an_empty_section_does_not_mean_the_default_pins(tmp_path: Path, sections: str) -> None:
    problem = the_problem(tmp_path, f"{sections}\n[drive]\naccel = 3.0\n")
    assert " is empty. Name the board and its pins, or delete the section." in problem


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_motors_that_turn_together_are_those_that_share_pins_after_a_swap(
    tmp_path: Path, swap: bool, side: str
) -> None:
    twins = f'[board]\nkind = "drv8833"\nswap = {str(swap).lower()}\n[layout]\nkind = "four"\n'
    pins = {"front_left": (12, 13), "rear_left": (12, 13), "front_right": (16, 17), "rear_right": (22, 23)}
    for motor, (in1, in2) in pins.items():
        twins += f"[motor.{motor}]\nin1 = {in1}\nin2 = {in2}\n" + (
            "invert = true\n" if motor == f"rear_{side}" else ""
        )
    if (side == "left") != swap:
        assert f"[motor.front_{side}] and [motor.rear_{side}] share their pins" in the_problem(
            tmp_path, twins
        )
    else:
        assert from_text(tmp_path, twins).motor.rear_left.invert == (side == "left")


def test_a_value_of_a_motor_changes_nothing_else(tmp_path: Path) -> None:
    before = from_text(tmp_path, LEFT + RIGHT)
    after = before.having("motor.left", invert=True)
    assert after.motor.left == dataclasses.replace(before.motor.left, invert=True)
    assert after.having("motor.left", invert=False) == before
    calibration = Calibration.of(after)
    assert calibration.inverts == (True, False)
    assert calibration.applied_to(before) == after


@pytest.mark.parametrize(
    ("text", "code"), [(f"[l298n]\nena = 12\n{LEFT}{RIGHT}", 2), (FOUR, 0), ("[l298n]\nena = 12\n", 0)]
)
def test_check_config_refuses_two_descriptions_of_the_motors(tmp_path: Path, text: str, code: int) -> None:
    file = tmp_path / "picar.toml"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "picar", "check-config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert ("describe the same motors" in done.stderr) == (code == 2)
    assert "Traceback" not in done.stderr
    if "four" in text:
        assert dataclasses.replace(from_text(tmp_path, done.stdout), warnings=()) == load(file, {})
