"""What picar uses of rpi-lgpio 0.6: RPi.GPIO's calls, lgpio's errors. It opens the chip in `setmode`."""

from __future__ import annotations

import contextlib
import weakref

import lgpio

BCM, OUT, IN, LOW, HIGH = 11, 0, 1, 0, 1

_chip: int | None = None
_waves: weakref.WeakValueDictionary[int, PWM] = weakref.WeakValueDictionary()


def setwarnings(state: bool) -> None:
    pass


def setmode(mode: int) -> None:
    global _chip
    if _chip is None:
        _chip = lgpio.gpiochip_open(_chip_number())


def setup(channel: int, direction: int, initial: int) -> None:
    lgpio.gpio_claim_output(_chip, channel, initial, lgpio.SET_PULL_NONE)


def output(channel: int, value: int) -> None:
    if not lgpio.gpio_get_mode(_chip, channel) & 0x200:
        raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
    lgpio.gpio_write(_chip, channel, value)


def gpio_function(channel: int) -> int:
    return OUT if lgpio.gpio_get_mode(_chip, channel) & 0x2 else IN


class PWM:
    def __init__(self, channel: int, frequency: float) -> None:
        if channel in _waves:
            raise RuntimeError("A PWM object already exists for this GPIO channel")
        _waves[channel] = self
        self._channel, self._frequency = channel, frequency

    def __del__(self) -> None:
        self.stop()

    def start(self, duty: float) -> None:
        self.ChangeDutyCycle(duty)

    def ChangeDutyCycle(self, duty: float) -> None:
        if not 0 <= duty <= 100:
            raise ValueError("dutycycle must have a value from 0.0 to 100.0")
        lgpio.tx_pwm(_chip, self._channel, self._frequency, duty)

    def stop(self) -> None:
        with contextlib.suppress(lgpio.error):
            lgpio.tx_pwm(_chip, self._channel, 0, 0)
        lgpio.gpio_write(_chip, self._channel, 0)


def _chip_number() -> int:
    """It asks sysfs for the chip's driver, and takes 0 when it finds none."""
    for number in range(16):
        try:
            if lgpio._label(f"/dev/gpiochip{number}").startswith("pinctrl-"):
                return number
        except OSError:
            continue
    return 0
