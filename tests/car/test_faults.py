"""What stops the car when something dies, hangs or is told to end: real processes, real signals.

Each test drives at full throttle, breaks one thing, and reads every pin write from the trace. Bounds on
time are the fault campaign's business; here the pins must go low, and stay low.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from tests.support.client import Client
from tests.support.product import EN_PINS, Product
from tests.support.together import Scene, on_each
from tests.support.waiting import until

JUMPERS = '[l298n]\nena = "jumper"\nenb = "jumper"\n'
IN_PINS = (22, 23, 24, 27)


Moved = tuple[Product, Client]
Way = Callable[[str], AbstractAsyncContextManager[Moved]]
ONE_EN_PIN = "[l298n]\nenb = 12\n"
CONFIGS = {"enable pins": "", "jumpers": JUMPERS, "one EN pin": ONE_EN_PIN}


@asynccontextmanager
async def at_full_throttle(wiring: str) -> AsyncIterator[Moved]:
    async with Product(config=CONFIGS[wiring]) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
        yield car, phone
        assert "Traceback" not in car.log()


@asynccontextmanager
async def with_a_jog(wiring: str) -> AsyncIterator[Moved]:
    async with Product(config=CONFIGS[wiring]) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold_jog("right", -0.4)
        await phone.until(lambda s: s["applied"] == {"left": 0.0, "right": -0.4})
        assert not low(car)
        yield car, phone
        assert "Traceback" not in car.log()


def _scenes(ways: Sequence[Way], wirings: Iterable[str]) -> dict[str, Scene]:
    return {f"{way.__name__}, {wiring}": functools.partial(way, wiring) for way in ways for wiring in wirings}


driven = on_each(_scenes([at_full_throttle], ["enable pins", "jumpers"]))
jogged = on_each(_scenes([with_a_jog], CONFIGS))
moved = on_each(_scenes([at_full_throttle, with_a_jog], CONFIGS))  # what stops the one stops the other


def low(car: Product) -> bool:
    return not any(car.levels().values())


async def low_for_good(car: Product) -> None:
    """Wait until every pin is low, and see that none rises in what is a second to the motor process."""
    await until(lambda: low(car), "every pin low")
    writes = len(car.trace())
    await asyncio.sleep(1.0)
    assert not [w for w in car.trace()[writes:] if w["value"]]


@moved
async def test_the_driver_falls_silent(car: Product, phone: Client) -> None:
    await phone.let_go(zero=False)
    await low_for_good(car)
    await phone.until(lambda s: s["state"] == "disarmed" and s["reason"] == "commands_stale")


@jogged
async def test_somebody_stops_a_jog_and_it_stays_stopped_under_a_held_button(
    car: Product, phone: Client
) -> None:
    async with Client(car.url) as other:
        await other.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await low_for_good(car)
        assert "stopped" in phone.codes


@jogged
async def test_who_jogs_gives_up_the_wheel(car: Product, phone: Client) -> None:
    await phone.send(type="release")
    await low_for_good(car)
    await phone.until_error("not_driver")


@moved
async def test_the_drivers_connection_closes(car: Product, phone: Client) -> None:
    await phone.let_go(zero=False)
    phone.socket.close()
    await low_for_good(car)


@moved
async def test_the_server_is_killed(car: Product, phone: Client) -> None:
    motor = car.motor_pid()
    car.process.kill()
    assert await car.ended() == -signal.SIGKILL
    await low_for_good(car)
    await until(lambda: not _alive(motor), "the motor process gone")


@moved
async def test_the_server_is_stopped_in_its_tracks(car: Product, phone: Client) -> None:
    car.process.send_signal(signal.SIGSTOP)
    try:
        await low_for_good(car)
    finally:
        car.process.send_signal(signal.SIGCONT)
    await phone.let_go(zero=False)
    await low_for_good(car)


@driven
async def test_the_motor_process_is_killed(car: Product, phone: Client) -> None:
    os.kill(car.motor_pid(), signal.SIGKILL)
    assert await car.ended() == 1
    await low_for_good(car)
    assert "motor process ended with signal 9: pins low" in car.log()


async def test_the_motor_process_of_a_car_with_one_enable_pin_is_killed() -> None:
    async with at_full_throttle("one EN pin") as (car, _):
        os.kill(car.motor_pid(), signal.SIGKILL)
        assert await car.ended() == 1
        await low_for_good(car)


@driven
async def test_the_motor_process_is_stopped_in_its_tracks(car: Product, phone: Client) -> None:
    motor = car.motor_pid()
    os.kill(motor, signal.SIGSTOP)
    assert await car.ended() == 1
    await low_for_good(car)
    assert not _alive(motor)
    assert "silent" in car.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@driven
async def test_the_server_is_told_to_end(car: Product, phone: Client, *, number: signal.Signals) -> None:
    motor = car.motor_pid()
    car.process.send_signal(number)
    assert await car.ended() == 0
    await low_for_good(car)
    assert not _alive(motor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@driven
async def test_both_processes_are_told_to_end(car: Product, phone: Client, *, number: signal.Signals) -> None:
    os.kill(car.motor_pid(), number)
    car.process.send_signal(number)
    assert await car.ended() == 0
    await low_for_good(car)


@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGABRT"])
@driven
async def test_what_a_terminal_sends_its_whole_group_never_fells_both_watchers(
    car: Product, phone: Client, *, name: str
) -> None:
    motor = car.motor_pid()
    os.killpg(car.process.pid, signal.Signals[name])
    try:
        await low_for_good(car)
    finally:
        for pid in (car.process.pid, motor):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@driven
async def test_a_second_signal_at_the_end_changes_nothing(car: Product, phone: Client) -> None:
    while car.process.returncode is None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            car.signal(number)
        await asyncio.sleep(0.002)
    assert car.process.returncode == 0
    await low_for_good(car)


@driven
async def test_a_flood_of_stops_does_not_blind_the_watch_over_the_motor_process(
    car: Product, phone: Client
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            stranger = await stack.enter_async_context(Client(car.url))
            stack.callback(asyncio.create_task(flood(stranger)).cancel)
        os.kill(car.motor_pid(), signal.SIGSTOP)
        await low_for_good(car)
    assert await car.ended() == 1


async def flood(stranger: Client) -> None:
    with contextlib.suppress(WebSocketClosedError, StreamClosedError):
        while True:
            for _ in range(50):
                await stranger.send(type="stop")
            await asyncio.sleep(0)


@driven
async def test_a_stopped_motor_process_is_an_emergency_also_at_the_end(car: Product, phone: Client) -> None:
    os.kill(car.motor_pid(), signal.SIGSTOP)
    car.process.terminate()
    assert await car.ended() == 1
    await low_for_good(car)


@driven
async def test_a_second_car_on_the_same_port_leaves_the_pins_alone(car: Product, phone: Client) -> None:
    second = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "picar",
            "serve",
            "--pins",
            "mock",
            "--host",
            "127.0.0.1",
            "--port",
            str(car.port),
        ),
        *("--pin-trace", str(car.trace_file)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await second.communicate()
    assert second.returncode == 1
    assert b"in use" in said
    assert b"Traceback" not in said
    claims = [w for w in car.trace() if w["op"] == "claim"]
    assert len(claims) == len(car.levels())
    assert not low(car)


@driven
async def test_every_write_breaks_before_it_makes(car: Product, phone: Client) -> None:
    for throttle, steering in ((-1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.0, -1.0)):
        await phone.let_go(zero=False)
        phone.hold(throttle, steering)
        wanted = {
            "left": 1.0 if throttle + steering > 0 else -1.0,
            "right": 1.0 if throttle - steering > 0 else -1.0,
        }
        await phone.until(lambda s, wanted=wanted: s["applied"] == wanted)  # type: ignore[misc]
    await phone.let_go()
    await until(lambda: low(car), "every pin low")
    levels: dict[int, float] = {}
    enabled = set(EN_PINS) <= car.levels().keys()
    for write in car.trace():
        if enabled and write["op"] == "write" and write["value"] != levels.get(write["pin"]):
            enable = 12 if write["pin"] in (23, 24) else 13
            assert levels.get(enable, 0) == 0, write
        levels[write["pin"]] = write["value"]
        for pair in ((23, 24), (27, 22)):
            assert not all(levels.get(pin) for pin in pair), write


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
