"""SMBus calls on a bus: what reaches a device, how long a held bus can take, and a sentence for each error."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from picar.errors import BackendError
from picar.system import i2c
from picar.system.i2c import Bus
from tests.fakes.i2c_chip import I2cBus


@pytest.fixture
def wires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> I2cBus:
    """A bus with one device, at 0x40."""
    bus = I2cBus(tmp_path)
    bus.install(monkeypatch.setattr)
    bus.chip(0x40).connect()
    return bus


def test_a_byte_that_is_written_is_read(wires: I2cBus) -> None:
    bus = Bus(1)
    bus.write(0x40, 0x06, 0xA5)
    assert bus.read(0x40, 0x06) == 0xA5
    assert bus.read(0x40, 0x01) == 0x04
    assert [(t.address, t.op, t.register, t.values) for t in wires.transactions] == [
        (0x40, "write", 0x06, (0xA5,)),
        (0x40, "read", 0x06, (0xA5,)),
        (0x40, "read", 0x01, (0x04,)),
    ]


@pytest.mark.parametrize("count", [2, 4, 31, 32])
def test_several_bytes_are_one_transaction(wires: I2cBus, count: int) -> None:
    bus, values = Bus(1), tuple(range(1, count + 1))
    bus.write(0x40, 0x00, 0x21)
    bus.write(0x40, 0x06, *values)
    assert [t.values for t in wires.transactions] == [(0x21,), values]
    assert wires.chip().registers[6 : 6 + count] == bytes(values)


def test_each_device_gets_its_own_bytes(wires: I2cBus) -> None:
    wires.chip(0x60).connect()
    bus = Bus(1)
    for address, value in ((0x40, 1), (0x60, 2), (0x60, 3), (0x40, 4)):
        bus.write(address, 0x06, value)
    assert [wires.chip(address).registers[6] for address in (0x40, 0x60)] == [4, 3]


def test_the_adapter_gives_up_soon_and_tries_once(wires: I2cBus) -> None:
    Bus(1)
    assert wires.settings() == {"timeout": 2, "retries": 0}


def test_a_held_bus_is_an_error_within_the_time_out(wires: I2cBus) -> None:
    bus = Bus(1)
    with wires.held():
        before = time.monotonic()
        with pytest.raises(BackendError, match=r"^I2C bus 1 is held or disturbed .* Check the wires"):
            bus.write(0x40, 0x06, 1)
        assert 0.02 <= time.monotonic() - before < 0.5
    bus.write(0x40, 0x06, 1)
    assert [t.error for t in wires.transactions] == [errno.ETIMEDOUT, 0]


def test_a_device_that_is_not_there_is_named(wires: I2cBus) -> None:
    with pytest.raises(BackendError, match=r"^No device answers at 0x41 on I2C bus 1\..*: i2cdetect -y 1$"):
        Bus(1).read(0x41, 0)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENXIO, "No device answers at 0x40 on I2C bus 1."),
        (errno.EREMOTEIO, "No device answers"),
        (errno.ENODEV, "No device answers"),
        (errno.ETIMEDOUT, "I2C bus 1 is held or disturbed"),
        (errno.EAGAIN, "I2C bus 1 is held or disturbed"),
        (errno.EIO, "I2C bus 1 is held or disturbed"),
        (errno.EBUSY, "A driver of the kernel has the device at 0x40 on I2C bus 1."),
    ],
)
def test_each_error_of_the_kernel_is_a_sentence(
    wires: I2cBus, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    bus = Bus(1)

    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(i2c, "ioctl", fail)
    with pytest.raises(BackendError) as refused:
        bus.write(0x40, 0, 1)
    assert str(refused.value).startswith(sentence)


def test_a_machine_without_i2c_names_the_command_that_switches_it_on(wires: I2cBus) -> None:
    with pytest.raises(BackendError, match=r"^I2C is off: there is no .*/i2c-3\. Set bus under \[board\]"):
        Bus(3)
    wires.device.unlink()
    with pytest.raises(
        BackendError, match=r"^I2C is off: there is no .*/i2c-1\. .*raspi-config nonint do_i2c 0"
    ):
        Bus(1)


@pytest.mark.parametrize(("user", "advice"), [(1000, "sudo usermod -aG i2c $USER"), (0, "DeviceAllow=")])
def test_a_bus_without_permission_names_the_group(
    wires: I2cBus, monkeypatch: pytest.MonkeyPatch, user: int, advice: str
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BackendError) as refused:
        Bus(1)
    assert advice in str(refused.value)


def test_a_closed_bus_is_closed(wires: I2cBus) -> None:
    bus = Bus(1)
    bus.close()
    with pytest.raises(BackendError):
        bus.read(0x40, 0)
