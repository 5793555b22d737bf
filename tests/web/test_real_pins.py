"""The whole product on the vendor libraries' fakes: who may touch the pins, and who drives them low."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.header import REAL, FakeHeader
from tests.support.product import ALL_PINS, Product
from tests.support.waiting import until


@pytest.fixture(params=REAL)
def header(request: pytest.FixtureRequest, tmp_path: Path) -> FakeHeader:
    return FakeHeader(request.param, tmp_path)


def low(header: FakeHeader) -> bool:
    return all(header.is_low_output(bcm) for bcm in ALL_PINS)


def picar(header: FakeHeader, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "picar", *arguments, "--pins", header.name],
        env=os.environ | header.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def drive(phone: Client, header: FakeHeader) -> None:
    await phone.take()
    phone.hold(1.0)
    await until(lambda: header.level(23) and header.level(12), "the left wheel under power")


async def test_the_server_drives_a_killed_motor_process_s_pins_low(header: FakeHeader) -> None:
    async with Product(pins=header.name, env=header.env) as car, Client(car.url) as phone:
        assert phone.hello["car"]["backend"] == header.name
        await drive(phone, header)
        os.kill(car.motor_pid(), signal.SIGKILL)
        await until(lambda: low(header), "every line low")
        assert await car.ended() == 1
        assert low(header)
        assert "Traceback" not in car.log()


async def test_pins_low_leaves_a_running_car_alone_and_names_it(header: FakeHeader) -> None:
    async with Product(pins=header.name, env=header.env) as car, Client(car.url) as phone:
        await drive(phone, header)
        refused = picar(header, "pins-low")
        assert refused.returncode == 1
        assert f"Another picar has the motor pins, process {car.motor_pid()}." in refused.stderr
        assert refused.stderr.count("\n") == 1
        await phone.let_go()
        await phone.until(lambda s: s["applied"] == {"left": 0.0, "right": 0.0})
        assert await car.terminate() == 0
    assert low(header)


async def test_pins_low_after_both_were_killed(header: FakeHeader) -> None:
    async with Product(pins=header.name, env=header.env) as car, Client(car.url) as phone:
        await drive(phone, header)
        os.kill(car.process.pid, signal.SIGSTOP)  # it must not see the other one die
        os.kill(car.motor_pid(), signal.SIGKILL)
        car.process.kill()
        await car.ended()
        assert not low(header), "the fake is kinder than a Pi"
        done = picar(header, "pins-low")
        assert (done.returncode, done.stderr) == (0, "")
        assert low(header)


async def test_a_second_picar_does_not_get_the_pins_and_lowers_none(header: FakeHeader) -> None:
    async with Product(pins=header.name, env=header.env) as car, Client(car.url) as phone:
        await drive(phone, header)
        second = picar(header, "serve", "--port", "0")
        assert second.returncode == 1
        assert f"process {car.motor_pid()}. Stop it first" in second.stderr
        assert "Traceback" not in second.stderr
        assert header.level(23)
