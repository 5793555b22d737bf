"""The test card: its clock can be read from the picture, also at the worst level of the ladder."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from picar.camera.frames import LADDER, at_level
from picar.camera.sources import Order
from picar.camera.sources import test as card
from tests.camera.orders import order

ORDER = order("test")


def clock_of(jpeg: bytes) -> int:
    """Return the milliseconds that a picture shows."""
    picture = Image.open(io.BytesIO(jpeg)).convert("L")
    bits = 0
    for left, top, right, bottom in card.fields(picture.size):
        level = picture.getpixel(((left + right) // 2, (top + bottom) // 2))
        assert isinstance(level, int)
        assert not 80 < level < 175
        bits = bits << 1 | (level > 127)
    return bits


@pytest.mark.parametrize("level", range(len(LADDER)))
@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720)])
def test_the_clock_is_read_to_the_millisecond(level: int, size: tuple[int, int]) -> None:
    at, quality = at_level(level, size, 50)
    source = card.open(ORDER | {"size": at, "quality": quality})
    before = time.time_ns() // 1_000_000
    picture = source.next()
    after = time.time_ns() // 1_000_000
    assert (picture.width, picture.height) == Image.open(io.BytesIO(picture.jpeg)).size == at
    assert before % 2**32 <= clock_of(picture.jpeg) <= after % 2**32


def test_it_keeps_to_its_rate_and_a_late_picture_delays_no_other() -> None:
    source = card.open(ORDER | {"fps": 20})
    began = time.monotonic()
    for _ in range(5):
        source.next()
    assert time.monotonic() - began >= 0.2
    time.sleep(0.5)
    late = time.monotonic()
    source.next()
    source.next()
    assert time.monotonic() - late >= 0.05


def test_size_quality_and_rate_change_while_it_runs() -> None:
    source = card.open(ORDER)
    good = source.next()
    source.set({"quality": 10})
    assert len(source.next().jpeg) < len(good.jpeg)
    source.set({"size": (320, 240), "fps": 60})
    assert source.next()[2:] == (320, 240)
    source.set(Order())
    source.close()
    assert card.cameras()[0].trouble is None
