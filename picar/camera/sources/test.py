"""A test card with the wall clock: a viewer can read the age of a picture from the picture alone.

The clock is the lower 32 bits of the milliseconds since 1970, in 32 fields, the highest bit first, white for 1: two rows of
16 across the whole width, at the bottom, each a twelfth of the height. It survives the worst level of the ladder.
"""

from __future__ import annotations

import time

from PIL import Image, ImageDraw

from picar.camera.sources import Camera, Drawn

COLUMNS, ROWS = 16, 2
_BARS = ("white", "yellow", "cyan", "lime", "magenta", "red", "blue", "black")


class TestCard(Drawn):
    """The source."""

    __test__ = False  # no test of pytest
    card = "test card"

    def draw(self) -> Image.Image:
        """Draw the card with the time of this moment."""
        now_ns = time.time_ns()
        (width, height), bars = self.order["size"], len(_BARS)
        picture = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(picture)
        for n, colour in enumerate(_BARS):
            draw.rectangle((n * width // bars, 0, (n + 1) * width // bars, height), colour)
        for box, bit in zip(fields((width, height)), clock_bits(now_ns // 1_000_000), strict=True):
            draw.rectangle(box, "white" if bit else "black")
        clock = f"{time.strftime('%H:%M:%S', time.localtime(now_ns / 1e9))}.{now_ns // 100_000_000 % 10}"
        draw.text((width // 20, height // 20), clock, "black", font_size=height // 8)
        return picture


open = TestCard


def cameras() -> list[Camera]:
    """Return the one camera."""
    return [Camera("test", "", TestCard.card)]


def clock_bits(milliseconds: int) -> list[bool]:
    """Return the lower 32 bits of a time, the highest first."""
    return [bool(milliseconds >> shift & 1) for shift in reversed(range(COLUMNS * ROWS))]


def fields(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Return left, top, right and bottom of each field of the clock, all inside the field."""
    lefts = [column * size[0] // COLUMNS for column in range(COLUMNS + 1)]
    tops = [size[1] - row * size[1] // 12 for row in (2, 1, 0)]
    return [(lefts[n % 16], tops[n // 16], lefts[n % 16 + 1] - 1, tops[n // 16 + 1] - 1) for n in range(32)]
