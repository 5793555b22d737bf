"""Pins that are only remembered: they record every write, and refuse what real ones refuse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from picar.errors import PinError
from picar.motor.pins.mock import HISTORY, MockPins, Write, open_pins
from tests.motor.boards import wired


@pytest.fixture
def pins() -> MockPins:
    seconds = itertools.count(100.0)
    return MockPins(clock=lambda: next(seconds))


def test_every_write_is_recorded_with_its_time(pins: MockPins) -> None:
    enable = pins.pwm(12, 200)
    level = pins.output(23)
    level.set(1)
    enable.set(0.5)
    level.set(0)
    pins.close()
    assert list(pins.writes) == [
        Write(100.0, 12, "claim", 0),
        Write(101.0, 23, "claim", 0),
        Write(102.0, 23, "write", 1),
        Write(103.0, 12, "pwm", 0.5),
        Write(104.0, 23, "write", 0),
        Write(105.0, 12, "close", 0),
        Write(106.0, 23, "close", 0),
    ]
    assert pins.levels == {12: 0, 23: 0}


def test_an_output_may_rest_high(pins: MockPins) -> None:
    disable = pins.output(5, rest=1)
    assert pins.levels == {5: 1}
    disable.set(0)
    pins.close()
    assert [(write.op, write.value) for write in pins.writes] == [("claim", 1), ("write", 0), ("close", 1)]


def test_pulses_go_on_when_claimed_and_when_closed(pins: MockPins) -> None:
    servo = pins.pulse(18)
    assert not pins.writes
    servo.set(1500)
    pins.close()
    assert [(write.pin, write.op, write.value) for write in pins.writes] == [(18, "pulse", 1500)]


@pytest.mark.parametrize("us", [0, 500, 1500, 2500, 1000.5])
def test_a_pulse_has_the_length_that_servos_know(pins: MockPins, us: float) -> None:
    pins.pulse(100).set(us)
    assert pins.levels == {100: us}


@pytest.mark.parametrize("us", [-1, 1, 499, 2501, math.nan, math.inf, -math.inf])
def test_no_pulse_has_another_length(pins: MockPins, us: float) -> None:
    servo = pins.pulse(18)
    with pytest.raises(PinError, match=r"GPIO 18: .* is not a pulse from 500 to 2500, or 0"):
        servo.set(us)
    assert not pins.writes


def test_a_channel_of_a_chip_is_a_pin_like_others(pins: MockPins) -> None:
    pins.prepare()
    pins.output(100).set(1)
    pins.pwm(115, 200).set(0.5)
    pins.commit()
    assert pins.levels == {100: 1, 115: 0.5}
    with pytest.raises(PinError, match="channel 15 is claimed already"):
        pins.pulse(115)


def test_levels_are_the_newest(pins: MockPins) -> None:
    pins.pwm(12, 200).set(0.25)
    pins.output(23).set(1)
    assert pins.levels == {12: 0.25, 23: 1}


@pytest.mark.parametrize("bcm", [28, -1, 40, 99, 116, 2.0, "12", None, True])
def test_a_pin_that_the_header_does_not_have_is_refused(pins: MockPins, bcm: int) -> None:
    claims: list[Callable[[], object]] = [
        lambda: pins.output(bcm),
        lambda: pins.pwm(bcm, 200),
        lambda: pins.pulse(bcm),
    ]
    for claim in claims:
        with pytest.raises(PinError, match="not on the header"):
            claim()
    assert not pins.writes


@pytest.mark.parametrize("hz", [0, -1, 10_001, 200.0, math.nan, math.inf, True])
def test_a_frequency_that_no_pin_can_do_is_refused(pins: MockPins, hz: int) -> None:
    with pytest.raises(PinError, match="not a PWM frequency"):
        pins.pwm(12, hz)
    assert not pins.writes


def test_the_ends_of_the_frequencies_are_good(pins: MockPins) -> None:
    pins.pwm(12, 1)
    pins.pwm(13, 10_000)
    assert pins.levels == {12: 0, 13: 0}


def test_a_pin_is_claimed_once(pins: MockPins) -> None:
    claims: list[Callable[[], object]] = [lambda: pins.output(12), lambda: pins.pwm(12, 200)]
    pins.output(12)
    for claim in claims:
        with pytest.raises(PinError, match="GPIO 12 is claimed already"):
            claim()


@pytest.mark.parametrize("value", [0.5, 2, -1, math.nan, math.inf, 1.0000001])
def test_an_output_takes_two_levels_only(pins: MockPins, value: float) -> None:
    level = pins.output(23)
    with pytest.raises(PinError, match="not a level"):
        level.set(value)
    assert pins.levels == {23: 0}


@pytest.mark.parametrize("value", [-0.0000001, 1.0000001, 2, -1, math.nan, math.inf, -math.inf])
def test_a_duty_cycle_is_from_zero_to_one(pins: MockPins, value: float) -> None:
    enable = pins.pwm(12, 200)
    with pytest.raises(PinError, match="not a duty cycle"):
        enable.set(value)
    assert pins.levels == {12: 0}


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5, 1e-9])
def test_a_duty_cycle_may_be_anything_between(pins: MockPins, value: float) -> None:
    pins.pwm(12, 200).set(value)
    assert pins.levels == {12: value}


def test_closed_pins_refuse_everything(pins: MockPins) -> None:
    enable = pins.pwm(12, 200)
    level = pins.output(23)
    pins.close()
    uses: list[Callable[[], object]] = [
        lambda: enable.set(0),
        lambda: level.set(0),
        lambda: pins.output(24),
        lambda: pins.pwm(13, 200),
    ]
    for use in uses:
        with pytest.raises(PinError, match="closed"):
            use()


def test_closing_twice_is_closing_once(pins: MockPins) -> None:
    pins.output(23)
    pins.close()
    pins.close()
    assert [write.op for write in pins.writes] == ["claim", "close"]


def test_the_record_does_not_grow_for_ever(pins: MockPins) -> None:
    level = pins.output(23)
    for n in range(HISTORY + 10):
        level.set(n % 2)
    assert len(pins.writes) == HISTORY


def test_the_backend_opens_whatever_the_wiring_is() -> None:
    assert type(open_pins(wired())) is MockPins
