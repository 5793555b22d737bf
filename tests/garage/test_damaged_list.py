"""`picar garage stop` with a garage.json that cannot be read: it stops the cars that a running garage, the file or a broker still names."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from picar.garage import orders
from picar.garage.store import GarageStore
from tests.fleet.brokers import Bridge
from tests.garage.test_disk import Held, Room, lesson_of
from tests.support.client import Client
from tests.support.household import Household
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

pytestmark = pytest.mark.slow

DAMAGES = "cannot be read as the list of adopted cars"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    found = Room(Held(tmp_path), tmp_path)
    try:
        yield found
    finally:
        await found.kill()


async def driven(car: Household, stack: contextlib.AsyncExitStack) -> Client:
    """Return the phone that drives a car."""
    phone = await stack.enter_async_context(car.client(await car.phone("Ada")))
    await phone.take()
    phone.hold(0.5)
    await car.until_driving()
    return phone


async def until_stopped(car: Household, phone: Client) -> None:
    await phone.until(lambda state: state["state"] == "stopped")
    await car.until_low()


@pytest.mark.alone
async def test_the_garage_that_runs_stops_its_cars_and_writes_the_list_again(room: Room) -> None:
    async with Household(config='[server]\nname = "Red"\n') as car, contextlib.AsyncExitStack() as stack:
        found = room.adopt(car, "Red")
        await room.start()
        async with room.teacher() as page:
            await page.wait(lambda: page.cars[found]["presence"] == "live", "the car")
            phone = await driven(car, stack)
            file = room.folder / "garage.json"
            file.write_text("{")
            stopped = await room.command("stop")
            assert (stopped.code, stopped.out[:25]) == (1, "1 of 1 cars have stopped "), stopped
            assert DAMAGES in stopped.err
            assert stopped.err.endswith("The garage that runs on this machine was asked instead.\n")
            await until_stopped(car, phone)
            assert await lesson_of(car) == "hold"
            await page.until_error("not_saved")
            car.signal(signal.SIGSTOP)
            missed = await room.command("stop")
            car.signal(signal.SIGCONT)
            assert (missed.code, "no answer from Red" in missed.err) == (1, True), missed
            file.rename(file.with_name("damaged"))
            await page.send(type="lesson", mode="hold", cap=1.0, text="Look here")
            await until(file.exists, "the new file")
            assert {*GarageStore(room.folder).cars} == {found}
        assert await room.end() == 0
        assert await orders.ask(room.folder) is None, "the socket of a garage that has ended"


async def test_without_a_running_garage_the_readable_cars_are_stopped(room: Room) -> None:
    async with Household() as car, Household() as other:
        room.adopt(car, "Red")
        damaged = room.adopt(other, "Blue")
        file = room.folder / "garage.json"
        content: dict[str, Any] = json.loads(file.read_text())
        content["cars"][damaged]["token"] = 7
        file.write_text(json.dumps(content))
        found = await room.command("stop")
        assert (found.code, found.out[:25]) == (1, "1 of 1 cars have stopped "), found
        assert "Only the cars in the readable part of the list" in found.err
        assert DAMAGES in found.err
        assert await lesson_of(car) == "hold"
        assert await lesson_of(other) == ""
        assert json.loads(file.read_text()) == content, "picar replaces no damaged file"


async def test_without_a_readable_list_the_cars_at_the_broker_are_stopped(room: Room, tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        section = f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
        async with Household(config=section) as car:
            bridge = Bridge(car, car._config)
            await bridge.start()
            config = tmp_path / "garage.toml"
            config.write_text(section)
            (room.folder / "garage.json").write_text("{")
            found = await room.command("--config", str(config), "stop")
            assert (found.code, found.out[:25]) == (1, "1 of 1 cars have stopped "), found
            assert "Stop the others on their own pages." in found.err
            assert await lesson_of(car) == "hold"
            await bridge.end(signal.SIGKILL)


async def test_if_no_car_can_be_reached_the_command_says_so(room: Room) -> None:
    (room.folder / "garage.json").write_text("{")
    found = await room.command("stop")
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("picar: No car was stopped: stop each car on its own page. ")
    assert DAMAGES in found.err


GOOD = {"url": "http://a", "token": "t", "name": "A"}
HOLD = {"mode": "hold", "cap": 0.5, "seq": 7, "by": "", "text": ""}


@pytest.mark.parametrize(
    ("content", "cars", "seq", "own"),
    [
        ({"cars": {"a": GOOD, "b": 7}, "lesson": HOLD, "own": {"a": HOLD, "b": []}}, {"a"}, 7, {"a"}),
        ({"cars": {"a": GOOD}, "lesson": {"mode": "fly"}, "own": None}, {"a"}, 0, set()),
        ({"cars": [GOOD], "lesson": HOLD}, set(), 7, set()),
        ([], set(), 0, set()),
    ],
)
def test_the_readable_entries_of_a_damaged_file_are_taken(
    tmp_path: Path, content: Any, cars: set[str], seq: int, own: set[str]
) -> None:
    (tmp_path / "garage.json").write_text(json.dumps(content))
    store = GarageStore(tmp_path, damaged=True)
    assert ({*store.cars}, store.lesson.seq, {*store.own}) == (cars, seq, own)


@pytest.mark.parametrize("text", ["{", "[" * 10_000, '{"cars":' * 900 + "{}" + "}" * 900])
def test_a_file_without_readable_entries_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "garage.json").write_text(text)
    assert GarageStore(tmp_path, damaged=True).cars == {}
