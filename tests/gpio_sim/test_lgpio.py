"""picar with the real lgpio on a real GPIO chip of the kernel. The levels are read from sysfs, outside picar.

A released line of gpio-sim goes to its pull, which is down where picar claimed it. On Raspberry Pi OS a released line keeps
its level. A pull-up on lines that picar holds stands for that here: the death of their owner makes all of them high, and only
picar makes them low again. The bounds of the deaths are those of the fault campaign, although the guest is slower than its host.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.config import L298NConfig
from tests.faults.catalogue import BOTH_DEAD_S, DEATH_S
from tests.motor.kinds_rig import Car, Form, car, l298n, text_of
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

SYSFS = Path("/sys/devices/platform/gpio-sim.0/gpiochip0")
pytestmark = [
    pytest.mark.gpio_sim,
    pytest.mark.skipif(not SYSFS.exists(), reason="no gpio-sim; to run this: scripts/test --gpio-sim"),
]
FAST = "\n[drive]\naccel = 20.0\ndecel = 50.0\n"
CARS = {
    "l298n": l298n("default", L298NConfig()),
    "tb6612": car(Form("tb6612", standby=True), "sides"),
    "drv8833": car(Form("drv8833"), "sides"),
    "four": car(Form("tb6612", standby=True), "four"),
}
ROWS = {  # the data sheets' levels of EN or PWM, IN1, IN2
    "l298n": {"forward": "110", "reverse": "101", "brake": "100"},
    "tb6612": {"forward": "110", "reverse": "101", "brake": "011"},
    "drv8833": {"forward": "10", "reverse": "01", "brake": "11"},
}
HOLD_GPIO_23 = """import lgpio
lgpio.gpio_claim_output(lgpio.gpiochip_open(0), 23, 1)
print("held", flush=True)
input()
"""
_GET_LINE, _LINE = 0xC048B402, struct.Struct("2I64s")  # GPIO_GET_LINEINFO_IOCTL, struct gpioline_info
_USED_OUTPUT = 3  # its flags GPIOLINE_FLAG_KERNEL and GPIOLINE_FLAG_IS_OUT
default_car = pytest.mark.parametrize("wires", ["l298n"], indirect=True)


@functools.cache
def _value_file(pin: int) -> int:
    return os.open(SYSFS / f"sim_gpio{pin}/value", os.O_RDONLY)


class Wires:
    """The lines of a car, as the kernel has them."""

    def __init__(self, toy: Car) -> None:
        self.toy, self.motors, self.standby = toy, [m.name for m in toy.motors], toy.motors[0].standby

    def level(self, pin: int) -> str:
        return os.pread(_value_file(pin), 1, 0).decode()

    def high(self) -> set[int]:
        return {pin for pin in self.toy.pins if self.level(pin) == "1"}

    def are(self, *actions: str) -> bool:
        """Tell whether each motor has the levels of its action, and the standby line is high."""
        rows = ROWS[self.toy.motors[0].form.kind]
        levels = ["".join(map(self.level, motor.pins.values())) for motor in self.toy.motors]
        return levels == [rows[action] for action in actions] and self.standby in {None, *self.high()}

    def claimed(self) -> set[int]:
        """Return the lines that a program holds as outputs."""
        with open("/dev/gpiochip0", "rb") as chip:  # noqa: PTH123
            asked = [fcntl.ioctl(chip, _GET_LINE, _LINE.pack(pin, 0, b"")) for pin in self.toy.pins]
        return {pin for pin, flags, _ in map(_LINE.unpack, asked) if flags & _USED_OUTPUT == _USED_OUTPUT}

    def pull_up(self) -> None:
        """Let each line become high when it is released; see above."""
        for pin in self.toy.pins:
            (SYSFS / f"sim_gpio{pin}/pull").write_text("pull-up")

    def low_within(self, bound_s: float, since: float, what: str) -> None:
        """Judge the time from then until all lines are low. They must stay low for a second."""
        read_at, gap_s = since, 0.0
        while high := self.high():
            assert time.monotonic() < since + 20.0, f"GPIO {high} stay high"
            time.sleep(bound_s / 50)  # the reading itself costs time
            read_at, gap_s = (now := time.monotonic()), max(gap_s, now - read_at)
        low_at = time.monotonic()
        took_ms, bound_ms, gap_ms = (round(1000 * each) for each in (low_at - since, bound_s, gap_s))
        print(
            f"{self.toy}, {what}: low after {took_ms} ms of {bound_ms}, at most {gap_ms} ms between readings"
        )
        while time.monotonic() < low_at + 1.0:
            assert not self.high()
            time.sleep(0.01)
        assert low_at - since <= bound_s


@pytest.fixture(params=CARS)
def wires(request: pytest.FixtureRequest) -> Wires:
    return Wires(CARS[request.param])


@asynccontextmanager
async def driving(wires: Wires) -> AsyncIterator[tuple[Product, Client]]:
    """A car with its driver at full throttle."""
    async with Product("lgpio", config=text_of(wires.toy) + FAST) as product, Client(product.url) as phone:
        assert wires.claimed() == wires.toy.pins
        assert not wires.high()
        await phone.take()
        phone.hold(1.0)
        await until(lambda: wires.are(*["forward"] * len(wires.motors)), "all forward")
        yield product, phone


def picar(command: str, folder: Path, wires: Wires) -> tuple[int, str]:
    """Run a command of picar with the configuration of this car. Returns its exit code and its output."""
    config = folder / "picar.toml"
    config.write_text(text_of(wires.toy) + "\n[server]\nport = 0\n")
    program = [sys.executable, "-m", "picar", command, "--pins", "lgpio", "--config", str(config)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_it_drives_stops_by_the_brake_and_ends_low(wires: Wires) -> None:
    async with driving(wires) as (product, phone):
        await phone.let_go(zero=False)
        phone.hold(-1.0)
        await until(lambda: wires.are(*["reverse"] * len(wires.motors)), "all in reverse")
        await phone.let_go(zero=False)
        phone.hold(0.0, 1.0)
        spin = ["forward" if name.endswith("left") else "reverse" for name in wires.motors]
        await until(lambda: wires.are(*spin), "a turn on the spot")
        async with Client(product.url) as other:
            await other.send(type="stop")
            await until(lambda: wires.are(*["brake"] * len(wires.motors)), "the brake")
            await until(lambda: not wires.high(), "all lines low")
        assert wires.claimed() == wires.toy.pins
        assert await product.terminate() == 0
        assert not wires.high() | wires.claimed()
        assert "Traceback" not in product.log()


@default_car
async def test_half_a_throttle_is_a_wave(wires: Wires) -> None:
    async with driving(wires) as (_, phone):
        await phone.let_go(zero=False)
        phone.hold(0.5)
        await phone.until(lambda s: 0.0 < s["applied"]["left"] == s["target"]["left"] < 0.9)
        levels = [wires.level(12) == "1" for _ in range(500) if await asyncio.sleep(0.0013, True)]
        share, duty = (
            sum(levels) / len(levels),
            0.25 + 0.75 * phone.state["applied"]["left"],
        )  # min_duty is 0.25
        print(f"EN is high in {share:.3f} of the readings, duty cycle {duty:.3f}")
        assert share == pytest.approx(duty, abs=0.1)


async def test_the_server_is_killed(wires: Wires) -> None:
    async with driving(wires) as (product, _):
        since = time.monotonic()
        product.process.kill()
        wires.low_within(DEATH_S, since, "server killed")


async def test_the_motor_process_is_killed(wires: Wires) -> None:
    async with driving(wires) as (product, _):
        motor = product.motor_pid()
        wires.pull_up()
        since = time.monotonic()
        os.kill(motor, signal.SIGKILL)
        wires.low_within(DEATH_S, since, "motor process killed")
        assert await product.ended() == 1


async def test_both_are_killed_and_pins_low_follows(wires: Wires, tmp_path: Path) -> None:
    async with driving(wires) as (product, _):
        server, motor = product.process.pid, product.motor_pid()
        wires.pull_up()
        since = time.monotonic()
        os.kill(server, signal.SIGSTOP)  # else it would help between the two
        os.kill(motor, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)
        await until(lambda: wires.high() == wires.toy.pins, "all lines left high")
        emergency = asyncio.create_task(asyncio.to_thread(picar, "pins-low", tmp_path, wires))
        await asyncio.to_thread(wires.low_within, BOTH_DEAD_S, since, "both killed, then pins-low")
        assert await emergency == (0, "Every motor pin is low.\n")
        assert not wires.high() | wires.claimed()


def test_pins_low_on_lines_that_were_left_high(wires: Wires, tmp_path: Path) -> None:
    wires.pull_up()
    assert wires.high() == wires.toy.pins
    assert picar("pins-low", tmp_path, wires) == (0, "Every motor pin is low.\n")
    assert not wires.high() | wires.claimed()


@default_car
@pytest.mark.parametrize("command", ["serve", "pins-low"])
def test_another_program_holds_a_line(command: str, wires: Wires, tmp_path: Path) -> None:
    hold = [sys.executable, "-c", HOLD_GPIO_23]
    with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        sentence = "GPIO 23 is in use by another program. Find it: sudo fuser -v /dev/gpiochip*"
        assert picar(command, tmp_path, wires) == (1, f"picar: {sentence}\n")
        assert wires.high() == wires.claimed() == {23}
        holder.communicate(b"\n")


@default_car
async def test_another_picar_has_the_lines(wires: Wires, tmp_path: Path) -> None:
    async with driving(wires) as (product, _):
        pid = product.motor_pid()
        why = f"Another picar has the motor pins, process {pid}. Stop it first: sudo systemctl stop picar, or kill {pid}."
        for command in ("serve", "pins-low"):
            assert await asyncio.to_thread(picar, command, tmp_path, wires) == (1, f"picar: {why}\n")
            assert wires.are("forward", "forward")
