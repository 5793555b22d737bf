"""An I2C bus in a folder, with PCA9685 chips and battery meters that any number of processes use, and that outlive them.

It stands below picar.system.i2c: a file for each device of /dev, and the ioctl calls of <linux/i2c-dev.h>. `sitecustomize.py`
installs it in every Python that has this folder on PYTHONPATH, where the environment names the bus (`I2cBus.env`).

The bus can be held (each call fails with a time-out, after the time that the adapter has been given), or hang (no call returns);
a chip can restart, and be pulled out. `transactions` has each call with its time, `time.monotonic()` of its end, also those that failed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "PICAR_FAKE_I2C"
PWM_VARIABLE = "PICAR_FAKE_PWM"
RETRIES, TIMEOUT, SLAVE, SMBUS = 0x0701, 0x0702, 0x0703, 0x0720
BYTE_DATA, WORD_DATA, I2C_BLOCK_DATA = 2, 3, 8
DEFAULT_TIMEOUT_S = 1.0  # of the kernel
CALL = struct.Struct("BBIP")
MODE1, LED0, ALL_LED, PRESCALE = 0x00, 0x06, 0xFA, 0xFE
RESTART, AUTO_INCREMENT, SLEEP = 0x80, 0x20, 0x10
FULL = 0x10
CHANNELS = range(16)
HZ = 25_000_000 / 4096


def power_on() -> bytes:
    """Return the registers of a chip that has just got its supply."""
    registers = bytearray(256)
    registers[:6] = 0x11, 0x04, 0xE2, 0xE4, 0xE8, 0xE0
    for channel in CHANNELS:
        registers[LED0 + 4 * channel + 3] = FULL
    registers[PRESCALE] = 0x1E
    return bytes(registers)


class Transaction(NamedTuple):
    """One transaction: `op` is read or write, `error` the errno of a failed one, 0 otherwise."""

    t: float
    address: int
    op: str
    register: int
    values: tuple[int, ...]
    error: int

    @property
    def size(self) -> int:
        """The bytes on the wires; a read repeats the address."""
        return len(self.values) + (2 if self.op == "write" else 3)


class Pca9685:
    """One chip: its registers, and what its channels do."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def is_present(self) -> bool:
        """Whether the chip is on the bus."""
        return self._file.exists()

    def connect(self) -> None:
        """Put the chip on the bus, with its supply."""
        self._file.write_bytes(power_on())

    def brown_out(self) -> None:
        """Let the supply fail for a moment."""
        self.connect()

    def disconnect(self) -> None:
        """Take the chip off the bus."""
        self._file.unlink()

    @property
    def registers(self) -> bytes:
        """All 256 of them."""
        return self._file.read_bytes()

    @property
    def hz(self) -> float:
        """The frequency of all channels."""
        return HZ / (self.registers[PRESCALE] + 1)

    @property
    def is_asleep(self) -> bool:
        """Whether the oscillator stands still: no channel drives."""
        return bool(self.registers[MODE1] & SLEEP)

    def duty(self, channel: int) -> float:
        """Return the share of the time in which a channel is high; 1 is a level without a pulse."""
        registers = self.registers
        on_low, on_high, off_low, off_high = registers[LED0 + 4 * channel : LED0 + 4 * channel + 4]
        if registers[MODE1] & SLEEP or off_high & FULL:
            return 0.0
        if on_high & FULL:
            return 1.0
        on, off = on_low | on_high << 8, off_low | off_high << 8
        return (off - on) % 4096 / 4096

    @property
    def duties(self) -> list[float]:
        """The duty of each channel."""
        return [self.duty(channel) for channel in CHANNELS]

    def pulse_us(self, channel: int) -> float:
        """Return the length of a channel's pulses."""
        return self.duty(channel) * 1e6 / self.hz

    def read(self, register: int) -> int:
        """Answer a read."""
        return self.registers[register]

    def write(self, register: int, values: list[int]) -> None:
        """Obey a write, which counts when it has ended."""
        registers = bytearray(self.registers)
        for value in values:
            self._put(registers, register, value)
            if registers[MODE1] & AUTO_INCREMENT:
                register = (register + 1) % 256
        fd = os.open(self._file, os.O_WRONLY)
        os.pwrite(fd, registers, 0)
        os.close(fd)

    @staticmethod
    def _put(registers: bytearray, register: int, value: int) -> None:
        if register == MODE1:
            restart = registers[MODE1] & RESTART & ~value  # writing a 1 clears it
            if value & SLEEP and not registers[MODE1] & SLEEP and any(_runs(registers, n) for n in CHANNELS):
                restart = RESTART
            registers[MODE1] = value & ~RESTART | restart
        elif register == PRESCALE:
            if registers[MODE1] & SLEEP:
                registers[PRESCALE] = max(value, 3)
        elif ALL_LED <= register < ALL_LED + 4:
            for channel in CHANNELS:
                registers[LED0 + 4 * channel + register - ALL_LED] = value
            registers[MODE1] &= ~RESTART
        else:
            registers[register] = value
            if register >= LED0:
                registers[MODE1] &= ~RESTART


