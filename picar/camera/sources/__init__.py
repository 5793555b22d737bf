"""The seam between the camera process and a camera: the duties of a source, its faults, and their sentences.

Each source has one module here, named like the value of `source` under [camera], with two functions:

- `open(order) -> Source` opens the camera of an order;
- `cameras() -> list[Camera]` lists the cameras that this source could open; it opens a camera for a moment at most.

`load` imports the module, and only the module imports its library. The source `auto` chooses among the others.

Laws:
- `Trouble` is the only exception that leaves a source on purpose. Any other exception ends the camera process.
- A source keeps the newest picture only: no queue is longer than one.
- No call blocks for more than 2 s.
"""

from __future__ import annotations

import importlib
import io
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict, cast

from picar.errors import PicarError
from picar.program import command

NS = 1_000_000_000
PATIENCE_S = 2.0
OUT_OF_MEMORY = (
    "The camera needed more than 400 MB and was ended. Choose a smaller size under [camera] in picar.toml."
)
_OF_DEBIAN = Path("/usr/lib/python3/dist-packages/picamera2")


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
    cameras: bool  # list the cameras instead; the only key then


class Picture(NamedTuple):
    """One picture."""

    jpeg: bytes
    captured_ns: int  # CLOCK_MONOTONIC
    width: int
    height: int


class Camera(NamedTuple):
    """A camera that was found. `trouble` is the reason why it cannot be used."""

    source: str
    device: str  # a value for `device` under [camera]; empty if the source has only one
    card: str
    trouble: Trouble | None = None


class Source(Protocol):
    """An open camera."""

    card: str  # its name, for people
    upright: (
        bool  # the pictures have the order's `rotation` and `mirror` already; else the viewer applies them
    )

    def next(self) -> Picture | None:
        """Wait for the next picture at the order's pace, and return the newest, or None after 2 s without one.

        Raises:
            Trouble: the camera sends no more pictures.
        """

    def set(self, order: Order) -> None:
        """Take over the keys of an order that can change while the camera is open; ignore the others."""

    def close(self) -> None:
        """Release the camera."""


class Drawn:
    """A source that draws its pictures with Pillow. A picture that came late delays no later one."""

    card = ""
    upright = False
    changes = True  # by itself; otherwise only with an order
    fps = 60  # at most

    def __init__(self, order: Order) -> None:
        self.order = order
        self._due_ns = 0
        self._jpeg = b""

    def draw(self) -> Any:
        """Return a picture of Pillow, for `self.order`."""
        raise NotImplementedError

    def wait(self) -> None:
        """Sleep until the next picture is due."""
        now = time.monotonic_ns()
        time.sleep(max(0, self._due_ns - now) / NS)
        self._due_ns = max(now, self._due_ns) + NS // min(self.fps, self.order["fps"])

    def next(self) -> Picture:
        """Draw the next picture when it is due."""
        self.wait()
        captured_ns = time.monotonic_ns()
        if self.changes or not self._jpeg:
            jpeg = io.BytesIO()
            self.draw().save(jpeg, "JPEG", quality=self.order["quality"])
            self._jpeg = jpeg.getvalue()
        return Picture(self._jpeg, captured_ns, *self.order["size"])

    def set(self, order: Order) -> None:
        """Let an order apply to the next picture."""
        self.order = self.order | order
        self._jpeg = b""

    def close(self) -> None:
        """Do nothing: nothing is open."""


class _Kind(Protocol):
    """The module of a source; both functions may raise `Trouble`."""

    def open(self, order: Order) -> Source: ...
    def cameras(self) -> list[Camera]: ...


def load(name: str) -> _Kind:
    """Import the module of a source, and its library with it.

    Raises:
        Trouble: the library is missing or broken.
    """
    try:
        return cast("_Kind", importlib.import_module(f"{__name__}.{name}"))
    except ModuleNotFoundError as error:
        raise not_installed(error.name) from None
    except Exception as error:  # any: a library built for another version of numpy raises ValueError
        why = f"{type(error).__name__}: {error}"
        sentence = f"The library of the camera does not load ({why}). Install it again."
        raise Trouble("no_library", sentence) from error


def missing(what: str = "No camera was found. Plug it in, then") -> Trouble:
    """Return the fault for a camera that does not exist."""
    return Trouble("missing", f"{what} run: {command('camera --list')}")


def not_installed(library: str | None) -> Trouble:
    """Return the fault for a library that is not installed."""
    pip = f"Run: {sys.prefix}/bin/pip install"
    if library == "PIL":
        return Trouble("no_pillow", f"The picture needs Pillow. {pip} pillow videodev2")
    if library == "videodev2":
        return Trouble("no_library", f"A USB camera needs videodev2. {pip} videodev2")
    if _OF_DEBIAN.exists():
        fix = f"Run: python3 -m venv --system-site-packages --upgrade {sys.prefix}"
        return Trouble("hidden_library", f"picamera2 is installed, but this Python does not see it. {fix}")
    fix = "Run: sudo apt install --no-install-recommends python3-picamera2"
    return Trouble("no_library", f"picamera2 is not installed. {fix}")
