"""The motor board of a car: the seam between its wires and the rest of the program.

`kinds.py` has a table for each kind of board, `bridge.py` writes the pins. Emergency, doctor and simulator use a `Board`
without a claimed pin.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence

from picar.calibration.values import Calibration
from picar.layouts import Layout
from picar.motor.boards.bridge import Motors
from picar.motor.boards.kinds import BRAKE, COAST, FORWARD, KINDS, REVERSE, Kind
from picar.motor.boards.lines import Channel, Line
from picar.raspberrypi import CHANNELS
from picar.tuples import TYPE_CHECKING, Protocol
from picar.wires import Motor, full_us, wires_of

if TYPE_CHECKING:
    from picar.config import Config
    from picar.core.drive import Output
    from picar.motor.boards.pulses import Esc
    from picar.motor.pins import Pins, Supply

ARMING_S = 2.0  # of neutral pulses, before an ESC obeys


class Bridge(Protocol):
    """A board with claimed pins."""

    def apply(self, output: Output) -> None:
        """Drive the motors as this output requires."""

    def calibrate(self, calibration: Calibration) -> None:
        """Follow another calibration; to be called at rest only."""

    def low(self) -> None:
        """Bring the board to rest; trust no remembered value."""

    def close(self) -> None:
        """Bring the board to rest and close the backend."""


class Board:
    """A board and its wires. Creating it claims no pin.

    Args:
        config: the configuration with the board's wires, and with the calibration that is in force.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.wires = config, wires_of(config)

    @property
    def layout(self) -> Layout:
        """The motors of the car."""
        return self.wires.layout

    @property
    def rolls_at_rest(self) -> bool:
        """Whether every motor turns freely while all pins are low; otherwise one is braked. An ESC may brake by itself."""
        return (
            self.has_esc
            or self.wires.standby is not None
            or all(self._kind_of(motor).rest == COAST for motor in self.wires.motors)
        )

    @property
    def has_esc(self) -> bool:
        """Whether an ESC drives the motor."""
        return self.wires.kind == "esc"

    @property
    def full_us(self) -> float:
        """The distance of the highest pulse of an ESC from neutral, 0 without one."""
        return full_us(self.config)

    def claim(
        self,
        pins: Pins,
        configured: Calibration | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Motors:
        """Claim the pins, at rest; first the one that switches a chip off.

        Args:
            pins: the backend.
            configured: the calibration that limits a speed cap and an ESC; by default the one in force.
            clock: of an ESC, in seconds, monotonic.
        """
        wires = self.wires
        channels: dict[str, Channel | Esc] = {}
        configured = configured or Calibration.of(self.config)
        oe = [Line(pins.output(wires.chip.oe.pin, rest=1), 1.0, 1.0)] if wires.chip and wires.chip.oe else []
        standby = [Line(pins.output(wires.standby.pin))] if wires.standby else []
        for motor in wires.motors:
            twin = channels.get(wires.twin_of(motor).name)
            channels[motor.name] = twin or self._claim(pins, motor, configured, clock)
        servo = None
        if wires.servo:
            from picar.motor.boards.pulses import Servo  # here, because few cars have one

            servo = Servo(Line(pins.pulse(wires.servo.pin), value=None), self.config.steering.trim)
        pins.prepare()  # after the claims: a chip that does not answer keeps no pin of the header high
        return Motors(
            pins,
            wires.layout,
            [*channels.values()],
            Calibration.of(self.config),
            configured,
            standby,
            self.config.drive.max_speed,
            oe,
            servo,
            self.full_us,
        )

    def supplies(self, levels: Mapping[int, float]) -> tuple[Supply, ...]:
        """Return the supply of each motor, in the order of the layout, at these levels by pin; a missing one is low.

        Of a servo, it is the place in [-1, 1] to which it turns.
        """
        wires = self.wires
        enabled = levels.get(wires.standby.pin, 0.0) if wires.standby else 1.0
        place = (self._place(levels.get(wires.servo.pin, 0.0)),) if wires.servo else ()
        if wires.chip and wires.chip.oe and levels.get(wires.chip.oe.pin, 1.0):
            levels = {pin: level for pin, level in levels.items() if pin not in CHANNELS}
        return (*(self._supply(motor, levels, enabled) for motor in wires.motors), *place)

    def rest(self, pins: Pins) -> Sequence[Callable[[], object]]:
        """Return the steps that bring the board to rest in an emergency, most important first.

        A step may be repeated after `PinsBusy`. Each terminal is claimed as a plain output and written low: a plain output,
        because a pulse-width thread that was killed may have left its pin high, and a new one would pulse it; an explicit
        write, because claiming does not write on every library.
        """
        wires, pulses = self.wires, [terminal.pin for terminal in self.wires.pulses]
        oe = [wires.chip.oe.pin] if wires.chip and wires.chip.oe else []
        numbers = [pin for pin in dict.fromkeys(t.pin for t in wires.terminals) if pin not in (*oe, *pulses)]
        off = [functools.partial(_write, pins, pin, 1) for pin in oe]
        low = [functools.partial(_write, pins, pin, 0) for pin in numbers]
        extras = [functools.partial(_write, pins, terminal.pin, 0) for terminal in wires.extras]
        if not self.has_esc:
            return [*off, *low, *extras, functools.partial(pins.commit, afresh=True)]
        neutral_us = self.config.esc.neutral_us
        neutral = [functools.partial(_send, pins, terminal.pin, neutral_us) for terminal in wires.escs]
        return [*low, *neutral, *extras, functools.partial(_commit_or, pins, off)]

    def end_pulses(self, pins: Pins) -> Sequence[Callable[[], object]]:
        """Return the steps that end the pulses of an ESC and of a servo, some time after `rest`."""
        chip = self.wires.chip
        steps: list[Callable[[], object]] = [
            functools.partial(_send, pins, terminal.pin, 0) for terminal in self.wires.pulses
        ]
        if chip and chip.oe:
            steps.insert(0, functools.partial(_write, pins, chip.oe.pin, 1))
        return [*steps, functools.partial(pins.commit, afresh=True)] if steps else []

    def _kind_of(self, motor: Motor) -> Kind:
        kind = KINDS[self.wires.kind]
        return kind if "pwm" in motor.terminals or "pwm" not in kind.terminals else kind.jumpered

    def _claim(
        self, pins: Pins, motor: Motor, configured: Calibration, clock: Callable[[], float]
    ) -> Channel | Esc:
        """Claim the pins of a motor: PWM where a row has a duty cycle."""
        if self.has_esc:
            from picar.motor.boards.pulses import Esc  # here, because few cars have one

            line = Line(pins.pulse(motor.terminals["pwm"].pin), value=None)
            return Esc(line, self.config.esc.reverse, configured.neutral_us, self.full_us, clock)
        kind, lines = self._kind_of(motor), dict[str, Line]()
        for role, *levels in zip(kind.terminals, kind.forward, kind.reverse, strict=True):
            number = motor.terminals[role].pin
            hz = self.wires.chip.hz if self.wires.chip and number in CHANNELS else self.config.motors.pwm_hz
            lines[role] = Line(pins.pwm(number, hz) if "D" in levels else pins.output(number))
        is_split = len({terminal.pin in CHANNELS for terminal in motor.terminals.values()}) > 1
        return Channel(kind, lines, pins.commit if is_split else None)

    def _supply(self, motor: Motor, levels: Mapping[int, float], enabled: float) -> Supply:
        """Return the mean of what the motor does while the terminals with PWM are high and low in turn."""
        if self.has_esc:
            pulse_us = levels.get(motor.terminals["pwm"].pin, 0.0) or self.config.esc.neutral_us
            return enabled * (pulse_us - self.config.esc.neutral_us) / self.full_us, 0.0
        kind = self._kind_of(motor)
        values = [levels.get(motor.terminals[role].pin, 0.0) for role in kind.terminals]
        power = braked = 0.0
        for low, high in _moments(values):
            action = kind.action("".join("1" if value > low else "0" for value in values))
            power += (high - low) * ((action == FORWARD) - (action == REVERSE))
            braked += (high - low) * (action == BRAKE)
        return enabled * power, enabled * braked

    def _place(self, pulse_us: float) -> Supply:
        """Return the place of the servo at this pulse."""
        steering = self.config.steering
        end_us = (
            steering.right_us
            if (pulse_us > steering.center_us) == (steering.right_us > steering.center_us)
            else steering.left_us
        )
        place = (pulse_us - steering.center_us) / (end_us - steering.center_us) if pulse_us else 0.0
        return max(-1.0, min(1.0, place if end_us == steering.right_us else -place)), 0.0


def _moments(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the parts of a period in which no level changes: a PWM pin is high until its share of the period is over."""
    edges = sorted({0.0, 1.0, *values})
    return list(itertools.pairwise(edges))


def _write(pins: Pins, pin: int, level: int) -> None:
    pins.output(pin, rest=level).set(level)


def _commit_or(pins: Pins, otherwise: Sequence[Callable[[], object]]) -> None:
    """Send the neutral pulse of an ESC; if that fails, end its pulses."""
    try:
        pins.commit(afresh=True)
    except Exception:
        for step in otherwise:
            step()
        raise


def _send(pins: Pins, pin: int, pulse_us: int) -> None:
    pins.pulse(pin).set(pulse_us)
