"""STOP ALL with real cars in trouble: the answer names each car that was not heard, until it has stopped.

The cars are real servers with motor processes and simulated pins; bridges, broker and WebSockets are real too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from picar.config import Config, GarageConfig, MqttConfig
from picar.garage.garage import Garage
from picar.garage.store import GarageStore
from tests.faults.proxy import Proxy
from tests.fleet.brokers import Bridge
from tests.fleet.brokers import Garage as Reader
from tests.support.client import Client
from tests.support.household import Household
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

pytestmark = pytest.mark.alone  # one has to stop within a second

BOTH, DIRECT, BROKER = "direct broker", "direct", "broker"
RETURN_S = 1.0  # from SIGCONT to the stop
WATCHED_S = 2.0


class Car:
    """A real car of the room: its server, its bridge if it has one, and the driver's phone.

    Args:
        house: the server.
        bridge: to the broker, or None.
        link: the garage's direct way, which a test can cut.
        id: of the car.
    """

    def __init__(self, house: Household, bridge: Bridge | None, link: Proxy, id: str) -> None:  # noqa: A002
        self.house, self.bridge, self.link, self.id = house, bridge, link, id
        self.phone: Client
        self.headers: dict[str, str] = {}

    async def drive(self, stack: contextlib.AsyncExitStack) -> None:
        """Let a phone drive, with the stick held until the end."""
        self.headers = await self.house.phone("Ada")
        self.phone = await stack.enter_async_context(self.house.client(self.headers))
        await self.phone.take()
        self.phone.hold(0.5)
        await self.house.until_driving()

    async def end(self) -> None:
        """Take the battery out: server and bridge are killed."""
        if self.bridge:
            await self.bridge.end(signal.SIGKILL)
        self.house.signal(signal.SIGKILL)
        await self.house.ended()
        await self.house.until_low()

    async def start(self) -> None:
        """Start server and bridge again."""
        await self.house.start()
        if self.bridge:
            await self.bridge.start()

    async def until_held(self) -> None:
        """Wait until the car refuses to be driven, because the garage holds it."""
        async with self.house.client(self.headers) as phone:
            await phone.until(lambda state: (state["lesson"] or {}).get("mode") == "hold")
            await phone.ask("take")
            await phone.until_error("held")
            await self.house.until_low()


class Room:
    """A garage with a broker, and its cars.

    Args:
        broker: the broker.
        garage: the garage, which runs.
        stack: ends the cars.
    """

    def __init__(self, broker: Mosquitto, garage: Garage, stack: contextlib.AsyncExitStack) -> None:
        self.broker, self.garage, self._stack = broker, garage, stack

    async def car(self, ways: str = BOTH) -> Car:
        """Start a car that the garage reaches by these ways, and adopt it."""
        section = f'[mqtt]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n' if BROKER in ways else ""
        house = await self._stack.enter_async_context(Household(config=section))
        link = await self._stack.enter_async_context(Proxy(house.port))
        car = Car(house, Bridge(house, house._config) if section else None, link, "")
        if car.bridge:
            self._stack.push_async_callback(car.bridge.end, signal.SIGKILL)
            await car.bridge.start()
        car.id = await self.garage.adopt(link.url, house.pin)
        await self.until_ways(car, BOTH if section else DIRECT)
        if DIRECT not in ways:
            link.cut()  # the garage notices this after some seconds
        return car

    def card(self, car: Car) -> dict[str, Any]:
        """Return the card of a car."""
        found = {card["id"]: card for card in self.garage.cards.fields(time.monotonic())}
        return found[car.id]

    async def until_ways(self, car: Car, ways: str) -> None:
        """Wait until exactly these ways are live."""
        await until(lambda: set(self.card(car)["paths"]) == {*ways.split()}, f"{ways}; {self.card(car)}")

    def answer(self) -> tuple[int, int, set[str]]:
        """Return the count, the number of all and the missing cars of the newest round."""
        assert self.garage.round
        found = self.garage.round.answer(time.monotonic())
        return found["stopped"], found["of"], set(found["missing"])


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with Mosquitto(tmp_path) as broker, contextlib.AsyncExitStack() as stack:
        mqtt = MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}")
        settings = Config(garage=GarageConfig(name="Room 4", mdns=False), mqtt=mqtt)
        garage = Garage(settings, GarageStore(tmp_path / "garage"))
        task = asyncio.create_task(garage.run())
        try:
            await until(lambda: garage.broker == "live", "the broker")
            yield Room(broker, garage, stack)
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_stop_all_in_four_kinds_of_trouble_names_each_car_until_it_has_stopped(room: Room) -> None:
    hung, off, by_broker, by_hand = [await room.car(ways) for ways in (BOTH, BOTH, BROKER, DIRECT)]
    async with contextlib.AsyncExitStack() as phones:
        for car in (hung, off, by_broker, by_hand):
            await car.drive(phones)
        await room.until_ways(by_broker, BROKER)
        await room.until_ways(by_hand, DIRECT)
        hung.house.signal(signal.SIGSTOP)
        await off.end()
        room.garage.stop_all("Ms Lee")
        for car in (by_broker, by_hand):
            await car.phone.until(lambda state: state["state"] == "stopped")
            await car.house.until_low()
        await until(lambda: room.answer() == (2, 4, {hung.id, off.id}), f"the answer: {room.answer()}")
        await hung.house.until_low()  # by the deadline of its motor process
        for car in (by_broker, by_hand):
            await car.phone.let_go(zero=False)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > WATCHED_S, "more requests")
        assert room.answer() == (2, 4, {hung.id, off.id}), "no car counts as stopped by assumption"
        hung.house.signal(signal.SIGCONT)
        returned = time.monotonic()
        await hung.phone.until(lambda state: state["state"] == "stopped")
        stopped_s = time.monotonic() - returned
        await until(lambda: room.answer() == (3, 4, {off.id}), f"the answer: {room.answer()}")
        answered_s = time.monotonic() - returned
        print(f"stopped {stopped_s * 1000:.0f} ms after SIGCONT, counted after {answered_s * 1000:.0f} ms")
        assert stopped_s <= RETURN_S
        assert answered_s <= RETURN_S
        await hung.house.until_low()  # a stop brakes first
        await off.start()
        await until(lambda: room.answer() == (4, 4, set()), f"the answer: {room.answer()}")
        await off.until_held()
        assert room.garage.round
        assert room.garage.round.ended


@pytest.mark.parametrize("ways", [DIRECT, BROKER])
async def test_a_car_that_was_off_during_stop_all_comes_back_held_by_each_way(room: Room, ways: str) -> None:
    car = await room.car(ways)
    async with contextlib.AsyncExitStack() as phones:
        await car.drive(phones)
        await car.end()
        room.garage.stop_all("Ms Lee")
        assert room.answer() == (0, 1, {car.id})
        await car.start()
        await car.until_held()
        await until(lambda: room.card(car)["lesson"] == "hold", "the hold on the card")
        room.garage.put_lesson("drive", 1.0, "", "Ms Lee")
        async with car.house.client(car.headers) as phone:
            await phone.until(lambda state: state["lesson"] is None)


async def test_a_car_that_is_dismissed_by_name_is_not_waited_for(room: Room) -> None:
    car = await room.car(BROKER)
    await car.end()
    room.garage.stop_all("Ms Lee")
    assert room.answer() == (0, 1, {car.id})
    room.garage.dismiss(car.id)
    assert room.garage.round
    assert room.garage.round.ended


async def test_a_stop_reaches_a_car_by_the_broker_when_the_direct_way_is_cut_at_this_moment(
    room: Room,
) -> None:
    car = await room.car()
    async with contextlib.AsyncExitStack() as phones:
        await car.drive(phones)
        car.link.cut()
        room.garage.stop_all("Ms Lee")
        await car.phone.until(lambda state: state["state"] == "stopped")
        await until(lambda: room.answer() == (1, 1, set()), f"the answer: {room.answer()}")
        await car.house.until_low()


async def test_a_stop_reaches_a_car_directly_when_the_broker_hangs(room: Room) -> None:
    car = await room.car()
    async with contextlib.AsyncExitStack() as phones:
        await car.drive(phones)
        room.broker.process.send_signal(signal.SIGSTOP)
        room.garage.stop_all("Ms Lee")
        await car.phone.until(lambda state: state["state"] == "stopped")
        await until(lambda: room.answer() == (1, 1, set()), f"the answer: {room.answer()}")
        await car.house.until_low()
        room.broker.process.send_signal(signal.SIGCONT)


async def test_a_broker_that_has_lost_the_hold_gets_it_again(room: Room) -> None:
    """A power cut: Mosquitto saves its retained messages once a minute."""
    room.garage.put_lesson("hold", 1.0, "Look here", "Ms Lee")
    async with Reader(room.broker) as other:
        await other.until("picar/all/lesson", lambda body: body["mode"] == "hold")
    await room.broker.kill()
    await until(lambda: room.garage.broker != "live", "the garage notices it")
    await room.broker.start()
    async with Reader(room.broker) as other:
        again = await other.until("picar/all/lesson", lambda body: body["mode"] == "hold")
        assert again["seq"] == room.garage.lesson.seq
