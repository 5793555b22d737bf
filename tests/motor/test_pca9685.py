"""A PCA9685 as pins: what is written, in which order and in how few transactions, and what a fault leaves."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.errors import BackendError, PinError
from picar.motor.pins import Pin
from picar.motor.pins.pca9685 import CHECK_S, Pca9685Pins
from picar.raspberrypi import CHANNELS
from picar.wires import Chip
from tests.fakes.i2c_chip import I2cBus, Pca9685, Transaction

HZ = 1000
OFF = (0, 0, 0, 0x10)
ON = (0, 0x10, 0, 0)
ALL_OFF = ("write", 0xFD, (0x10,))
LOOK = [("read", 0x00, (0x21,)), ("read", 0xFE, (5,))]


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[I2cBus]:
    """A bus with a chip at 0x40; what a test leaves open is closed."""
    made = I2cBus(tmp_path)
    made.install(monkeypatch.setattr)
    made.chip().connect()
    yield made
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.readlink().is_relative_to(tmp_path):
                os.close(int(link.name))


@pytest.fixture
def chip(bus: I2cBus) -> Pca9685:
    return bus.chip()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(
    hz: int = HZ, pulses: tuple[int, ...] = (), clock: Callable[[], float] = lambda: 0.0
) -> Pca9685Pins:
    return Pca9685Pins(Chip(1, 0x40, hz, None), pulses, clock)


def prepared(
    hz: int = HZ, pulses: tuple[int, ...] = (), clock: Callable[[], float] = lambda: 0.0
) -> Pca9685Pins:
    pins = opened(hz, pulses, clock)
    pins.prepare()
    return pins


def said(bus: I2cBus) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return the transactions so far, and forget them."""
    found = [(t.op, t.register, t.values) for t in bus.transactions]
    bus.forget()
    return found


def hat(pins: Pca9685Pins, *channels: int) -> list[Pin]:
    """Claim channels with PWM, off."""
    claimed = [pins.pwm(CHANNELS[channel], HZ) for channel in channels]
    pins.commit()
    return claimed


# The start.


def test_the_chip_is_off_before_anything_else_is_written_and_awake_at_the_end(bus: I2cBus) -> None:
    prepared(hz=50)
    assert said(bus) == [
        ALL_OFF,
        ("write", 0x00, (0x31,)),
        ("write", 0xFE, (121,)),
        ("write", 0x01, (0x04,)),
        ("write", 0x00, (0x21,)),
        LOOK[0],
        ("read", 0xFE, (121,)),
    ]


def test_what_another_process_left_on_is_off_after_the_first_write(bus: I2cBus, chip: Pca9685) -> None:
    first = prepared()
    for pin in hat(first, 0, 5):
        pin.set(1)
    first.commit()
    assert any(chip.duties)
    bus.forget()
    prepared()
    assert said(bus)[0] == ALL_OFF
    assert not any(chip.duties)


@pytest.mark.parametrize(("hz", "prescale"), [(24, 253), (50, 121), (200, 30), (1000, 5), (1526, 3)])
def test_the_frequency_is_the_nearest_that_the_chip_has(chip: Pca9685, hz: int, prescale: int) -> None:
    prepared(hz)
    assert chip.registers[0xFE] == prescale


def test_a_chip_that_is_not_there_is_refused_with_its_address(chip: Pca9685) -> None:
    chip.disconnect()
    with pytest.raises(BackendError, match="No device answers at 0x40 on I2C bus 1"):
        prepared()


def test_another_device_at_the_address_is_refused(bus: I2cBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pca9685, "read", lambda _chip, _register: 0x39)  # an INA219 answers so
    with pytest.raises(BackendError, match=r"^The device at 0x40 on I2C bus 1 is no PCA9685, or its"):
        prepared()


def test_a_restart_bit_of_the_time_before_is_no_error(bus: I2cBus, chip: Pca9685) -> None:
    first = prepared()
    hat(first, 3)[0].set(0.5)
    first.commit()
    chip.write(0x00, [0x31])  # as another program may leave it
    assert chip.registers[0] & 0x80
    prepared()


