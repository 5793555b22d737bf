"""The whole product on the vendor libraries' fakes: who may touch the pins, and who drives them low."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.motor.rig import wait_until
from tests.support.client import Client
from tests.support.header import ADVICE, FAKED, FakeHeader
from tests.support.product import ALL_PINS, Product
from tests.support.waiting import until


@pytest.fixture(params=FAKED)
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


def on_a_pi(header: FakeHeader, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run picar as on a Pi, where `auto` means the real pins."""
    (header.board.folder / "model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    code = (
        "import sys, pathlib; import picar.raspberrypi as it; look = it.raspberry_pi_model\n"
        f"it.raspberry_pi_model = lambda: look(pathlib.Path({str(header.board.folder / 'model')!r}))\n"
        "from picar.commands import run; sys.exit(run(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | header.env | {"PICAR_SERVER__PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def rpi_lgpio(tmp_path: Path) -> FakeHeader:
    return FakeHeader("rpi-lgpio", tmp_path)


NO_PERMISSION = f"no permission for /dev/gpiochip0. {ADVICE}"


@pytest.mark.parametrize("command", ["serve", "pins-low"])
def test_pins_that_may_not_be_used_are_one_sentence(rpi_lgpio: FakeHeader, command: str) -> None:
    rpi_lgpio.board.tell("lgpio", "no-access")
    refused = picar(rpi_lgpio, command)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith(f"picar: --pins rpigpio: {NO_PERMISSION}")


def test_auto_says_why_for_each_library(rpi_lgpio: FakeHeader) -> None:
    rpi_lgpio.board.tell("lgpio", "no-access")
    refused = on_a_pi(rpi_lgpio, "serve")
    assert refused.returncode == 1
    assert f"\n  lgpio: {NO_PERMISSION}" in refused.stderr
    assert f"\n  rpigpio: {NO_PERMISSION}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("library", ["lgpio", "gpiozero", "rpi-lgpio"])
@pytest.mark.parametrize("command", ["serve", "pins-low"])
def test_a_line_that_another_program_has_is_one_sentence(tmp_path: Path, library: str, command: str) -> None:
    header = FakeHeader(library, tmp_path)
    held = header.board.hold(23)
    refused = picar(header, command)
    header.board.release(held)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "GPIO 23 is in use by another program. Find it: sudo fuser -v /dev/gpiochip*" in refused.stderr
    if command == "pins-low":
        assert all(header.is_low_output(bcm) for bcm in ALL_PINS if bcm != 23)


def test_pins_low_works_in_a_folder_that_is_gone(header: FakeHeader, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [
            "sh",
            "-c",
            'rmdir "$PWD"; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "picar",
            "pins-low",
            "--pins",
            header.name,
        ],
        cwd=tmp_path / "gone",
        env=os.environ | header.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert low(header)


def is_read(fifo: Path, writers: list[int]) -> bool:
    with contextlib.suppress(OSError):  # nobody reads it yet
        writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_pins_low_is_not_ended_half_way(tmp_path: Path, number: signal.Signals) -> None:
    header = FakeHeader("lgpio", tmp_path)
    for bcm in ALL_PINS:
        header.board.drive(bcm, 1)
    gate, writers = tmp_path / "gate", list[int]()
    os.mkfifo(gate)
    with subprocess.Popen(
        [sys.executable, "-m", "picar", "pins-low", "--pins", "lgpio"],
        env=os.environ | header.env,
        stdout=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: is_read(gate, writers), "the first pin")
        process.send_signal(number)
        gate.unlink()
        os.close(writers[0])
        assert process.wait(60) == 0
    assert low(header)


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
        refused = await asyncio.to_thread(picar, header, "pins-low")  # the phone keeps driving
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
        second = await asyncio.to_thread(picar, header, "serve", "--port", "0")
        assert second.returncode == 1
        assert f"process {car.motor_pid()}. Stop it first" in second.stderr
        assert "Traceback" not in second.stderr
        assert header.level(23)
