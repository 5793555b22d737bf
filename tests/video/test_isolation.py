"""Law 1: whatever happens to the camera, no command is lost, no failsafe comes, and the car stops as fast as ever."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.together import at_once
from tests.support.viewer import Viewer
from tests.support.waiting import until

pytestmark = pytest.mark.alone

TIMEOUT_S = (
    1.0  # the longest that an owner may set: a test that runs beside others must not be its own failsafe
)
CONFIG = f'[session]\ncommand_timeout_s = {TIMEOUT_S}\n[camera]\nsource = "{{}}"\n'
VIEWERS = 2
STILL_S = TIMEOUT_S + 0.35  # after the last command; the bound of the campaign and a loaded machine's share


@asynccontextmanager
async def driving(
    program: tuple[str, ...], source: str = "test"
) -> AsyncIterator[tuple[Product, Client, list[Viewer]]]:
    """Drive at full throttle, 30 commands a second, while two browsers watch."""
    async with AsyncExitStack() as stack:
        car = await stack.enter_async_context(Product(config=CONFIG.format(source), program=program))
        phone = await stack.enter_async_context(Client(car.url, cookie="one"))
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        browser = {"Cookie": "picar_session=one"}
        viewers = [
            await stack.enter_async_context(Viewer(car.url, phone.id if not number else "", browser))
            for number in range(VIEWERS)
        ]
        yield car, phone, viewers
        await phone.let_go(zero=False)
        await phone.close()
        await car.until_low()
        assert "Traceback" not in car.log()


async def drives_on(phone: Client, seconds: float) -> None:
    """Look that the car follows every command for a time, whatever the viewers see."""
    end = time.monotonic() + seconds
    seen = len(phone.states)
    while time.monotonic() < end:
        await phone.hears(1)
    states = phone.states[seen:]
    assert phone.codes == []
    assert {state["state"] for state in states} == {"armed"}
    assert all(state["applied"]["left"] == 1.0 for state in states)
    assert not phone.state["link"]["stale"]


def send(number: signal.Signals) -> Callable[[Product], None]:
    """Return what sends this signal to the camera process."""

    def act(car: Product) -> None:
        pid = car.camera_pid()
        assert pid is not None
        os.kill(pid, number)

    return act


@at_once([signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV])
async def test_a_camera_that_hangs_or_dies_costs_no_command_and_comes_back(number: signal.Signals) -> None:
    async with driving(("-m", "picar")) as (car, phone, viewers):
        for viewer in viewers:
            await viewer.sees(3)
        send(number)(car)
        await drives_on(phone, 4.5)
        for viewer in viewers:
            await viewer.sees(3)
            assert not viewer.closed


@pytest.mark.parametrize(
    "oddities",
    [("garbage", "noise", "huge"), ("big", "silent", "deaf"), ("exit", "segv", "oom")],
    ids=", ".join,
)
async def test_whatever_the_camera_sends_costs_no_command(oddities: tuple[str, ...]) -> None:
    await at_once(oddities)(costs_no_command)()


async def costs_no_command(oddity: str) -> None:
    program = ("-m", "tests.faults.odd", f"camera-{oddity}")
    async with driving(program) as (car, phone, viewers):
        if oddity != "silent":
            await viewers[0].sees(2)
        await drives_on(phone, 3.0)
        if oddity not in ("big", "silent", "deaf"):
            assert viewers[0].cameras[-1]["state"] in ("trouble", "frozen", "live", "starting")
            assert "camera:" in car.log()


@at_once([False, True])
async def test_after_a_lost_link_the_pins_are_low_as_soon_as_without_a_camera(hangs: bool) -> None:
    async with driving(("-m", "picar")) as (car, phone, viewers):
        await viewers[0].sees(3)
        if hangs:
            send(signal.SIGSTOP)(car)
        await phone.let_go(zero=False)
        last_at = time.monotonic()
        await car.until_low()
        low_at = max(write["t"] for write in car.trace())
        assert low_at - last_at < STILL_S


@at_once([False, True])
async def test_a_killed_server_leaves_no_camera_process_and_low_pins(hangs: bool) -> None:
    async with (
        Product(config=CONFIG.format("test")) as car,
        Client(car.url) as phone,
        Viewer(car.url) as viewer,
    ):
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        await viewer.sees(3)
        camera = car.camera_pid()
        assert camera is not None
        if hangs:
            os.kill(camera, signal.SIGSTOP)
        killed_at = time.monotonic()
        car.signal(signal.SIGKILL)
        await car.until_low()
        assert max(write["t"] for write in car.trace()) - killed_at < 0.3
        await until(lambda: not Path(f"/proc/{camera}").exists(), "the end of the camera process")
        await asyncio.gather(phone.until_closed(), viewer.until_closed())
