"""The channels of a PCA9685, the PWM chip of motor HATs, as pins. The values that were set go to the chip at `commit`.

The chip has its own oscillator (NXP data sheet, rev. 4): its outputs stay when this process or the kernel dies.

Laws:
- All channels are off before the chip is set up.
- A stop is ALL_LED_OFF or a full-off channel, never SLEEP: a servo pulse that is cut short makes an ESC jump.
- If the values do not fit one transaction, each `set` has its own, in their order: a motor passes the same levels as on pins of
  the header.
- A commit `afresh` trusts nothing about the chip: it sets the mode first, sends final values only, and switches all channels off
  if the frequency is not ours, because the pulse of a stop would then be another one.
- A failed transaction leaves its channels to be written again.
- In an emergency a channel that nothing has set, like a servo, is not written.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Collection, Mapping

from picar.errors import BackendError, PinError
from picar.motor.pins import Pin
from picar.motor.pins.checked import CheckedPins
from picar.raspberrypi import CHANNELS, pin_name
from picar.system.i2c import Bus
from picar.wires import Chip

CHECK_S = 1.0
_MODE1, _MODE2, _LED0, _ALL_LED_OFF_H, _PRESCALE = 0x00, 0x01, 0x06, 0xFD, 0xFE
_AWAKE, _ASLEEP, _RESTART = 0x21, 0x31, 0x80  # of MODE1, with auto-increment and ALLCALL
_TOTEM_POLE = 0x04  # of MODE2: outputs drive both levels, and change at the end of a transaction
_FULL = 0x10  # bit 4 of the high bytes of a channel: always on, always off
_STEPS = 4096
_MHZ = 25  # of the oscillator
_WAKE_S = 500e-6
_MOST = 8  # channels in a transaction: 32 bytes


class Pca9685Pins(CheckedPins):
    """The channels of one chip. The bus is opened by the first transaction.

    Args:
        chip: its bus, address and frequency.
        pulses: the pins with a servo or an ESC; a chip that has one is never switched off as a whole after the start.
        clock: seconds, monotonic.
    """

    numbers = CHANNELS

    def __init__(
        self, chip: Chip, pulses: Collection[int] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._chip, self._clock, self._check_at = chip, clock, math.inf
        self._has_pulses = any(pin in CHANNELS for pin in pulses)
        self._divisor = round(_MHZ * 1e6 / _STEPS / chip.hz)
        self._wanted = [0] * len(CHANNELS)  # steps of a period in which a channel is high
        self._ours: set[int] = set()  # the channels that this process has set
        self._sets: list[tuple[int, int]] = []  # channels and steps, since the last commit

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a channel for a duty cycle; all channels have one frequency."""
        if hz != self._chip.hz:
            raise PinError(f"{pin_name(pin)}: all channels have {self._chip.hz} Hz, none has {hz!r} Hz")
        return super().pwm(pin, hz)

    def prepare(self) -> None:
        """Switch all channels off, set the mode and the frequency, and check that the chip keeps them."""
        self._write(_ALL_LED_OFF_H, _FULL)
        self._write(_MODE1, _ASLEEP)  # the frequency changes in sleep only
        self._write(_PRESCALE, self._divisor - 1)
        self._write(_MODE2, _TOTEM_POLE)
        self._write(_MODE1, _AWAKE)
        time.sleep(_WAKE_S)
        if not self._is_ours():
            place = f"0x{self._chip.address:02x} on I2C bus {self._chip.bus}"
            raise BackendError(f"The device at {place} is no PCA9685, or its 3.3 V supply fails.")
        self._ours = {*range(len(CHANNELS))}
        self._check_at = self._clock() + CHECK_S

    def commit(self, *, afresh: bool = False) -> None:
        """Send what was set since the last commit; once in a second, check that the chip has kept its settings."""
        if afresh and (self._has_pulses or any(self._wanted)):  # else one byte switches all channels off
            self._sets = [*dict(self._sets).items()]
            self._write(_MODE1, _AWAKE)
            if not self._is_ours():
                self._write(_ALL_LED_OFF_H, _FULL)
                self._sets.clear()
        if self._sets:
            self._send()
        if (now := self._clock()) >= self._check_at:
            self._check_at = now + CHECK_S
            if not self._is_ours():
                why = "its supply failed for a moment, or another program has written to it"
                raise BackendError(
                    f"The PCA9685 has lost its settings: {why}. Check its wires and the battery."
                )

    def claim(self, pin: int, rest: int) -> None:
        """Set the level of rest."""
        self.write(pin, rest)

    def write(self, pin: int, level: int) -> None:
        """Set a level."""
        self._set(pin, level * _STEPS)

    def wave(self, pin: int, hz: int, duty: float) -> None:  # noqa: ARG002 - the chip's
        """Set a duty cycle."""
        steps = round(duty * _STEPS)
        self._set(pin, min(max(steps, 1), _STEPS - 1) if 0.0 < duty < 1.0 else steps)

    def claim_pulses(self, pin: int) -> None:
        """Change nothing; a car with pulses on the chip has the frequency for them."""

    def send_pulses(self, pin: int, us: float) -> None:
        """Set the length of the pulses."""
        self._set(pin, round(us * _MHZ / self._divisor))

    def finish(self, rests: Mapping[int, int]) -> None:
        """Bring the channels without pulses to rest, if they are not, and close the bus."""
        moved = [pin for pin, rest in rests.items() if self._wanted[pin - CHANNELS[0]] != rest * _STEPS]
        for pin in moved:
            self.write(pin, rests[pin])
        self._check_at = math.inf
        try:
            if self._sets:
                self.commit(afresh=True)
        finally:
            if "_bus" in vars(self):
                self._bus.close()

    @functools.cached_property
    def _bus(self) -> Bus:
        return Bus(self._chip.bus)

    def _set(self, pin: int, steps: int) -> None:
        channel = pin - CHANNELS[0]
        self._wanted[channel] = steps
        self._ours.add(channel)
        self._sets.append((channel, steps))

    def _send(self) -> None:
        if not self._has_pulses and not any(self._wanted):
            self._write(_ALL_LED_OFF_H, _FULL)
            self._sets.clear()
            return
        channels = [channel for channel, _ in self._sets]
        block = range(min(channels), max(channels) + 1)
        if len(block) <= _MOST and self._ours.issuperset(block):
            self._send_channels(block.start, [self._wanted[channel] for channel in block])
            self._sets.clear()
        sent: dict[int, int] = {}
        while self._sets:
            channel, steps = self._sets[0]
            if sent.get(channel) != steps:
                self._send_channels(channel, [steps])
                sent[channel] = steps
            del self._sets[0]

    def _send_channels(self, first: int, steps: list[int]) -> None:
        """Write these channels in one transaction."""
        self._write(_LED0 + 4 * first, *(byte for each in steps for byte in _registers(each)))

    def _is_ours(self) -> bool:
        """Return whether the chip is awake, and has the mode and the frequency that picar has set."""
        mode = self._bus.read(self._chip.address, _MODE1) & ~_RESTART
        return mode == _AWAKE and self._bus.read(self._chip.address, _PRESCALE) == self._divisor - 1

    def _write(self, register: int, *values: int) -> None:
        self._bus.write(self._chip.address, register, *values)


def _registers(steps: int) -> tuple[int, int, int, int]:
    """Return the registers of a channel: ON low and high, OFF low and high."""
    if steps in (0, _STEPS):
        return (0, _FULL, 0, 0) if steps else (0, 0, 0, _FULL)
    return 0, 0, steps & 0xFF, steps >> 8
