"""The pin registers of the BCM2835 to BCM2837: which function a pin has, and which level.

Source: BCM2835 ARM Peripherals, chapter 6. GPFSELn holds ten pins of three bits, GPLEV0 the levels of pins 0 to 31.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BASE = 0x3F200000  # of a Pi 2 or 3
WORDS = 14  # GPFSEL0 to GPLEV0
_GPLEV0 = 13
_FUNCTIONS = ("in", "out", "alt5", "alt4", "alt0", "alt1", "alt2", "alt3")
_WORD = re.compile(r"0x([0-9a-f]{8})\b")


@dataclass(frozen=True, slots=True)
class Pins:
    """All pins of the header at one moment.

    Args:
        words: the registers from GPFSEL0 to GPLEV0.
    """

    words: tuple[int, ...]

    def function(self, bcm: int) -> str:
        """Return "in", "out" or "alt0" to "alt5"."""
        return _FUNCTIONS[self.words[bcm // 10] >> bcm % 10 * 3 & 0b111]

    def level(self, bcm: int) -> int:
        """Return 0 or 1; of an input it says nothing here, for QEMU has no pull resistors and nothing is wired to it."""
        return self.words[_GPLEV0] >> bcm & 1

    def drives(self, bcm: int) -> bool:
        """Tell whether the pin is an output, and high."""
        return self.function(bcm) == "out" and self.level(bcm) == 1


def parse(answer: str) -> Pins:
    """Return what QEMU's monitor has answered to `xp`.

    Raises:
        ValueError: it is something else.
    """
    words = tuple(int(word, 16) for word in _WORD.findall(answer))
    if len(words) != WORDS:
        raise ValueError(f"this is no answer of {WORDS} registers: {answer!r}")
    return Pins(words)
