"""The motors of a configured car and the pins of their wires, whichever sections describe them.

The motor process reads this file too, where the sections are plain objects.
"""

from __future__ import annotations

from picar.layouts import LAYOUTS, Layout
from picar.raspberrypi import CHANNELS
from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from picar.config import AuxConfig, Config

KEYS = {  # the terminals of each motor that a board of this kind has
    "l298n": ("pwm", "in1", "in2"),
    "l293d": ("pwm", "in1", "in2"),
    "tb6612": ("pwm", "in1", "in2"),
    "drv8833": ("in1", "in2"),
    "l9110s": ("in1", "in2"),
    "bts7960": ("in1", "in2"),
    "phase-enable": ("pwm", "in1"),
    "esc": ("pwm",),
}
WITH_STANDBY = ("l298n", "l293d", "tb6612", "drv8833", "bts7960")
MAY_JUMPER = ("l298n", "l293d", "tb6612")  # `pwm = "jumper"`: the board keeps EN or PWM high
ESC_US = 500  # between neutral and full throttle of an ESC
LEAST_WAY_US = 50  # of a servo, between its middle and each end
PULSE_HZ = 50  # servos and ESCs get a pulse every 20 ms
_L298N = {"left": ("ena", "in1", "in2"), "right": ("enb", "in3", "in4")}


class Terminal(NamedTuple):
    """A terminal with a wire: its option, and its pin, which is a BCM number or one of `CHANNELS`."""

    section: str
    key: str
    pin: int

    def __str__(self) -> str:
        return f"{self.section.removeprefix('motor.')}.{self.key}" if "." in self.section else self.key


class Chip(NamedTuple):
    """The PCA9685 of a motor HAT: its I2C bus and address, its PWM frequency, and the wire to its OE, if it has one."""

    bus: int
    address: int
    hz: int
    oe: Terminal | None


class Motor(NamedTuple):
    """A motor: its name in the layout, and the terminals of its channel by role (pwm, in1, in2). A jumper has none."""

    name: str
    terminals: dict[str, Terminal]


class Wires(NamedTuple):
    """The board of a car. The motors are in the order of the layout, as wired: before `swap` exchanges them.

    `extras` are the outputs of `[aux.*]`, `[lamp]` and TRIG, low at rest; `servos` those of `[aux.*]`; `inputs` the sensors'.
    """

    kind: str
    layout: Layout
    swap: bool
    standby: Terminal | None
    motors: tuple[Motor, ...]
    servo: Terminal | None = None
    chip: Chip | None = None
    extras: tuple[Terminal, ...] = ()
    servos: tuple[Terminal, ...] = ()
    inputs: tuple[Terminal, ...] = ()

    @property
    def terminals(self) -> list[Terminal]:
        """All terminals with a wire, in the order in which they come to rest: OE, standby, speeds, inputs, servo."""
        of_motors = [item for motor in self.motors for item in motor.terminals.items()]
        speeds = [terminal for role, terminal in of_motors if role == "pwm"]
        inputs = [terminal for role, terminal in of_motors if role != "pwm"]
        oe = self.chip.oe if self.chip else None
        found = [oe, self.standby, *speeds, *inputs, self.servo]
        return [terminal for terminal in found if terminal]

    @property
    def pulses(self) -> list[Terminal]:
        """The terminals that get servo pulses: of an ESC, of the steering servo and of other servos."""
        return [*self.escs, *([self.servo] if self.servo else []), *self.servos]

    @property
    def escs(self) -> list[Terminal]:
        """The terminals that get the pulses of an ESC."""
        return [t for t in self.terminals if self.kind == "esc" and t.key == "pwm"]

    @property
    def keeps_driving(self) -> bool:
        """Whether the motors keep their power when the Pi hangs: a chip without OE holds its outputs."""
        driven = (terminal.pin for motor in self.motors for terminal in motor.terminals.values())
        return self.chip is not None and self.chip.oe is None and any(pin in CHANNELS for pin in driven)

    def twin_of(self, motor: Motor) -> Motor:
        """Return the first motor that gets the same signals as this one, which may be this one.

        Such motors follow the same speed, and their terminals share the pins.
        """
        return next(one for one in self.motors if self._signals(one) == self._signals(motor))

    def twins(self, swap: bool) -> list[tuple[str, str]]:
        """Return the names of each two motors that get the same signals, where `swap` exchanges the motors."""
        pairs = [(self.twin_of(motor).name, motor.name) for motor in self.motors]
        named = [(self.layout.partner_of(a), self.layout.partner_of(b)) if swap else (a, b) for a, b in pairs]
        return [pair for pair in named if pair[0] != pair[1]]

    def _signals(self, motor: Motor) -> tuple[int, dict[str, int]]:
        return self.layout.speed_of(motor.name), {role: t.pin for role, t in motor.terminals.items()}


