"""The Raspberry Pi: its model, the 40-pin header that every model since the B+ has, and the numbers of pins."""

from __future__ import annotations

from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL_FILE = "proc/device-tree/model"  # below the machine's root
_LEFT: tuple[int | str, ...] = (  # odd numbers, from the end with the SD card; a number is a GPIO (BCM)
    "3V3", 2, 3, 4, "GND", 17, 27, 22, "3V3", 10, 9, 11, "GND", 0, 5, 6, 13, 19, 26, "GND",
)  # fmt: skip
_RIGHT: tuple[int | str, ...] = (  # even numbers
    "5V", "5V", "GND", 14, 15, 18, "GND", 23, 24, "GND", 25, 8, 7, 1, "GND", 12, "GND", 16, 20, 21,
)  # fmt: skip
GROUND = 39  # of eight ground pins; the last one of its row is the easiest to find


class HeaderPin(NamedTuple):
    """One pin. `bcm` is `None` for power and ground."""

    number: int
    name: str
    bcm: int | None

    @property
    def row(self) -> int:
        """Its row from the SD card's end, 0 to 19."""
        return (self.number - 1) // 2

    @property
    def is_left(self) -> bool:
        """Whether it is in the row of odd numbers, away from the board's edge."""
        return self.number % 2 == 1


def _pin(number: int, bcm_or_name: int | str) -> HeaderPin:
    if isinstance(bcm_or_name, int):
        return HeaderPin(number, f"GPIO {bcm_or_name}", bcm_or_name)
    return HeaderPin(number, bcm_or_name, None)


PINS = tuple(
    _pin(2 * row + side, bcm_or_name)
    for row, pair in enumerate(zip(_LEFT, _RIGHT, strict=True))
    for side, bcm_or_name in enumerate(pair, start=1)
)
NUMBERS = frozenset(pin.bcm for pin in PINS if pin.bcm is not None)  # BCM
# Of a PCA9685: the numbers of its channels, where a pin may be one of the header or of this chip.
CHANNELS = range(100, 116)
PWM_CHANNELS = {12: 0, 13: 1, 18: 0, 19: 1}  # of the kernel's PWM by pin, on all models before the Pi 5
PWM_FUNCTIONS = {12: 4, 13: 4, 18: 2, 19: 2}  # `func` of the overlays pwm and pwm-2chan, by pin
_BY_BCM = {pin.bcm: pin for pin in PINS if pin.bcm is not None}


def pin_of(bcm: int) -> HeaderPin:
    """Return the pin of a GPIO by its BCM number, 0 to 27."""
    return _BY_BCM[bcm]


def overlay(pins: Sequence[int]) -> str:
    """Return the line of `config.txt` that gives the PWM hardware to one pin or two."""
    words = (f"pin{n}={pin},func{n}={PWM_FUNCTIONS[pin]}" for n, pin in zip(("", "2"), pins, strict=False))
    return ",".join((f"dtoverlay={'pwm-2chan' if len(pins) > 1 else 'pwm'}", *words))


def pin_name(pin: int) -> str:
    """Return the name of a pin in a sentence: "GPIO 17", "channel 3"."""
    return f"channel {pin - CHANNELS[0]}" if pin in CHANNELS else f"GPIO {pin}"


def raspberry_pi_model(path: Path | str = f"/{MODEL_FILE}") -> str | None:
    """Return the name of the model, or `None` on any other machine."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            model = file.read().strip("\0 \n")
    except OSError:
        return None
    return model if "Raspberry Pi" in model else None
