"""The plan of a configuration: which wire goes where. The wirings of known tutorials, as presets."""

from __future__ import annotations

from dataclasses import dataclass

from picar.config import Config, L298NConfig, SideConfig
from picar.options import toml
from picar.raspberrypi import GROUND, PINS, HeaderPin, pin_of

TERMINALS = ("ENA", "IN1", "IN2", "IN3", "IN4", "ENB")  # in the order of the board, from the left
COLOURS = {  # of a common ribbon of jumper wires
    "ENA": "orange", "IN1": "yellow", "IN2": "green", "IN3": "blue", "IN4": "purple", "ENB": "brown",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire from the header to the board.

    `side` names its motor, `left` or `right`; `role` is `speed`, `forward` or `reverse`.
    """

    terminal: str
    pin: HeaderPin
    colour: str
    side: str
    role: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All connections of one car.

    Args:
        wires: from the header to the board, in the order of the board's terminals.
        ground: the header's pin for the common ground.
        jumpers: the EN terminals that keep their jumper.
        resistors: the terminals with 10 kOhm to ground.
        sides: the motor on OUT1 and OUT2, then the motor on OUT3 and OUT4.
    """

    wires: tuple[Wire, ...]
    ground: HeaderPin
    jumpers: tuple[str, ...]
    resistors: tuple[str, ...]
    sides: tuple[str, str]


def plan(wiring: L298NConfig, left: SideConfig | None = None, right: SideConfig | None = None) -> Plan:
    """Return the plan of a wiring.

    Args:
        wiring: the pins.
        left: the left motor; None if it is not inverted.
        right: the right motor; None if it is not inverted.
    """
    sides = ("right", "left") if wiring.swap else ("left", "right")
    inverted = {"left": bool(left and left.invert), "right": bool(right and right.invert)}
    wires, resistors = [], []
    jumpers = tuple(name for name in ("ENA", "ENB") if getattr(wiring, name.lower()) == "jumper")
    for terminal in TERMINALS:
        if terminal in jumpers:
            continue
        side = sides[terminal in ("IN3", "IN4", "ENB")]
        pin = pin_of(getattr(wiring, terminal.lower()))
        wires.append(Wire(terminal, pin, COLOURS[terminal], side, _role(terminal, inverted[side])))
        bridge_is_jumpered = ("ENA" if terminal in ("IN1", "IN2") else "ENB") in jumpers
        if terminal.startswith("EN") or bridge_is_jumpered:
            resistors.append(terminal)
    return Plan(tuple(wires), PINS[GROUND - 1], jumpers, tuple(resistors), sides)


def plan_of(config: Config) -> Plan:
    """Return the plan of a configuration."""
    return plan(config.l298n, config.left, config.right)


def _role(terminal: str, inverted: bool) -> str:
    if terminal.startswith("EN"):
        return "speed"
    return "forward" if (terminal in ("IN1", "IN3")) != inverted else "reverse"


@dataclass(frozen=True, slots=True)
class Preset:
    """One wiring. `pwm_hz` is the PWM frequency of the tutorial, or None for the default of picar."""

    name: str
    sentence: str
    wiring: L298NConfig
    pwm_hz: int | None = None


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("picar", "the default of picar: each pin is low at power-on and free of buses", L298NConfig()),
        Preset(
            "classic-4-wire",
            "the WiFi car of the Chinese tutorials: header pins 11, 12, 13 and 15, both EN jumpers left on",
            L298NConfig(ena="jumper", in1=17, in2=18, enb="jumper", in3=27, in4=22),
        ),
        Preset(
            "classic-6-wire",
            "the same car with speed control: EN on header pins 16 and 18",
            L298NConfig(ena=23, in1=17, in2=18, enb=24, in3=27, in4=22),
            pwm_hz=80,
        ),
        Preset(
            "electronicshub",
            "the widely copied L298N tutorial: IN1 24, IN2 23, EN 25; it has one motor, the second is wired as in its copies",
            L298NConfig(ena=25, in1=24, in2=23, enb=22, in3=27, in4=17),
            pwm_hz=1000,
        ),
        Preset(
            "donkeycar",
            "donkeycar's DC_TWO_WHEEL_L298N: header pins 16, 18, 22 and 15, 13, 11",
            L298NConfig(ena=25, in1=23, in2=24, enb=17, in3=22, in4=27),
        ),
    )
}


def as_toml(preset: Preset) -> str:
    """Return the preset as a configuration file."""
    names = ("ena", "in1", "in2", "enb", "in3", "in4")
    lines = [f"# picar wiring --preset {preset.name}", f"# {preset.sentence}", "", "[l298n]"]
    lines += [f"{name} = {toml(getattr(preset.wiring, name))}" for name in names]
    if preset.pwm_hz:
        lines += ["", "[motors]", f"pwm_hz = {preset.pwm_hz}"]
    return "\n".join(lines) + "\n"
