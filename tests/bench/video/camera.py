"""The car's camera process with a source of the bench in the place of `test`: `python -m tests.bench.video.camera`.

Each picture has as many bytes as one of noise at its level of the ladder. `device` chooses the source:

steady  no JPEG that can be drawn; needs no Pillow
eater   the same, and a call in C holds the interpreter's lock for most of the time
card    the test card, with bytes after its end
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

from picar.camera import __main__ as process
from picar.camera import sources
from picar.camera.sources import Drawn, Order, Picture, Source

FPS = 30
BYTES = (38_000, 24_000, 17_000, 10_000, 6_000, 3_500)  # by level
EATEN = 2_000_000  # numbers that the eater adds up for a picture: 20 ms of the 33 ms
load_real = sources.load


class Noise(Drawn):
    """Pictures of the right size."""

    card, upright = "bench", True

    def next(self) -> Picture:
        self.wait()
        captured_ns = time.monotonic_ns()
        if self.order["device"] == "eater":
            sum(range(EATEN))
        return Picture(b"\xff\xd8".ljust(BYTES[self.order["level"]]), captured_ns, *self.order["size"])


class Card(Drawn):
    """The test card, as large as noise."""

    card, upright = "bench", True

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._card = load_real("test").open(order)

    def next(self) -> Picture:
        picture = self._card.next()
        assert picture
        return picture._replace(jpeg=picture.jpeg.ljust(BYTES[self.order["level"]], b"\0"))

    def set(self, order: Order) -> None:
        super().set(order)
        self._card.set(order)


def open_source(order: Order) -> Source:
    return Card(order) if order["device"] == "card" else Noise(order)


def load(name: str) -> Any:
    return SimpleNamespace(open=open_source) if name == "test" else load_real(name)


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # as on a car: `go_first` is for the others
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    setattr(process, "load", load)  # noqa: B010
    sys.exit(process.main())
