"""The plan of a configuration: which wire goes where."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from picar.config import BoardConfig, Config
from picar.raspberrypi import CHANNELS, PINS, HeaderPin, pin_of
from picar.values import Value
from picar.wires import KEYS, Chip, Wires, calibrated_section, wires_of
from picar.wiring.parts import GROUND_PIN, Part, Wire, header_pin, parts_of


class Kind(NamedTuple):
    """One kind of board, as its owner sees it. `motor/boards/kinds.py` has its truth table.

    Args:
        name: printed on the chip.
        terminals: all with a wire to the Pi, from the left.
        channels: for each motor of one board, its terminals in the order of `KEYS`.
        outputs: for each motor of one board, where its wires go.
        supply: the terminal of the battery's +, and the lowest and the highest volts of the chip `name`; empty if they vary.
        standby: the terminal of the standby line; empty if the enables are this line.
        logic: the terminal of the logic supply, and its pins of the header for the first and the second board.
        tie: where a terminal without a wire is connected; empty if the board has a jumper for it.
        pull_down: the roles that need 10 kOhm to ground.
        coasts: whether a motor turns freely while its terminals are low, and while its inputs are low with EN or PWM tied.
        has_drawing: whether `svg.py` draws it.
    """

    name: str
    terminals: tuple[str, ...]
    channels: tuple[tuple[str, ...], ...]
    outputs: tuple[str, ...]
    supply: tuple[str, str, str]
    standby: str = ""
    logic: tuple[str, int, int] | None = None
    tie: str = ""
    pull_down: tuple[str, ...] = ()
    coasts: tuple[bool, bool] = (False, False)
    has_drawing: bool = False


_AB = ("AIN1", "AIN2"), ("BIN1", "BIN2")
KINDS = {
    "l298n": Kind(
        "L298N", ("ENA", "IN1", "IN2", "IN3", "IN4", "ENB"), (("ENA", "IN1", "IN2"), ("ENB", "IN3", "IN4")),
        ("OUT1, OUT2", "OUT3, OUT4"), ("12V", "6", "12"),
        pull_down=("pwm",), coasts=(True, False), has_drawing=True,
    ),
    "l293d": Kind(
        "L293D", ("1,2EN", "1A", "2A", "3A", "4A", "3,4EN", "VCC1"), (("1,2EN", "1A", "2A"), ("3,4EN", "3A", "4A")),
        ("1Y, 2Y", "3Y, 4Y"), ("VCC2", "4.5", "36"), logic=("VCC1", 2, 4), tie="VCC1",
        pull_down=("pwm",), coasts=(True, False),
    ),
    "tb6612": Kind(
        "TB6612FNG", ("VCC", "PWMA", "AIN2", "AIN1", "STBY", "BIN1", "BIN2", "PWMB"),
        (("PWMA", *_AB[0]), ("PWMB", *_AB[1])), ("AO1, AO2", "BO1, BO2"), ("VM", "2.5", "13.5"),
        "STBY", ("VCC", 1, 17), "VCC", coasts=(True, True), has_drawing=True,
    ),
    "drv8833": Kind(
        "DRV8833", ("AIN1", "AIN2", "nSLEEP", "BIN1", "BIN2"), _AB, ("AOUT1, AOUT2", "BOUT1, BOUT2"),
        ("VM", "2.7", "10.8"), "nSLEEP", None, "3V3", coasts=(True, True), has_drawing=True,
    ),
    "l9110s": Kind(
        "L9110S", ("A-IA", "A-IB", "B-IA", "B-IB"), (("A-IA", "A-IB"), ("B-IA", "B-IB")), ("MOTOR A", "MOTOR B"),
        ("VCC", "2.5", "12"), pull_down=("in1", "in2"),
    ),
    "bts7960": Kind(
        "BTS7960", ("RPWM", "LPWM", "EN", "VCC"), (("RPWM", "LPWM"),), ("M+, M\N{MINUS SIGN}",),
        ("B+", "6", "27"), "EN", ("VCC", 1, 17), "VCC", pull_down=("standby", "in1", "in2"),
    ),
    "phase-enable": Kind(
        "DRV8835", ("AENBL", "APHASE", "BPHASE", "BENBL", "VCC"), (("AENBL", "APHASE"), ("BENBL", "BPHASE")),
        ("AOUT1, AOUT2", "BOUT1, BOUT2"), ("VM", "2", "11"), logic=("VCC", 1, 17),
    ),
    "esc": Kind("ESC", ("signal",), (("signal",),), ("ESC",), ("", "", ""), coasts=(True, True)),
}  # fmt: skip
_HATS: dict[tuple[int, ...], str] = {  # the outputs of HATs with a TB6612, by the channels of pwm and of both inputs
    (8, 9, 10): "M1", (13, 11, 12): "M2", (2, 3, 4): "M3", (7, 5, 6): "M4",  # Adafruit
    (0, 1, 2): "MA", (5, 3, 4): "MB",  # Waveshare
}  # fmt: skip
_COLOURS = (  # of a common ribbon of jumper wires, by motor and role
    {"pwm": "orange", "in1": "yellow", "in2": "green"},
    {"pwm": "brown", "in1": "blue", "in2": "purple"},
)


class Board(NamedTuple):
    """One board.

    Args:
        kind: of this board.
        wires: from the header, in the order of the terminals.
        motors: for each channel, the motor on its outputs.
        tied: the terminals that stay high without a wire to the Pi: by a jumper, or connected to the supply.
        resistors: the terminals with 10 kOhm to ground.
    """

    kind: Kind
    wires: tuple[Wire, ...]
    motors: tuple[str, ...]
    tied: tuple[str, ...]
    resistors: tuple[str, ...]


class Plan(Value):
    """All connections of one car.

    Args:
        kind: of the boards, as in the configuration.
        boards: a car with more motors than a board has channels has several.
        sections: of the configuration, with `invert` of each motor.
        brakes: the motors that are braked at rest.
        others: the wires of a PCA9685 and of a servo.
        chip: the PCA9685, if the car has one.
        hat: of a known HAT, for each motor, the output and its channels; else empty.
        pulse_pins: the pins of the header with servo pulses.
        keeps_driving: see `Wires`.
        ground: the header's pin for the common ground.
        parts: those beside the motors, for example a distance sensor.
    """

    kind: str
    boards: tuple[Board, ...]
    sections: tuple[str, ...]
    brakes: tuple[str, ...]
    others: tuple[Wire, ...] = ()
    chip: Chip | None = None
    hat: tuple[tuple[str, str], ...] = ()
    pulse_pins: tuple[int, ...] = ()
    keeps_driving: bool = False
    ground: HeaderPin = GROUND_PIN
    parts: tuple[Part, ...] = ()

    @property
    def wires(self) -> Iterator[tuple[str, Wire]]:
        """Yield each wire with the name of its terminal, which has the board's number if there are several.

        A known HAT has the wires of its channels on the board.
        """
        for number, board in enumerate(() if self.hat else self.boards, start=1):
            for wire in board.wires:
                yield self.named(number, wire.terminal), wire
        yield from ((wire.terminal, wire) for wire in self.others)

    @property
    def has_drawing(self) -> bool:
        """Whether `svg.py` draws the boards; the table describes the others, and cars with a PCA9685 or a servo."""
        return KINDS[self.kind].has_drawing and not self.others and not self.chip

    @property
    def motors(self) -> tuple[str, ...]:
        """All motors, board by board."""
        return tuple(motor for board in self.boards for motor in board.motors)

    def named(self, number: int, terminal: str) -> str:
        """Return the name of a terminal among all boards."""
        return f"#{number} {terminal}" if len(self.boards) > 1 else terminal

    def all_of(self, what: str) -> list[str]:
        """Return the names of the `tied` terminals or of those with `resistors`."""
        numbered = enumerate(self.boards, start=1)
        return [self.named(number, name) for number, board in numbered for name in getattr(board, what)]


def plan(config: Config) -> Plan:
    """Return the plan of a configuration."""
    wires = wires_of(config)
    kind, layout = KINDS[wires.kind], wires.layout
    motors = [layout.partner_of(motor.name) if wires.swap else motor.name for motor in wires.motors]
    step = len(kind.channels)
    firsts = range(0, len(motors), step)
    boards = [_board(config, wires, motors, range(first, min(first + step, len(motors)))) for first in firsts]
    tied = ["pwm" in KEYS[wires.kind] and "pwm" not in motor.terminals for motor in wires.motors]
    freely = [bool(wires.standby) or kind.coasts[is_tied] for is_tied in tied]
    brakes = [motor for motor, coasts in zip(motors, freely, strict=True) if not coasts]
    sections = tuple(calibrated_section(config, motor) for motor in layout.motors)
    hat, pulses = _hat(wires), tuple(t.pin for t in wires.pulses if t.pin not in CHANNELS)
    others = tuple(_others(wires, is_hat=bool(hat)))
    return Plan(
        wires.kind,
        tuple(boards),
        sections,
        tuple(brakes),
        others,
        wires.chip,
        hat,
        pulses,
        wires.keeps_driving,
        parts=tuple(parts_of(config, wires, kind.supply[0])),
    )


def config_of(sections: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return the configuration with these values by section; they were checked before."""
    config = Config(board=BoardConfig()) if "board" in sections else Config()
    for name, values in sections.items():
        config = config.having(name, **values)
    return config


