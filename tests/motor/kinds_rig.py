"""Cars of every kind and layout on remembered pins, behind which the chips work as their data sheets say."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from picar.config import (
    BoardConfig,
    Config,
    L298NConfig,
    LayoutConfig,
    MotorsConfig,
    RangeConfig,
    SteeringConfig,
)
from picar.configfile import as_toml
from picar.core.drive import BRAKE, COAST, Output
from picar.errors import BackendError
from picar.layouts import LAYOUTS, Layout
from picar.motor.boards import Board
from picar.motor.boards.bridge import Motors
from picar.motor.pins import Pin
from picar.motor.pins.mock import MockPins, Write
from picar.motor.pins.pca9685 import Pca9685Pins
from picar.raspberrypi import CHANNELS
from picar.wires import Wires, calibrated_section, layout_of, wires_of
from picar.wiring.presets import PRESETS, Preset
from tests.fakes.i2c_chip import FULL, LED0
from tests.motor import chips
from tests.motor.boards import WIRINGS

MIN_DUTY = 0.25
WITH_PWM = ("l298n", "l293d", "tb6612")
NUMBERS = (12, 13, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26)
STANDBY, SERVO, OE = 27, 19, 5
# Of four motors: pwm, in1, in2 on an Adafruit HAT, more than one transaction can write; two terminals of a motor, as far apart.
HAT = (108, 110, 109, 113, 111, 112, 102, 104, 103, 107, 105, 106)
TWO_INPUT_HAT = (101, 112, 102, 113, 107, 106, 105, 114)
HAT_SERVO = 115
STEPS = 4096  # in a period of the chip


class Form(NamedTuple):
    """A way to wire a kind: with a jumper on EN or PWM, with a standby line."""

    kind: str
    jumper: bool = False
    standby: bool = False

    def __str__(self) -> str:
        return self.kind + (" jumpers" if self.jumper else "") + (" standby" if self.standby else "")

    @property
    def roles(self) -> tuple[str, ...]:
        """The terminals of a motor that have a wire."""
        if self.kind == "phase-enable":
            return ("pwm", "in1")
        return ("pwm", "in1", "in2") if self.kind in WITH_PWM and not self.jumper else ("in1", "in2")

    @property
    def brakes_by_both_high(self) -> bool:
        """Whether this form brakes with both inputs high alone, and coasts with both low: it passes a drive between them."""
        return self.kind == "drv8833" or (self.kind == "tb6612" and self.jumper)

    @property
    def released(self) -> str:
        """What a motor does that is not driven while another one turns."""
        brakes = self.kind in ("l9110s", "bts7960", "phase-enable") or (
            self.jumper and self.kind in ("l298n", "l293d")
        )
        return chips.BRAKE if brakes else chips.COAST

    @property
    def between_waves(self) -> str:
        """What a driven motor does while its wave is low."""
        brakes = self.released == chips.BRAKE or (self.kind == "tb6612" and not self.jumper)
        return chips.BRAKE if brakes else chips.COAST

    @property
    def at_rest(self) -> str:
        """What a motor does while all pins are low."""
        return chips.COAST if self.standby else self.released


FORMS = [
    Form("l298n"),
    Form("l298n", jumper=True),
    Form("l298n", jumper=True, standby=True),
    Form("l293d"),
    Form("l293d", jumper=True),
    Form("l293d", jumper=True, standby=True),
    Form("tb6612"),
    Form("tb6612", standby=True),
    Form("tb6612", jumper=True),
    Form("tb6612", jumper=True, standby=True),
    Form("drv8833"),
    Form("drv8833", standby=True),
    Form("l9110s"),
    Form("bts7960"),
    Form("bts7960", standby=True),
    Form("phase-enable"),
]
OUTPUTS = (
    COAST,
    BRAKE,
    Output(0.5, 0.5),
    Output(-0.5, -0.5),
    Output(1.0, -1.0),
    Output(-0.5, 1.0),
    Output(0.5, 0.0),
    Output(0.0, -1.0),
)


class Motor(NamedTuple):
    """A motor as wired: its form, its pins by role, and the standby line of its board."""

    name: str
    form: Form
    pins: dict[str, int]
    standby: int | None


class Car(NamedTuple):
    """A configuration, its motors in the order of the layout, their layout, and the pins of a servo and of OE."""

    name: str
    config: Config
    motors: tuple[Motor, ...]
    layout: Layout
    servo: int | None = None
    oe: int | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def pins(self) -> set[int]:
        """All pins that are low at rest: those of motors and the standby line."""
        return {
            pin for motor in self.motors for pin in (*motor.pins.values(), motor.standby) if pin is not None
        }

    @property
    def speeds(self) -> list[int]:
        """The pins that carry the speed of a motor and nothing else."""
        return [motor.pins["pwm"] for motor in self.motors if "pwm" in motor.pins]

    @property
    def kill_lines(self) -> list[int]:
        """The pins that come to rest first."""
        return [pin for pin in (self.oe, self.motors[0].standby) if pin is not None]

    def speeds_of(self, output: Output) -> tuple[float, float]:
        """Return the speeds of the motors: a servo is none."""
        return output.left, 0.0 if self.layout.servo else output.right

    def rests(self, output: Output) -> bool:
        """Return whether no motor is driven or braked."""
        return not (output.brake or any(self.speeds_of(output)))

    def speed_of(self, name: str) -> int:
        """Return the speed that a motor follows."""
        return {"left": 0, "right": 1, "drive": 0, "steer": 1}[name.split("_")[-1]]


def car(
    form: Form,
    layout: str,
    jumpered: tuple[str, ...] = (),
    twins: bool = False,
    chip: str = "",
    oe: bool = False,
) -> Car:
    """Return a car.

    Args:
        form: of its motors.
        layout: its name.
        jumpered: the motors with a jumper; the others have the form's wires.
        twins: whether motors share the pins of their side.
        chip: which terminals are channels of a PCA9685: "" none, "hat" all, "speeds" only pwm.
        oe: whether the chip has the wire.
    """
    channels = iter(HAT if len(form.roles) == 3 or chip == "speeds" else TWO_INPUT_HAT)
    numbers, motors = iter(NUMBERS), list[Motor]()
    standby = STANDBY if form.standby else None
    servo = (HAT_SERVO if chip == "hat" else SERVO) if LAYOUTS[layout].servo else None
    for name in LAYOUTS[layout].motors:
        own = form._replace(jumper=True) if name in jumpered else form
        shared = [m for m in motors if twins and m.name.split("_")[-1] == name.split("_")[-1]]
        pins = {
            role: next(channels if chip == "hat" or (chip and role == "pwm") else numbers)
            for role in (() if shared else own.roles)
        }
        motors.append(Motor(name, own, shared[0].pins if shared else pins, standby))
    config = Config(
        motors=MotorsConfig(min_duty=MIN_DUTY),
        board=BoardConfig(
            kind=form.kind,  # type: ignore[arg-type]
            standby=standby or "none",
            chip="pca9685" if chip else "header",
            oe=OE if oe else "none",
        ),
        layout=LayoutConfig(layout),  # type: ignore[arg-type]
        steering=SteeringConfig(servo) if servo else SteeringConfig(),
    )
    for motor in motors:
        words = {"pwm": "jumper"} if motor.form.jumper else {}
        config = config.having(f"motor.{motor.name}", **words, **motor.pins)
    name = " ".join(
        [str(form), layout, *jumpered, *(["twins"] if twins else []), chip, *(["oe"] if oe else [])]
    )
    return Car(
        name.replace("  ", " ").strip(), config, tuple(motors), LAYOUTS[layout], servo, OE if oe else None
    )


def l298n(name: str, wiring: L298NConfig) -> Car:
    """Return a car with the section `[l298n]`."""
    shared = wiring.ena if wiring.ena == wiring.enb != "jumper" else None
    motors = []
    for side, enable, in1, in2 in (
        ("left", wiring.ena, wiring.in1, wiring.in2),
        ("right", wiring.enb, wiring.in3, wiring.in4),
    ):
        jumper = enable == "jumper" or shared is not None
        pins = {"in1": in1, "in2": in2} if jumper else {"pwm": int(enable), "in1": in1, "in2": in2}
        form = Form("l298n", jumper, shared is not None)
        motors.append(Motor(side, form, pins, None if shared is None else int(shared)))
    config = Config(motors=MotorsConfig(min_duty=MIN_DUTY), l298n=wiring)
    return Car(f"[l298n] {name}", config, tuple(motors), LAYOUTS["sides"])


def preset(found: Preset) -> Car:
    """Return the car of a preset, as wired, without its other parts: its calibration belongs to its motors."""
    bare = dataclasses.replace(found.config, range=RangeConfig(), aux={})
    config = bare.having("motors", min_duty=MIN_DUTY)
    for name in layout_of(config).motors:
        config = config.having(calibrated_section(config, name), invert=False)
    config = config.having("board" if config.board else "l298n", swap=False)
    wires = wires_of(config)
    standby = wires.standby.pin if wires.standby else None
    motors = []
    for motor in wires.motors:
        pins = {role: terminal.pin for role, terminal in motor.terminals.items()}
        jumper = wires.kind in WITH_PWM and "pwm" not in pins
        form = Form(wires.kind, jumper, standby is not None)
        motors.append(Motor(motor.name, form, pins, standby))
    servo = wires.servo.pin if wires.servo else None
    oe = wires.chip.oe.pin if wires.chip and wires.chip.oe else None
    return Car(f"preset {found.name}", config, tuple(motors), wires.layout, servo, oe)


CARS = [
    *(car(form, layout) for form in FORMS for layout in LAYOUTS),
    *(car(Form(kind), "sides", jumpered=("right",)) for kind in WITH_PWM),
    *(
        car(form, "four", twins=True)
        for form in (Form("l298n"), Form("tb6612", standby=True), Form("drv8833"))
    ),
    *(l298n(name, wiring) for name, wiring in WIRINGS.items()),
    *(preset(found) for found in PRESETS.values() if not wires_of(found.config).pulses),
]
ON_CHIPS = [
    *(car(form, "sides", chip="hat", oe=place % 2 == 0) for place, form in enumerate(FORMS)),
    *(
        car(Form(kind, standby=kind == "tb6612"), layout, chip="hat", oe=oe)
        for kind in ("tb6612", "drv8833", "phase-enable")
        for layout in ("four", "steer-motor", "steer-servo")
        for oe in (False, True)
    ),
    car(Form("tb6612"), "four", twins=True, chip="hat"),
    *(
        car(form, layout, chip="speeds", oe=oe)
        for form in (Form("l298n"), Form("l293d"), Form("tb6612"), Form("tb6612", standby=True))
        for layout, oe in (("sides", False), ("four", True), ("steer-servo", False))
    ),
]


def text_of(car: Car) -> str:
    """Return the sections of the board and its motors as TOML."""
    blocks = as_toml(car.config).split("\n\n")
    return "\n\n".join(
        block
        for block in blocks
        if block.startswith(("[board]", "[layout]", "[motor.", "[l298n]", "[steering]", "[esc]"))
    )


class Registers:
    """The registers of a PCA9685 behind a bus without delay. `changed` gets the channels of a transaction at its end."""

    def __init__(self, changed: Callable[[dict[int, float]], None]) -> None:
        self._changed, self._values = changed, bytearray(256)
        self.is_held = False

    def write(self, _address: int, register: int, *values: int) -> None:
        """Write registers in one transaction."""
        if self.is_held:
            raise BackendError("The I2C bus does not answer.")
        if register == 0xFD:
            for channel in range(16):
                self._values[LED0 + 4 * channel + 3] |= FULL
        self._values[register : register + len(values)] = bytes(values)
        first, last = (
            (0, 16) if register == 0xFD else ((register - LED0) // 4, (register - LED0 + len(values)) // 4)
        )
        if register >= LED0:
            self._changed({CHANNELS[n]: self._level(n) for n in range(first, last)})

    def read(self, _address: int, register: int) -> int:
        """Read one register."""
        return self._values[register]

    def close(self) -> None:
        """Do nothing."""

    def _level(self, channel: int) -> float:
        place = LED0 + 4 * channel
        _on_low, on_high, low, high = self._values[place : place + 4]
        if high & FULL:
            return 0.0
        return 1.0 if on_high & FULL else (low | high << 8) / STEPS


class HatPins(Pca9685Pins):
    """The channels of a chip behind `Registers`."""

    def __init__(self, wires: Wires, bus: Registers) -> None:
        assert wires.chip
        super().__init__(wires.chip, [terminal.pin for terminal in wires.pulses], lambda: 0.0)
        self._bus = bus  # type: ignore[assignment]


class _Noted:
    """A channel whose values are remembered when they are set; they count at the commit."""

    def __init__(self, pins: ChipPins, pin: int, op: str, channel: Pin) -> None:
        self._pins, self._number, self._op, self._channel = pins, pin, op, channel

    def set(self, value: float) -> None:
        self._pins.fail_if_broken(self._number)
        self._channel.set(value)
        self._pins.writes.append(Write(self._pins.now, self._number, self._op, value))


class ChipPins(MockPins):
    """Pins with the chips behind them: `moments` holds, for each write, what each motor did then.

    A pin with a duty cycle is high and low in turn, so that a motor may do several things at a moment. `levels` has what is
    on the wires: of a channel, the value of the last transaction.
    """

    def __init__(self, car: Car) -> None:
        super().__init__(clock=lambda: self.now)
        self.car, self.now = car, 0.0
        wires = wires_of(car.config)
        self.bus = Registers(self._changed)
        self._hat = HatPins(wires, self.bus) if wires.chip else None
        self.doing = [self._actions(motor) for motor in car.motors]
        self.moments: list[list[frozenset[str]]] = []
        self.broken: dict[int, int] = {}

    def output(self, pin: int, rest: int = 0) -> Pin:
        if self._hat and pin in CHANNELS:
            return _Noted(self, pin, "write", self._hat.output(pin, rest))
        return super().output(pin, rest)

    def pwm(self, pin: int, hz: int) -> Pin:
        if self._hat and pin in CHANNELS:
            return _Noted(self, pin, "pwm", self._hat.pwm(pin, hz))
        return super().pwm(pin, hz)

    def pulse(self, pin: int) -> Pin:
        if self._hat and pin in CHANNELS:
            return _Noted(self, pin, "pulse", self._hat.pulse(pin))
        return super().pulse(pin)

    def prepare(self) -> None:
        if self._hat:
            self._hat.prepare()

    def commit(self, *, afresh: bool = False) -> None:
        if self._hat:
            self._hat.commit(afresh=afresh)

    def at_rest(self) -> bool:
        """Return whether every pin is at its level of rest."""
        return not any(self.levels.get(pin, 0.0) for pin in self.car.pins)

    def fail_if_broken(self, pin: int) -> None:
        """Raise as often as `broken` says."""
        if self.broken.get(pin, 0) > 0:
            self.broken[pin] -= 1
            raise OSError(5, f"GPIO {pin} does not answer")

    def record(self, bcm: int, op: str, value: float) -> None:
        if op in ("write", "pwm"):
            self.fail_if_broken(bcm)
        before = dict(self.levels)
        super().record(bcm, op, value)
        if op != "claim":
            self._judge({bcm}, before)

    def _changed(self, channels: dict[int, float]) -> None:
        before = dict(self.levels)
        if self.car.servo in channels:
            channels[self.car.servo] *= STEPS * 122 / 25  # its pulses in µs
        self.levels |= channels
        if hasattr(self, "moments"):
            self._judge({pin for pin, level in channels.items() if level != before.get(pin, 0.0)}, before)

    def _judge(self, pins: set[int], before: dict[int, float]) -> None:
        for index, motor in enumerate(self.car.motors):
            if pins & {motor.standby, self.car.oe, *motor.pins.values()}:
                for bcm in pins - {motor.standby, self.car.oe}:
                    self._check(motor, bcm, before.get(bcm, 0.0))
                self.doing[index] = self._actions(motor)
        if pins:
            self.moments.append(list(self.doing))

    def _check(self, motor: Motor, bcm: int, before: float) -> None:
        """Check what no board may see, at any moment."""
        speed = self.levels.get(motor.pins.get("pwm", -1), 0.0)
        if (
            bcm in (motor.pins["in1"], motor.pins.get("in2"))
            and self.levels[bcm] != before
            and "pwm" in motor.pins
            and motor.pins["pwm"]
            not in CHANNELS  # of a chip, the speed changes in the same transaction, or after a fall
        ):
            assert not speed, f"an input of {motor.name} changed while its speed pin drives"
        if motor.form.kind in ("l298n", "l293d"):
            inputs = [self.levels.get(motor.pins[role], 0.0) for role in ("in1", "in2")]
            assert not all(inputs), f"both inputs of {motor.name} are high"

    def _actions(self, motor: Motor) -> frozenset[str]:
        """Return what a motor does, for every phase of its waves."""
        standby = motor.standby is None or self.levels.get(motor.standby, 0.0) == 1.0
        is_off = self.car.oe is not None and self.levels.get(self.car.oe, 1.0) == 1.0
        levels_of = {pin: level for pin, level in self.levels.items() if not (is_off and pin in CHANNELS)}
        choices = [
            (False, True) if 0.0 < (level := levels_of.get(pin, 0.0)) < 1.0 else (level == 1.0,)
            for pin in motor.pins.values()
        ]
        found = set()
        for levels in itertools.product(*choices):
            by_role = dict(zip(motor.pins, levels, strict=True))
            if motor.form.jumper:
                by_role["pwm"] = True
            found.add(chips.action(motor.form.kind, standby, by_role))
        return frozenset(found)


class Bench:
    """A claimed car on its chips.

    Args:
        car: the car.
        config: its configuration with another calibration.
    """

    def __init__(self, car: Car, config: Config | None = None) -> None:
        self.car, self.config = car, config or car.config
        self.board = Board(self.config)
        self.pins = ChipPins(car)
        self.motors: Motors = self.board.claim(self.pins)
        self.pins.writes.clear()

    def apply(self, output: Output) -> list[list[frozenset[str]]]:
        """Apply an output, and return what the motors did before, and after each write."""
        self.pins.moments = [list(self.pins.doing)]
        self.motors.apply(output)
        return self.pins.moments

    def written(self) -> list[int]:
        """Return the pins written so far, in order, and forget them."""
        pins = [write.pin for write in self.pins.writes]
        self.pins.writes.clear()
        return pins

    def expected(self, motor: Motor, output: Output) -> frozenset[str]:
        """Return what a motor shall do, as the configuration says."""
        if output.brake:
            return frozenset({chips.BRAKE})
        speeds = self.car.speeds_of(output)
        if not any(speeds):
            return frozenset({motor.form.at_rest})
        swap = self.config.board.swap if self.config.board else self.config.l298n.swap
        layout = self.car.layout
        name = layout.partner_of(motor.name) if swap else motor.name
        section = f"motor.{name}" if self.config.board else name
        speed = speeds[self.car.speed_of(name)] * (-1 if self.config.section(section).invert else 1)
        twins = {m.name for m in self.car.motors if m.pins == motor.pins}
        if not speed or (
            output.jog and output.jog not in {layout.partner_of(t) if swap else t for t in twins}
        ):
            return frozenset({motor.form.released})
        driven = chips.FORWARD if speed > 0 else chips.REVERSE
        return frozenset({driven} if abs(speed) == 1.0 else {driven, motor.form.between_waves})


def pairs() -> Iterator[tuple[Output, Output]]:
    """Return every change from one output to another."""
    return itertools.product(OUTPUTS, OUTPUTS)