def test_creating_the_pins_opens_no_bus(bus: I2cBus) -> None:
    bus.device.unlink()
    pins = opened()
    pins.commit()
    pins.close()
    with pytest.raises(BackendError, match="I2C is off"):
        opened().prepare()


# Values.


@pytest.mark.parametrize(
    ("duty", "registers"),
    [
        (0, OFF),
        (1, ON),
        (0.0, OFF),
        (1.0, ON),
        (0.5, (0, 0, 0x00, 0x08)),
        (0.25, (0, 0, 0x00, 0x04)),
        (1e-9, (0, 0, 1, 0)),
        (0.999999, (0, 0, 0xFF, 0x0F)),
    ],
)
def test_a_duty_cycle_is_twelve_bits_and_its_ends_are_levels(
    bus: I2cBus, chip: Pca9685, duty: float, registers: tuple[int, ...]
) -> None:
    pins = prepared()
    left, right = hat(pins, 2, 3)
    right.set(1)
    pins.commit()
    bus.forget()
    left.set(duty)
    assert not said(bus), "only a commit writes"
    pins.commit()
    assert said(bus) == [("write", 6 + 4 * 2, registers)]
    assert chip.duty(2) == pytest.approx(duty, abs=1 / 4095)


def test_a_level_is_the_full_bit(bus: I2cBus, chip: Pca9685) -> None:
    pins = prepared()
    level = pins.output(115)
    pins.commit()
    bus.forget()
    for value, duty in ((1, 1.0), (0, 0.0), (1, 1.0)):
        level.set(value)
        pins.commit()
        assert chip.duty(15) == duty
    assert said(bus) == [("write", 66, ON), ALL_OFF, ("write", 66, ON)]


@pytest.mark.parametrize("us", [500, 1000, 1500, 1502.5, 2000, 2500])
def test_a_pulse_is_as_long_as_the_chip_s_steps_permit(chip: Pca9685, us: float) -> None:
    pins = prepared(hz=50, pulses=(104,))
    servo = pins.pulse(104)
    servo.set(us)
    pins.commit()
    assert chip.pulse_us(4) == pytest.approx(us, abs=2.5)
    servo.set(0)
    pins.commit()
    assert chip.pulse_us(4) == 0


@pytest.mark.parametrize("us", [math.nan, math.inf, 499, 2501, -1])
def test_a_pulse_out_of_range_is_refused_and_not_sent(bus: I2cBus, us: float) -> None:
    pins = prepared(hz=50, pulses=(104,))
    servo = pins.pulse(104)
    bus.forget()
    with pytest.raises(PinError, match=r"channel 4: .* is not a pulse"):
        servo.set(us)
    pins.commit()
    assert not said(bus)


def test_claiming_pulses_changes_nothing_and_closing_neither(bus: I2cBus, chip: Pca9685) -> None:
    first = prepared(hz=50, pulses=(104,))
    first.pulse(104).set(1700)
    first.commit()
    first.close()
    bus.forget()
    second = opened(hz=50, pulses=(104,))
    second.pulse(104)
    second.commit()
    second.close()
    assert not said(bus)
    assert chip.pulse_us(4) == pytest.approx(1700, abs=2.5)


def test_the_chip_has_one_frequency() -> None:
    with pytest.raises(PinError, match="channel 1: all channels have 1000 Hz, none has 200 Hz"):
        opened().pwm(101, 200)


@pytest.mark.parametrize("pin", [12, 99, 116, "100", None, True])
def test_a_pin_that_is_no_channel_is_refused(pin: int) -> None:
    with pytest.raises(PinError, match="is not on"):
        opened().output(pin)


@pytest.mark.parametrize("value", [0.5, 2, -1, math.nan])
def test_a_level_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(PinError, match="not a level"):
        opened().output(100).set(value)


# Few transactions.


def test_nothing_that_was_set_is_nothing_on_the_bus(bus: I2cBus) -> None:
    pins = prepared()
    hat(pins, 0)
    bus.forget()
    for _ in range(100):
        pins.commit()
    assert not said(bus)


