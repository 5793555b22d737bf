"""The cars with a PCA9685 or with servo pulses in the campaign, their fake devices, and the motors behind the records of both.

The trace has the writes of the header and of the kernel's PWM, the fake bus the transactions of the chip. Where OE is high
the channels drive nothing. An ESC drives its motor with every pulse but neutral.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from picar.config import Config
from picar.layouts import LAYOUTS
from picar.raspberrypi import CHANNELS
from picar.wires import wires_of
from tests.bench.measure import Write
from tests.fakes.i2c_chip import AUTO_INCREMENT, MODE1, PWM_VARIABLE, I2cBus, Pca9685, Transaction, power_on
from tests.fakes.pwm_tree import PI4, PwmTree
from tests.faults.boards import Drives
from tests.motor.conformance import DRIVES
from tests.motor.escs import esc_car
from tests.motor.kinds_rig import HAT_SERVO, Car, ChipPins, Form, car
from tests.support.header import FakeHeader

MOTORS = -1  # the number of all motors in the writes of `Motion`
NEUTRAL_US = 1500
ESC_CHANNEL = 0  # of the kernel's PWM


def _servo_on_chip() -> Car:
    toy = car(Form("l298n"), "steer-servo")
    config = toy.config.having("board", chip="pca9685").having("steering", pin=HAT_SERVO)
    return toy._replace(config=config, servo=HAT_SERVO)


def _esc(config: Config) -> Car:
    wires = wires_of(config)
    oe = wires.chip.oe.pin if wires.chip and wires.chip.oe else None
    return Car("esc", config, (), LAYOUTS["steer-servo"], wires.servo.pin if wires.servo else None, oe)


HATS = {
    "hat-oe": car(Form("tb6612"), "sides", chip="hat", oe=True),
    "hat": car(Form("tb6612"), "sides", chip="hat"),
    "servo-chip": _servo_on_chip(),
    "servo-pwm": car(Form("l298n"), "steer-servo"),
    "esc-oe": _esc(esc_car(chip="pca9685", oe=True)),
    "esc": _esc(esc_car()),
}
TITLES = {
    "hat-oe": "motor HAT (TB6612) with OE",
    "hat": "motor HAT (TB6612) without OE",
    "servo-chip": "L298N, steering servo on a PCA9685",
    "servo-pwm": "L298N, steering servo on kernel PWM",
    "esc-oe": "ESC and servo on a PCA9685 with OE",
    "esc": "ESC and servo on kernel PWM",
}


class Devices:
    """What a car of `HATS` has under its processes: a header, a bus with a chip, and the kernel's PWM.

    Args:
        folder: an empty one.
        toy: the car.
    """

    def __init__(self, folder: Path, toy: Car) -> None:
        header, bus = folder / "header", folder / "bus"
        header.mkdir()
        bus.mkdir()
        self.toy, self.header, self.bus = toy, FakeHeader("lgpio", header), I2cBus(bus)
        self.pwm = PwmTree(folder / "pwm", {0: PI4})
        for channel in (0, 1):
            self.pwm.export(channel)
        if chip := wires_of(toy.config).chip:
            self.bus.chip(chip.address).connect()
        self.env = {**self.header.env, **self.bus.env, PWM_VARIABLE: str(self.pwm.root)}
        self.resets: list[Event] = []  # of the chip, and of the header by a boot

    def brown_out(self, now: float) -> None:
        """Let the supply of the chip fail for a moment."""
        chip = wires_of(self.toy.config).chip
        assert chip
        self.bus.chip(chip.address).brown_out()
        self.resets.append(Event(now, None, {}))

    def boot(self, now: float) -> None:
        """Reset the header: all lines float, and OE goes to its resistor."""
        levels = {t.pin: 0.0 for t in wires_of(self.toy.config).terminals if t.pin not in CHANNELS}
        levels |= {self.toy.oe: 1.0} if self.toy.oe else {}
        for pin in levels:
            self.header.board.float_(pin)
        self.resets.append(Event(now, None, levels, header=True))

    def motion(self, trace: Iterable[Write], hit_at: float) -> Motion:
        """Return what the motors did, by the trace and the bus."""
        writes = [Event(w.t, None, {w.pin: w.value}, header=True) for w in trace if _counts(w)]
        sent = [Event(t.t, t, {}) for t in self.bus.transactions if t.op == "write" and not t.error]
        return motion(self.toy, [*writes, *sent, *self.resets], hit_at)


class Event(NamedTuple):
    """Something that changes levels: of the header, or of the chip by a transaction, by a restart without one."""

    t: float
    sent: Transaction | None
    levels: dict[int, float]
    header: bool = False


class Motion(NamedTuple):
    """Writes for `judge.judge`: of the header's terminals, and of `MOTORS`, which are high while one is driven."""

    writes: list[Write]
    drives: Drives


