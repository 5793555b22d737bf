"""An I2C bus of this machine, by the SMBus calls of the kernel (<linux/i2c-dev.h>): nothing to install.

Law: no call waits longer than `TIMEOUT_S` for a bus that a broken wire or device holds, and none is repeated.
"""

from __future__ import annotations

import errno
import os
import struct
from array import array
from fcntl import ioctl

from picar.errors import BackendError, may_use

DEVICE = "/dev/i2c-{}"
# Of the whole adapter; the kernel's own is 1 s, twice the time after which the car must stop.
TIMEOUT_S = 0.05
_RETRIES, _TIMEOUT, _SLAVE, _SMBUS = 0x0701, 0x0702, 0x0703, 0x0720  # the time-out is in units of 10 ms
_WRITE, _READ = 0, 1
_BYTE_DATA, _I2C_BLOCK_DATA = 2, 8
_BLOCK_BYTES = 32
_CALL = struct.Struct("BBIP")  # struct i2c_smbus_ioctl_data: direction, register, kind, address of the data
# No device has acknowledged: each driver has its own error.
_SILENT = (errno.ENXIO, errno.EREMOTEIO, errno.ENODEV)
_HELD = (errno.ETIMEDOUT, errno.EAGAIN, errno.EIO)


class Bus:
    """An open bus.

    Args:
        number: of `/dev/i2c-N`.

    Raises:
        BackendError: I2C is off, or this user may not use it. The methods raise it when a device does not answer.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._address: int | None = None
        device = DEVICE.format(number)
        try:
            self._fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            fix = "Switch it on: sudo raspi-config nonint do_i2c 0, then reboot."
            raise BackendError(f"I2C is off: there is no {device}. {fix}") from None
        except OSError as error:
            raise BackendError(f"{device}: {error.strerror}. {may_use('i2c')}") from None
        ioctl(self._fd, _TIMEOUT, round(TIMEOUT_S * 100))
        ioctl(self._fd, _RETRIES, 0)

    def read(self, address: int, register: int) -> int:
        """Return the byte in a register of a device."""
        return self._call(address, _READ, register, _BYTE_DATA, array("B", bytes(2)))[0]

    def write(self, address: int, register: int, *values: int) -> None:
        """Write a byte into a register, or up to 32 into the registers from this one on, as one transaction."""
        if len(values) == 1:
            self._call(address, _WRITE, register, _BYTE_DATA, array("B", values))
        else:
            assert len(values) <= _BLOCK_BYTES
            self._call(address, _WRITE, register, _I2C_BLOCK_DATA, array("B", (len(values), *values)))

    def close(self) -> None:
        """Close the bus."""
        os.close(self._fd)

    def _call(self, address: int, direction: int, register: int, kind: int, data: array[int]) -> array[int]:
        data.extend(bytes(_BLOCK_BYTES + 2 - len(data)))  # the kernel may copy the whole union i2c_smbus_data
        try:
            if address != self._address:
                ioctl(self._fd, _SLAVE, address)
                self._address = address
            ioctl(self._fd, _SMBUS, _CALL.pack(direction, register, kind, data.buffer_info()[0]))
        except OSError as error:
            raise BackendError(self._sentence(address, error)) from None
        return data

    def _sentence(self, address: int, error: OSError) -> str:
        device, bus = f"0x{address:02x}", f"I2C bus {self._number}"
        if error.errno in _SILENT:
            return f"No device answers at {device} on {bus}. Check the wires and the address: i2cdetect -y {self._number}"
        if error.errno in _HELD:
            return f"{bus} is held or disturbed ({error.strerror}). Check the wires of every device on it."
        if error.errno == errno.EBUSY:
            return f"A driver of the kernel has the device at {device} on {bus}. Remove its dtoverlay from config.txt."
        return f"The device at {device} on {bus}: {error.strerror}."