def _runs(registers: bytearray, channel: int) -> bool:
    return not registers[LED0 + 4 * channel + 3] & FULL


# How a battery meter reports a voltage at its input: register, and the word in it.
METERS: dict[str, tuple[int, Callable[[float], int]]] = {
    "ina219": (0x02, lambda volts: round(volts / 4e-3) << 3),
    "ina226": (0x02, lambda volts: round(volts / 1.25e-3)),
    "ads1115": (0x00, lambda volts: round(volts / 125e-6) & 0xFFFF),
    "max17048": (0x02, lambda volts: round(volts / 78.125e-6)),
}


class BatteryMeter:
    """A meter with registers of two bytes, the high one first."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def is_present(self) -> bool:
        """Whether the meter is on the bus."""
        return self._file.exists()

    def disconnect(self) -> None:
        """Take the meter off the bus."""
        self._file.unlink()

    def measure(self, source: str, volts: float) -> None:
        """Put the meter on the bus, if it is not, with this voltage at its input."""
        register, word_of = METERS[source]
        words = self.words | {register: word_of(volts)}
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(words))
        new.replace(self._file)

    @property
    def words(self) -> dict[int, int]:
        """The registers that have a value."""
        text = self._file.read_text() if self.is_present else "{}"
        return {int(register): word for register, word in json.loads(text).items()}

    def read(self, register: int) -> int:
        """Return the word in a register."""
        return self.words[register]

    def write(self, register: int, values: list[int]) -> None:
        """Take the two bytes of a register."""
        high, low = values
        self._file.write_text(json.dumps(self.words | {register: high << 8 | low}))


class I2cBus:
    """A bus in a folder.

    Args:
        folder: exists.
        number: of the bus.
    """

    def __init__(self, folder: Path, number: int = 1) -> None:
        self.folder, self.number = folder, number
        self.env = {VARIABLE: str(folder)}
        self.device.touch()

    @classmethod
    def here(cls) -> I2cBus:
        """Return the one of this process."""
        return cls(Path(os.environ[VARIABLE]))

    @property
    def device(self) -> Path:
        """The file in the place of /dev/i2c-N."""
        return self.folder / f"i2c-{self.number}"

    def chip(self, address: int = 0x40) -> Pca9685:
        """Return a chip, which may be connected or not."""
        return Pca9685(self.folder / f"chip-{address:02x}")

    def meter(self, address: int) -> BatteryMeter:
        """Return a battery meter, which may be connected or not."""
        return BatteryMeter(self.folder / f"meter-{address:02x}")

    def hang(self) -> None:
        """Let no call return from now on."""
        self._hung.touch()

    def hold(self) -> None:
        """Let a device or a short circuit hold the bus."""
        self._held.touch()

    def release(self) -> None:
        """End `hold`."""
        self._held.unlink()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the bus in this block."""
        self.hold()
        yield
        self.release()

    @property
    def transactions(self) -> list[Transaction]:
        """Everything since the last `forget`."""
        file = self.folder / "transactions"
        lines = file.read_text().splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines]
        return [
            Transaction(t, address, op, register, tuple(values), error)
            for t, address, op, register, values, error in found
        ]

    def forget(self) -> None:
        """Forget the transactions so far."""
        (self.folder / "transactions").unlink(missing_ok=True)

    def settings(self) -> dict[str, int]:
        """Return what the adapter was told: its time-out in units of 10 ms, its retries."""
        file = self.folder / "settings"
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def install(self, patch: Callable[[Any, str, Any], None] = setattr) -> None:
        """Let the `Bus` of this process use this one. `patch` sets an attribute."""
        from picar.system import i2c

        patch(i2c, "DEVICE", str(self.folder / "i2c-{}"))
        patch(i2c, "ioctl", _Adapter(self).ioctl)

    @property
    def _held(self) -> Path:
        return self.folder / "held"

    @property
    def _hung(self) -> Path:
        return self.folder / "hung"

    def tell(self, name: str, value: int) -> None:
        """Remember a setting of the adapter."""
        (self.folder / "settings").write_text(json.dumps(self.settings() | {name: value}))

    def transfer(self, address: int, op: str, register: int, values: list[int]) -> int:
        """Carry out a transaction. Returns the byte, or of a meter the word, of a read."""
        error, answer = 0, 0
        meter = self.meter(address)
        chip = meter if meter.is_present else self.chip(address)
        while self._hung.exists():
            time.sleep(0.01)
        if self._held.exists():
            time.sleep(self.settings().get("timeout", DEFAULT_TIMEOUT_S * 100) / 100)
            error = errno.ETIMEDOUT
        elif not chip.is_present:
            error = errno.EREMOTEIO
        else:
            with self._alone():
                if op == "read":
                    answer = chip.read(register)
                    values = [answer]
                else:
                    chip.write(register, values)
        self._note(time.monotonic(), address, op, register, values, error)
        if error:
            raise OSError(error, os.strerror(error))
        return answer

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes off the bus, as an adapter does."""
        fd = os.open(self.device, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
        os.close(fd)

    def _note(self, *values: object) -> None:
        fd = os.open(self.folder / "transactions", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, (json.dumps(values) + "\n").encode())
        os.close(fd)


class _Adapter:
    """The calls of one process."""

    def __init__(self, bus: I2cBus) -> None:
        self._bus = bus
        self._addresses: dict[int, int] = {}  # by descriptor

    def ioctl(self, fd: int, request: int, argument: Any) -> int:
        """Do what the kernel does."""
        os.fstat(fd)  # OSError where it is closed
        if request == TIMEOUT:
            self._bus.tell("timeout", argument)
        elif request == RETRIES:
            self._bus.tell("retries", argument)
        elif request == SLAVE:
            assert 0x03 <= argument <= 0x7F
            self._addresses[fd] = argument
        else:
            assert request == SMBUS
            self._transfer(self._addresses[fd], *CALL.unpack(argument))
        return 0

    def _transfer(self, address: int, is_read: int, register: int, kind: int, place: int) -> None:
        data = (ctypes.c_ubyte * 34).from_address(place)
        if is_read and kind == WORD_DATA:
            data[0], data[1] = divmod(self._bus.transfer(address, "read", register, []), 256)
        elif is_read:
            assert kind == BYTE_DATA
            data[0] = self._bus.transfer(address, "read", register, [])
        elif kind == BYTE_DATA:
            self._bus.transfer(address, "write", register, [data[0]])
        else:
            assert kind == I2C_BLOCK_DATA
            assert 1 <= data[0] <= 32
            self._bus.transfer(address, "write", register, list(data[1 : data[0] + 1]))
