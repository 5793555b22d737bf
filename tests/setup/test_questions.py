"""The questions of `picar setup`: defaults, checks at once, presets, and files that are never lost."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from picar import configfile
from picar.commands.setup import BOARDS, Setup, own_wiring
from picar.config import KindName, LayoutName, MotorConfig
from picar.errors import UsageError
from picar.layouts import LAYOUTS
from picar.raspberrypi import CHANNELS
from picar.wires import wires_of
from picar.wiring.presets import PRESETS
from tests.setup.terminal import CTRL_C, CTRL_D, Terminal

Answer = Callable[..., list[str]]
QUESTIONS = ("Name of the car:", "Number:", "A camera", "Write ", "off the ground")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Answer the questions in this process; Enter after the last answer. Returns the list of the questions."""

    def script(*answers: str) -> list[str]:
        rest, asked = list(answers), list[str]()

        def read(question: str) -> str:
            asked.append(question)
            return rest.pop(0) if rest else ""

        monkeypatch.setattr("builtins.input", read)
        return asked

    return script


def check_config(file: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "picar", "check-config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "picar", "setup"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "run it in a terminal" in done.stderr
    assert "wiring --preset NAME --write FILE" in done.stderr
    assert not list(tmp_path.iterdir())


def test_enter_takes_the_default_wiring_and_turns_no_motor(tmp_path: Path) -> None:
    with Terminal(tmp_path, "--pins", "mock") as terminal:
        for question in QUESTIONS:
            terminal.answer(question)
        assert terminal.ended() == 0
        assert "wiring" not in terminal.text.splitlines()[-1]
        assert "serve --config picar.toml" in terminal.text
        assert not terminal.trace.lines()
    assert configfile.load(tmp_path / "picar.toml", {}).l298n == configfile.load(None, {}).l298n
    assert "ena = 12" in check_config(tmp_path / "picar.toml")


def test_each_answer_is_checked_at_once(tmp_path: Path) -> None:
    with Terminal(tmp_path, "--pins", "mock", "--config", "my car.toml") as terminal:
        terminal.answer("Name of the car:", "?")
        terminal.until("shown on the page")
        terminal.answer("Name of the car:", "\x1b[A")
        terminal.until("cannot be used")
        terminal.answer("Name of the car:", "Röslein")
        terminal.answer("Number:", "99")
        terminal.until("a number from 1 to")
        terminal.answer("Number:", "own")
        terminal.answer("Number:", "tb6612")
        terminal.answer("Number:", "3")
        terminal.answer("STBY:", "jumper")
        terminal.until('or "none".')
        terminal.answer("STBY:", "17")
        terminal.answer("drive motor, PWMA (or jumper):", "GPIO17")
        terminal.until("GPIO 17 is the pin of STBY. Each wire has its own; GPIO 12 is free.")
        terminal.answer("drive motor, PWMA (or jumper):", "32")
        terminal.until("32 is not a BCM pin number of the 40-pin header, 0 to 27")
        terminal.until('write each like "BOARD32"')
        terminal.answer("drive motor, PWMA (or jumper):", "2")
        terminal.until("pulled up at power-on")
        terminal.until("Better: GPIO 12")
        terminal.answer("drive motor, PWMA (or jumper):", "BOARD32")
        terminal.answer("drive motor, AIN1:", "3")
        terminal.until("pulled up at power-on")
        terminal.answer("drive motor, AIN1:", "3")
        for name in (
            "drive motor, AIN2:",
            "steer motor, PWMB (or jumper):",
            "steer motor, BIN1:",
            "steer motor, BIN2:",
        ):
            terminal.answer(name)
        terminal.answer("A camera", "maybe", "no")
        terminal.until("steering motor: right")
        terminal.answer("Write ", "yes")
        terminal.answer("off the ground", "of course")
        assert terminal.ended() == 0
        assert "serve --config 'my car.toml'" in terminal.text
    config = configfile.load(tmp_path / "my car.toml", {})
    assert config.server.name == "Röslein"
    assert config.camera.source == "off"
    assert wires_of(config).standby == ("board", "standby", 17)
    assert config.motor.drive.pwm == 12
    assert config.motor.drive.in1 == 3


@pytest.mark.parametrize("keys", [CTRL_C, CTRL_D], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("answered", range(4))
def test_it_can_be_left_at_every_question(keys: str, answered: int, tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[drive]\nexpo = 0.5\n")
    with Terminal(tmp_path, "--pins", "mock") as terminal:
        for question in QUESTIONS[:answered]:
            terminal.answer(question)
        terminal.answer(QUESTIONS[answered], keys)
        assert terminal.ended() == 130
        assert terminal.text.endswith("\nNothing was written.\n")
    assert file.read_text() == "[drive]\nexpo = 0.5\n"
    assert {path.name for path in tmp_path.iterdir()} == {"picar.toml"}


def test_a_refused_file_is_not_written(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        for question in QUESTIONS[:3]:
            terminal.answer(question)
        terminal.answer(QUESTIONS[3], "no")
        assert terminal.ended() == 0
        assert terminal.text.endswith("\nNothing was written.\n")
    assert not list(tmp_path.iterdir())


def test_no_file_is_lost_and_its_other_sections_stay(tmp_path: Path) -> None:
    file, before = (
        tmp_path / "picar.toml",
        "[drive]\nexpo = 0.5 # soft\n[server]\nport = 80\n[left]\ntrim = 0.9\n",
    )
    file.write_text(before)
    (tmp_path / "picar.toml.old-1").write_text("older")
    with Terminal(tmp_path, "--pins", "mock") as terminal:
        terminal.answer("Name of the car:", "Bob")
        terminal.until("as picar.toml has it now")
        terminal.answer("Number:", "camjam-edukit-3")
        for question in QUESTIONS[2:]:
            terminal.answer(question)
        assert terminal.ended() == 0
        assert "warning: [motor.right] in1 = 7" in terminal.text
    config = configfile.load(file, {})
    assert (config.drive.expo, config.server.port, config.server.name) == (0.5, 80, "Bob")
    assert config.board
    assert config.board.kind == "drv8833"
    assert (tmp_path / "picar.toml.old-1").read_text() == "older"
    assert (tmp_path / "picar.toml.old-2").read_text() == before


def test_a_file_with_faults_is_kept_beside_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[server]\nprot = 80\n")
    with Terminal(tmp_path, "--pins", "mock") as terminal:
        terminal.until("Did you mean port?")
        for question in QUESTIONS:
            terminal.answer(question)
        assert terminal.ended() == 0
    check_config(file)
    assert (tmp_path / "picar.toml.old-1").read_text() == "[server]\nprot = 80\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said_before_the_questions(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with Terminal(tmp_path) as terminal:
        assert terminal.ended() == 1
        assert "cannot be written (Permission denied)" in terminal.text
        assert "?" not in terminal.text


def test_a_folder_that_is_not_there_is_said_before_the_questions(tmp_path: Path) -> None:
    with Terminal(tmp_path, "--config", "nowhere/picar.toml") as terminal:
        assert terminal.ended() == 1
        assert "nowhere/picar.toml cannot be written (No such file or directory)" in terminal.text
        assert "Create the folder nowhere" in terminal.text
        assert "sudo" not in terminal.text
        assert "[picar]" not in terminal.text


def test_a_folder_instead_of_a_file_is_said_before_the_questions(tmp_path: Path) -> None:
    with Terminal(tmp_path, "--config", str(tmp_path)) as terminal:
        assert terminal.ended() == 1
        assert f"{tmp_path} cannot be written (Is a directory). Name a file" in terminal.text
        assert "[picar]" not in terminal.text


@pytest.mark.parametrize("text", ["[server\n", b"\xff"])
def test_a_file_that_is_no_toml_is_named(
    text: str | bytes,
    tmp_path: Path,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("picar.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    answer()
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    assert "\npicar.toml cannot be read: " in capsys.readouterr().out


def test_every_kind_of_board_can_be_named() -> None:
    assert set(BOARDS) == set(get_args(KindName))


@pytest.mark.parametrize("layout", get_args(LayoutName))
@pytest.mark.parametrize("kind", sorted({*BOARDS} - {"esc"}))
def test_the_defaults_of_every_own_wiring_are_good(kind: str, layout: str, answer: Answer) -> None:
    asked = answer(kind, layout)
    config = configfile.of_tables(own_wiring(), "the answers")
    assert not config.warnings
    wires = wires_of(config)
    assert (wires.kind, tuple(motor.name for motor in wires.motors)) == (kind, LAYOUTS[layout].motors)
    assert len(asked) == 2 + len(wires.terminals) + any("[none]" in question for question in asked)


def test_the_defaults_of_an_esc_are_good(answer: Answer) -> None:
    asked = answer("esc")
    config = configfile.of_tables(own_wiring(), "the answers")
    assert (config.motor.drive.pwm, config.steering.pin, len(asked)) == (12, 13, 3)
    answer("esc", "18")
    assert configfile.of_tables(own_wiring(), "the answers").steering.pin == 13
    answer("esc", "19")
    assert configfile.of_tables(own_wiring(), "the answers").steering.pin == 12


def test_a_channel_as_a_pin_asks_for_the_address_and_suggests_the_next_channel(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answer("tb6612", "sides", "17", "CH8", "ch10", "CH9", "", "GPIO18", "CH8", "22", "1", "0x60")
    config = configfile.of_tables(own_wiring(), "the answers")
    assert config.board
    assert (config.board.chip, config.board.address, config.board.standby) == ("pca9685", 0x60, 17)
    assert config.motor.left == MotorConfig(pwm=108, in1=110, in2=109)
    assert config.motor.right == MotorConfig(pwm=111, in1=18, in2=22)
    assert [
        word in question for word, question in zip(("CH9", "CH11", "CH11", "CH12"), asked[4:8], strict=True)
    ] == [True] * 4
    assert "[0x40]" in asked[-1]
    assert "1 is not an I2C address of a PCA9685, 0x40 to 0x7F." in capsys.readouterr().out


@pytest.mark.parametrize("hat", [n for n, one in PRESETS.items() if "chip" in one.sections.get("board", {})])
def test_a_motor_hat_is_one_of_the_known_ones(hat: str, answer: Answer) -> None:
    answer("hat", hat)
    assert own_wiring() == PRESETS[hat].sections


def test_of_another_hat_the_channels_count_up(answer: Answer) -> None:
    asked = answer("hat", "own", "drv8833", "four")
    motors = configfile.of_tables(own_wiring(), "the answers").motor
    assert [motors.front_left.in1, motors.front_left.in2, motors.rear_left.in1] == [100, 101, 102]
    assert motors.rear_right == MotorConfig(in1=106, in2=107)
    assert len(asked) == 4 + 1 + 8 + 1


def test_an_esc_on_a_hat_has_channels_and_each_signal_is_explained(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("hat", "own", "esc", "?", "", "?", "")
    config = configfile.of_tables(own_wiring(), "the answers")
    assert (config.motor.drive.pwm, config.steering.pin) == (100, 101)
    answer("esc", "?", "", "?", "")
    own_wiring()
    assert (
        capsys.readouterr().out.count("A channel of a PCA9685 (CH0 to CH15), or GPIO 12, 13, 18 or 19") == 4
    )


@pytest.mark.parametrize("preset", ["waveshare-hat", "loborobot"])
def test_a_chip_is_asked_for_its_oe(
    preset: str,
    tmp_path: Path,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = answer("", preset, "17", "?", "6")
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    printed = capsys.readouterr().out
    assert "Answer with none, 5 or 6." in printed
    assert "10 kOhm from OE to 3.3 V" in printed
    assert sum("OE" in question for question in asked) == 3
    config = configfile.load(Path("picar.toml"), {})
    assert config.board
    assert config.board.oe == 6
    assert not config.warnings
    assert PRESETS[preset].config.board.oe == "none"  # type: ignore[union-attr]


def test_the_pin_of_oe_has_no_other_wire(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answer("", "own", "hat", "own", "tb6612", "sides", "5", "5", *[""] * 7, "5", "6")
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    assert "GPIO 5 has another wire." in capsys.readouterr().out
    board = configfile.load(Path("picar.toml"), {}).board
    assert board
    assert (board.standby, board.oe) == (5, 6)


@pytest.mark.parametrize(
    ("before", "after", "pin"),
    [
        ("camjam-edukit-3", "loborobot", 13),
        ("loborobot", "waveshare-hat", CHANNELS[13]),
        ("loborobot", "camjam-edukit-3", CHANNELS[13]),  # not possible: the question comes again
    ],
)
def test_a_light_keeps_its_pin_on_another_board(
    before: str, after: str, pin: int, tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("picar.toml")
    file.write_text(f"{configfile.as_toml(PRESETS[before].config)}\n[aux.light]\npin = 13\n")
    answer("", after)
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    assert configfile.load(file, {}).aux["light"].pin == pin


def test_a_light_on_a_pin_of_the_new_board_asks_again(
    tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("picar.toml").write_text("[l298n]\nin1 = 5\n[motors]\npwm_hz = 900\n[aux.light]\npin = 7\n")
    answer("", "camjam-edukit-3")
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    assert "[aux.light] pin = 7: one pin used twice" in capsys.readouterr().out
    config = configfile.load(Path("picar.toml"), {})
    assert (config.board, config.aux["light"].pin, config.motors.pwm_hz) == (None, 7, 900)


def test_the_last_lines_name_what_the_pi_needs(tmp_path: Path) -> None:
    with Terminal(tmp_path, "--pins", "sim") as terminal:
        terminal.answer("Name of the car:")
        terminal.answer("Number:", "donkeycar-gpio")
        terminal.answer("A camera")
        terminal.answer("Write ")
        assert terminal.ended() == 0
        *_, needs, start = terminal.text.splitlines()
    assert needs.startswith("The Pi needs ")
    assert needs.endswith(": dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4")
    assert start.startswith("The car is set up.")


def test_answers_that_describe_no_car_are_asked_again(
    tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answer(
        "",
        "own",
        "drv8833",
        "steer-servo",
        "none",
        "23",
        "24",
        "25",
        "drv8833",
        "steer-servo",
        "none",
        "23",
        "24",
        "18",
    )
    Setup(argparse.Namespace(config="picar.toml", pins="mock")).ask()
    assert "servo pulses need the kernel's PWM" in capsys.readouterr().out
    assert configfile.load(Path("picar.toml"), {}).steering.pin == 18


def test_a_servo_for_which_no_pin_is_left_is_a_sentence(answer: Answer) -> None:
    answer("tb6612", "steer-servo", "19", "12", "13", "18")
    with pytest.raises(UsageError, match=r"needs one of GPIO 12, .*and other wires have them all"):
        own_wiring()


def test_a_jumper_is_an_answer_where_the_board_may_have_one(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("l298n", "sides", "jumper")
    assert own_wiring()["motor.left"]["pwm"] == "jumper"
    answer("phase-enable", "sides", "jumper", "none")
    assert own_wiring()["motor.left"]["pwm"] == 12
    printed = capsys.readouterr().out
    assert "jumper is not a BCM pin number" in printed
    assert "none is not a BCM pin number" in printed


@pytest.mark.parametrize("layout", ["sides", "four", "steer-motor"])
@pytest.mark.parametrize("kind", ["l298n", "l293d"])
def test_one_pin_for_all_enables_is_the_standby_line(kind: str, layout: str, answer: Answer) -> None:
    asked = answer(kind, layout, "17", "", "", "17")
    config = configfile.of_tables(own_wiring(), "the answers")
    wires = wires_of(config)
    assert wires.standby == ("board", "standby", 17)
    assert all("pwm" not in motor.terminals for motor in wires.motors)
    assert len(asked) == 2 + 2 + 2 * len(wires.motors)


def test_only_the_second_enable_may_have_the_pin_of_the_first(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("tb6612", "sides", "", "17", "", "", "17")
    assert own_wiring()["motor.right"]["pwm"] != 17
    answer("l298n", "sides", "17", "17")
    assert own_wiring()["motor.left"]["in1"] != 17
    assert capsys.readouterr().out.count("GPIO 17 is the pin of") == 2


def test_an_input_of_a_steering_motor_is_explained_by_its_side(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer("drv8833", "steer-motor", "", "", "", "?", "", "?")
    own_wiring()
    printed = capsys.readouterr().out
    assert "High for a turn to the right" in printed
    assert "High for a turn to the left" in printed


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_becomes_a_file(
    name: str, tmp_path: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setup = Setup(argparse.Namespace(config="picar.toml", pins="mock"))
    answer("", name)
    setup.ask()
    assert wires_of(configfile.load(Path("picar.toml"), {})) == wires_of(PRESETS[name].config)
    before = Path("picar.toml").read_text()
    again = Setup(argparse.Namespace(config="picar.toml", pins="mock"))
    answer()  # the wiring stays as it is
    again.ask()
    assert Path("picar.toml").read_text() == before
