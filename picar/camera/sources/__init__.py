"""The seam between the camera process and a camera: the duties of a source, its faults, and their sentences.

Each source has one module here, named like the value of `source` under [camera], with two functions:

- `open(order) -> Source` opens the camera of an order;
- `cameras() -> list[Camera]` lists the cameras that this source could open; it opens none for longer than a moment.

The camera process imports the module when it needs it, and only the module imports its library.

Laws:
- `Trouble` is the only exception that leaves a source on purpose. Any other exception ends the camera process.
- A source keeps the newest picture or none: no queue longer than one.
- No call blocks for more than 2 s.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import NamedTuple, Protocol, TypedDict

from picar.errors import PicarError

NS = 1_000_000_000
SOURCES = ("picamera2", "usb", "sim", "test")  # one module each
SIZES = ((320, 240), (480, 360), (640, 480), (800, 600), (1280, 720))  # that [camera] size may name


class Trouble(PicarError, RuntimeError):
    """A fault of the camera: a stable code, and a sentence with the fix."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Order(TypedDict, total=False):
    """What the server wants. The first order has every key but `pose`; a later one has only those that change.

    The camera process translates `level` of the quality ladder into `size` and `quality`, so a source looks at these two
    alone. A source that cannot change one of them ignores it, and reports the size of each picture as it is.
    """

    source: str
    device: str  # "auto", a path, or the number of a picamera2 camera
    size: tuple[int, int]  # width and height in pixels
    fps: int  # pictures a second, at most
    quality: int  # of the JPEG, 10 to 90, at most
    rotation: int  # 0 or 180
    mirror: bool  # left and right exchanged
    night: bool  # long exposures
    level: int  # of the quality ladder, 0 is the best
    pose: tuple[float, float, float]  # of the simulated car: x and y in metres, heading in radians


class Picture(NamedTuple):
    """One picture."""

    jpeg: bytes
    captured_ns: int  # CLOCK_MONOTONIC
    width: int
    height: int


class Source(Protocol):
    """An open camera."""

    @property
    def card(self) -> str:
        """The camera's name, for people."""

    @property
    def upright(self) -> bool:
        """Whether the pictures have the order's `rotation` and `mirror` already; else the viewer applies them."""

    def next(self) -> Picture:
        """Wait for the next picture at the order's pace, and return the newest.

        Raises:
            Trouble: there will be none.
        """

    def set(self, order: Order) -> None:
        """Take over the keys of an order that can change while the camera is open; ignore the others."""

    def close(self) -> None:
        """Release the camera."""


class Camera(NamedTuple):
    """A camera that was found. `trouble` is the reason why it cannot be used, None if it can."""

    source: str
    device: str  # a value for `device` under [camera]; empty if the source has only one
    card: str
    trouble: Trouble | None = None


class Pace:
    """Lets a source that makes its own pictures keep to a rate. A picture that came late delays no later one.

    Args:
        fps: pictures a second.
    """

    def __init__(self, fps: int) -> None:
        self.fps = fps
        self._due_ns = 0

    def wait(self) -> None:
        """Sleep until the next picture is due."""
        now = time.monotonic_ns()
        if now < self._due_ns:
            time.sleep((self._due_ns - now) / NS)
        self._due_ns = max(now, self._due_ns) + NS // self.fps


def need_pillow() -> None:
    """Raise `Trouble` if Pillow is not installed; do not import it."""
    if importlib.util.find_spec("PIL") is None:
        pip = f"{sys.prefix}/bin/pip"
        raise Trouble("no_pillow", f"The picture needs Pillow. Run: {pip} install pillow videodev2")
