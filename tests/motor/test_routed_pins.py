"""A car with a chip or with servo pulses: each pin at its backend, and no backend in the way of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from picar import configfile
from picar.core.drive import Output
from picar.errors import BackendError, PinError
from picar.layouts import LAYOUTS
from picar.motor import pins
from picar.motor.boards import Board
from picar.motor.pins import kernelpwm
from picar.motor.pins.mock import MockPins
from picar.motor.pins.routed import RoutedPins
from picar.raspberrypi import NUMBERS
from picar.wires import Chip, Motor, Terminal, Wires
from tests.fakes.i2c_chip import I2cBus
from tests.fakes.pwm_tree import PI4, PwmTree
from tests.motor.boards import wired
from tests.support.header import REAL, REMEMBERED, FakeHeader

OE = Terminal("board", "oe", 5)
CHIP = Chip(1, 0x40, 50, OE)
DRIVE = Motor(
    "drive", {"pwm": Terminal("motor.drive", "pwm", 100), "in1": Terminal("motor.drive", "in1", 17)}
)
SERVO = Terminal("steering", "pin", 18)
CHANNEL_SERVO = Terminal("steering", "pin", 104)


def wires(chip: Chip | None = CHIP, servo: Terminal | None = SERVO) -> Wires:
    return Wires("phase-enable", LAYOUTS["steer-servo"], False, None, (DRIVE,), servo, chip)


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> I2cBus:
    made = I2cBus(tmp_path)
    made.install(monkeypatch.setattr)
    made.chip().connect()
    return made


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PwmTree:
    made = PwmTree(tmp_path / "pwm", {0: PI4})
    made.export(0)
    monkeypatch.setattr(kernelpwm, "ROOT", str(made.root))
    return made


def test_each_pin_goes_to_its_backend(bus: I2cBus, tree: PwmTree) -> None:
    header = MockPins()
    routed = RoutedPins(header, wires())
    routed.prepare()
    oe, speed, direction, servo = (
        routed.output(5, rest=1),
        routed.pwm(100, 50),
        routed.output(17),
        routed.pulse(18),
    )
    speed.set(0.5)
    direction.set(1)
    servo.set(1500)
    assert header.levels == {5: 1, 17: 1}
    assert bus.chip().duty(0) == 0
    routed.commit()
    oe.set(0)
    assert (bus.chip().duty(0), tree.pulse_us(0), header.levels[5]) == (0.5, 1500, 0)
    routed.close()
    assert (bus.chip().duty(0), tree.pulse_us(0), header.levels) == (0, 1500, {5: 1, 17: 0})


def test_a_servo_on_a_channel_goes_to_the_chip(bus: I2cBus) -> None:
    routed = RoutedPins(MockPins(), wires(servo=CHANNEL_SERVO))
    routed.prepare()
    routed.pulse(104).set(1500)
    routed.commit()
    routed.close()
    assert bus.chip().pulse_us(4) == pytest.approx(1500, abs=2.5)


def test_without_a_chip_a_channel_is_no_pin(tree: PwmTree) -> None:
    class Header(MockPins):
        numbers = NUMBERS

    routed = RoutedPins(Header(), wires(chip=None))
    routed.prepare()
    routed.commit()
    routed.pulse(18).set(1500)
    with pytest.raises(PinError, match="channel 4 is not on the header"):
        routed.pulse(104)
    routed.close()
    assert tree.pulse_us(0) == 1500


def test_a_motor_beside_a_servo_on_the_chip_has_the_frequency_of_servos(bus: I2cBus) -> None:
    tables = {
        "board": {"kind": "tb6612", "chip": "pca9685"},
        "layout": {"kind": "steer-servo"},
        "motor.drive": {"pwm": 0, "in1": 1, "in2": 2},
        "steering": {"pin": 9},
    }
    board = Board(configfile.of_tables(tables, "test"))
    bridge = board.claim(RoutedPins(MockPins(), board.wires))
    chip = bus.chip()
    bridge.apply(Output(0.5, 1.0))
    turned = chip.pulse_us(9)
    assert chip.hz == pytest.approx(50, abs=0.1)
    assert turned == pytest.approx(2000, abs=2.5)
    assert 0 < chip.duty(0) < chip.duty(1) == 1
    bridge.low()
    bridge.close()
    assert (not any(chip.duties[:9]), chip.pulse_us(9)) == (True, turned)


def test_a_held_bus_delays_no_pin_of_the_header_at_the_end(bus: I2cBus) -> None:
    header = MockPins()
    routed = RoutedPins(header, wires(servo=None))
    routed.prepare()
    oe, speed = routed.output(5, rest=1), routed.pwm(100, 50)
    speed.set(1)
    oe.set(0)
    routed.commit()
    bus.forget()
    with bus.held(), pytest.raises(BackendError, match="held"):
        routed.close()
    assert header.levels[5] == 1
    failed_at = bus.transactions[0].t
    assert header.writes[-1].t <= failed_at - 0.015, "the header waited for the bus"


def test_a_header_that_fails_keeps_no_chip_from_being_closed(bus: I2cBus, tree: PwmTree) -> None:
    class Broken(MockPins):
        def finish(self, _rests: object) -> None:
            raise OSError(5, "the header does not answer")

    routed = RoutedPins(Broken(), wires())
    routed.prepare()
    routed.pwm(100, 50).set(1)
    servo = routed.pulse(18)
    routed.commit()
    with pytest.raises(OSError, match="the header does not answer"):
        routed.close()
    assert bus.chip().duty(0) == 0
    with pytest.raises(ValueError, match="closed file"):
        servo.set(1500)


def test_without_a_bus_an_emergency_still_reaches_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = I2cBus(tmp_path)
    bus.install(monkeypatch.setattr)
    bus.device.unlink()
    header = MockPins()
    routed = RoutedPins(header, wires(servo=None))
    routed.output(5, rest=1).set(1)
    routed.output(100).set(0)
    with pytest.raises(BackendError, match="I2C is off"):
        routed.commit()
    assert header.levels == {5: 1}


@pytest.mark.parametrize("name", REAL)
def test_a_car_with_a_chip_or_pulses_gets_them_on_real_pins(
    install_fake: Callable[[str], FakeHeader], name: str
) -> None:
    install_fake(name)
    for car in (wires(), wires(chip=None), wires(servo=None)):
        opened = pins.backend(name, car)(wired())
        assert type(opened) is RoutedPins
        opened.close()


@pytest.mark.parametrize("name", REAL)
def test_any_other_car_gets_the_header_alone(install_fake: Callable[[str], FakeHeader], name: str) -> None:
    install_fake(name)
    for car in (None, wired().wires, wires(chip=None, servo=None)):
        opened = pins.backend(name, car)(wired())
        assert type(opened) is not RoutedPins
        opened.close()


@pytest.mark.parametrize("name", REMEMBERED)
def test_remembered_pins_open_no_bus(name: str) -> None:
    assert isinstance(pins.backend(name, wires())(wired()), MockPins)


def test_a_chip_that_does_not_answer_at_the_start_keeps_no_pin_of_the_header_high(bus: I2cBus) -> None:
    """A dead process has left them high; the claim makes them low before the chip is asked."""
    bus.chip().disconnect()
    text = """
[board]
kind = "l298n"
chip = "pca9685"
oe = 5
[layout]
kind = "steer-servo"
[motor.drive]
pwm = "GPIO16"
in1 = "GPIO22"
in2 = "GPIO23"
[steering]
pin = 15
"""
    config = configfile.of_tables(configfile.tables_of(text), "a servo on a chip")
    header = MockPins()
    with pytest.raises(BackendError, match="No device answers"):
        Board(config).claim(RoutedPins(header, Board(config).wires))
    assert header.levels == {5: 1, 16: 0, 22: 0, 23: 0}
