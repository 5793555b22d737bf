"""A garage and real simulated cars, without a broker."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from picar.access.store import AccessStore
from picar.client.connection import Place
from picar.client.session import CarError
from picar.config import Config
from picar.core.lesson import Lesson
from picar.garage.garage import Garage
from picar.garage.store import GarageStore
from tests.support.household import Household
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SETTINGS = Config().having("garage", mdns=False, name="Room 3")


class Room:
    """A garage that runs, with its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.garage, name)

    async def start(self, settings: Config = SETTINGS) -> None:
        self.garage = Garage(settings, GarageStore(self.folder))
        self.task = asyncio.create_task(self.garage.run())

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def adopt(self, car: Household, name: str = "Blitz") -> str:
        found = AccessStore(car.state).id
        GarageStore(self.folder).add(found, car.url, car.token("Room 3", "garage"), name)
        return found

    def card(self, car: str) -> dict[str, Any]:
        found = {one["id"]: one for one in self.garage.cards.fields(time.monotonic())}
        return found.get(car, {})

    async def until(self, car: str, **members: Any) -> dict[str, Any]:
        await until(lambda: members.items() <= self.card(car).items(), f"{members} of {self.card(car)}")
        return self.card(car)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    found = Room(tmp_path)
    await found.start()
    try:
        yield found
    finally:
        await found.end()


@pytest.fixture
async def car() -> AsyncIterator[Household]:
    async with Household(config='[server]\nname = "Blitz"\n') as product:
        yield product


async def test_an_adopted_car_is_live_and_a_driver_is_shown(room: Room, car: Household) -> None:
    found = room.adopt(car)
    card = await room.until(found, presence="live")
    assert (card["name"], card["adopted"], card["paths"], card["url"]) == ("Blitz", True, ["direct"], car.url)
    assert (card["state"], card["lesson"], card["driver"], card["problem"]) == (
        "disarmed",
        "drive",
        None,
        None,
    )
    async with car.client(await car.phone("Ada")) as phone:
        await phone.take()
        phone.hold(0.5)
        await room.until(found, driver="Ada", moving=True, state="armed")
        await until(lambda: isinstance(room.card(found)["link_ms"], int), "the age of the driver's link")


async def test_a_hung_car_is_named_and_stops_when_it_returns_and_is_counted_then(
    room: Room, car: Household
) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    car.signal(signal.SIGSTOP)
    stop = room.stop_all("Ada")
    await asyncio.sleep(1.0)
    assert (list(stop.missing), stop.ended) == ([found], False)
    car.signal(signal.SIGCONT)
    await until(lambda: stop.ended, "the answer")
    state = await Place(car.url, car.token("script"), None).ask("GET", "api/v1/state")
    assert state["state"] == "stopped"
    await room.until(found, lesson="hold", state="stopped")


async def test_a_card_has_no_problem_any_more_when_a_late_lesson_has_arrived(
    room: Room, car: Household
) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live", problem=None)
    car.signal(signal.SIGSTOP)
    room.put_lesson("hold", 1.0, "Look here", "Ada")
    await until(lambda: room.card(found)["problem"], "the sentence that the car does not answer")
    car.signal(signal.SIGCONT)
    await room.until(found, lesson="hold", presence="live", problem=None)


async def test_a_stop_reaches_a_car_between_two_connections(
    room: Room, car: Household, tmp_path: Path
) -> None:
    found = room.adopt(car)
    room.store.refresh()
    garage = Garage(SETTINGS, GarageStore(room.folder))  # it does not run: no way is open
    stop = garage.stop_all("Ada")
    await until(lambda: stop.ended, "the answer over HTTP")
    assert stop.answer(0.0)["missing"] == []
    assert garage.cards.ours() == [found]


async def test_a_car_that_was_away_comes_back_held(room: Room, car: Household) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    boot = (await Place(car.url, car.token("a"), None).ask("GET", "api/v1/lesson"))["boot"]
    car.signal(signal.SIGKILL)
    await room.until(found, presence="silent")
    room.put_lesson("hold", 0.5, "Look here", "Ada")
    await car.ended()
    await car.start()
    await room.until(found, presence="live", lesson="hold")
    lesson = await Place(car.url, car.token("b"), None).ask("GET", "api/v1/lesson")
    assert lesson["boot"] != boot
    assert lesson["all"] == {"mode": "hold", "cap": 0.5, "seq": 1, "by": "Ada", "text": "Look here"}