def _hat(wires: Wires) -> tuple[tuple[str, str], ...]:
    """Return the outputs of a known HAT and their channels as text, or nothing."""
    found = []
    for motor in wires.motors:
        pwm, *inputs = (terminal.pin - CHANNELS[0] for terminal in motor.terminals.values())
        output = _HATS.get((pwm, *sorted(inputs)), "")
        found.append((output, "CH " + ", ".join(map(str, (pwm, *inputs)))))
    is_hat = wires.chip and wires.kind == "tb6612" and not wires.standby and len(found) > 1
    return tuple(found) if is_hat and all(output for output, _ in found) else ()


def _others(wires: Wires, is_hat: bool) -> Iterator[Wire]:
    """Yield the wires of a PCA9685, of which those to the bus are for a module at bus 1, and of a servo."""
    if wires.chip:
        bus = ("VCC", 1, "red", "logic"), ("SDA", 3, "blue", "data"), ("SCL", 5, "yellow", "clock")
        for name, number, colour, role in () if is_hat else bus[: 3 if wires.chip.bus == 1 else 1]:
            yield Wire(name, PINS[number - 1], colour, "", role)
        if wires.chip.oe:
            yield Wire("OE", pin_of(wires.chip.oe.pin), "grey", "", "off")
    if wires.servo:
        yield Wire("servo", header_pin(wires.servo.pin), "orange", "", "steering")


