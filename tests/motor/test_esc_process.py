"""A real motor process with an ESC and a steering servo: it arms, drives, steers, holds, and ends at neutral."""

from __future__ import annotations

import dataclasses
import itertools
import time

import pytest

from picar.calibration.values import Calibration
from picar.config import Config, DriveConfig, EscConfig
from picar.core.shaping import NEUTRAL, Jog, Sticks
from picar.motor import pipe
from tests.motor.escs import ESC, SERVO, esc_car
from tests.motor.rig import MotorProcess

pytestmark = pytest.mark.slow

QUICK = DriveConfig(accel=20.0, decel=50.0)
READ_S = 0.01  # between a write and its time in the trace


def config(reverse: str = "double") -> Config:
    return dataclasses.replace(esc_car(EscConfig(reverse=reverse)), drive=QUICK)  # type: ignore[arg-type]


def armed(motor: MotorProcess) -> None:
    """Wait for the end of arming, and show the car neutral."""
    motor.until(lambda status: status.reason == "started", "the end of arming")
    n = motor.drive(NEUTRAL)
    assert motor.refusal(n) is None


def pulses(motor: MotorProcess, pin: int) -> list[float]:
    """Return the pulses of a pin so far."""
    return [line["value"] for line in motor.trace.lines() if line["pin"] == pin]


def test_it_sends_neutral_for_two_seconds_before_it_obeys() -> None:
    with MotorProcess(config()) as motor:
        first = motor.ready()
        assert (first.state, first.reason) == ("disarmed", "arming")
        for wanted in (NEUTRAL, Sticks(1.0, 1.0)):
            n = motor.drive(wanted)
            assert motor.refusal(n) == "arming"
        before = len(motor.statuses)
        armed(motor)
        started = next(
            at for at, s in zip(motor.heard_at, motor.statuses, strict=True) if s.reason == "started"
        )
        writes = motor.trace.lines()
        assert [(line["pin"], line["op"], line["value"]) for line in writes] == [
            (ESC, "pulse", 1500),
            (SERVO, "pulse", 1500),
        ]
        assert started - writes[0]["t"] >= 2.0 - READ_S
        assert len(motor.statuses) - before < 12, "it does not spin while it waits"


def test_it_drives_steers_and_holds_the_servo_when_the_commands_cease() -> None:
    with MotorProcess(config()) as motor:
        armed(motor)
        motor.hold(lambda: motor.statuses[-1].applied == (1.0, 1.0), Sticks(1.0, 1.0))
        assert motor.trace.levels() == {ESC: 1650, SERVO: 2000}
        motor.until(lambda status: status.state == "failsafe", "the failsafe")
        assert motor.trace.levels() == {ESC: 1500, SERVO: 2000}
        motor.until(lambda status: status.state == "disarmed", "the end of the failsafe")
        assert motor.trace.levels() == {ESC: 1500, SERVO: 2000}
        assert not motor.statuses[-1].moving


def test_backwards_takes_a_tap_and_less_than_half_a_second() -> None:
    with MotorProcess(config()) as motor:
        armed(motor)
        motor.hold(lambda: motor.trace.levels()[ESC] == 1650, Sticks(1.0, 0.0))
        count = len(motor.trace.lines())
        motor.hold(
            lambda: (
                [k for k, _ in itertools.groupby(p < 1500 for p in pulses(motor, ESC)[1:])][-4:]
                == [False, True, False, True]
            ),
            Sticks(-1.0, 0.0),
        )
        writes = [line for line in motor.trace.lines()[count:] if line["pin"] == ESC]
        brake = next(line["t"] for line in writes if line["value"] < 1500)
        neutral = next(line["t"] for line in writes if line["t"] > brake and line["value"] == 1500)
        back = next(line["t"] for line in writes if line["t"] > neutral and line["value"] < 1500)
        assert neutral - brake >= 0.15 - READ_S
        assert back - neutral >= 0.15 - READ_S


def test_a_stop_is_neutral_and_the_end_of_the_server_too() -> None:
    with MotorProcess(config("direct")) as motor:
        armed(motor)
        motor.hold(lambda: motor.trace.levels()[ESC] == 1350, Sticks(-1.0, -0.5))
        place = motor.trace.levels()[SERVO]
        assert place < 1500
        motor.stop()
        motor.until(lambda status: status.state == "stopped", "the stop")
        assert motor.trace.levels() == {ESC: 1500, SERVO: place}
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.levels() == {ESC: 1500, SERVO: place}
        assert pulses(motor, ESC)[-1] == 1500


def test_the_servo_may_be_calibrated_while_it_is_turned_and_a_jog_turns_the_motor() -> None:
    with MotorProcess(config()) as motor:
        armed(motor)
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, 1.0), Sticks(0.0, 1.0))
        found = Calibration.of(config())
        moved = found._replace(pulses=found.pulses | {"steering_right_us": 1800, "esc_neutral_us": 1520})
        n = motor.number()
        motor.send(pipe.calibrate(n, moved, time.monotonic() + 10.0))
        assert motor.refusal(n) is None
        motor.hold(lambda: motor.trace.levels() == {ESC: 1520, SERVO: 1800}, Sticks(0.0, 1.0))
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, 0.0), NEUTRAL)
        motor.hold(lambda: motor.trace.levels()[ESC] == 1550, Jog("drive", 0.2))
        motor.drive(Jog("drive", 0.2))
        n = motor.number()
        motor.send(pipe.calibrate(n, found, time.monotonic() + 10.0))
        assert motor.refusal(n) == "moving"


def test_the_frame_of_a_long_calibration_fits() -> None:
    long = Calibration.of(config())._replace(min_duty=1 / 3, trims=(2 / 3,))
    frame = pipe.calibrate(10**9, long, 123456789.123456)
    assert len(frame) <= pipe.MAX_BYTES
    assert Calibration.received(*pipe.parse(frame)[3:]) == long


def test_a_simulated_car_with_an_esc_turns_right() -> None:
    with MotorProcess(config(), backend="sim") as motor:
        armed(motor)
        motor.hold(lambda: (motor.statuses[-1].pose or (0, 0, 0))[2] < -0.3, Sticks(1.0, 1.0))
        assert (motor.statuses[-1].pose or (0, 0, 0))[0] > 0.0
