"""Real servers with a steering servo on mock pins: with an ESC, and with an H-bridge; and what their deaths leave."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.calibration.values import Calibration
from picar.layouts import LAYOUTS
from tests.motor.escs import ESC, SERVO, esc_car
from tests.motor.kinds_rig import Car, Form, car, text_of
from tests.support.client import Client
from tests.support.product import Product, read_trace
from tests.support.waiting import until

pytestmark = pytest.mark.slow

FAST = "\n[drive]\naccel = 20.0\ndecel = 50.0\n"
ESC_CAR = Car("esc", esc_car(), (), LAYOUTS["steer-servo"], SERVO)
STEERED = car(Form("drv8833"), "steer-motor")
DEAD_S = 0.05
MARGIN_S = 0.25  # of a busy machine; the campaign of faults measures the bound itself


@asynccontextmanager
async def serving(toy: Car = ESC_CAR) -> AsyncIterator[tuple[Product, Client]]:
    """A server, and a driver who has waited for the ESC."""
    async with Product(config=text_of(toy) + FAST) as product, Client(product.url) as phone:
        await phone.until(lambda s: s["reason"] == "started")
        await phone.take()
        yield product, phone
        assert "Traceback" not in product.log()


@asynccontextmanager
async def at_full_throttle() -> AsyncIterator[tuple[Product, Client]]:
    async with serving() as (product, phone):
        phone.hold(1.0, 1.0)
        await until(lambda: product.levels() == {ESC: 1650, SERVO: 2000}, "full throttle")
        yield product, phone


async def stands(product: Product) -> None:
    """Wait until the ESC is at neutral, and see that it stays there and that nothing turned the servo."""
    await until(lambda: product.levels()[ESC] == 1500, "neutral")
    writes = len(product.trace())
    await asyncio.sleep(1.0)
    assert not product.trace()[writes:] or {w["value"] for w in product.trace()[writes:]} == {1500}
    assert product.levels()[SERVO] == 2000


async def test_it_arms_tells_what_it_is_and_drives() -> None:
    async with serving() as (product, phone):
        board = phone.hello["car"]["board"]
        assert board == {
            "kind": "esc",
            "steers": True,
            "motors": ["drive"],
            "rolls_at_rest": True,
            "servo": True,
            "esc": True,
            "keeps_driving": False,
        }
        assert product.levels() == {ESC: 1500, SERVO: 1500}
        phone.hold(0.5, -1.0)
        await phone.until(lambda s: s["applied"]["steering"] == -1.0 and s["applied"]["throttle"] > 0.2)
        assert product.levels()[SERVO] == 1000
        assert 1540 < product.levels()[ESC] < 1650
        await phone.let_go()
        await until(lambda: product.levels()[ESC] == 1500, "neutral")
        assert phone.errors == []


async def test_a_stop_and_a_silent_driver_hold_the_servo() -> None:
    async with at_full_throttle() as (product, phone):
        async with Client(product.url) as other:
            await other.send(type="stop")
            await phone.until(lambda s: s["state"] == "stopped")
        await stands(product)
    async with at_full_throttle() as (product, phone):
        await phone.let_go(zero=False)
        await stands(product)
        await phone.until(lambda s: s["reason"] == "commands_stale")


async def test_the_server_is_killed() -> None:
    async with at_full_throttle() as (product, _):
        at = time.monotonic()
        product.process.kill()
        assert await product.ended() == -signal.SIGKILL
        await stands(product)
        neutral = next(w["t"] for w in product.trace() if w["t"] > at and w["value"] == 1500)
        assert neutral - at < DEAD_S + MARGIN_S


async def test_the_motor_process_is_killed() -> None:
    async with at_full_throttle() as (product, _):
        os.kill(product.motor_pid(), signal.SIGKILL)
        assert await product.ended() == 1
        await stands(product)


async def test_pins_low_sends_neutral_and_then_ends_the_pulses(tmp_path: Path) -> None:
    file, trace = tmp_path / "picar.toml", tmp_path / "trace.jsonl"
    file.write_text(text_of(ESC_CAR))
    arguments = ("pins-low", "--pins", "mock", "--config", str(file), "--pin-trace", str(trace))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "picar", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    writes = read_trace(trace)
    assert [(w["pin"], w["op"], w["value"]) for w in writes] == [
        (ESC, "pulse", 1500),
        (ESC, "pulse", 0),
        (SERVO, "pulse", 0),
    ]
    assert writes[1]["t"] - writes[0]["t"] >= 0.3


async def test_check_config_prints_the_car_and_what_stops_it_not(tmp_path: Path) -> None:
    on_chip = Car("esc", esc_car(chip="pca9685"), (), LAYOUTS["steer-servo"], 115)
    file = tmp_path / "picar.toml"
    file.write_text(text_of(on_chip))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "picar", "check-config", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    assert b"If the Pi hangs, this board keeps driving. Only its switch stops it." in out
    assert b"neutral_us = 1500" in out
    assert b"pwm = 0" in out


FOUND = {
    "swap": False,
    "min_duty": 0.3,
    "drive_invert": False,
    "drive_trim": 0.9,
    "steering_left_us": 1100,
    "steering_center_us": 1480,
    "steering_right_us": 1900,
    "esc_neutral_us": 1510,
    "esc_start_us": 30,
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steering_center_us": 1080}, "steering_center_us must be between the other two"),
        ({"steering_left_us": 1950}, "steering_center_us must be between the other two"),
        ({"steering_left_us": 400}, "steering_left_us must be a whole number from 500 to 2500"),
        (
            {"esc_neutral_us": 1541},
            "esc_neutral_us must be within 30 µs (esc_start_us) of the configured 1500",
        ),
        ({"esc_start_us": 9}, "esc_neutral_us must be within 9 µs (esc_start_us) of the configured 1500"),
        ({"esc_start_us": 141}, "esc_start_us must be a whole number from 0 to 140"),
        ({"steering_left_us": None}, "this car has the values "),
        ({"esc_start_us": None, "esc_neutral_us": None}, "this car has the values "),
    ],
)
async def test_a_calibration_that_does_not_fit_the_car_is_refused(
    change: dict[str, int | None], sentence: str
) -> None:
    async with serving() as (product, phone):
        wrong = {name: value for name, value in (FOUND | change).items() if value is not None}
        await phone.ask("calibrate", **wrong)
        await phone.until_error("bad_value")
        assert sentence in str(phone.errors[-1])
        await phone.ask("calibrate", **FOUND)
        await until(lambda: product.levels() == {ESC: 1510, SERVO: 1480}, "the calibration")


async def test_a_simulated_motor_that_a_wrong_neutral_turns_keeps_nobody_from_the_wheel_and_the_tuning() -> (
    None
):
    async with Product("sim", config=text_of(ESC_CAR) + FAST) as product, Client(product.url) as phone:
        await phone.until(lambda s: s["reason"] == "started")
        await phone.take()
        await phone.ask("calibrate", **FOUND | {"esc_neutral_us": 1540, "esc_start_us": 40})
        await phone.until(lambda s: s["pose"]["x"] > 0.05)
        await phone.send(type="release")
        async with Client(product.url) as other:
            await other.take()
            await other.ask("calibrate", **FOUND | {"esc_neutral_us": 1500})
            await until(lambda: product.levels()[ESC] == 1500, "the right neutral")
            assert other.errors == []


async def test_a_car_with_a_steering_motor_refuses_a_calibration_without_its_values_and_with_a_servo_s() -> (
    None
):
    async with Product(config=text_of(STEERED) + FAST) as product, Client(product.url) as phone:
        await phone.take()
        whole = Calibration.of(STEERED.config).values
        for wrong in (
            {name: value for name, value in whole.items() if not name.startswith("steer_")},
            whole | {"steering_left_us": 1000, "steering_center_us": 1500, "steering_right_us": 2000},
            whole | {"esc_neutral_us": 1500},
        ):
            await phone.ask("calibrate", **wrong)
            await phone.until_error("bad_value")
            phone.errors.clear()
        await phone.ask("calibrate", **whole)
        await phone.hears(5)
        assert phone.errors == []
