"""How a motor process ends: with its server, by a signal, or by both; the pins low before all else."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

import pytest

from picar.config import Config, DriveConfig
from picar.core.shaping import NEUTRAL
from tests.motor.rig import AHEAD, MotorProcess, wait_until

QUICK = Config(drive=DriveConfig(accel=20.0))
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def at_full_speed(motor: MotorProcess) -> None:
    """Drive with a deadline far away, so that it is not what stops the car."""
    motor.armed()
    motor.drive(AHEAD, life=60.0)
    motor.until(lambda status: tuple(status.applied) == (1.0, 1.0), "full speed")
    assert motor.trace.driving()


def test_end_of_file_makes_every_pin_low_and_is_a_clean_end() -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        closed_at = time.monotonic()
        motor.end_of_input()
        assert motor.ended() == 0
        lines = motor.trace.lines()
        assert motor.trace.low()
        assert [line["op"] for line in lines[-6:]] == ["close"] * 6
        lowered = [line for line in lines if line["t"] >= closed_at]
        assert [line["pin"] for line in lowered[:2]] == [12, 13]
        assert not any(line["value"] for line in lowered)
        assert motor.stderr() == ""


def test_end_of_file_at_rest_is_a_clean_end() -> None:
    with MotorProcess() as motor:
        motor.ready()
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.low()
        assert motor.stderr() == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_on_its_way_out_make_no_failure_of_a_clean_end(number: signal.Signals) -> None:
    with MotorProcess() as motor:
        motor.ready()
        motor.end_of_input()
        while motor.process.poll() is None:
            motor.process.send_signal(number)
            time.sleep(0.0002)
        assert motor.ended() == 0
        assert motor.trace.low()


def test_a_server_that_is_gone_before_its_order_came_claims_no_pin() -> None:
    with MotorProcess(order=False) as motor:
        motor.send(b'{"backend": "mo')
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.lines() == []
        assert motor.stderr() == ""


def test_commands_before_the_end_of_file_do_not_outlive_it() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        for _ in range(100):
            motor.drive(AHEAD, life=30.0)
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.low()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_signal_makes_every_pin_low_and_then_it_waits_for_its_server(number: signal.Signals) -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        os.kill(motor.process.pid, number)
        wait_until(motor.trace.low, "every pin low")
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.low()
        assert motor.stderr() == ""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_signal_without_an_end_of_file_is_no_clean_end(number: signal.Signals) -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        killed_at = time.monotonic()
        os.kill(motor.process.pid, number)
        assert motor.ended() == 1
        assert time.monotonic() - killed_at >= 0.9
        assert motor.trace.low()
        assert motor.stderr() == ""


def test_after_a_signal_no_command_is_followed() -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        os.kill(motor.process.pid, signal.SIGTERM)
        wait_until(motor.trace.low, "every pin low")
        lines = len(motor.trace.lines())
        for wanted in (NEUTRAL, AHEAD, AHEAD, AHEAD):
            motor.drive(wanted, life=30.0)
        motor.stop()
        assert motor.ended() == 1
        assert not any(line["value"] for line in motor.trace.lines()[lines:])


def test_a_volley_of_signals_is_like_one() -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        for _ in range(20):
            for number in SIGNALS:
                os.kill(motor.process.pid, number)
        wait_until(motor.trace.low, "every pin low")
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.stderr() == ""


def test_a_signal_at_rest_is_heard_at_once() -> None:
    with MotorProcess() as motor:
        motor.ready()
        os.kill(motor.process.pid, signal.SIGTERM)
        wait_until(lambda: len(motor.trace.lines()) >= 12, "a low write of each pin")
        motor.end_of_input()
        assert motor.ended() == 0


@pytest.mark.skipif(shutil.which("nohup") is None, reason="no nohup here")
def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    with MotorProcess(QUICK, program=("nohup", sys.executable, "-m", "picar.motor")) as motor:
        at_full_speed(motor)
        os.kill(motor.process.pid, signal.SIGHUP)
        for _ in range(10):
            motor.answer(motor.drive(AHEAD))
        assert motor.trace.driving()
        motor.end_of_input()
        assert motor.ended() == 0


def test_killed_it_leaves_the_pins_as_they_were_for_somebody_else_to_lower() -> None:
    with MotorProcess(QUICK) as motor:
        at_full_speed(motor)
        motor.process.kill()
        assert motor.ended() == -signal.SIGKILL
        assert motor.trace.driving()
