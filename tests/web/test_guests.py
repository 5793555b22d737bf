"""A guest and the pins: freshness by pongs, the wheel, STOP, and the end of its connection; with the real server."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from picar.core.link import SLOT_MESSAGES, SLOT_S
from tests.support.client import Client
from tests.support.peer import CLOSE, frame
from tests.support.product import EN_PINS, Product
from tests.support.ros import FULL, ZERO, RawRos, Ros, publication
from tests.support.waiting import DEADLINE_S

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ON = "[rosbridge]\nenabled = true\nport = 0\n"
TIMEOUT_S, SLACK_S = 0.5, 0.05  # command_timeout_s, and the motor process's own turn


def low_at(car: Product) -> float:
    """Return when the enable pins became low at last, monotonic."""
    levels: dict[int, float] = {}
    at = 0.0
    for write in car.trace():
        if write["pin"] in EN_PINS:
            was_on = any(levels.values())
            levels[write["pin"]] = write["value"]
            at = write["t"] if was_on and not any(levels.values()) else at
    assert not any(levels.values()), levels
    return at


async def raw_driver(car: Product) -> RawRos:
    """Return a guest that drives; on a slow machine it is late, and begins again with neutral."""
    guest = await RawRos.connect(("127.0.0.1", car.port))
    await guest.listen(0.6)
    give_up_at = time.monotonic() + DEADLINE_S
    while not car.is_driving():
        assert time.monotonic() < give_up_at, "the guest drives"
        guest.publish(ZERO)
        await guest.listen(0.1)
        await guest.listen(0.5, message=FULL)
    return guest


async def test_pongs_in_advance_of_a_client_that_dies_stop_the_car_at_the_timeout() -> None:
    async with Product(config=ON) as car:
        guest = await raw_driver(car)
        guesses = [
            b"",
            *guest.pings,
            *(bytes([n]) * 8 for n in range(256)),
            *map(str.encode, map(str, range(99))),
        ]
        for payload in guesses:
            guest.pong(payload)
        for _ in range(20):
            guest.publish(FULL)
        await guest.listen(2.0, answer=False, message=FULL)
        await car.until_low()
        assert low_at(car) - guest.pong_at <= TIMEOUT_S + SLACK_S
        guest.writer.close()


async def test_a_guest_without_pongs_never_drives() -> None:
    async with Product(config=ON) as car:
        guest = await RawRos.connect(("127.0.0.1", car.port))
        await guest.listen(0.6, answer=False)
        guest.publish(ZERO)
        await guest.listen(1.0, answer=False, message=FULL)
        assert guest.pings
        assert len(set(guest.pings)) == len(guest.pings)
        assert all(len(payload) == 8 for payload in guest.pings)
        assert car.is_low()
        guest.writer.close()


async def test_commands_held_back_by_a_stall_turn_no_wheel() -> None:
    async with Product(config=ON) as car:
        guest = await raw_driver(car)
        await asyncio.sleep(2.0)  # the stall: nothing is read or sent
        await car.until_low()
        before = low_at(car)
        for _ in range(40):
            guest.publish(FULL)  # ahead of the pongs, as a network stack sends them
        await guest.listen(1.0, message=FULL)
        assert low_at(car) == before
        guest.publish(ZERO)
        await guest.listen(0.1)
        await guest.listen(0.5, message=FULL)
        await car.until_driving()
        guest.writer.close()


async def test_a_queue_that_is_replayed_after_the_connection_turns_no_wheel() -> None:
    async with Product(config=ON) as car:
        guest = await RawRos.connect(("127.0.0.1", car.port))
        await guest.listen(0.1)
        for message in [ZERO, *[FULL] * 40]:
            guest.publish(message)
        await guest.listen(1.0)
        assert car.is_low()
        guest.writer.close()


@pytest.mark.parametrize("end", ["goodbye", "end", "reset"])
async def test_a_guest_that_is_closed_while_driving_stops_the_car_at_once(end: str) -> None:
    async with Product(config=ON) as car, Client(car.url) as phone:
        guest = await raw_driver(car)
        closed_at = time.monotonic()
        if end == "goodbye":
            guest.writer.write(frame(b"\x03\xe8", CLOSE))
        elif end == "end":
            guest.writer.close()
        else:
            guest.writer.transport.abort()
        await car.until_low()
        assert low_at(car) - closed_at <= TIMEOUT_S / 2, "at once, and not at the timeout"
        await phone.until(lambda s: s["driver"] is None)
        guest.writer.close()


async def test_the_stop_of_a_guest_counts_while_another_client_drives() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await phone.take()
        phone.hold(0.8)
        await car.until_driving()
        answer = await guest.call("/picar/stop")
        assert answer["values"] == {"success": True, "message": "the car is stopped"}
        await phone.until(lambda s: s["state"] == "stopped")
        await car.until_low()
        answer = await guest.call("/picar/reset")
        assert answer["values"]["success"] is False


async def test_a_stop_counts_at_any_rate() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:

        async def flood() -> None:
            while True:
                await asyncio.gather(*(guest.send("set_level", level="error") for _ in range(40)))
                await asyncio.sleep(0.02)

        flooding = asyncio.create_task(flood())
        await guest.until_status("too_fast")
        await guest.call("/picar/stop")
        await phone.until(lambda s: s["state"] == "stopped")
        flooding.cancel()


async def test_a_guest_that_drives_can_reset_and_begins_with_neutral() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await guest.drive()
        await car.until_driving()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await guest.wait(lambda: any("not_neutral" in one for one in guest.statuses), "a refusal")
        while not (answer := await guest.call("/picar/reset"))["values"]["success"]:
            assert "too long ago" in answer["values"]["message"], "no pong yet that is newer than the stop"
        assert answer["values"]["message"] == "the car may drive"
        await phone.until(lambda s: s["state"] == "disarmed")
        await phone.hears(3)
        assert car.is_low()
        await guest.let_go()
        await guest.rest()
        guest.hold(FULL)
        await car.until_driving()


async def test_a_guest_does_not_get_the_wheel_of_a_native_driver() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await phone.take()
        await guest.drive()
        await guest.until_status("not_driver")
        await phone.hears(5)
        assert phone.state["driver"] == phone.id
        assert phone.state["requests"] == []
        assert car.is_low()


async def test_a_native_driver_gets_the_wheel_of_a_guest_at_neutral() -> None:
    async with (
        Product(config=f"{ON}[session]\nidle_s = 600\n") as car,
        Client(car.url) as phone,
        Ros(car.url) as guest,
    ):
        await guest.drive()
        await car.until_driving()
        await phone.ask("take")
        await phone.until(lambda s: s["requests"] == [phone.id])
        await guest.let_go()
        await guest.publish(ZERO)
        guest.hold(ZERO)
        await phone.until(lambda s: s["you"] == "driver")
        await guest.let_go()
        guest.hold(FULL)
        await guest.until_status("not_driver")
        assert car.is_low()


async def test_a_second_guest_does_not_drive_and_zeros_hold_no_wheel() -> None:
    async with (
        Product(config=ON) as car,
        Client(car.url) as phone,
        Ros(car.url) as guest,
        Ros(car.url) as other,
    ):
        other.hold(ZERO)  # as leo_ui does for ever
        await guest.drive()
        await car.until_driving()
        driver = phone.state["driver"]
        await other.let_go()
        other.hold(FULL)
        await other.until_status("not_driver")
        assert phone.state["driver"] == driver
        await guest.let_go()
        guest.hold(ZERO)
        await phone.until(lambda s: s["driver"] is None)  # after idle_s of zeros


async def test_a_page_that_sends_no_zero_may_begin_after_a_silence() -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.settle()
        guest.hold(FULL)
        await car.until_driving()


async def test_one_unchanged_command_ends_the_wheel_after_ten_seconds() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await guest.drive()
        await car.until_driving()
        await phone.until(lambda s: s["driver"] is None)
        await guest.until_status("not_neutral")
        await car.until_low()


async def test_a_guest_of_the_same_browser_does_not_come_back_to_the_wheel_of_its_page() -> None:
    async with Product(config=f"{ON}[session]\ngrace_s = 30\n") as car, Client(car.url) as watcher:
        async with Client(car.url, cookie="one-browser") as phone:
            await phone.take()
            name = phone.id
        async with Ros(car.url, {"Cookie": "picar_session=one-browser"}) as guest:
            await guest.call("/rosapi/nodes")
            await watcher.hears(2)
            assert watcher.state["driver"] == name


async def test_a_guest_asks_for_no_wheel_while_the_car_still_rolls() -> None:
    config = f"{ON}[drive]\ndecel = 1.0\n"
    async with Product("sim", config=config) as car, Client(car.url) as watcher, Ros(car.url) as guest:
        await guest.settle()
        guest.hold(ZERO)
        async with Client(car.url) as phone:
            await phone.take()
            phone.hold(1.0)
            await watcher.until(lambda s: s["applied"]["left"] > 0.9)
            await guest.let_go()
            guest.hold(ZERO, FULL)
            await phone.send(type="release")
        await watcher.until(lambda s: s["driver"] is not None)
        assert not any(state["requests"] for state in watcher.states)


async def test_neutral_and_full_throttle_in_one_packet_drive() -> None:
    async with Product(config=ON) as car:
        guest = await RawRos.connect(("127.0.0.1", car.port))
        await guest.listen(0.7)
        commands = [frame(publication(one).encode()) for one in (ZERO, FULL)]
        guest.writer.write(b"".join(commands))
        await guest.listen(0.1)
        await asyncio.gather(car.until_driving(), guest.listen(0.3, message=FULL))
        guest.writer.close()


async def test_a_stick_that_is_pushed_while_another_client_drives_does_not_get_its_wheel() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await guest.settle()
        await guest.rest()
        await phone.take()
        await guest.publish(FULL)
        await guest.until_status("not_driver")
        os.kill(car.motor_pid(), signal.SIGSTOP)  # the guest acts before the car reports the end of the drive
        try:
            await phone.send(type="release")
            for _ in range(5):
                await guest.publish(FULL)
            await guest.call("/rosapi/nodes")
        finally:
            os.kill(car.motor_pid(), signal.SIGCONT)
        for _ in range(10):
            await guest.publish(FULL)
            await asyncio.sleep(0.05)
        assert car.is_low()
        assert phone.state["driver"] is None
        await guest.rest()
        guest.hold(FULL)
        await car.until_driving()


@pytest.mark.parametrize("_attempt", range(3))  # the end of the connection has to fall into one slot
async def test_a_guest_that_sends_too_much_and_leaves_keeps_no_wheel(_attempt: int) -> None:
    async with Product(config=f"{ON}[session]\ngrace_s = 30\n") as car, Client(car.url) as phone:
        guest = await raw_driver(car)
        for _ in range(1 + round(1.0 / SLOT_S)):
            await asyncio.sleep(SLOT_S * 1.05 - time.monotonic() % SLOT_S)
            for _ in range(SLOT_MESSAGES + 5):
                guest.publish(FULL)
            await guest.listen(0.03)
        guest.writer.close()
        await phone.until(lambda s: s["clients"] == 1)
        await phone.hears(2)
        assert phone.state["driver"] is None