def _board(config: Config, wires: Wires, motors: list[str], places: range) -> Board:
    """Return the board of the motors at these places of the layout."""
    kind, keys = KINDS[wires.kind], KEYS[wires.kind]
    found, tied, resistors = dict[str, Wire](), list[str](), list[str]()
    for place, terminals, colours in zip(places, kind.channels, _COLOURS, strict=False):
        channel, motor, pulled = wires.motors[place].terminals, motors[place], kind.pull_down
        for role, terminal in zip(keys, terminals, strict=True):
            wired = channel.get(role) or (None if kind.standby or role != "pwm" else wires.standby)
            if wired is None:
                tied.append(terminal)
                pulled = pulled and ("in1", "in2")
                continue
            purpose = _purpose(config, wires, motor, role) if role in channel else "enable"
            found[terminal] = Wire(terminal, header_pin(wired.pin), colours[role], motor, purpose)
            if role in pulled and wired.pin not in CHANNELS:
                resistors.append(terminal)
    if kind.standby and wires.standby:
        found[kind.standby] = Wire(kind.standby, header_pin(wires.standby.pin), "grey", "", "enable")
        floats = "standby" in kind.pull_down and wires.standby.pin not in CHANNELS
        resistors += [kind.standby] * floats
    elif kind.standby:
        tied.append(kind.standby)
    if kind.logic and not wires.chip:
        name, *pins = kind.logic
        found[name] = Wire(name, PINS[pins[places[0] // len(places) % 2] - 1], "red", "", "logic")

    def in_order(names: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in kind.terminals if name in names)

    on_board = tuple(motors[place] for place in places)
    ordered = tuple(found[name] for name in in_order(found))
    return Board(kind, ordered, on_board, in_order(tied), in_order(resistors))


def _purpose(config: Config, wires: Wires, motor: str, role: str) -> str:
    if wires.kind == "esc":
        return "pulses"
    if role == "pwm":
        return "speed"
    if "in2" not in KEYS[wires.kind]:
        return "direction"
    steers = wires.layout.steers and wires.layout.speed_of(motor) == 1
    inverted = config.section(calibrated_section(config, motor)).invert
    return (("to_right", "to_left") if steers else ("forward", "reverse"))[(role == "in1") == inverted]