def test_all_channels_off_is_one_write_of_three_bytes(bus: I2cBus, chip: Pca9685) -> None:
    pins = prepared()
    motors = hat(pins, 0, 1, 2, 13, 14, 15)
    for motor in motors:
        motor.set(0.7)
    pins.commit()
    bus.forget()
    for motor in motors:
        motor.set(0)
    pins.commit()
    assert [transaction.size for transaction in bus.transactions] == [3]
    assert said(bus) == [ALL_OFF]
    assert chip.duties == [0.0] * 16


def test_a_value_that_is_on_the_chip_is_written_again(bus: I2cBus) -> None:
    """`low` trusts no remembered value."""
    pins = prepared()
    (motor,) = hat(pins, 0)
    bus.forget()
    motor.set(0)
    pins.commit()
    assert said(bus) == [ALL_OFF]


def test_a_whole_motor_hat_is_one_transaction_of_26_bytes(bus: I2cBus) -> None:
    """Six channels of an Adafruit HAT: M1 and M2."""
    pins = prepared()
    motors = hat(pins, 8, 9, 10, 11, 12, 13)
    bus.forget()
    for motor in motors:
        motor.set(0.5)
    pins.commit()
    assert [transaction.size for transaction in bus.transactions] == [26]


def test_the_block_is_no_longer_than_the_change(bus: I2cBus) -> None:
    pins = prepared()
    motors = hat(pins, *range(16))
    for motor in motors:
        motor.set(0.5)
    pins.commit()
    bus.forget()
    motors[3].set(0.6)
    motors[5].set(0.6)
    pins.commit()
    ((_, register, values),) = said(bus)
    assert (register, len(values)) == (6 + 4 * 3, 12)
    assert values[4:8] == (0, 0, 0x00, 0x08)


def test_channels_that_fit_no_transaction_are_written_in_the_order_in_which_they_were_set(
    bus: I2cBus, chip: Pca9685
) -> None:
    """A reversal of two motors at both ends of the chip."""
    pins = prepared()
    forward, reverse, other_forward, other_reverse = hat(pins, 0, 1, 14, 15)
    forward.set(1)
    other_reverse.set(1)
    pins.commit()
    bus.forget()
    forward.set(0)
    reverse.set(1)
    other_forward.set(0)
    other_reverse.set(0)
    other_forward.set(1)  # after a moment at rest, as on a pin of the header
    pins.commit()
    steps = [(6, OFF), (10, ON), (62, OFF), (66, OFF), (62, ON)]
    assert said(bus) == [("write", register, values) for register, values in steps]
    assert [n for n in range(16) if chip.duty(n)] == [1, 14]


VALUES = st.sampled_from([0.0, 0.0, 1.0, 0.25, 0.5, 0.75])
CHANGES = st.lists(st.dictionaries(st.integers(0, 15), VALUES, min_size=1), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(CHANGES)
def test_after_a_commit_the_chip_has_the_values_and_none_passes_another(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[int, float]]
) -> None:
    bus = I2cBus(tmp_path_factory.mktemp("bus"))
    chip, moments = bus.chip(), list[list[float]]()
    chip.connect()

    class Watched(I2cBus):
        def transfer(self, address: int, op: str, register: int, values: list[int]) -> int:
            answer = super().transfer(address, op, register, values)
            moments.append(chip.duties)
            return answer

    with pytest.MonkeyPatch.context() as patch:
        Watched(bus.folder).install(patch.setattr)
        pins = prepared()
        channels = [pins.pwm(pin, HZ) for pin in CHANNELS]
        pins.commit()
        wanted = [0.0] * 16
        for change in changes:
            before = list(wanted)
            for channel, value in change.items():
                channels[channel].set(value)
                wanted[channel] = value
            moments.clear()
            pins.commit()
            assert chip.duties == wanted
            for moment in moments:  # each channel is set once
                assert all(now in (then, end) for now, then, end in zip(moment, before, wanted, strict=True))
        pins.close()
        assert not any(chip.duties)


# With a servo or an ESC on the chip.


def test_a_servo_stays_while_the_motors_stop(bus: I2cBus, chip: Pca9685) -> None:
    pins = prepared(hz=50, pulses=(105,))
    motor, servo = pins.pwm(100, 50), pins.pulse(105)
    motor.set(1)
    servo.set(1800)
    pins.commit()
    bus.forget()
    motor.set(0)
    pins.commit()
    assert said(bus) == [("write", 6, OFF)]
    pins.close()
    assert chip.duty(0) == 0
    assert chip.pulse_us(5) == pytest.approx(1800, abs=2.5)


