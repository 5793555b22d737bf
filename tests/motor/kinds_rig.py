"""Cars of every kind and layout on remembered pins, behind which the chips work as their data sheets say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from picar.config import BoardConfig, Config, L298NConfig, LayoutConfig, MotorsConfig
from picar.configfile import as_toml
from picar.core.drive import BRAKE, COAST, Output
from picar.layouts import LAYOUTS, Layout
from picar.motor.boards import Board
from picar.motor.boards.bridge import Motors
from picar.motor.pins.mock import MockPins
from picar.wires import calibrated_section, layout_of, wires_of
from picar.wiring.presets import PRESETS, Preset
from tests.motor import chips
from tests.motor.boards import WIRINGS

MIN_DUTY = 0.25
WITH_PWM = ("l298n", "l293d", "tb6612")
NUMBERS = (12, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26)
STANDBY = 27


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
    """A configuration, its motors in the order of the layout, and their layout."""

    name: str
    config: Config
    motors: tuple[Motor, ...]
    layout: Layout

    def __str__(self) -> str:
        return self.name

    @property
    def pins(self) -> set[int]:
        """All pins."""
        return {
            pin for motor in self.motors for pin in (*motor.pins.values(), motor.standby) if pin is not None
        }

    @property
    def speeds(self) -> list[int]:
        """The pins that carry the speed of a motor and nothing else."""
        return [motor.pins["pwm"] for motor in self.motors if "pwm" in motor.pins]

    def speed_of(self, name: str) -> int:
        """Return the speed that a motor follows."""
        return {"left": 0, "right": 1, "drive": 0, "steer": 1}[name.split("_")[-1]]


def car(form: Form, layout: str, jumpered: tuple[str, ...] = (), twins: bool = False) -> Car:
    """Return a car. The motors in `jumpered` have a jumper, the others the form's wires; twins share the pins of their side."""
    numbers, motors = iter(NUMBERS), list[Motor]()
    standby = STANDBY if form.standby else None
    for name in LAYOUTS[layout].motors:
        own = form._replace(jumper=True) if name in jumpered else form
        shared = [m for m in motors if twins and m.name.split("_")[-1] == name.split("_")[-1]]
        pins = shared[0].pins if shared else {role: next(numbers) for role in own.roles}
        motors.append(Motor(name, own, pins, standby))
    config = Config(
        motors=MotorsConfig(min_duty=MIN_DUTY),
        board=BoardConfig(kind=form.kind, standby=standby or "none"),  # type: ignore[arg-type]
        layout=LayoutConfig(layout),  # type: ignore[arg-type]
    )
    for motor in motors:
        words = {"pwm": "jumper"} if motor.form.jumper else {}
        config = config.having(f"motor.{motor.name}", **words, **motor.pins)
    name = " ".join([str(form), layout, *jumpered, *(["twins"] if twins else [])])
    return Car(name, config, tuple(motors), LAYOUTS[layout])


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
    """Return the car of a preset, as wired: its calibration belongs to its motors."""
    config = found.config.having("motors", min_duty=MIN_DUTY)
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
    return Car(f"preset {found.name}", config, tuple(motors), wires.layout)


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


def text_of(car: Car) -> str:
    """Return the sections of the board and its motors as TOML."""
    blocks = as_toml(car.config).split("\n\n")
    return "\n\n".join(
        block for block in blocks if block.startswith(("[board]", "[layout]", "[motor.", "[l298n]"))
    )


class ChipPins(MockPins):
    """Pins with the chips behind them: `moments` holds, for each write, what each motor did then.

    A pin with a duty cycle is high and low in turn, so that a motor may do several things at a moment.
    """

    def __init__(self, car: Car) -> None:
        super().__init__(clock=lambda: self.now)
        self.car, self.now = car, 0.0
        self.doing = [self._actions(motor) for motor in car.motors]
        self.moments: list[list[frozenset[str]]] = []
        self.broken: dict[int, int] = {}

    def record(self, bcm: int, op: str, value: float) -> None:
        if op in ("write", "pwm") and self.broken.get(bcm, 0) > 0:
            self.broken[bcm] -= 1
            raise OSError(5, f"GPIO {bcm} does not answer")
        before = self.levels.get(bcm, 0.0)
        super().record(bcm, op, value)
        if op == "claim":
            return
        for index, motor in enumerate(self.car.motors):
            if bcm == motor.standby or bcm in motor.pins.values():
                self._check(motor, bcm, before)
                self.doing[index] = self._actions(motor)
        self.moments.append(list(self.doing))

    def _check(self, motor: Motor, bcm: int, before: float) -> None:
        """Check what no board may see, at any moment."""
        speed = self.levels.get(motor.pins.get("pwm", -1), 0.0)
        if (
            bcm in (motor.pins["in1"], motor.pins.get("in2"))
            and self.levels[bcm] != before
            and "pwm" in motor.pins
        ):
            assert not speed, f"an input of {motor.name} changed while its speed pin drives"
        if motor.form.kind in ("l298n", "l293d"):
            inputs = [self.levels.get(motor.pins[role], 0.0) for role in ("in1", "in2")]
            assert not all(inputs), f"both inputs of {motor.name} are high"

    def _actions(self, motor: Motor) -> frozenset[str]:
        """Return what a motor does, for every phase of its waves."""
        standby = motor.standby is None or self.levels.get(motor.standby, 0.0) == 1.0
        choices = [
            (False, True) if 0.0 < (level := self.levels.get(pin, 0.0)) < 1.0 else (level == 1.0,)
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
        speeds = (output.left, output.right)
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
