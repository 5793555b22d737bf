"""The choice of a camera on a machine with real pins: the Pi's own, else the first USB camera."""

from __future__ import annotations

from picar.camera.sources import Order, Source, Trouble, load
from picar.raspberrypi import raspberry_pi_model

_NAMES = ("picamera2", "usb")


def open(order: Order) -> Source:
    """Open the first camera that works.

    Raises:
        Trouble: no camera works. It is the fault of a camera that exists, if there is one.
    """
    device = order["device"]
    if device != "auto":
        return load("picamera2" if device.isdecimal() else "usb").open(order)
    troubles = []
    for name in _NAMES:
        try:
            return load(name).open(order)
        except Trouble as trouble:
            troubles.append(trouble)
    raise min(troubles, key=_insignificance)


def _insignificance(trouble: Trouble) -> int:
    """Return 0 for the fault of a camera that was found, more for the others."""
    if trouble.code in ("no_library", "hidden_library"):
        return 1 if raspberry_pi_model() else 3
    return 2 if trouble.code == "missing" else 0
