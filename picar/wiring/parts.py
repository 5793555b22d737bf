"""The parts beside the motors: distance sensor, lights, horn, servos, state lamp and battery meter, each with its wires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from picar.config import BatteryConfig, Config
from picar.raspberrypi import CHANNELS, GROUND, PINS, HeaderPin, pin_of
from picar.wires import Wires, aux_of

PLUS_5V, PLUS_3V3, SDA, SCL = (PINS[number - 1] for number in (4, 17, 3, 5))
GROUND_PIN = PINS[GROUND - 1]
BATTERY = HeaderPin(0, "BAT +", None)  # of the motors, behind the switch
OWN_5V, OWN_0V = HeaderPin(0, "5 V +", None), HeaderPin(0, "5 V \N{MINUS SIGN}", None)
TAP_KOHM = 10  # of the lower resistor of a meter's divider
_COLOURS = {
    "supply": "red", "own_plus": "red", "battery_plus": "red", "motors_plus": "red", "tap": "brown",
    "part_ground": "black", "own_minus": "black", "trigger": "yellow", "echo": "green", "data": "blue", "clock": "yellow",
    "input": "orange", "base": "orange", "led": "orange", "pulse": "orange",
}  # fmt: skip
_Row = tuple[str, HeaderPin, str]  # terminal, other end, role


class Wire(NamedTuple):
    """A wire from the header, or from a channel of a PCA9685 or a supply, which have the number 0.

    `motor` is its name, empty where the wire serves the whole board or car. `role` is a key of the words in `text.py`.
    """

    terminal: str
    pin: HeaderPin
    colour: str
    motor: str
    role: str


class Part(NamedTuple):
    """One part.

    Args:
        form: its drawing in `symbols.py`, and a key of the words in `text.py`.
        name: of its chip, or the label of its button; empty if `form` says it all.
        wires: in the order of the drawing, from the top.
        ratio: of the divider at the input of a battery meter, 1 without one.
    """

    form: str
    name: str
    wires: tuple[Wire, ...]
    ratio: float = 1.0

    def title(self, words: Mapping[str, str]) -> str:
        """Return its name in a language."""
        return self.name or words[self.form]


def parts_of(config: Config, wires: Wires, supply: str) -> Iterator[Part]:
    """Yield the configured parts; `supply` is the terminal of the motor board for the battery's +."""
    terminals = (*wires.extras, *wires.servos, *wires.inputs)
    at = {f"{t.section}.{t.key}": header_pin(t.pin) for t in terminals}
    ground = "GND", GROUND_PIN, "part_ground"
    if config.range.source == "hcsr04":
        pins = ("TRIG", at["range.trigger"], "trigger"), ("ECHO", at["range.echo"], "echo")
        yield _part("sonar", "HC-SR04", ("VCC", PLUS_5V, "supply"), *pins, ground)
    elif config.range.source == "vl53l0x":
        yield _part("laser", "VL53L0X", *_bus("VIN", 1))
    elif config.range.source == "switch":
        yield _part("contact", "", ("1", at["range.switch"], "input"), ("2", GROUND_PIN, "part_ground"))
    for name, one in aux_of(config).items():
        title, pin = one.label or name, at[f"aux.{name}.pin"]
        if one.kind == "servo":
            supply_of_servo = ("V+", OWN_5V, "own_plus"), ground, ("GND", OWN_0V, "own_minus")
            yield _part("servo", title, ("S", pin, "pulse"), *supply_of_servo)
        else:
            emitter = "E", GROUND_PIN, "part_ground"
            yield _part("load", title, ("+", PLUS_5V, "supply"), ("B", pin, "base"), emitter)
    if "lamp.pin" in at:
        yield _part("lamp", "", ("A", at["lamp.pin"], "led"), ("K", GROUND_PIN, "part_ground"))
    yield from _meter(config.battery, supply)


def _meter(battery: BatteryConfig, supply: str) -> Iterator[Part]:
    chip, bus = battery.source.upper(), _bus("VCC", battery.bus)
    if battery.source in ("ina219", "ina226"):
        if battery.source == "ina226":
            bus.append(("VBUS", BATTERY, "battery_plus"))
        minus = HeaderPin(0, supply or "ESC +", None)
        yield _part(
            "shunt",
            chip,
            *bus,
            ("VIN+", BATTERY, "battery_plus"),
            ("VIN\N{MINUS SIGN}", minus, "motors_plus"),
        )
    elif battery.source == "ads1115":
        yield _part("tap", chip, *bus, (f"A{battery.channel}", BATTERY, "tap"), ratio=battery.divider)
    elif battery.source == "max17048":
        yield _part("cell", chip, *bus, ("BAT", BATTERY, "battery_plus"))


def _bus(supply: str, bus: int) -> list[_Row]:
    """Return the wires of an I2C part; only those of bus 1 have known pins."""
    lines: list[_Row] = [("SDA", SDA, "data"), ("SCL", SCL, "clock")]
    return [(supply, PLUS_3V3, "supply"), *lines[: 2 * (bus == 1)], ("GND", GROUND_PIN, "part_ground")]


def _part(form: str, name: str, *rows: _Row, ratio: float = 1.0) -> Part:
    wires = tuple(Wire(terminal, pin, _COLOURS[role], "", role) for terminal, pin, role in rows)
    return Part(form, name, wires, ratio)


def header_pin(pin: int) -> HeaderPin:
    """Return the pin of a BCM number, or a channel of a PCA9685, which has the number 0."""
    return HeaderPin(0, f"CH {pin - CHANNELS[0]}", pin) if pin in CHANNELS else pin_of(pin)