def test_an_emergency_leaves_a_servo_between_the_motors_as_it_is(bus: I2cBus, chip: Pca9685) -> None:
    pins = prepared(hz=50, pulses=(102,))
    for pin in (101, 103):
        pins.output(pin).set(1)
    pins.pulse(102).set(1800)
    pins.commit()
    bus.forget()
    emergency = opened(hz=50, pulses=(102,))
    for pin in (101, 103):
        emergency.output(pin).set(0)
    emergency.commit()
    assert said(bus) == [("write", 10, OFF), ("write", 18, OFF)]
    assert chip.pulse_us(2) == pytest.approx(1800, abs=2.5)
    assert chip.duty(1) == chip.duty(3) == 0


# Faults.


def test_an_emergency_writes_without_preparing(bus: I2cBus, chip: Pca9685) -> None:
    first = prepared()
    for motor in hat(first, 0, 7, 15):
        motor.set(1)
    first.commit()
    bus.forget()
    emergency = opened()
    for pin in (100, 107, 115):
        emergency.output(pin).set(0)
    emergency.commit()
    assert said(bus) == [ALL_OFF]
    assert not any(chip.duties)
    emergency.close()
    assert not said(bus)


def test_an_emergency_at_a_chip_that_has_just_got_its_supply_drives_nothing(chip: Pca9685) -> None:
    emergency = opened(hz=50, pulses=(104,))
    emergency.output(100).set(0)
    emergency.pulse(104).set(1500)
    emergency.commit()
    emergency.close()
    assert not any(chip.duties)


@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_what_a_failed_transaction_held_is_written_by_the_next_commit(
    bus: I2cBus, chip: Pca9685, value: float
) -> None:
    pins = prepared()
    motors = hat(pins, 0, 1, 2)
    for motor in motors:
        motor.set(0.5)
    pins.commit()
    motors[0].set(value)
    motors[2].set(value)
    bus.forget()
    with bus.held(), pytest.raises(BackendError, match="held"):
        pins.commit()
    assert [t.error for t in bus.transactions] == [errno.ETIMEDOUT]
    chip.write(10, [0, 0, 0, 0])  # whatever the disturbed bytes did
    pins.commit()
    assert chip.duties[:3] == pytest.approx([value, 0.5, value], abs=1e-3)
    bus.forget()
    pins.commit()
    assert not said(bus)


def test_what_failed_in_the_first_of_two_transactions_is_written_completely_later(
    bus: I2cBus, chip: Pca9685
) -> None:
    pins = prepared()
    left, right = hat(pins, 0, 15)
    left.set(1)
    right.set(0.5)
    with bus.held(), pytest.raises(BackendError):
        pins.commit()
    pins.commit()
    assert (chip.duty(0), chip.duty(15)) == (1.0, 0.5)


def test_low_after_a_failed_stop_is_the_one_write_again(bus: I2cBus) -> None:
    pins = prepared()
    motors = hat(pins, 0, 15)
    for motor in motors:
        motor.set(1)
    pins.commit()
    bus.forget()
    for motor in motors:
        motor.set(0)
    with bus.held(), pytest.raises(BackendError):
        pins.commit()
    pins.commit()
    assert said(bus) == [ALL_OFF, ALL_OFF]


def test_once_in_a_second_the_mode_is_read_and_nothing_else(bus: I2cBus, clock: Clock) -> None:
    pins = prepared(clock=clock)
    bus.forget()
    for _ in range(40):
        pins.commit()
        clock.now += CHECK_S / 8
    assert said(bus) == LOOK * 4


def test_a_chip_that_restarted_is_an_error_within_a_second(bus: I2cBus, chip: Pca9685, clock: Clock) -> None:
    pins = prepared(clock=clock)
    hat(pins, 0)[0].set(1)
    pins.commit()
    chip.brown_out()
    pins.commit()
    clock.now += CHECK_S
    with pytest.raises(BackendError, match=r"^The PCA9685 has lost its settings: .* battery\.$"):
        pins.commit()
    bus.forget()
    pins.close()  # the way out does not look again
    assert said(bus) == [ALL_OFF]


