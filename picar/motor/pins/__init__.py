"""The seam between the bridge and a GPIO library: what a backend must do, and which one to take.

One module for each library, named like the backend, with `open_pins(wiring)`; it alone imports its
library, and only when opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from picar.config import L298NConfig
from picar.errors import BackendError

_MODEL_FILE = Path("/proc/device-tree/model")


class Pin(Protocol):
    """One claimed output."""

    def set(self, value: float) -> None:
        """Set a level (0 or 1) on an output, a duty cycle in [0, 1] on a PWM pin."""
        ...


class Pins(Protocol):
    """A backend: claims pins of the header by BCM number.

    A claim makes the pin an output that is low. Every call raises `PinError` when misused, `PinsBusy`
    when another process has the pin.
    """

    def output(self, bcm: int) -> Pin:
        """Claim a pin for levels."""
        ...

    def pwm(self, bcm: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle at `hz`."""
        ...

    def close(self) -> None:
        """Drive every claimed pin low and leave it an output: a floating enable may run the motor."""
        ...


Opener = Callable[[L298NConfig], Pins]

IMPLEMENTED = ("sim", "mock")


def backend(name: str) -> Opener:
    """Import a backend's module and return the function that opens its pins.

    Raises:
        BackendError: this version does not have it.
    """
    if name not in IMPLEMENTED:
        raise BackendError(
            f"--pins {name}: this version of picar has no {name} backend yet. Use one of: {', '.join(IMPLEMENTED)}."
        )
    module = importlib.import_module(f"picar.motor.pins.{name}")
    return cast("Opener", module.open_pins)


def choose(name: str, model: str | None) -> str:
    """Return the backend to use: `name` itself, or what `auto` means on this machine.

    Args:
        name: from the configuration.
        model: of the Raspberry Pi, None elsewhere.

    Raises:
        BackendError: this is a Pi, and no backend for it works; a simulated car here would be a lie.
    """
    if name != "auto":
        return name
    if model is None:
        return "sim"
    raise BackendError(
        f"This is a {model}, and this version of picar has no backend for real pins yet. "
        "Update picar; to drive a simulated car here, start it with --pins sim."
    )


def raspberry_pi_model(path: Path = _MODEL_FILE) -> str | None:
    """Return the model's name, or None on any other machine."""
    try:
        model = path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return None
    return model if "Raspberry Pi" in model else None