def are_good_ends(left_us: int, center_us: int, right_us: int) -> bool:
    """Return whether the middle of a servo is between its ends, at least `LEAST_WAY_US` from each."""
    ways = center_us - left_us, right_us - center_us
    return min(ways) >= LEAST_WAY_US or max(ways) <= -LEAST_WAY_US


def full_us(config: Config) -> float:
    """Return the distance of an ESC's highest pulse from neutral, 0 without an ESC."""
    has_esc = config.board is not None and config.board.kind == "esc"
    return config.esc.max_throttle * ESC_US if has_esc else 0.0


def layout_of(config: Config) -> Layout:
    """Return the layout of a car."""
    return LAYOUTS[config.layout.kind if config.board else "sides"]


def calibrated_section(config: Config, motor: str) -> str:
    """Return the section with `invert` and `trim` of a motor."""
    return f"motor.{motor}" if config.board else motor


def aux_of(config: Config) -> dict[str, AuxConfig]:
    """Return the sections `[aux.*]` by name. In the motor process they are a plain object."""
    return config.aux if isinstance(config.aux, dict) else vars(config.aux)


def wires_of(config: Config) -> Wires:
    """Return the wires of a car."""
    wires = _wires_of_board(config) if config.board else _wires_of_l298n(config)
    aux = [
        (_wired(f"aux.{name}", "pin", one.pin), one.kind == "servo") for name, one in aux_of(config).items()
    ]
    outputs = [_wired("range", "trigger", config.range.trigger), _wired("lamp", "pin", config.lamp.pin)]
    inputs = [_wired("range", key, getattr(config.range, key)) for key in ("echo", "switch")]
    return _with_chip(
        config,
        wires._replace(
            extras=tuple(t for t in (*outputs, *(t for t, is_servo in aux if not is_servo)) if t),
            servos=tuple(t for t, is_servo in aux if t and is_servo),
            inputs=tuple(t for t in inputs if t),
        ),
    )


def _wires_of_board(config: Config) -> Wires:
    assert config.board is not None
    board, layout = config.board, layout_of(config)
    motors = []
    for name in layout.motors:
        section = getattr(config.motor, name)
        pins = {role: getattr(section, role) for role in KEYS[board.kind]}
        motors.append(
            Motor(
                name,
                {r: Terminal(f"motor.{name}", r, pin) for r, pin in pins.items() if isinstance(pin, int)},
            )
        )
    standby, servo = _wired("board", "standby", board.standby), None
    if layout.servo:
        servo = _wired("steering", "pin", config.steering.pin)
    return Wires(board.kind, layout, board.swap, standby, tuple(motors), servo)


def _with_chip(config: Config, wires: Wires) -> Wires:
    """Return the wires with the chip that the channels among them belong to."""
    board = config.board
    if board is None or board.chip == "header":
        return wires
    has_pulses = any(terminal.pin in CHANNELS for terminal in wires.pulses)
    hz = PULSE_HZ if has_pulses else config.motors.pwm_hz
    return wires._replace(chip=Chip(board.bus, board.address, hz, _wired("board", "oe", board.oe)))


def _wired(section: str, key: str, pin: int | str) -> Terminal | None:
    return Terminal(section, key, pin) if isinstance(pin, int) else None


def _wires_of_l298n(config: Config) -> Wires:
    """Return the wires of the section `[l298n]`. A pin on both ENA and ENB is the standby of the board."""
    wiring = config.l298n
    shares_enable = wiring.ena == wiring.enb != "jumper"
    motors = []
    for name, keys in _L298N.items():
        terminals = {
            role: Terminal("l298n", key, getattr(wiring, key))
            for role, key in zip(KEYS["l298n"], keys, strict=True)
            if getattr(wiring, key) != "jumper" and not (shares_enable and role == "pwm")
        }
        motors.append(Motor(name, terminals))
    standby = Terminal("l298n", "ena", int(wiring.ena)) if shares_enable else None
    return Wires("l298n", LAYOUTS["sides"], wiring.swap, standby, tuple(motors))
