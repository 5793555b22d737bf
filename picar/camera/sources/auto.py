"""The choice of a camera on a machine with real pins: the Pi's own, else the first USB camera."""

from __future__ import annotations

from picar.camera.sources import Order, Source, Trouble, load
from picar.raspberrypi import raspberry_pi_model


def open(order: Order) -> Source:
    """Open the first camera that works.

    Raises:
        Trouble: no camera works. It is the fault of a camera that exists, if there is one.
    """
    device, troubles = order["device"], []
    for name in ("picamera2", "usb"):
        if device == "auto" or device.isdecimal() == (name == "picamera2"):
            try:
                return load(name).open(order)
            except Trouble as trouble:
                troubles.append(trouble)
    matters = {"missing": 2, "no_library": 1, "hidden_library": 1}
    if not raspberry_pi_model():
        matters |= {"no_library": 3, "hidden_library": 3}
    raise min(troubles, key=lambda trouble: matters.get(trouble.code, 0))
