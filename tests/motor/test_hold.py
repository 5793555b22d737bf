"""A hold in a real motor process: the ramp on the pins, the deadline, the refusals, and a process that starts again."""

from __future__ import annotations

import time

import pytest

from picar.config import Config, DriveConfig
from picar.core.shaping import NEUTRAL, Jog, Sticks, Tank
from picar.motor import pipe
from tests.motor.rig import AHEAD, EN_PINS, TIMEOUT_S, MotorProcess, wait_until

LATE_S = 5.0  # more than a busy machine is late
RAMP_S = 0.25
SMOOTH = Config(drive=DriveConfig(accel=20.0, decel=1.0 / RAMP_S))
SLOW = Config(drive=DriveConfig(accel=20.0, decel=1.0))


def hold(motor: MotorProcess, on: bool = True) -> int:
    """Send a hold, or its end. Returns the command's number."""
    n = motor.number()
    motor.send(pipe.hold(n, on))
    return n


def test_the_wheels_go_to_zero_by_the_ramp_although_the_driver_still_holds_the_stick() -> None:
    with MotorProcess(SMOOTH) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)
        motor.answer(motor.drive(AHEAD, life=LATE_S))
        held_at = time.monotonic()
        hold(motor)
        wait_until(lambda: motor.refusal(motor.drive(AHEAD)) and motor.trace.low(), "pins that are low")
        duties = [w for w in motor.trace.lines() if w["pin"] == EN_PINS[0] and w["t"] > held_at]
        values = [write["value"] for write in duties]
        assert len(values) > 3, "a ramp has steps"
        assert values == sorted(values, reverse=True)
        assert duties[-1]["t"] - held_at >= 0.8 * RAMP_S
        status = motor.until(lambda s: s.state == "disarmed", "the end of the ramp")
        assert (status.reason, *status.applied, status.moving) == ("held", 0, 0, False)


def test_the_deadline_of_the_newest_command_ends_a_slow_ramp() -> None:
    with MotorProcess(SLOW) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)
        deadline = time.monotonic() + TIMEOUT_S
        motor.send(pipe.drive(motor.number(), AHEAD, deadline))
        hold(motor)
        wait_until(lambda: motor.refusal(motor.drive(AHEAD)) and motor.trace.low(), "pins that are low")
        low_at = max(w["t"] for w in motor.trace.lines() if w["pin"] in EN_PINS)
        assert deadline <= low_at < deadline + LATE_S
        assert [w["value"] for w in motor.trace.lines() if w["pin"] == EN_PINS[0]][-2] > 0.1
        assert motor.until(lambda s: s.state == "disarmed", "the end of the movement").reason == "held"


@pytest.mark.parametrize("wanted", [NEUTRAL, Sticks(0.5, 0.0), Tank(1.0, 1.0), Jog("left", 0.3)])
def test_every_command_is_refused_and_turns_nothing_until_the_hold_ends(
    wanted: Sticks | Tank | Jog,
) -> None:
    with MotorProcess(SMOOTH) as motor:
        motor.ready()
        status = motor.answer(hold(motor))
        assert (status.state, status.reason) == ("disarmed", "held")
        assert motor.refusal(motor.drive(wanted)) == "held"
        assert {line["op"] for line in motor.trace.lines()} == {"claim"}
        motor.answer(hold(motor, on=False))
        assert motor.refusal(motor.drive(AHEAD)) == "not_neutral"
        assert motor.answer(motor.drive(NEUTRAL)).state == "armed"
        motor.hold(motor.trace.driving)


def test_a_stop_in_the_hold_is_a_stop() -> None:
    with MotorProcess(SLOW) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)
        hold(motor)
        assert motor.answer(motor.stop()).state == "stopped"
        assert motor.refusal(motor.drive(AHEAD)) == "held"
        assert motor.answer(hold(motor, on=False)).state == "stopped"
        assert motor.refusal(motor.drive(AHEAD)) == "stopped"


def test_the_server_s_end_in_the_ramp_makes_the_pins_low() -> None:
    with MotorProcess(SLOW) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)
        motor.answer(hold(motor))
        assert not motor.trace.low()
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.low()
