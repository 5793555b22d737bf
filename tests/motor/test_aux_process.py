"""A real motor process with a horn, a light, a servo and a lamp: how they start, sound and end."""

from __future__ import annotations

import dataclasses
import signal
import time

import pytest

from picar.config import AuxConfig, Config, DriveConfig, LampConfig
from picar.motor import pipe
from tests.motor.rig import AHEAD, ALL_PINS, MotorProcess, wait_until

HORN, LIGHT, PAN, LAMP = 5, 6, 18, 25
CAR = Config(
    drive=DriveConfig(accel=20.0),
    aux={
        "horn": AuxConfig(kind="momentary", pin=HORN, tone_hz=440),
        "light": AuxConfig(pin=LIGHT),
        "pan": AuxConfig(kind="servo", pin=PAN, axis="pan"),
    },
    lamp=LampConfig(pin=LAMP),
)
OUTPUTS = (HORN, LIGHT, LAMP)
LIFE_S = 60.0  # so that a deadline is not what ends it


def send(motor: MotorProcess, name: str, value: float, life: float = LIFE_S) -> int:
    n = motor.number()
    motor.send(pipe.aux(n, name, time.monotonic() + life, value))
    return n


def all_on(motor: MotorProcess) -> None:
    """Drive at full speed with horn, light and servo."""
    motor.armed()
    motor.drive(AHEAD, life=LIFE_S)
    motor.until(lambda status: tuple(status.applied) == (1.0, 1.0), "full speed")
    for name in ("horn", "light", "pan"):
        assert motor.refusal(send(motor, name, 1.0)) is None
    wait_until(lambda: motor.trace.levels().get(PAN) == 2000, "the servo at its end")
    levels = motor.trace.levels()
    assert (levels[HORN], levels[LIGHT], levels[LAMP]) == (0.5, 1, 1)
    assert motor.statuses[-1].aux == [1.0, 1.0, 1.0]


def test_outputs_are_claimed_low_after_the_motors() -> None:
    with MotorProcess(CAR) as motor:
        motor.ready()
        claims = [line["pin"] for line in motor.trace.lines() if line["op"] == "claim"]
        assert set(claims[: len(ALL_PINS)]) == ALL_PINS
        assert sorted(claims[len(ALL_PINS) :]) == sorted(OUTPUTS)


@pytest.mark.parametrize("end", ["end of file", "SIGTERM"])
def test_at_the_end_the_outputs_go_low_after_the_motors(end: str) -> None:
    with MotorProcess(CAR) as motor:
        all_on(motor)
        before = len(motor.trace.lines())
        if end == "SIGTERM":
            motor.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not any(motor.trace.levels()[pin] for pin in OUTPUTS), "all off")
        motor.end_of_input()
        assert motor.ended() == 0
        writes = [line for line in motor.trace.lines()[before:] if line["op"] in ("write", "pwm")]
        assert not any(line["value"] for line in writes if line["pin"] != LAMP)
        first = {
            pin: next(i for i, line in enumerate(writes) if line["pin"] == pin)
            for pin in (*ALL_PINS, *OUTPUTS)
        }
        assert max(first[pin] for pin in ALL_PINS) < min(first[pin] for pin in (HORN, LIGHT))
        assert motor.trace.levels()[PAN] == 2000, "its pulses go on"
        assert motor.stderr() == ""


def test_the_horn_ends_at_its_deadline_and_the_light_does_not() -> None:
    with MotorProcess(CAR) as motor:
        motor.ready()
        send(motor, "light", 1.0, life=0.3)
        sent_at = time.monotonic()
        send(motor, "horn", 1.0, life=0.3)
        wait_until(lambda: motor.trace.levels()[HORN], "the horn")
        wait_until(lambda: not motor.trace.levels()[HORN], "silence")
        off = [line["t"] for line in motor.trace.lines() if line["pin"] == HORN][-1]
        assert off >= sent_at + 0.3
        assert motor.trace.levels()[LIGHT] == 1
        motor.until(lambda status: status.aux == [0.0, 1.0, 0.0], "the values")


def test_a_stop_silences_the_horn_and_leaves_the_light() -> None:
    with MotorProcess(CAR) as motor:
        all_on(motor)
        motor.answer(motor.stop())
        wait_until(lambda: not motor.trace.levels()[HORN], "silence")
        assert motor.trace.levels()[LIGHT] == 1


def test_an_order_without_outputs_loads_no_code_for_them() -> None:
    config = dataclasses.replace(CAR, aux={}, lamp=LampConfig())
    with MotorProcess(config) as motor:
        assert motor.ready().aux is None
