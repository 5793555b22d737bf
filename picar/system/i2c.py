"""An I2C bus, by the SMBus calls of the kernel (<linux/i2c-dev.h>): no package is needed.

Law: no call waits longer than 50 ms for a bus that is held, and no call is repeated.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from array import array
from fcntl import ioctl

from picar.errors import BackendError, may_use

DEVICE = "/dev/i2c-{}"
_RETRIES, _TIMEOUT, _SLAVE, _SMBUS = 0x0701, 0x0702, 0x0703, 0x0720
_TIMEOUT_10MS = 2  # of a call, which takes 3 ms at most at 100 kHz; the kernel's own is 1 s, twice the time after which the car must stop
_WRITE, _READ, _BYTE_DATA, _WORD_DATA, _I2C_BLOCK_DATA = 0, 1, 2, 3, 8
_CALL = struct.Struct("BBIP")  # struct i2c_smbus_ioctl_data: direction, register, kind, address of the data
_DATA_BYTES = 34  # union i2c_smbus_data
_SILENT = (errno.ENXIO, errno.EREMOTEIO, errno.ENODEV)  # no acknowledgement; the error depends on the driver


class Bus:
    """An open bus. Opening and calls raise `BackendError`: I2C is off, not permitted, or does not answer.

    Args:
        number: of the bus.
        section: of the configuration, for the fix.
    """

    def __init__(self, number: int, section: str = "board") -> None:
        self._number, device = number, DEVICE.format(number)
        try:
            self._fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            fix = "Switch it on: sudo raspi-config nonint do_i2c 0, then reboot."
            if number != 1:
                fix = f"Set bus under [{section}] to one of this machine, or add the overlay for bus {number} to config.txt."
            raise BackendError(f"I2C is off: there is no {device}. {fix}") from None
        except OSError as error:
            raise BackendError(f"{device}: {error.strerror}. {may_use('i2c')}") from None
        with contextlib.suppress(OSError):  # an adapter without them has its own
            ioctl(self._fd, _TIMEOUT, _TIMEOUT_10MS)
            ioctl(self._fd, _RETRIES, 0)

    def read(self, address: int, register: int) -> int:
        """Return the byte in a register of a device."""
        return self._call(address, _READ, register, _BYTE_DATA)[0]

    def read_word(self, address: int, register: int) -> int:
        """Return the two bytes of a register; the first byte that the device sends is the high one."""
        high, low, *_ = self._call(address, _READ, register, _WORD_DATA)  # a Pi is little-endian
        return high << 8 | low

    def write(self, address: int, register: int, *values: int) -> None:
        """Write one byte, or up to 32 into the registers from this one on, as one transaction."""
        if len(values) == 1:
            self._call(address, _WRITE, register, _BYTE_DATA, *values)
        else:
            self._call(address, _WRITE, register, _I2C_BLOCK_DATA, len(values), *values)

    def close(self) -> None:
        """Close the bus."""
        os.close(self._fd)

    def _call(self, address: int, direction: int, register: int, kind: int, *values: int) -> array[int]:
        data = array("B", bytes(values).ljust(_DATA_BYTES, b"\0"))
        try:
            ioctl(self._fd, _SLAVE, address)
            ioctl(self._fd, _SMBUS, _CALL.pack(direction, register, kind, data.buffer_info()[0]))
        except OSError as error:
            bus = f"I2C bus {self._number}"
            if error.errno in _SILENT:
                fix = f"Check the wires and the address: i2cdetect -y {self._number}"
                raise BackendError(f"No device answers at 0x{address:02x} on {bus}. {fix}") from None
            if error.errno == errno.EBUSY:
                fix = "Remove its dtoverlay from config.txt, then reboot."
                raise BackendError(
                    f"A driver of the kernel has the device at 0x{address:02x} on {bus}. {fix}"
                ) from None
            fix = "Check the wires of every device on it."
            raise BackendError(f"{bus} is held or disturbed ({error.strerror}). {fix}") from None
        return data
