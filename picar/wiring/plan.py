"""Which wire goes where: the configuration, turned into things to connect."""

from __future__ import annotations

from dataclasses import dataclass

from picar.config import L298NConfig, SideConfig
from picar.raspberrypi import GROUND, PINS, HeaderPin, pin_of

TERMINALS = ("ENA", "IN1", "IN2", "IN3", "IN4", "ENB")  # as they stand on the board, from the left
COLOURS = {  # of the ribbon that jumper wires come in
    "ENA": "orange", "IN1": "yellow", "IN2": "green", "IN3": "blue", "IN4": "purple", "ENB": "brown",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire from the header to the board.

    `side` is `left` or `right`, the motor that it is for; `role` is `speed`, `forward` or `reverse`.
    """

    terminal: str
    pin: HeaderPin
    colour: str
    side: str
    role: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to connect.

    Args:
        wires: from the header to the board, in the order of the board's terminals.
        ground: the header's pin for the common ground.
        jumpers: the EN terminals whose jumper stays on.
        resistors: the terminals with 10 kOhm to ground.
        sides: which motor hangs on OUT1 and OUT2, and which on OUT3 and OUT4.
    """

    wires: tuple[Wire, ...]
    ground: HeaderPin
    jumpers: tuple[str, ...]
    resistors: tuple[str, ...]
    sides: tuple[str, str]


def plan(wiring: L298NConfig, left: SideConfig | None = None, right: SideConfig | None = None) -> Plan:
    """Return what a configuration comes to.

    Args:
        wiring: the pins.
        left: the left motor; None for one that turns the right way round.
        right: the right motor.
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


def _role(terminal: str, inverted: bool) -> str:
    if terminal.startswith("EN"):
        return "speed"
    return "forward" if (terminal in ("IN1", "IN3")) != inverted else "reverse"
