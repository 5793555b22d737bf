"""Calibrating a running motor process: jogs on real pins' writes, and new directions at standstill only."""

from __future__ import annotations

import time

import pytest

from picar.calibration.values import Calibration
from picar.config import Config, DriveConfig
from picar.core.drive import Output
from picar.core.shaping import NEUTRAL, Jog, Sticks
from picar.motor import pipe
from picar.motor.pins.mock import MockPins
from tests.motor.boards import ENABLED, WIRINGS, board, written
from tests.motor.rig import MotorProcess, wait_until
from tests.support.calibrations import two_sides

QUICK = Config(drive=DriveConfig(accel=20.0, decel=50.0))
AS_BUILT = two_sides(False, False, False, 1.0, 1.0, 0.25)
FOUND = two_sides(
    swap=True, left_invert=True, right_invert=False, left_trim=0.5, right_trim=1.0, min_duty=0.4
)


def calibrate(motor: MotorProcess, calibration: Calibration = FOUND, life: float = 10.0) -> str | None:
    """Send it, and return why it was refused, if it was."""
    n = motor.number()
    motor.send(pipe.calibrate(n, calibration, time.monotonic() + life))
    return motor.refusal(n)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_raw_output_is_the_duty_cycle_without_trim_and_minimum(wiring: str) -> None:
    pins = MockPins()
    made = board(pins, WIRINGS[wiring])
    made.calibrate(two_sides(False, False, False, 0.5, 0.5, 0.3))
    made.apply(Output(0.1, 0.0, jog="left"))
    assert pins.levels[12 if wiring in ("EN-PWM", "right jumper") else 23] == 0.1


def test_a_calibrated_board_drives_the_other_way_round() -> None:
    pins = MockPins()
    made = board(pins, ENABLED)
    made.calibrate(FOUND)
    assert written(pins) == []
    made.apply(Output(0.5, 0.0))  # the left motor hangs on OUT3 and OUT4, and is inverted
    assert written(pins) == ["in4=1", "enb=0.55"]
    made.apply(Output(0.0, 0.5))
    assert written(pins) == ["enb=0", "in4=0", "in1=1", "ena=0.7"]


def test_a_jog_sets_one_enable_to_just_that_duty_cycle() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(lambda: motor.trace.levels()[12] == 0.21, Jog("left", 0.21))
        levels = motor.trace.levels()
        assert (levels[23], levels[24], levels[13], levels[27], levels[22]) == (1, 0, 0, 0, 0)
        assert tuple(motor.statuses[-1].applied) == (0.21, 0.0)


def test_a_jog_without_a_successor_ends_at_its_deadline() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(lambda: motor.trace.levels()[13] == 0.3, Jog("right", -0.3))
        motor.until(lambda status: status.state == "failsafe", "the failsafe")
        assert motor.trace.low()


def test_a_calibration_counts_for_the_next_drive_and_for_the_next_jog() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        assert calibrate(motor) is None
        motor.hold(lambda: motor.trace.levels()[12] == 1.0, Sticks(1.0, 0.0))
        levels = motor.trace.levels()
        assert (levels[23], levels[24], levels[27], levels[22]) == (1, 0, 0, 1)
        assert levels[13] == pytest.approx(0.7)
        motor.hold(motor.trace.low, NEUTRAL)
        motor.hold(lambda: motor.trace.levels()[13] == 0.3, Jog("left", 0.3))
        assert motor.trace.levels()[22] == 1


def test_a_car_that_moves_is_not_calibrated() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)
        writes = len(motor.trace.lines())
        assert calibrate(motor) == "moving"
        assert len(motor.trace.lines()) == writes
        motor.hold(motor.trace.low, NEUTRAL)
        motor.hold(motor.trace.at_full_speed)  # as before


def test_a_car_that_brakes_is_not_calibrated_before_its_pins_are_low() -> None:
    with MotorProcess() as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        motor.answer(motor.stop())
        assert calibrate(motor) == "moving"
        wait_until(motor.trace.low, "the end of the brake")
        wait_until(lambda: calibrate(motor) is None, "a car at rest")
        assert motor.statuses[-1].state == "stopped"


def test_a_simulated_car_that_still_rolls_is_not_calibrated() -> None:
    with MotorProcess(QUICK, backend="sim") as motor:
        motor.armed()
        motor.hold(lambda: tuple(motor.statuses[-1].applied) == (1.0, 1.0))
        for _ in range(10):
            motor.answer(motor.drive(Sticks(1.0, 0.0)))
            time.sleep(0.02)
        motor.answer(motor.drive(NEUTRAL))
        assert calibrate(motor) == "moving"
        wait_until(lambda: calibrate(motor) is None, "a car at rest")


def test_a_late_calibration_is_refused() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        assert calibrate(motor, life=-0.1) == "stale"
        motor.hold(motor.trace.at_full_speed)


def test_every_pin_stays_low_while_it_is_calibrated() -> None:
    with MotorProcess() as motor:
        motor.ready()
        before = len(motor.trace.lines())
        for calibration in (FOUND, AS_BUILT, FOUND):
            assert calibrate(motor, calibration) is None
        assert len(motor.trace.lines()) == before
