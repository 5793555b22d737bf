"""The example for a board with a microcontroller: a real car, and a pseudo-terminal as the serial port."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
import threading
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "serial_board.py"
OLD_S = 0.3  # of the example
MACHINE_S = 0.25  # so late may a loaded machine be
STEERED = """[board]
kind = "drv8833"
[layout]
kind = "steer-motor"
[motor.drive]
in1 = 12
in2 = 13
[motor.steer]
in1 = 22
in2 = 23
"""


class Microcontroller:
    """The other end of the serial port: it notes each line and the time of its arrival."""

    def __init__(self) -> None:
        self._end, example = pty.openpty()
        tty.setraw(example)
        self.port, self._example = os.ttyname(example), example
        self.lines: list[tuple[float, tuple[int, int]]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def speeds(self) -> tuple[int, int]:
        """The two numbers of the newest line."""
        return self.lines[-1][1] if self.lines else (0, 0)

    def last_drive(self) -> float:
        """Return when the last line came that turns a motor."""
        return max(at for at, speeds in self.lines if any(speeds))

    def rests_at(self) -> float:
        """Return when the first zero came after it, or 0."""
        return next((at for at, _ in self.lines if at > self.last_drive()), 0.0)

    def close(self) -> None:
        """Unplug it."""
        os.close(self._example)
        self._thread.join(DEADLINE_S)
        os.close(self._end)

    def _read(self) -> None:
        text = b""
        while True:
            try:
                text += os.read(self._end, 4096)
            except OSError:  # the last program has closed the port
                return
            now = time.monotonic()
            *lines, text = text.split(b"\n")
            for line in lines:
                found = re.fullmatch(rb"<(-?\d{1,3}) (-?\d{1,3})>", line)
                assert found, line
                self.lines.append((now, (int(found[1]), int(found[2]))))


class Rig:
    """A car, its driver, the example and the microcontroller."""

    def __init__(
        self,
        car: Product,
        driver: Client,
        example: asyncio.subprocess.Process,
        microcontroller: Microcontroller,
    ) -> None:
        self.car, self.driver, self.example, self.microcontroller = car, driver, example, microcontroller

    async def until_speeds(self, *speeds: int) -> None:
        """Wait until the newest line has these numbers."""
        port = self.microcontroller
        await until(lambda: port.speeds == speeds, f"the line {speeds}")

    async def ends(self) -> tuple[int, bytes]:
        """Wait for the end of the example, and return its exit code and its errors."""
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await self.example.communicate()
        assert self.example.returncode is not None
        return self.example.returncode, errors


@asynccontextmanager
async def driving(config: str = "") -> AsyncIterator[Rig]:
    microcontroller = Microcontroller()
    async with Product(config=config) as car, Client(car.url) as driver:
        command = [sys.executable, str(EXAMPLE), microcontroller.port, f"127.0.0.1:{car.port}"]
        example = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            await driver.take()
            driver.hold(1.0)
            rig = Rig(car, driver, example, microcontroller)
            await rig.until_speeds(255, 0 if config else 255)
            yield rig
        finally:
            if example.returncode is None:
                example.kill()
            await example.wait()
            microcontroller.close()


async def test_the_microcontroller_receives_the_speeds_of_both_sides() -> None:
    async with driving() as rig:
        await rig.driver.let_go()
        await rig.until_speeds(0, 0)
        rig.driver.hold(0.0, -1.0)
        await until(
            lambda: (
                (rig.microcontroller.speeds[0] < -100, rig.microcontroller.speeds[1] > 100) == (True, True)
            ),
            "the left side turns backward, the right side forward",
        )
        await rig.driver.send(type="stop")
        await rig.until_speeds(0, 0)


async def test_a_car_with_steering_sends_throttle_and_steering() -> None:
    async with driving(STEERED) as rig:
        await rig.driver.let_go(zero=False)
        rig.driver.hold(1.0, 1.0)
        await rig.until_speeds(255, 255)


async def test_the_example_sends_zero_when_the_link_of_the_driver_hangs() -> None:
    async with driving() as rig:
        await rig.driver.let_go(zero=False)
        await rig.until_speeds(0, 0)


async def test_the_example_sends_zero_and_ends_when_the_server_is_killed() -> None:
    async with driving() as rig:
        killed_at = time.monotonic()
        rig.car.signal(signal.SIGKILL)
        code, errors = await rig.ends()
        assert (code, b"picar has closed the connection" in errors) == (1, True)
        assert rig.microcontroller.rests_at() - killed_at < OLD_S + MACHINE_S
        await rig.until_speeds(0, 0)


async def test_the_example_sends_zero_when_no_state_comes() -> None:
    async with driving() as rig:
        rig.car.signal(signal.SIGSTOP)
        await until(rig.microcontroller.rests_at, "a zero")
        assert rig.microcontroller.rests_at() - rig.microcontroller.last_drive() < OLD_S + MACHINE_S
        rig.car.signal(signal.SIGCONT)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_the_example_sends_zero_when_it_ends(how: signal.Signals) -> None:
    async with driving() as rig:
        rig.example.send_signal(how)
        assert await rig.ends() == (0, b"")
        await rig.until_speeds(0, 0)
