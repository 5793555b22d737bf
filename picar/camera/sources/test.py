"""A test card with the wall clock: a viewer can read the age of a picture from the picture alone.

The clock is the lower 32 bits of the milliseconds since 1970, in 32 fields, the highest bit first, white for 1: two rows of
16 across the whole width, at the bottom, each a twelfth of the height. It survives the worst level of the ladder.
"""

from __future__ import annotations

import io
import time

from PIL import Image, ImageDraw

from picar.camera.sources import Camera, Order, Pace, Picture

COLUMNS, ROWS = 16, 2
_ROW_SHARE = 12  # of the height
_BARS = ("white", "yellow", "cyan", "lime", "magenta", "red", "blue", "black")


class TestCard:
    """The source."""

    __test__ = False  # no test of pytest
    card, upright = "test card", False

    def __init__(self, order: Order) -> None:
        self._pace = Pace(order["fps"])
        self._size, self._quality = order["size"], order["quality"]
        self._bars = _bars(self._size)

    def next(self) -> Picture:
        """Draw the card with the time of this moment."""
        self._pace.wait()
        captured_ns, now_ns = time.monotonic_ns(), time.time_ns()
        picture = self._bars.copy()
        draw = ImageDraw.Draw(picture)
        for box, bit in zip(fields(self._size), clock_bits(now_ns // 1_000_000), strict=True):
            draw.rectangle(box, fill="white" if bit else "black")
        told = f"{time.strftime('%H:%M:%S', time.localtime(now_ns / 1e9))}.{now_ns // 100_000_000 % 10}"
        draw.text(
            (self._size[0] // 20, self._size[1] // 20), told, fill="black", font_size=self._size[1] // 8
        )
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=self._quality)
        return Picture(jpeg.getvalue(), captured_ns, *self._size)

    def set(self, order: Order) -> None:
        """Take over size, quality and rate."""
        self._pace.fps = order.get("fps", self._pace.fps)
        self._quality = order.get("quality", self._quality)
        if order.get("size", self._size) != self._size:
            self._size = order["size"]
            self._bars = _bars(self._size)

    def close(self) -> None:
        """Do nothing: nothing is open."""


def open(order: Order) -> TestCard:
    """Open the source."""
    return TestCard(order)


def cameras() -> list[Camera]:
    """Return the one camera."""
    return [Camera("test", "", TestCard.card)]


def clock_bits(milliseconds: int) -> list[bool]:
    """Return the lower 32 bits of a time, the highest first."""
    return [bool(milliseconds >> shift & 1) for shift in reversed(range(COLUMNS * ROWS))]


def fields(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Return left, top, right and bottom of each field of the clock, all inside the field."""
    width, height = size
    tops = [height - (ROWS - row) * height // _ROW_SHARE for row in range(ROWS + 1)]
    lefts = [column * width // COLUMNS for column in range(COLUMNS + 1)]
    return [
        (lefts[column], tops[row], lefts[column + 1] - 1, tops[row + 1] - 1)
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]


def _bars(size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    for at, colour in enumerate(_BARS):
        draw.rectangle(
            (at * size[0] // len(_BARS), 0, (at + 1) * size[0] // len(_BARS), size[1]), fill=colour
        )
    return picture
