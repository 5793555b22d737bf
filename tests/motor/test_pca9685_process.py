"""A real motor process that drives a motor HAT: lgpio for the header and a PCA9685 on an I2C bus, both faked."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from picar import configfile
from picar.config import Config, DriveConfig
from picar.motor import pins
from picar.motor.boards import Board
from picar.motor.emergency import pins_low
from tests.fakes.i2c_chip import I2cBus, Pca9685
from tests.motor.rig import PATIENT, MotorProcess, wait_until
from tests.support.header import FakeHeader

OE = 5
LEFT, RIGHT = (100, 101, 102), (105, 104, 103)  # pwm, in1, in2
FORWARD = {0, 1, 4, 5}
HELD_BOUND_S = 1.0  # for a busy machine; the bus itself gives up after 50 ms


@dataclass
class Rig:
    header: FakeHeader
    bus: I2cBus
    config: Config

    @property
    def chip(self) -> Pca9685:
        return self.bus.chip(0x60)

    def motor(self) -> MotorProcess:
        return MotorProcess(self.config, "lgpio", PATIENT)

    def at_speed(self, motor: MotorProcess) -> None:
        motor.armed()
        motor.hold(lambda: {n for n, duty in enumerate(self.chip.duties) if duty == 1.0} == FORWARD)

    def is_off(self) -> bool:
        return not any(self.chip.duties)

    def emergency(self) -> None:
        board = Board(self.config)
        pins_low(lambda: pins.backend("lgpio", board.wires)(board), board)


@pytest.fixture(params=[True, False], ids=["OE", "no OE"])
def rig(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    install_fake: Callable[[str], FakeHeader],
    monkeypatch: pytest.MonkeyPatch,
) -> Rig:
    board = {"kind": "tb6612", "chip": "pca9685", "address": 0x60} | (
        {"oe": "GPIO5"} if request.param else {}
    )
    motors = {
        side: dict(zip(("pwm", "in1", "in2"), (pin - 100 for pin in channels), strict=True))
        for side, channels in (("left", LEFT), ("right", RIGHT))
    }
    config = configfile.of_tables(
        {"board": board, "layout": {"kind": "sides"}}
        | {f"motor.{side}": keys for side, keys in motors.items()},
        "test",
    )
    header = install_fake("lgpio")
    bus = I2cBus(tmp_path)
    bus.install(monkeypatch.setattr)
    for name, value in bus.env.items():
        monkeypatch.setenv(name, value)
    made = Rig(header, bus, dataclasses.replace(config, drive=DriveConfig(accel=20.0)))
    made.chip.connect()
    return made


def has_oe(rig: Rig) -> bool:
    chip = Board(rig.config).wires.chip
    return chip is not None and chip.oe is not None


def test_it_drives_and_the_end_of_file_switches_off(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        assert not has_oe(rig) or rig.header.board.line(OE) == "out 0"
        motor.end_of_input()
        assert motor.ended() == 0
    assert rig.is_off()
    assert not has_oe(rig) or rig.header.board.line(OE) == "out 1"


def test_silence_switches_off(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        wait_until(rig.is_off, "every channel off")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_switches_off(rig: Rig, number: signal.Signals) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        motor.process.send_signal(number)
        wait_until(rig.is_off, "every channel off")
        motor.end_of_input()
        assert motor.ended() == 0


def test_a_drive_command_is_one_transaction(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        started = [t for t in rig.bus.transactions if t.op == "write" and t.register == 6]
        assert started
        assert all(len(t.values) <= 24 for t in started)
        motor.end_of_input()
        motor.ended()


def test_a_held_bus_ends_the_process_and_oe_is_released(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        rig.bus.hold()
        held_at = time.monotonic()
        assert motor.ended() == 1
        assert "Traceback" not in motor.stderr()
        assert "I2C bus 1 is held or disturbed" in motor.stderr()
    failed = [t for t in rig.bus.transactions if t.error]
    assert failed[-1].t - failed[0].t < HELD_BOUND_S, "the way out took too long"
    assert failed[0].t > held_at
    assert not rig.is_off(), "the fake is kinder than a chip"
    if has_oe(rig):
        assert rig.header.board.line(OE) == "out 1"
    rig.bus.release()
    rig.emergency()
    assert rig.is_off()


def test_a_chip_that_restarts_ends_the_process(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        rig.chip.brown_out()
        assert motor.ended() == 1
        assert "The PCA9685 has lost its settings" in motor.stderr()
    assert rig.is_off()


def test_a_chip_that_is_pulled_out_ends_the_process(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        rig.chip.disconnect()
        assert motor.ended() == 1
        assert "No device answers at 0x60" in motor.stderr()


def test_a_killed_process_leaves_the_chip_on_and_the_emergency_switches_it_off(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        os.kill(motor.process.pid, signal.SIGKILL)
        motor.ended()
        assert not rig.is_off(), "the fake is kinder than a chip"
        rig.bus.forget()
        rig.emergency()
    assert rig.is_off()
    assert (rig.bus.transactions[0].register, rig.bus.transactions[0].values) == (0xFD, (0x10,))
    assert not has_oe(rig) or rig.header.board.line(OE) == "out 1"


def test_an_emergency_on_a_held_bus_releases_oe_first(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        os.kill(motor.process.pid, signal.SIGKILL)
        motor.ended()
    rig.bus.hold()
    rig.bus.forget()
    with pytest.raises(Exception, match="held"):
        rig.emergency()
    if has_oe(rig):
        assert rig.header.board.line(OE) == "out 1"
        calls = rig.header.board.calls()
        assert calls[-1] == "gpiochip_close"


def test_a_chip_that_is_not_there_is_said_at_the_start(rig: Rig) -> None:
    rig.chip.disconnect()
    with rig.motor() as motor:

        def reason() -> str | None:
            motor.read()
            return motor.failure

        wait_until(reason, "the reason")
        assert motor.failure
        assert "No device answers at 0x60 on I2C bus 1" in motor.failure
        assert motor.ended() == 1
