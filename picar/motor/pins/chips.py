"""Which GPIO chip has the header's lines, asked of the kernel itself.

Chip numbers differ between models and kernels; the label of the header's chip does not. lgpio could tell
it too, but takes 100 ms to close each chip that it has opened.
"""

from __future__ import annotations

import fcntl
import os
import struct

from picar.errors import BackendError
from picar.motor.pins.lock import may_use

_NUMBERS = range(16)
_GET_INFO = 0x8044B401  # GPIO_GET_CHIPINFO_IOCTL of <linux/gpio.h>, the same on every Raspberry Pi
_INFO = struct.Struct("32s32sI")  # struct gpiochip_info: name, label, lines


def header_chip() -> int:
    """Return the number of the chip whose lines are on the header.

    Raises:
        BackendError: there is none, or it may not be used.
    """
    denied = None
    for number in _NUMBERS:
        device = f"/dev/gpiochip{number}"
        try:
            if label(device).startswith("pinctrl-"):
                return number
        except PermissionError:
            denied = denied or device
        except OSError:
            continue
    if denied:
        raise BackendError(f"no permission for {denied}. {may_use('gpio')}")
    raise BackendError("no GPIO chip of a Raspberry Pi is here (none has a label that begins with pinctrl-).")


def label(device: str) -> str:
    """Return what the kernel calls a chip; OSError when there is none or it may not be used."""
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)  # as lgpio opens it
    try:
        info = fcntl.ioctl(fd, _GET_INFO, bytes(_INFO.size))
    finally:
        os.close(fd)
    return str(_INFO.unpack(info)[1].rstrip(b"\0"), "ascii", "replace")