async def test_a_garage_that_lost_its_count_is_raised_above_the_car_s_and_once(
    room: Room, car: Household
) -> None:
    other = Place(car.url, car.token("Room 4", "garage"), None)
    await other.ask("PUT", "api/v1/lesson", scope="all", mode="drive", cap=0.5, seq=40, by="Room 4")
    found = room.adopt(car)
    await room.until(found, presence="live")
    room.put_lesson("hold", 1.0, "", "Ada")
    assert room.lesson.seq == 41, "higher than any that a car reports"
    await room.until(found, lesson="hold")
    await other.ask("PUT", "api/v1/lesson", scope="all", mode="drive", cap=1.0, seq=50, by="Room 4")
    beside = GarageStore(room.folder)
    beside.teach(None, Lesson("hold", 1.0, 0, "Ada", ""))
    beside.save()
    await until(lambda: room.lesson.seq == 51, "the raise")
    await room.until(found, lesson="hold")
    await other.ask("PUT", "api/v1/lesson", scope="all", mode="drive", cap=1.0, seq=60, by="Room 4")
    connection = room.garage._ways[found]._connection
    assert connection
    connection.hang_up()
    await until(
        lambda: (room.card(found)["problem"] or {}).get("code") == "old_lesson", "the other garage is named"
    )
    assert room.lesson.seq == 51


async def test_a_number_that_another_process_has_used_too_is_raised(room: Room, car: Household) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    other = Place(car.url, car.token("Room 4", "garage"), None)
    await other.ask("PUT", "api/v1/lesson", scope="all", mode="drive", cap=0.5, seq=1, by="a command")
    room.put_lesson("hold", 1.0, "", "Ada")
    await room.until(found, lesson="hold")
    assert room.lesson.seq == 2


async def test_a_lesson_of_one_car_leaves_the_others(room: Room, car: Household) -> None:
    async with Household() as other:
        one, two = room.adopt(car), room.adopt(other)
        await room.until(one, presence="live")
        await room.until(two, presence="live")
        room.put_lesson("hold", 1.0, "", "Ada", one)
        await room.until(one, lesson="hold")
        room.put_lesson("drive", 0.5, "", "Ada")
        await until(lambda: not room.untaught(), "all answers")
        assert (room.card(one)["lesson"], room.card(two)["lesson"]) == ("hold", "drive")
    with pytest.raises(CarError, match="not adopted"):
        room.put_lesson("hold", 1.0, "", "Ada", "unknown0")


async def test_an_orderly_end_is_off_and_not_missing(room: Room, car: Household) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    car.signal(signal.SIGTERM)
    await room.until(found, presence="off")
    assert room.stop_all("Ada").answer(0.0)["of"] == 0


async def test_another_car_at_the_address_is_named_and_gets_a_card(room: Room, car: Household) -> None:
    GarageStore(room.folder).add("moved000", car.url, "token", "Red")
    await until(
        lambda: (room.card("moved000").get("problem") or {}).get("code") == "other_car", "the problem"
    )
    message = room.card("moved000")["problem"]["message"]
    assert f"At {car.url} is another car: Blitz, {AccessStore(car.state).id}." in message
    await room.until(AccessStore(car.state).id, presence="new", adopted=False)


async def test_a_car_by_its_address_alone_gets_its_name_without_a_token(room: Room, car: Household) -> None:
    await room.end()
    absent = "http://127.0.0.1:9"
    await room.start(SETTINGS.having("garage", cars=(car.url, absent)))
    found = AccessStore(car.state).id
    card = await room.until(found, presence="new")
    assert (card["name"], card["adopted"], card["url"]) == ("Blitz", False, car.url)
    assert not room.card(car.url), "the card of the address has gone"
    assert (await room.until(absent, presence="silent"))["problem"]["code"] == "refused"
    assert await room.garage.adopt(found, car.pin) == found
    await room.until(found, presence="live", adopted=True)


async def test_a_guest_is_invited_through_the_car(room: Room, car: Household) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    answer = await room.invite(found, "Ada", 60)
    assert "#pair=" in answer["link"]
    with pytest.raises(CarError, match="not adopted"):
        await room.invite("unknown0", "Ada", 60)


async def test_a_revoked_token_is_told_with_the_fix(room: Room, car: Household) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    assert (await car.cli("pair", "--revoke", "Room 3")).code == 0
    await until(lambda: (room.card(found)["problem"] or {}).get("code") == "not_paired", "the problem")
    assert room.card(found)["problem"]["message"].endswith("Adopt it again with its PIN.")