def test_the_stop_is_written_before_the_chip_is_looked_at(bus: I2cBus, chip: Pca9685, clock: Clock) -> None:
    pins = prepared(clock=clock)
    (motor,) = hat(pins, 0)
    chip.brown_out()
    clock.now += CHECK_S
    motor.set(0)
    bus.forget()
    with pytest.raises(BackendError, match="lost its settings"):
        pins.commit()
    assert said(bus) == [ALL_OFF, ("read", 0x00, (0x11,))]


def test_an_emergency_does_not_look_at_the_mode(bus: I2cBus, clock: Clock) -> None:
    pins = opened(clock=clock)
    clock.now += 10 * CHECK_S
    pins.commit()
    assert not said(bus)


def test_closing_brings_the_channels_to_rest_and_closes_the_bus_also_when_it_is_held(bus: I2cBus) -> None:
    pins = prepared()
    hat(pins, 0)[0].set(1)
    pins.commit()
    opened_bus = pins._bus
    with bus.held(), pytest.raises(BackendError, match="held"):
        pins.close()
    with pytest.raises(BackendError, match="Bad file descriptor"):
        opened_bus.read(0x40, 0)
    pins.close()


def test_closed_pins_refuse_everything(bus: I2cBus) -> None:
    pins = prepared()
    (motor,) = hat(pins, 0)
    pins.close()
    for use in (lambda: motor.set(0), lambda: pins.output(101), lambda: pins.pwm(102, HZ)):
        with pytest.raises(PinError, match="closed"):
            use()


def test_sleep_is_never_a_stop(bus: I2cBus) -> None:
    pins = prepared()
    motors = hat(pins, *range(16))
    bus.forget()
    for value in (1, 0.5, 0):
        for motor in motors:
            motor.set(value)
        pins.commit()
    pins.close()
    written: list[Transaction] = [t for t in bus.transactions if t.op == "write"]
    assert all(t.register >= 6 for t in written)


# Another program on the chip.


@pytest.mark.parametrize("mode", [0x00, 0x01, 0x11, 0xA1])
def test_a_stop_afresh_reaches_a_chip_whose_mode_another_program_has_changed(
    bus: I2cBus, chip: Pca9685, mode: int
) -> None:
    pins = prepared(hz=50, pulses=(104,))
    motor, esc = pins.pwm(100, 50), pins.pulse(104)
    motor.set(1)
    esc.set(1650)
    pins.commit()
    chip.write(0x00, [mode])
    motor.set(0)
    esc.set(1500)
    pins.commit(afresh=True)
    assert chip.duty(0) == 0
    assert chip.pulse_us(4) == pytest.approx(1500, abs=3)


def test_a_stop_afresh_at_another_frequency_switches_all_channels_off(chip: Pca9685) -> None:
    pins = prepared(hz=50, pulses=(104,))
    esc = pins.pulse(104)
    esc.set(1650)
    pins.commit()
    chip.write(0x00, [0x31])
    chip.write(0xFE, [101])
    chip.write(0x00, [0x21])
    esc.set(1500)
    pins.commit(afresh=True)
    assert not any(chip.duties)


def test_another_frequency_is_an_error_within_a_second(chip: Pca9685, clock: Clock) -> None:
    pins = prepared(clock=clock)
    chip.write(0x00, [0x31])
    chip.write(0xFE, [101])
    chip.write(0x00, [0xA1])
    clock.now += CHECK_S
    with pytest.raises(BackendError, match="another program has written to it"):
        pins.commit()


def test_a_start_that_fits_no_transaction_passes_no_full_power(bus: I2cBus, chip: Pca9685) -> None:
    """From the coast of a TB6612, pwm 1 and the inputs low, to a low speed forward."""
    pins = prepared()
    speed, forward, far = pins.pwm(100, HZ), pins.output(101), pins.pwm(115, HZ)
    speed.set(1)
    pins.commit()
    bus.forget()
    speed.set(0)
    forward.set(1)
    speed.set(0.25)
    far.set(1)
    pins.commit()
    registers = [register for _, register, _ in said(bus)]
    assert registers == [6, 10, 6, 66]
    assert chip.duty(0) == 0.25
