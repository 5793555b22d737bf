"""The parts beside the motors in table, notes and drawing: each wire, and the resistors and transistors between."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import pytest

from picar.config import Config
from picar.web.draw import wiring
from picar.wiring.page import page
from picar.wiring.plan import Plan, config_of, plan
from picar.wiring.presets import PRESETS
from picar.wiring.shapes import WIRES
from picar.wiring.svg import HEIGHT, drawing
from picar.wiring.text import WORDS, needs, notes, rows

SVG = "{http://www.w3.org/2000/svg}"
SONAR = Config().having("range", source="hcsr04", trigger=5, echo=6)
LASER = Config().having("range", source="vl53l0x")
BUMPER = Config().having("range", source="switch", switch=25)
HORN = Config().having("aux.horn", kind="momentary", pin=17)
PAN = Config().having("aux.pan", kind="servo", pin=18, label="Pan <b>")
LAMP = Config().having("lamp", pin=25)
METERS = {
    name: Config().having("battery", source=name) for name in ("ina219", "ina226", "ads1115", "max17048")
}
CARS = {"sonar": SONAR, "laser": LASER, "contact": BUMPER, "load": HORN, "servo": PAN, "lamp": LAMP, **METERS}
ALL = (
    SONAR.having("aux.horn", kind="momentary", pin=17)
    .having("aux.pan", kind="servo", pin=18)
    .having("lamp", pin=25)
)


def of_parts(drawn: Plan, language: str = "en") -> list[tuple[int | str, str, str, str]]:
    """Return pin, name, terminal and purpose of each wire of a part."""
    table = rows(drawn, WORDS[language])
    count = sum(len(part.wires) for part in drawn.parts)
    return [(pin, name, terminal, purpose) for pin, name, terminal, _, purpose in table[-count:]]


def second(drawn: Plan, language: str = "en") -> ET.Element:
    """Return the drawing of the parts."""
    root = ET.fromstring(drawing(drawn, WORDS[language], alone=True))  # noqa: S314 - our own
    return root.findall(f"{SVG}g")[-1]


def texts(element: ET.Element) -> list[str | None]:
    return [text.text for text in element.iter(f"{SVG}text")]


def lines(element: ET.Element) -> list[list[float]]:
    """Return the points of the thick lines."""
    paths = [path for path in element.iter(f"{SVG}path") if path.get("stroke-width") == "4"]
    return [[float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.get("d", ""))] for path in paths]


def test_an_hc_sr04_gets_five_volts_and_a_divider_at_its_echo() -> None:
    assert of_parts(plan(SONAR)) == [
        (4, "5V", "HC-SR04 VCC", "supply"),
        (29, "GPIO 5", "HC-SR04 TRIG", "trigger pulse"),
        (31, "GPIO 6", "HC-SR04 ECHO", "echo: 1 kΩ from ECHO, 2 kΩ from this pin to ground"),
        (39, "GND", "HC-SR04 GND", "ground"),
    ]
    drawn = texts(second(plan(SONAR)))
    assert (drawn.count("1 kΩ"), drawn.count("2 kΩ")) == (1, 1)
    assert "5 V, which may destroy a pin" in " ".join(notes(plan(SONAR), WORDS["en"]))


def test_the_divider_is_between_the_pin_of_echo_and_ground() -> None:
    """The lower resistor hangs on the side of the pin: on the other side the pin would still get 5 V."""
    root = second(plan(SONAR))
    dots = [
        (float(c.get("cx", 0)), float(c.get("cy", 0)))
        for c in root.iter(f"{SVG}circle")
        if c.get("r") == "2.2"
    ]
    ((x, upper), (also_x, lower)) = dots
    resistors = [r for r in root.iter(f"{SVG}rect") if r.get("fill") == "#e7cf9d"]
    in_series = min(float(r.get("x", 0)) for r in resistors if float(r.get("width", 0)) > 20)
    assert x == also_x < in_series
    ys = sorted(line[1] for line in lines(root))
    assert (ys[2], ys[3]) == (upper, lower)


def test_an_output_has_a_transistor_and_a_lamp_of_the_state_a_resistor() -> None:
    assert of_parts(plan(HORN)) == [
        (4, "5V", "horn +", "supply"),
        (11, "GPIO 17", "horn B", "1 kΩ to the base of an NPN transistor"),
        (39, "GND", "horn E", "ground"),
    ]
    drawn = texts(second(plan(HORN)))
    assert {"NPN", "B", "C", "E", "1 kΩ"} <= {*drawn}
    assert {"330 Ω", "A", "K"} <= {*texts(second(plan(LAMP)))}
    said = " ".join(notes(plan(HORN), WORDS["en"]))
    assert "16 mA at most" in said
    assert "1N4148" in said


def test_a_servo_gets_no_power_from_the_pi() -> None:
    drawn = plan(PAN)
    assert [(pin, name) for pin, name, *_ in of_parts(drawn)] == [
        (12, "GPIO 18"),
        ("", "5 V +"),
        (39, "GND"),
        ("", "5 V \N{MINUS SIGN}"),
    ]
    assert not {"5V", "3V3"} & {wire.pin.name for wire in drawn.parts[0].wires}
    assert any("dtoverlay=pwm,pin=18,func=2" in line for line in needs(drawn, WORDS["en"]))
    assert "never from the Pi or straight from the motor battery" in " ".join(notes(drawn, WORDS["en"]))


def test_a_servo_at_a_channel_has_no_place_on_the_header() -> None:
    config = PRESETS["adafruit-hat-2"].config.having("aux.pan", kind="servo", pin=100)
    assert of_parts(plan(config))[0][:2] == ("", "CH 0")
    html = page(plan(config), "en")
    assert "<figure>" in html
    assert "CH 0" in html


def test_a_switch_has_its_ground() -> None:
    assert [row[:3] for row in of_parts(plan(BUMPER))] == [
        (22, "GPIO 25", "obstacle switch 1"),
        (39, "GND", "obstacle switch 2"),
    ]


@pytest.mark.parametrize("config", [LASER, *METERS.values()])
def test_an_i2c_part_has_its_bus_and_3_volts(config: Config) -> None:
    drawn = plan(config)
    assert [row[:2] for row in of_parts(drawn)][:4] == [
        (17, "3V3"),
        (3, "GPIO 2"),
        (5, "GPIO 3"),
        (39, "GND"),
    ]
    assert WORDS["en"]["i2c"] in needs(drawn, WORDS["en"])


def test_a_meter_on_another_bus_has_no_known_pins_for_it() -> None:
    drawn = plan(METERS["ina219"].having("battery", bus=3))
    assert [row[0] for row in of_parts(drawn)][:2] == [17, 39]
    assert needs(drawn, WORDS["en"]) == []


def test_the_shunt_is_between_the_battery_and_the_motor_board() -> None:
    assert [row[1:3] for row in of_parts(plan(METERS["ina219"]))][4:] == [
        ("BAT +", "INA219 VIN+"),
        ("12V", "INA219 VIN\N{MINUS SIGN}"),
    ]
    assert of_parts(plan(METERS["ina226"]))[4][1:3] == ("BAT +", "INA226 VBUS")
    esc = PRESETS["donkeycar-gpio"].config.having("battery", source="ina219")
    assert of_parts(plan(esc))[-1][1] == "ESC +"


def test_the_divider_of_an_ads1115_is_that_of_the_configuration() -> None:
    """22 and 10 kΩ are 3.2, as docs/battery.md has it."""
    drawn = plan(METERS["ads1115"].having("battery", divider=3.2, channel=2))
    assert of_parts(drawn)[-1][2] == "ADS1115 A2"
    assert {"22 kΩ", "10 kΩ"} <= {*texts(second(drawn))}
    assert "22 kΩ from battery +" in " ".join(notes(drawn, WORDS["en"]))
    assert not {text for text in texts(second(plan(METERS["ads1115"]))) if "kΩ" in str(text)}


@pytest.mark.parametrize("name", CARS)
@pytest.mark.parametrize("language", WORDS)
def test_each_wire_of_a_part_is_drawn_from_a_tag_of_its_colour(name: str, language: str) -> None:
    drawn = plan(CARS[name])
    (part,) = drawn.parts
    root = second(drawn, language)
    assert [line[0] for line in lines(root)][: len(part.wires)] == [112.0] * len(part.wires)
    tags = [r.get("fill") for r in root.iter(f"{SVG}rect") if r.get("x") == "20"]
    assert tags == [WIRES[wire.colour][0] for wire in part.wires]
    assert part.title(WORDS[language]) in texts(root)
    said = notes(drawn, WORDS[language])
    assert said[-1] == WORDS[language]["kit"]
    assert "{" not in "".join(said)
    assert all(wire.role in WORDS[language] for wire in part.wires)


def test_the_parts_are_below_the_drawing_of_the_motors_which_stays_as_it_was() -> None:
    before, after = (drawing(plan(config), WORDS["en"]) for config in (Config(), ALL))
    body = before.partition("<title>")[2].removesuffix("</svg>")
    assert body in after
    assert f'translate(0 {HEIGHT})"' in after
    (root, more) = (ET.fromstring(text) for text in (before, after))  # noqa: S314 - our own
    height, taller = (float(str(element.get("viewBox")).split()[3]) for element in (root, more))
    bottoms = [
        float(box.get("y", 0)) + float(box.get("height", 0)) for box in second(plan(ALL)).iter(f"{SVG}rect")
    ]
    assert max(bottoms) < taller - height


def test_a_label_is_text_and_no_markup() -> None:
    for text in (page(plan(PAN), "en"), drawing(plan(PAN), WORDS["en"])):
        assert "Pan &lt;b&gt;" in text
        assert "<b>" not in text


def test_the_server_draws_the_parts_of_its_configuration() -> None:
    names = ("l298n", "left", "right", "range", "lamp", "aux.horn", "aux.pan", "battery")
    values = json.loads(json.dumps({name: dataclasses.asdict(ALL.section(name)) for name in names}))
    assert plan(config_of(values)) == plan(ALL)
    assert "HC-SR04 ECHO" in wiring(values)