def watched(toy: Car) -> tuple[int, ...]:
    """Return what must be low: the motors, and the terminals of the header that drive them."""
    return (MOTORS, *_terminals(toy))


def motion(toy: Car, events: Sequence[Event], hit_at: float) -> Motion:
    """Return what the motors did."""
    plant, found, drives = _Plant(toy), list[Write](), Drives([], [])
    at_fault = before = plant.driven()
    for event in sorted(events, key=lambda each: each.t):
        changes = plant.take(event)
        now = plant.driven()
        found += [Write(event.t, pin, "write", value) for pin, value in changes if pin in _terminals(toy)]
        if now != before:
            found.append(Write(event.t, MOTORS, "write", float(len(now))))
        if event.t < hit_at:
            at_fault = now
        elif now - before:
            (drives.other if now - at_fault else drives.again).append(Write(event.t, MOTORS, "write", 1.0))
        before = now
    return Motion(found, drives)


class _Plant:
    """The chip, the motors, or the ESC."""

    def __init__(self, toy: Car) -> None:
        self._toy, self._pins, self._chip = toy, ChipPins(toy), _Chip()

    def take(self, event: Event) -> Iterator[tuple[int, float]]:
        """Take an event; return the changed pins with their levels."""
        levels = event.levels
        if not event.header:
            self._chip.take(event.sent)
            levels = dict(zip(CHANNELS, self._chip.duties, strict=True))
        changed = {pin: level for pin, level in levels.items() if self._pins.levels.get(pin) != level}
        for pin, level in changed.items():
            self._pins.record(pin, "pwm", level)
        return iter(changed.items())

    def driven(self) -> set[tuple[int, str]]:
        """Return the motors that are driven, with their directions."""
        if self._toy.motors:
            return {(n, action) for n, actions in enumerate(self._pins.doing) for action in actions & DRIVES}
        (esc, *_) = (t.pin for t in wires_of(self._toy.config).terminals if t.key == "pwm")
        pulse_us = self._pins.levels.get(esc, 0.0)
        if esc in CHANNELS:
            is_off = self._toy.oe is not None and self._pins.levels.get(self._toy.oe, 1.0)
            pulse_us = 0.0 if is_off else self._chip.pulse_us(esc - CHANNELS[0])
        away_us = round(pulse_us - NEUTRAL_US, -1) if pulse_us else 0  # a step of the chip is 5 µs
        return {(0, "forward" if away_us > 0 else "reverse")} if away_us else set()


class _Chip(Pca9685):
    """A chip whose registers are in this process."""

    def __init__(self) -> None:
        self._registers = bytearray(power_on())

    @property
    def registers(self) -> bytes:
        return bytes(self._registers)

    def take(self, sent: Transaction | None) -> None:
        """Take a transaction, or restart."""
        if sent is None:
            self._registers = bytearray(power_on())
            return
        for n, value in enumerate(sent.values):
            step = n if self._registers[MODE1] & AUTO_INCREMENT else 0
            self._put(self._registers, (sent.register + step) % 256, value)


def _terminals(toy: Car) -> tuple[int, ...]:
    wires = wires_of(toy.config)
    return tuple(
        terminal.pin
        for terminal in wires.terminals
        if terminal.pin not in (*CHANNELS, toy.oe, *(pulse.pin for pulse in wires.pulses))
    )


def _counts(write: Write) -> bool:
    return write.op in ("write", "pwm", "pulse") and write.pin not in CHANNELS
