"""The fault paths of the motor process on each vendor library, in both wirings, to the level of each line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from picar.config import Config, DriveConfig, L298NConfig
from tests.motor.boards import ENABLED, JUMPERED, wired
from tests.motor.rig import PATIENT, MotorProcess, wait_until
from tests.support.header import FAKED, FakeHeader


@dataclass
class Rig:
    header: FakeHeader
    wiring: L298NConfig

    def motor(self) -> MotorProcess:
        settings = Config(drive=DriveConfig(accel=20.0), l298n=self.wiring)
        return MotorProcess(settings, self.header.name, PATIENT)

    def at_speed(self, motor: MotorProcess) -> None:
        """Drive ahead until both bridges run."""
        ahead = (self.wiring.in1, self.wiring.in3)
        motor.armed()
        motor.hold(lambda: all(self.header.level(bcm) for bcm in ahead))

    def low(self) -> bool:
        return all(self.header.is_low_output(bcm) for bcm in self.wiring.wired().values())


@pytest.fixture(params=[ENABLED, JUMPERED], ids=["EN-PWM", "jumpers"])
def wiring(request: pytest.FixtureRequest) -> L298NConfig:
    chosen: L298NConfig = request.param
    return chosen


@pytest.fixture(params=FAKED)
def rig(
    request: pytest.FixtureRequest, wiring: L298NConfig, install_fake: Callable[[str], FakeHeader]
) -> Rig:
    return Rig(install_fake(request.param), wiring)


def test_end_of_file(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        motor.end_of_input()
        assert motor.ended() == 0
    assert rig.low()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal(rig: Rig, number: signal.Signals) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        motor.process.send_signal(number)
        wait_until(rig.low, "every line low")
        assert motor.process.poll() is None, "it waits for its end of file"
        motor.end_of_input()
        assert motor.ended() == 0
    assert rig.low()


def test_silence(rig: Rig) -> None:
    with rig.motor() as motor:
        rig.at_speed(motor)
        wait_until(rig.low, "every line low")


def test_a_write_that_raises(rig: Rig) -> None:
    broken = rig.wiring.in2  # needed only in reverse
    with rig.motor() as motor:
        rig.at_speed(motor)
        rig.header.board.tell("broken", str(broken))
        motor.end_of_input()
        assert motor.ended() == 1
        assert "Traceback" not in motor.stderr()
        assert motor.stderr().startswith("picar motor: ")
    assert rig.low()


def test_what_a_killed_motor_process_left_high_the_server_drives_low(rig: Rig) -> None:
    from picar.motor.emergency import pins_low

    with rig.motor() as motor:
        rig.at_speed(motor)
        os.kill(motor.process.pid, signal.SIGKILL)
        motor.ended()
        assert not rig.low(), "the fake is kinder than a Pi"
        pins_low(rig.header.open, wired(rig.wiring))
    assert rig.low()
