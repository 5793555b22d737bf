"""picar with a motor HAT on the kernel's own I2C calls: i2c-stub keeps the registers of a chip, gpio-sim the line of OE.

The stub stores bytes and knows no PCA9685: it needs no wake-up, and a write to ALL_LED_OFF_H stays in that register. So a
test clears that register before something that shall switch all channels off, and looks at what is in it afterwards.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.errors import BackendError
from picar.motor.pins.pca9685 import Pca9685Pins
from picar.raspberrypi import CHANNELS
from picar.system.i2c import Bus
from picar.wires import Chip
from tests.fakes.i2c_chip import FULL, LED0, MODE1, PRESCALE
from tests.faults.catalogue import BOTH_DEAD_S, DEATH_S
from tests.gpio_sim.__main__ import STUB_ADDRESS
from tests.gpio_sim.test_lgpio import FAST, SYSFS
from tests.motor.kinds_rig import Form, car, text_of
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

DEVICE = Path("/dev/i2c-0")
MODE2, ALL_LED_OFF_H = 0x01, 0xFD
OE = 5
ON, OFF = (0, FULL, 0, 0), (0, 0, 0, FULL)
FORWARD = {8, 10, 13, 11}  # pwm and in1 of both motors of `HAT`
_TOY = car(Form("tb6612"), "sides", chip="hat", oe=True)
HAT = _TOY._replace(config=_TOY.config.having("board", bus=0))
pytestmark = [
    pytest.mark.gpio_sim,
    pytest.mark.skipif(
        not (SYSFS.exists() and DEVICE.exists()), reason="no i2c-stub; to run this: scripts/test --gpio-sim"
    ),
]


class Registers:
    """The stub, written and read by another descriptor than picar's."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __getitem__(self, register: int) -> int:
        return self._bus.read(STUB_ADDRESS, register)

    def put(self, register: int, value: int) -> None:
        self._bus.write(STUB_ADDRESS, register, value)

    def channel(self, number: int) -> tuple[int, ...]:
        return tuple(self[LED0 + 4 * number + n] for n in range(4))

    def on(self) -> set[int]:
        return {number for number in range(16) if self.channel(number) == ON}

    def off_after(self, since: float, bound_s: float, what: str) -> None:
        """Judge the time from then until OE is high and all channels were switched off; the stub keeps what they had."""
        while not (oe_is_high() and self[ALL_LED_OFF_H] == FULL):
            assert time.monotonic() < since + 20.0, f"OE {oe_is_high()}, register {self[ALL_LED_OFF_H]}"
            time.sleep(bound_s / 50)
        took_s = time.monotonic() - since
        print(f"{what}: off after {took_s * 1000:.0f} ms of {bound_s * 1000:.0f}")
        assert took_s <= bound_s


@pytest.fixture
def registers() -> Iterator[Registers]:
    bus = Bus(0)
    made = Registers(bus)
    for register in range(256):
        made.put(register, 0)
    yield made
    bus.close()


def oe_is_high() -> bool:
    return (SYSFS / f"sim_gpio{OE}/value").read_text().strip() == "1"


@asynccontextmanager
async def driving(registers: Registers) -> AsyncIterator[tuple[Product, Client]]:
    """The HAT with its driver at full throttle."""
    async with Product("lgpio", config=text_of(HAT) + FAST) as product, Client(product.url) as phone:
        assert not registers.on()
        await phone.take()
        phone.hold(1.0)
        await until(lambda: registers.on() == FORWARD, "both motors forward")
        assert not oe_is_high()
        registers.put(ALL_LED_OFF_H, 0)
        yield product, phone


def pins_low(folder: Path) -> tuple[int, str]:
    """Run `picar pins-low`. Returns its exit code and its output."""
    config = folder / "picar.toml"
    config.write_text(text_of(HAT))
    program = [sys.executable, "-m", "picar", "pins-low", "--pins", "lgpio", "--config", str(config)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_bus_writes_bytes_and_blocks_and_misses_a_device(registers: Registers) -> None:
    bus = Bus(0)
    bus.write(STUB_ADDRESS, 0x10, 0xA5)
    bus.write(STUB_ADDRESS, 0x20, *range(32))
    assert (registers[0x10], [registers[0x20 + n] for n in range(33)]) == (0xA5, [*range(32), 0])
    with pytest.raises(BackendError, match="No device answers at 0x41 on I2C bus 0"):
        bus.read(STUB_ADDRESS + 1, 0)
    bus.close()


def test_the_channels_of_a_chip(registers: Registers) -> None:
    pins = Pca9685Pins(Chip(0, STUB_ADDRESS, 50, None), [CHANNELS[3]])
    pins.prepare()
    assert (registers[MODE1], registers[MODE2], registers[PRESCALE]) == (0x21, 0x04, 121)
    assert registers[ALL_LED_OFF_H] == FULL
    level, speed, servo = pins.output(CHANNELS[0]), pins.pwm(CHANNELS[1], 50), pins.pulse(CHANNELS[3])
    for pin, value in ((level, 1), (speed, 0.25), (servo, 1500)):
        pin.set(value)
    assert not registers.on(), "written before the commit"
    pins.commit()
    assert registers.on() == {0}
    assert [registers.channel(n) for n in (1, 3)] == [(0, 0, 0, 4), (0, 0, 307 & 0xFF, 307 >> 8)]
    pins.close()
    assert [registers.channel(n) for n in (0, 1, 3)] == [OFF, OFF, (0, 0, 307 & 0xFF, 307 >> 8)]


def test_a_chip_that_has_restarted_is_noticed(registers: Registers) -> None:
    now = 0.0
    pins = Pca9685Pins(Chip(0, STUB_ADDRESS, 1600, None), clock=lambda: now)
    pins.prepare()
    registers.put(MODE1, 0x11)
    now = 1.0
    with pytest.raises(BackendError, match="The PCA9685 has restarted"):
        pins.commit()
    pins.close()


async def test_it_drives_and_ends_off(registers: Registers) -> None:
    async with driving(registers) as (product, phone):
        await phone.let_go(zero=False)
        phone.hold(-1.0)
        await until(lambda: registers.on() == {8, 9, 13, 12}, "both motors in reverse")
        assert await product.terminate() == 0
        assert oe_is_high()
        assert registers[ALL_LED_OFF_H] == FULL
        assert "Traceback" not in product.log()


async def test_the_server_is_killed(registers: Registers) -> None:
    async with driving(registers) as (product, _):
        since = time.monotonic()
        product.process.kill()
        registers.off_after(since, DEATH_S, "server killed")


async def test_the_motor_process_is_killed(registers: Registers) -> None:
    async with driving(registers) as (product, _):
        since = time.monotonic()
        os.kill(product.motor_pid(), signal.SIGKILL)
        registers.off_after(since, DEATH_S, "motor process killed")
        assert await product.ended() == 1


async def test_both_are_killed_and_pins_low_follows(registers: Registers, tmp_path: Path) -> None:
    async with driving(registers) as (product, _):
        server, motor = product.process.pid, product.motor_pid()
        since = time.monotonic()
        os.kill(server, signal.SIGSTOP)  # else it would help between the two
        os.kill(motor, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)
        await until(oe_is_high, "the released line of OE at its pull-up")
        assert (registers.on(), registers[ALL_LED_OFF_H]) == (FORWARD, 0), "the chip drives on"
        emergency = asyncio.create_task(asyncio.to_thread(pins_low, tmp_path))
        await asyncio.to_thread(registers.off_after, since, BOTH_DEAD_S, "both killed, then pins-low")
        assert await emergency == (0, "Every motor pin is low.\n")
        assert oe_is_high()
