"""The header, and the plan of a configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from picar.config import BoardConfig, Config, L298NConfig, SideConfig
from picar.motor.boards import Board
from picar.motor.boards.kinds import COAST
from picar.motor.boards.kinds import KINDS as TABLES
from picar.raspberrypi import GROUND, PINS, pin_of
from picar.wirecheck import KEEPS_DRIVING
from picar.wires import KEYS
from picar.wiring.plan import KINDS, Plan, plan
from picar.wiring.presets import PRESETS
from picar.wiring.text import WORDS, drawing, needs, notes, rows
from tests.motor.kinds_rig import CARS, Car

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


def described(drawn: Plan) -> list[tuple[str, int | None, str, str]]:
    return [(name, wire.pin.bcm, wire.motor, wire.role) for name, wire in drawn.wires]


def test_the_plan_of_the_defaults() -> None:
    drawn = plan(Config())
    assert described(drawn) == [
        ("ENA", 12, "left", "speed"),
        ("IN1", 23, "left", "forward"),
        ("IN2", 24, "left", "reverse"),
        ("IN3", 27, "right", "forward"),
        ("IN4", 22, "right", "reverse"),
        ("ENB", 13, "right", "speed"),
    ]
    (board,) = drawn.boards
    assert (board.tied, board.resistors, board.motors) == ((), ("ENA", "ENB"), ("left", "right"))
    assert len({wire.colour for wire in board.wires}) == 6


def test_with_jumpers_the_resistors_go_to_the_inputs() -> None:
    drawn = plan(Config(l298n=L298NConfig(ena="jumper", in1=17, in2=18, enb="jumper", in3=27, in4=22)))
    assert [(name, bcm) for name, bcm, *_ in described(drawn)] == [
        ("IN1", 17),
        ("IN2", 18),
        ("IN3", 27),
        ("IN4", 22),
    ]
    (board,) = drawn.boards
    assert (board.tied, board.resistors) == (("ENA", "ENB"), ("IN1", "IN2", "IN3", "IN4"))
    assert drawn.brakes == ("left", "right")


def test_one_jumper_concerns_its_own_side_only() -> None:
    drawn = plan(Config(l298n=L298NConfig(enb="jumper")))
    assert (drawn.all_of("tied"), drawn.all_of("resistors")) == (["ENB"], ["ENA", "IN3", "IN4"])
    assert drawn.brakes == ("right",)


def test_swap_exchanges_the_motors() -> None:
    drawn = plan(Config(l298n=L298NConfig(swap=True)))
    assert drawn.motors == ("right", "left")
    assert [wire.motor for _, wire in drawn.wires] == ["right"] * 3 + ["left"] * 3


@pytest.mark.parametrize("swap", [False, True])
def test_an_inverted_motor_goes_forward_on_its_other_input(swap: bool) -> None:
    drawn = plan(Config(l298n=L298NConfig(swap=swap), right=SideConfig(invert=True)))
    forward = {wire.motor: wire.terminal for _, wire in drawn.wires if wire.role == "forward"}
    assert forward == ({"left": "IN3", "right": "IN2"} if swap else {"left": "IN1", "right": "IN4"})


def test_a_shared_enable_goes_to_both_terminals_and_has_no_speed() -> None:
    drawn = plan(Config(l298n=L298NConfig(ena=12, enb=12)))
    enables = [(name, bcm) for name, bcm, _, role in described(drawn) if role == "enable"]
    assert enables == [("ENA", 12), ("ENB", 12)]
    assert (drawn.all_of("tied"), drawn.all_of("resistors"), drawn.brakes) == ([], ["ENA", "ENB"], ())


@pytest.mark.parametrize("car", CARS, ids=str)
def test_each_pin_of_a_car_is_at_the_terminal_of_its_motor(car: Car) -> None:
    """Written down as wired: the first half of the motors is on the first board where a board has two channels."""
    drawn, step = plan(car.config), len(KINDS[car.motors[0].form.kind].channels)
    for place, motor in enumerate(car.motors):
        board = drawn.boards[place // step]
        terminals = dict(zip(KEYS[motor.form.kind], board.kind.channels[place % step], strict=True))
        wired = {wire.terminal: wire.pin.bcm for wire in board.wires}
        for role, bcm in motor.pins.items():
            assert wired.pop(terminals[role]) == bcm
        if motor.standby is not None:
            assert motor.standby in wired.values()
    assert {wire.pin.bcm for board in drawn.boards for wire in board.wires} - {None} == car.pins
    assert drawn.motors == car.layout.motors


@pytest.mark.parametrize("car", CARS, ids=str)
def test_rest_and_resistors_are_those_of_the_truth_tables(car: Car) -> None:
    drawn, board = plan(car.config), Board(car.config)
    assert (drawn.brakes == ()) == board.rolls_at_rest
    words = " ".join(notes(drawn, WORDS["en"]))
    assert ("turn freely" in words) == board.rolls_at_rest
    assert ("10 kΩ (" in words) == any(KINDS[motor.form.kind].pull_down for motor in car.motors)


NOT_HELD_LOW = {  # while the Pi boots; the other chips hold their inputs low
    "l298n": ("pwm",),
    "l293d": ("pwm",),
    "l9110s": ("in1", "in2"),
    "bts7960": ("standby", "in1", "in2"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_kind_is_as_in_its_truth_table(kind: str) -> None:
    ours, table = KINDS[kind], TABLES[kind]
    assert ours.pull_down == NOT_HELD_LOW.get(kind, ())
    assert ours.coasts[0] == (table.rest == COAST)
    if "pwm" in table.terminals and "in2" in table.terminals:
        assert ours.coasts[1] == (table.jumpered.rest == COAST)
    assert all(len(channel) == len(table.terminals) for channel in ours.channels)
    named = {terminal for channel in ours.channels for terminal in channel} | {ours.standby} - {""}
    assert named | ({ours.logic[0]} if ours.logic else set()) == set(ours.terminals)
    assert set(KINDS) == {*TABLES, "esc"}


def test_the_motor_of_a_steering_turns_right_and_left_and_swap_and_invert_follow_it() -> None:
    config = Config(board=BoardConfig(kind="drv8833", swap=True)).having("layout", kind="steer-motor")
    config = config.having("motor.drive", in1=23, in2=24).having("motor.steer", in1=27, in2=22, invert=True)
    assert described(plan(config)) == [
        ("AIN1", 23, "steer", "to_left"),
        ("AIN2", 24, "steer", "to_right"),
        ("BIN1", 27, "drive", "forward"),
        ("BIN2", 22, "drive", "reverse"),
    ]
    assert "[motor.drive] or [motor.steer]" in notes(plan(config), WORDS["en"])[-2]


def test_a_chip_has_the_wires_of_its_bus_and_of_oe_and_its_channels_have_no_place_on_the_header() -> None:
    config = PRESETS["loborobot"].config.having("board", oe=5)
    drawn = plan(config)
    assert [(wire.terminal, wire.pin.number) for wire in drawn.others] == [
        ("VCC", 1),
        ("SDA", 3),
        ("SCL", 5),
        ("OE", 29),
    ]
    assert [(name, wire.pin.name) for name, wire in drawn.wires if not wire.pin.number][:6] == [
        ("#1 PWMA", "CH 0"),
        ("#1 AIN2", "CH 2"),
        ("#1 AIN1", "CH 1"),
        ("#1 BIN1", "CH 8"),
        ("#1 BIN2", "CH 7"),
        ("#1 PWMB", "CH 6"),
    ]
    for terminal in ("VCC", "SDA", "SCL"):
        assert sum(name.endswith(terminal) for name, _ in drawn.wires) == 1
    assert "10 kΩ from OE to 3.3 V" in " ".join(notes(drawn, WORDS["en"]))


@pytest.mark.parametrize("oe", ["none", 5])
def test_a_hat_sits_on_the_header_and_has_one_row_for_each_output(oe: int | str) -> None:
    drawn = plan(PRESETS["adafruit-hat"].config.having("board", oe=oe))
    outputs = [
        ("", "CH 8, 10, 9", "M1", "", "front left motor"),
        ("", "CH 13, 11, 12", "M2", "", "rear left motor"),
        ("", "CH 2, 4, 3", "M3", "", "front right motor"),
        ("", "CH 7, 5, 6", "M4", "", "rear right motor"),
    ]
    to_oe = [(29, "GPIO 5", "OE", "grey", "high: all channels off")]
    assert rows(drawn, WORDS["en"]) == outputs + to_oe * (oe == 5)
    text = drawing(drawn, WORDS["en"])
    assert text.startswith("A HAT sits on the header.")
    assert ("GPIO 5 29 │ ●" in text, "│" in text) == (oe == 5, oe == 5)
    said = " ".join(notes(drawn, WORDS["en"]))
    assert "10 kΩ from OE to 3.3 V" in said
    assert ("Connect OE to GPIO 5 or 6" in said) == (oe == "none")
    assert "motor supply terminal of the HAT" in said
    assert not {"VM", "STBY", "AO1", "PWMA"} & {*re.findall(r"\w+", said)}


def test_a_hat_is_known_by_its_channels_and_a_module_is_not() -> None:
    hat = PRESETS["adafruit-hat-2"].config
    assert [output for output, _ in plan(hat.having("board", swap=True)).hat] == ["M1", "M2"]
    assert plan(hat.having("motor.left", in1=109, in2=110)).hat[0] == ("M1", "CH 8, 9, 10")
    assert plan(hat.having("motor.left", in1=100)).hat == ()
    assert plan(hat.having("board", standby=17)).hat == ()
    assert [name for name, preset in PRESETS.items() if plan(preset.config).hat] == [
        "adafruit-hat", "adafruit-hat-2", "waveshare-hat",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("picar", []),
        ("adafruit-hat", ["do_i2c 0"]),
        ("donkeycar-pca", ["do_i2c 0"]),
        ("donkeycar-gpio", ["dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4"]),
        ("donkeycar-bridge", ["dtoverlay=pwm,pin=13,func=4"]),
    ],
)
@pytest.mark.parametrize("language", WORDS)
def test_the_notes_have_the_lines_that_the_pi_needs(name: str, needed: list[str], language: str) -> None:
    drawn = plan(PRESETS[name].config)
    lines = needs(drawn, WORDS[language])
    assert [line.endswith(word) for line, word in zip(lines, needed, strict=True)] == [True] * len(needed)
    said = [WORDS[language]["needs"].format(need=line) for line in lines]
    assert {*said} <= {*notes(drawn, WORDS[language])}


@pytest.mark.parametrize("language", WORDS)
def test_the_notes_of_an_esc_name_its_wires_and_no_invert(language: str) -> None:
    said = " ".join(notes(plan(PRESETS["donkeycar-gpio"].config), WORDS[language]))
    assert "invert" not in said
    assert WORDS[language]["wrong_way_esc"] in said
    assert ("ESC" in said) == (language == "en")


def test_one_resistor_is_not_one_of_each() -> None:
    one = plan(PRESETS["donkeycar-bridge"].config)
    assert (one.all_of("resistors"), "from ENA to ground" in " ".join(notes(one, WORDS["en"]))) == (
        ["ENA"],
        True,
    )
    assert "from each of ENA, ENB to ground" in " ".join(notes(plan(Config()), WORDS["en"]))


@pytest.mark.parametrize("language", WORDS)
def test_the_sentence_of_a_chip_without_oe_is_the_first_note(language: str) -> None:
    hat = PRESETS["waveshare-hat"].config
    sentence = WORDS[language]["keeps_driving"]
    assert notes(plan(hat), WORDS[language])[0] == sentence
    assert sentence not in notes(plan(hat.having("board", oe=5)), WORDS[language])
    assert language != "en" or sentence == KEEPS_DRIVING
    page = Path(__file__).parents[2] / "static/i18n" / f"{WORDS[language]['lang']}.json"
    assert json.loads(page.read_text(encoding="utf-8"))["hazard"] == sentence


def test_a_bus_other_than_1_has_no_pins_in_the_table() -> None:
    drawn = plan(PRESETS["loborobot"].config.having("board", bus=3))
    assert [wire.terminal for wire in drawn.others] == ["VCC"]


def test_channels_need_no_resistors() -> None:
    config = PRESETS["waveshare-hat"].config.having("board", kind="l298n")
    assert plan(config).all_of("resistors") == []


def test_a_servo_and_an_esc_have_one_wire_each_and_the_notes_of_their_supply() -> None:
    drawn = plan(PRESETS["donkeycar-gpio"].config)
    assert described(drawn) == [("signal", 18, "drive", "pulses"), ("servo", 13, "", "steering")]
    said = notes(drawn, WORDS["en"])
    assert "never connect it to the Pi or to another 5 V supply" in said[0]
    assert "exchange left_us and right_us" in said[1]
    assert "swap under" not in " ".join(said)
    assert not drawn.has_drawing
    assert not plan(PRESETS["donkeycar-bridge"].config).has_drawing
