"""What happens to the I2C bus, the PCA9685 and the kernel's PWM; see `catalogue.py`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from picar.motor.channel import SILENCE_S
from picar.motor.emergency import NEUTRAL_S
from tests.faults.deaths import both_dead, pins_low, server_killed
from tests.faults.hats import ESC_CHANNEL, NEUTRAL_US, Devices
from tests.faults.judge import judge
from tests.faults.rig import Deadline, Rig
from tests.support.waiting import DEADLINE_S, until

CALL_S = 0.02  # of the bus, see picar/system/i2c.py
DEATH_S = 0.05  # from a death to the end of all power
NANOSLEEP = ("230", "115")  # the fake bus waits by clock_nanosleep: its numbers on x86-64 and arm64
COMMAND_S = 0.5
CHECK_S = 1.0  # see picar/motor/pins/pca9685.py
OFF_S = (
    CALL_S + DEATH_S
)  # from the call that meets the held bus: when it has failed, all that is not on the bus comes first
SWITCH_S = 1.0  # so long the motors are watched where only the switch stops them


async def bus_held(rig: Rig) -> None:
    devices = _devices(rig)
    rig.hit()
    devices.bus.hold()
    await _motor_ends_in_time(rig)


async def bus_held_cut(rig: Rig) -> None:
    devices = _devices(rig)
    rig.hit()
    devices.bus.hold()
    rig.link.cut()
    await _motor_ends_in_time(rig)


async def bus_held_late(rig: Rig) -> None:
    """The deadline of the last command falls into the call that reads the chip, or beside it."""
    bus = _devices(rig).bus
    bus.forget()
    await until(lambda: any(each.op == "read" for each in bus.transactions), "a look at the chip")
    next_at = next(each.t for each in bus.transactions if each.op == "read") + CHECK_S
    await asyncio.sleep(next_at - COMMAND_S + rig.rng.uniform(0.0, 0.1) - time.monotonic())
    await bus_held_cut(rig)


async def bus_held_motor_killed(rig: Rig) -> None:
    devices = _devices(rig)
    rig.hit()
    devices.bus.hold()
    rig.signal(rig.motor, signal.SIGKILL)


async def bus_held_server_killed(rig: Rig) -> None:
    """The server dies at the worst moment: a call of the motor process has just begun to wait for the bus."""
    _devices(rig).bus.hold()
    motor = rig.car.motor_pid()
    give_up_at = time.monotonic() + DEADLINE_S
    while not _waits_for_the_bus(motor):
        assert time.monotonic() < give_up_at, "the motor process does not use the bus"
        await asyncio.sleep(0.001)
    await server_killed(rig)


async def bus_held_all_dead(rig: Rig) -> None:
    """The emergency meets a held bus: it must have released OE before."""
    _devices(rig).bus.hold()
    both_dead(rig)
    said = await _pins_low(rig)
    assert said != 0, "pins-low did not notice the held bus"


async def bus_held_switch(rig: Rig) -> None:
    async with _only_the_switch(rig):
        await bus_held(rig)


async def bus_held_cut_switch(rig: Rig) -> None:
    async with _only_the_switch(rig):
        await bus_held_cut(rig)


async def bus_held_motor_killed_switch(rig: Rig) -> None:
    async with _only_the_switch(rig):
        await bus_held_motor_killed(rig)


async def bus_held_all_dead_switch(rig: Rig) -> None:
    async with _only_the_switch(rig):
        await bus_held_all_dead(rig)


async def browned_out(rig: Rig) -> None:
    rig.hit()
    _devices(rig).brown_out(rig.hit_at)
    await rig.until_logged("The PCA9685 has lost its settings")
    await rig.until_ended("the motor process", rig.motor)
    await rig.until_ended("the server", rig.server)


async def both_killed_drives_on(rig: Rig) -> None:
    both_dead(rig)
    await asyncio.sleep(rig.rng.uniform(0.0, 0.2))
    assert await rig.is_driving(), "the fake is kinder than a chip"
    assert await _pins_low(rig) == 0


async def boot(rig: Rig) -> None:
    """The Pi restarts; the chip keeps its supply. The unit of `pins-low` is the first that runs."""
    both_dead(rig)
    await asyncio.sleep(rig.rng.uniform(0.0, 0.2))
    assert await rig.is_driving(), "the fake is kinder than a chip"
    rig.hit()
    _devices(rig).boot(rig.hit_at)
    assert await _pins_low(rig) == 0


async def pwm_left_on(rig: Rig) -> None:
    tree = _devices(rig).pwm
    full_us = tree.pulse_us(ESC_CHANNEL)
    assert full_us > NEUTRAL_US
    both_dead(rig)
    await asyncio.sleep(rig.rng.uniform(0.0, 0.2))
    assert tree.pulse_us(ESC_CHANNEL) == full_us, "the fake is kinder than a kernel"
    assert await _pins_low(rig) == 0
    assert tree.pulse_us(ESC_CHANNEL) == 0.0
    pulses = [(w.t, w.value) for w in rig.trace() if w.op == "pulse" and w.pin == 18 and w.t > rig.hit_at]
    assert [value for _, value in pulses] == [NEUTRAL_US, 0]
    assert pulses[1][0] - pulses[0][0] >= NEUTRAL_S


async def _pins_low(rig: Rig) -> int:
    """Run `picar pins-low`, which leaves OE high. Returns its exit code."""
    code = await pins_low(rig)
    devices = _devices(rig)
    assert devices.toy.oe is None or devices.header.board.line(devices.toy.oe) == "out 1"
    return code


def _waits_for_the_bus(pid: int) -> bool:
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in NANOSLEEP


async def _motor_ends_in_time(rig: Rig) -> None:
    """Judge how long the motors are driven, and the motor process lives, after it has met the held bus."""
    await rig.until_ended("the motor process", rig.motor)
    ended_at = time.monotonic()
    failed = [each.t for each in _devices(rig).bus.transactions if each.error and each.t > rig.hit_at]
    met_at = failed[0] - CALL_S
    rig.deadlines.append(Deadline("the motor process ended", met_at, ended_at, SILENCE_S))
    off_at = judge(await rig.writes(), rig.watched, rig.hit_at).low_at
    if off_at and off_at > met_at:
        rig.deadlines.append(Deadline("the motors were off", met_at, off_at, OFF_S))


@contextlib.asynccontextmanager
async def _only_the_switch(rig: Rig) -> AsyncIterator[None]:
    """In the block something happens after which the motors are driven until the bus works again and `pins-low` runs."""
    yield
    await asyncio.sleep(SWITCH_S)
    assert await rig.is_driving(), (
        "something stopped the motors, and the table says that only the switch does"
    )
    _devices(rig).bus.release()
    assert await _pins_low(rig) == 0


def _devices(rig: Rig) -> Devices:
    assert rig.devices
    return rig.devices
