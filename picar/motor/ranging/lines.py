"""Lines of the header as inputs with edges, straight from the kernel: no library, no thread.

Each edge arrives with the kernel's time stamp (CLOCK_MONOTONIC, as `time.monotonic`) at a descriptor for the loop's select.
lgpio has the same edges, but a thread that polls them every 0.5 ms, and a FIFO in its working directory (lgpio 0.2.2,
lgPthAlerts.c, lgNotify.c); and a car with another library would have to load it.

Source: <linux/gpio.h>, version 2 of the interface, since Linux 5.10.
"""

from __future__ import annotations

import fcntl
import os
import struct

from picar.motor.pins.library import header_chip, refusal
from picar.tuples import NamedTuple

_GET_LINE = 0xC250B407  # GPIO_V2_GET_LINE_IOCTL
_GET_VALUES = 0xC010B40E
_SET_VALUES = 0xC010B40F
_REQUEST = struct.Struct("=64I32sQI20x240sII20xi")  # struct gpio_v2_line_request
_ATTRIBUTE = struct.Struct("=II I4x Q")  # struct gpio_v2_line_config_attribute with a debounce period
_VALUES = struct.Struct("=QQ")  # struct gpio_v2_line_values: bits, mask
EVENT = struct.Struct("=QIIII24x")  # struct gpio_v2_line_event: time in ns, id, offset, two counters
RISING, FALLING = 1, 2  # of id
INPUT, OUTPUT = 1 << 2, 1 << 3
EDGES = 1 << 4 | 1 << 5
PULL_UP, PULL_DOWN = 1 << 8, 1 << 9
_DEBOUNCE = 3  # GPIO_V2_LINE_ATTR_ID_DEBOUNCE
_EVENTS = 16  # the kernel keeps so many for a line


class Edge(NamedTuple):
    """A change of a line: its time in s of `time.monotonic`, and the level after it."""

    at: float
    level: int


class Line:
    """A claimed line. The kernel frees it with the end of the process.

    Args:
        fd: its descriptor, non-blocking.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def claim(cls, pin: int | str, flags: int, debounce_us: int = 0) -> Line:
        """Claim a line of the header; an output is low.

        Raises:
            BackendError: there is no header, no permission, or another program has the line.
            ValueError: the pin is "none".
        """
        attributes = _ATTRIBUTE.pack(_DEBOUNCE, 0, debounce_us, 1) if debounce_us else b""
        offsets = (int(pin), *(0,) * 63)
        count = 1 if debounce_us else 0
        request = _REQUEST.pack(*offsets, b"picar", flags, count, attributes, 1, _EVENTS, 0)
        chip = os.open(f"/dev/gpiochip{header_chip()}", os.O_RDWR | os.O_CLOEXEC)
        try:
            fd = _REQUEST.unpack(fcntl.ioctl(chip, _GET_LINE, request))[-1]
        except OSError as error:
            raise refusal(error, f"GPIO {pin}", f"GPIO {pin} cannot be claimed ({error.strerror})") from None
        finally:
            os.close(chip)
        os.set_blocking(fd, False)
        return cls(fd)

    def fileno(self) -> int:
        """Return the descriptor, readable when there is an edge."""
        return self._fd

    def set(self, level: int) -> None:
        """Set the level of an output."""
        fcntl.ioctl(self._fd, _SET_VALUES, _VALUES.pack(level, 1))

    def level(self) -> int:
        """Return the level of an input, after its debounce."""
        return int(_VALUES.unpack(fcntl.ioctl(self._fd, _GET_VALUES, _VALUES.pack(0, 1)))[0] & 1)

    def edges(self) -> list[Edge]:
        """Return the edges that have arrived."""
        try:
            data = os.read(self._fd, _EVENTS * EVENT.size)
        except BlockingIOError:
            return []
        return [Edge(ns / 1e9, int(kind == RISING)) for ns, kind, *_ in EVENT.iter_unpack(data)]
