"""A real motor process with four motors and with a steering motor: drives, jogs of one motor alone, calibrations, stops."""

from __future__ import annotations

import dataclasses
import time

import pytest

from picar.calibration.values import Calibration
from picar.config import DriveConfig
from picar.core.shaping import NEUTRAL, Jog, Sticks, Tank
from picar.motor import pipe
from tests.motor.kinds_rig import Car, Form, Motor, car
from tests.motor.rig import MotorProcess, wait_until

FOUR = car(Form("tb6612", standby=True), "four")
STEERED = car(Form("drv8833"), "steer-motor")
TWINS = car(Form("l298n"), "four", twins=True)


def running(toy: Car) -> MotorProcess:
    """Return a motor process for a car."""
    return MotorProcess(dataclasses.replace(toy.config, drive=DriveConfig(accel=20.0, decel=50.0)))


def levels(motor: MotorProcess, wired: Motor) -> str:
    """Return the levels of a motor's terminals, as in `kinds.py`; a duty cycle is D."""
    found = motor.trace.levels()
    return "".join({0.0: "0", 1.0: "1"}.get(found[pin], "D") for pin in wired.pins.values())


def rests(motor: MotorProcess) -> bool:
    """Return whether all pins are low."""
    return not any(motor.trace.levels().values())


@pytest.mark.parametrize("name", FOUR.layout.motors)
def test_a_jog_turns_one_motor_of_four_alone(name: str) -> None:
    with running(FOUR) as motor:
        motor.armed()
        wired = {m.name: m for m in FOUR.motors}
        for duty, row in ((0.21, "D10"), (-0.3, "D01")):
            pin = wired[name].pins["pwm"]
            motor.hold(lambda duty=duty, pin=pin: motor.trace.levels()[pin] == abs(duty), Jog(name, duty))  # type: ignore[misc]
            assert levels(motor, wired[name]) == row
            assert {levels(motor, other) for other in FOUR.motors if other.name != name} == {"100"}
            motor.hold(lambda: rests(motor), NEUTRAL)
        driven = {line["pin"] for line in motor.trace.lines() if 0.0 < line["value"] < 1.0}
        assert driven == {wired[name].pins["pwm"]}


def test_a_jog_of_motors_that_share_their_pins_turns_their_side() -> None:
    with running(TWINS) as motor:
        motor.armed()
        left, right = TWINS.motors[1], TWINS.motors[3]
        motor.hold(lambda: motor.trace.levels()[left.pins["pwm"]] == 0.3, Jog("rear_left", 0.3))
        assert (levels(motor, left), levels(motor, right)) == ("D10", "000")


def test_each_motor_of_four_follows_its_side_and_its_own_calibration() -> None:
    found = Calibration(FOUR.layout.motors, False, (False, True, False, False), (1.0, 0.9, 0.8, 0.7), 0.2)
    with running(FOUR) as motor:
        motor.armed()
        n = motor.number()
        motor.send(pipe.calibrate(n, found, time.monotonic() + 10.0))
        assert motor.refusal(n) is None
        motor.hold(lambda: motor.statuses[-1].applied == (1.0, 1.0), Sticks(1.0, 0.0))
        now = motor.trace.levels()
        assert [levels(motor, m) for m in FOUR.motors] == ["110", "D01", "D10", "D10"]
        duties = [now[m.pins["pwm"]] for m in FOUR.motors]
        assert duties == pytest.approx([1.0, 0.92, 0.84, 0.76])
        motor.hold(lambda: motor.statuses[-1].applied == (1.0, -1.0), Tank(1.0, -1.0))
        assert [levels(motor, m)[1:] for m in FOUR.motors] == ["10", "01", "01", "01"]


@pytest.mark.parametrize(("toy", "row"), [(FOUR, "011"), (STEERED, "11")], ids=["four", "steer-motor"])
def test_a_stop_brakes_every_motor_and_then_all_is_low(toy: Car, row: str) -> None:
    with running(toy) as motor:
        motor.armed()
        motor.hold(
            lambda: all(abs(speed) == 1.0 for speed in motor.statuses[-1].applied),
            Tank(1.0, 1.0) if toy is FOUR else Sticks(1.0, -1.0),
        )
        motor.stop()
        wait_until(lambda: [levels(motor, m) for m in toy.motors] == [row] * len(toy.motors), "the brake")
        wait_until(lambda: rests(motor), "the end of the brake")


def test_sticks_of_a_car_with_steering_move_one_motor_each() -> None:
    drive, steer = STEERED.motors
    with running(STEERED) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, 1.0), Sticks(0.0, 1.0))
        assert (levels(motor, drive), levels(motor, steer)) == ("00", "10")
        motor.hold(lambda: motor.statuses[-1].applied == (-1.0, 0.0), Sticks(-1.0, 0.0))
        assert (levels(motor, drive), levels(motor, steer)) == ("01", "00")
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, -1.0), Tank(-1.0, 1.0))
        assert (levels(motor, drive), levels(motor, steer)) == ("00", "01")
        motor.until(lambda status: status.state == "failsafe", "the failsafe of a car that only steers")
        assert rests(motor)


def test_a_simulated_car_with_steering_turns_right() -> None:
    with MotorProcess(
        dataclasses.replace(STEERED.config, drive=DriveConfig(accel=20.0)), backend="sim"
    ) as motor:
        motor.armed()
        motor.hold(lambda: (motor.statuses[-1].pose or (0, 0, 0))[2] < -0.5, Sticks(1.0, 1.0))
        assert (motor.statuses[-1].pose or (0, 0, 0))[0] > 0.0


@pytest.mark.parametrize("toy", [FOUR, STEERED], ids=["four", "steer-motor"])
def test_the_frames_of_a_long_calibration_fit(toy: Car) -> None:
    count = len(toy.layout.motors)
    long = Calibration(toy.layout.motors, True, (False,) * count, (2 / 3,) * count, 1 / 3)
    frame = pipe.calibrate(10**9, long, 123456789.123456)
    assert len(frame) <= pipe.MAX_BYTES
    assert Calibration.received(*pipe.parse(frame)[3:]) == long
    for name in toy.layout.motors:
        assert len(pipe.drive(10**9, Jog(name, -1 / 3), 123456789.123456)) <= pipe.MAX_BYTES
