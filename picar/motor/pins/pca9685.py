"""The channels of a PCA9685, the PWM chip of motor HATs, as pins. The chip gets the values that were set at `commit`.

Laws:
- At the claim all channels are off before anything else is written.
- A stop is ALL_LED_OFF or a full-off channel, never SLEEP: a servo pulse that is cut short makes an ESC jump.
- A chip that restarted is asleep and drives no motor. `commit` looks once in a second, after its writes.
- If the values need more than one transaction, the channels that fall are first: between two transactions no motor has
  an input that rose while another one still has to fall.
- A failed transaction leaves its channels to be written again.
- A channel that nothing has set, like a servo in an emergency, is not written.

Source: NXP PCA9685 data sheet, rev. 4. It has an oscillator of its own: its outputs stay as they are when this process or the
kernel dies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Set

from picar.errors import BackendError, PinError
from picar.motor.pins import Pin
from picar.motor.pins.checked import CheckedPins
from picar.raspberrypi import CHANNELS, pin_name
from picar.system.i2c import Bus
from picar.wires import PULSE_HZ, Chip

MODE1, MODE2, LED0, ALL_LED_OFF_H, PRESCALE = 0x00, 0x01, 0x06, 0xFD, 0xFE
# Of MODE1: auto-increment and ALLCALL, with SLEEP; a bit that may be set.
AWAKE, ASLEEP, RESTART = 0x21, 0x31, 0x80
TOTEM_POLE = 0x04  # of MODE2: the outputs drive both levels, and change at the end of a transaction
FULL = 0x10  # bit 4 of the high bytes of a channel: always on, always off
STEPS = 4096
OSCILLATOR_MHZ = 25
PRESCALES = range(3, 256)
WAKE_S = 500e-6
CHECK_S = 1.0
_MOST = 8  # channels in a transaction: 32 bytes


class Pca9685Pins(CheckedPins):
    """The channels of one chip. The bus is opened when it is first needed.

    Args:
        chip: its place and its frequency.
        pulses: the pins with a servo or an ESC; where the chip has one, its channels are never switched off together.
        clock: seconds, monotonic.
    """

    numbers = CHANNELS

    def __init__(
        self, chip: Chip, pulses: Collection[int] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._chip, self._clock = chip, clock
        self._has_pulses = any(pin in CHANNELS for pin in pulses)
        self._bus: Bus | None = None
        self._divisor = round(OSCILLATOR_MHZ * 1e6 / STEPS / chip.hz)
        self._wanted = [0] * len(CHANNELS)  # steps in which a channel is high
        self._written: list[int | None] = [None] * len(CHANNELS)  # None: not known
        self._changed: set[int] = set()
        self._check_at = math.inf

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a channel for a duty cycle."""
        if hz != self._chip.hz:
            raise PinError(f"{pin_name(pin)}: all channels have {self._chip.hz} Hz, none has {hz!r} Hz")
        return super().pwm(pin, hz)

    def prepare(self) -> None:
        """Switch all channels off, and set the mode and the frequency.

        Raises:
            BackendError: the device does not answer, or is no PCA9685.
        """
        if (prescale := self._divisor - 1) not in PRESCALES:
            raise BackendError(f"A PCA9685 has a PWM frequency from 24 to 1600 Hz, not {self._chip.hz}.")
        self._write(ALL_LED_OFF_H, FULL)
        self._write(MODE1, ASLEEP)  # the frequency changes in sleep only
        self._write(PRESCALE, prescale)
        self._write(MODE2, TOTEM_POLE)
        self._write(MODE1, AWAKE)
        time.sleep(WAKE_S)
        if (self._mode(), self._read(PRESCALE)) != (AWAKE, prescale):
            raise BackendError(
                f"The device at 0x{self._chip.address:02x} on I2C bus {self._chip.bus} does not keep its settings: "
                "it is no PCA9685, or its 3.3 V supply fails."
            )
        self._written = [0] * len(CHANNELS)
        self._check_at = self._clock() + CHECK_S

    def commit(self) -> None:
        """Send what was set since the last commit.

        Raises:
            BackendError: the bus or the chip does not answer, or the chip has restarted.
        """
        if self._changed:
            self._send()
        if (now := self._clock()) >= self._check_at:
            self._check_at = now + CHECK_S
            if self._mode() != AWAKE:
                raise BackendError(
                    "The PCA9685 of the motor board has restarted: its supply failed for a moment. "
                    "Check its wires and the battery."
                )

    def claim(self, pin: int, rest: int) -> None:
        """Set a channel to its level of rest."""
        self.write(pin, rest)

    def write(self, pin: int, level: int) -> None:
        """Set a level."""
        self._set(pin, level * STEPS)

    def wave(self, pin: int, hz: int, duty: float) -> None:  # noqa: ARG002 - the chip's
        """Set a duty cycle."""
        steps = round(duty * STEPS)
        self._set(pin, min(max(steps, 1), STEPS - 1) if 0.0 < duty < 1.0 else steps)

    def claim_pulses(self, pin: int) -> None:
        """Accept a channel if the chip has the frequency for pulses."""
        if self._chip.hz != PULSE_HZ:
            raise PinError(f"{pin_name(pin)}: pulses need {PULSE_HZ} Hz, the chip has {self._chip.hz} Hz")

    def send_pulses(self, pin: int, us: float) -> None:
        """Set the length of the pulses, in steps of the frequency that the chip really has."""
        self._set(pin, round(us * OSCILLATOR_MHZ / self._divisor))

    def finish(self, rests: Mapping[int, int]) -> None:
        """Bring the channels without pulses to rest, and close the bus."""
        for pin, rest in rests.items():
            self.write(pin, rest)
        self._check_at = math.inf
        try:
            self.commit()
        finally:
            if self._bus:
                self._bus.close()

    def _set(self, pin: int, steps: int) -> None:
        channel = pin - CHANNELS[0]
        self._wanted[channel] = steps
        self._changed.add(channel)

    def _send(self) -> None:
        if not self._has_pulses and not any(self._wanted):
            self._write(ALL_LED_OFF_H, FULL)
            self._written, self._changed = [0] * len(CHANNELS), set()
            return
        falling = {channel for channel in self._changed if self._wanted[channel] <= self._highest(channel)}
        groups: list[Set[int]] = [falling, self._changed - falling]
        if len(self._blocks(self._changed)) == 1:
            groups = [set(self._changed)]
        for group in groups:
            for block in self._blocks(group):
                self._send_block(block, group)

    def _highest(self, channel: int) -> int:
        """Return the value on the chip, or the highest while it is not known."""
        written = self._written[channel]
        return STEPS if written is None else written

    def _blocks(self, channels: Iterable[int]) -> list[range]:
        """Return the fewest transactions for these channels; the values of all channels between them are known."""
        blocks: list[range] = []
        for channel in sorted(channels):
            if (
                blocks
                and channel < blocks[-1].start + _MOST
                and None not in self._written[blocks[-1].stop : channel]
            ):
                blocks[-1] = range(blocks[-1].start, channel + 1)
            else:
                blocks.append(range(channel, channel + 1))
        return blocks

    def _send_block(self, block: range, group: Set[int]) -> None:
        """Write the channels of this block; those that are not in the group keep their values."""
        values = [self._wanted[each] if each in group else self._highest(each) for each in block]
        whole = slice(block.start, block.stop)
        self._written[whole] = [None] * len(block)
        self._changed.update(block)
        self._write(LED0 + 4 * block.start, *(byte for value in values for byte in _registers(value)))
        self._written[whole] = values
        self._changed.difference_update(each for each in block if self._written[each] == self._wanted[each])

    def _mode(self) -> int:
        return self._read(MODE1) & ~RESTART

    def _read(self, register: int) -> int:
        return self._opened().read(self._chip.address, register)

    def _write(self, register: int, *values: int) -> None:
        self._opened().write(self._chip.address, register, *values)

    def _opened(self) -> Bus:
        if self._bus is None:
            self._bus = Bus(self._chip.bus)
        return self._bus


def _registers(steps: int) -> tuple[int, int, int, int]:
    """Return the four bytes of a channel: when it goes high, and when it goes low."""
    if steps in (0, STEPS):
        return (0, FULL, 0, 0) if steps else (0, 0, 0, FULL)
    return 0, 0, steps & 0xFF, steps >> 8
