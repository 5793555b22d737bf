"""`picar garage list, stop, hold, drive, adopt` as people run them, with real simulated cars."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.access.store import AccessStore
from picar.garage.store import Adopted, GarageStore
from tests.support.household import Ended, Household, run

pytestmark = pytest.mark.slow

NAMES = '[server]\nname = "{}"\n'


class Room:
    """A garage's command line with a folder of its own; no mDNS, so that cars of other tests do not appear."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"STATE_DIRECTORY": str(folder), "PICAR_GARAGE__MDNS": "false"}

    async def __call__(self, *arguments: str, **env: str) -> Ended:
        return await run([sys.executable, "-m", "picar", "garage", *arguments], self.env | env)

    @property
    def store(self) -> GarageStore:
        return GarageStore(self.folder / "garage")

    def adopt(self, car: Household) -> str:
        """Adopt a car without a command; returns its id."""
        found = car.content()["car"][:8]
        self.store.add(found, car.url, car.token("Room 3", "garage"), "Blitz")
        return str(found)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


@pytest.fixture
async def car() -> AsyncIterator[Household]:
    async with Household(config=NAMES.format("Blitz")) as product:
        yield product


async def test_a_car_is_adopted_by_its_pin_and_once_only(room: Room, car: Household) -> None:
    wrong = await room("adopt", car.url, car.wrong_pin)
    assert (wrong.code, wrong.out) == (1, "")
    assert "This is not the car's PIN." in wrong.err
    right = await room("adopt", car.url, car.pin)
    assert right.code == 0, right.err
    (found,) = room.store.cars
    assert right.out == f"Blitz ({found}) is adopted.\n"
    assert car.names() == ["Garage: garage"]
    assert room.store.path.stat().st_mode & 0o777 == 0o600
    again = await room("adopt", car.url, car.pin)
    assert again.out == f"Blitz ({found}) is adopted already.\n"
    assert car.names() == ["Garage: garage"], "no second entry"


async def test_an_address_without_a_car_is_refused_with_a_sentence(room: Room) -> None:
    for address, sentence in (("http://127.0.0.1:9", "No car answers"), ("http://a b", "is not the address")):
        found = await room("adopt", address, "123456")
        assert found.code == 1
        assert sentence in found.err
        assert "Traceback" not in found.err


async def test_without_cars_every_order_says_how_to_adopt_one(room: Room) -> None:
    for order in ("stop", "hold", "drive"):
        found = await room(order)
        assert found.code == 1
        assert "picar: No car is adopted. Adopt each car: " in found.err
        assert "garage adopt URL PIN" in found.err


async def test_stop_stops_a_driving_car_and_holds_it(room: Room, car: Household) -> None:
    room.adopt(car)
    async with car.client(await car.phone("Ada")) as phone:
        await phone.take()
        phone.hold(0.5)
        await car.until_driving()
        found = await room("stop")
        assert found.code == 0, found.err
        assert found.out.startswith("1 of 1 cars have stopped (")
        await phone.until(lambda state: state["state"] == "stopped")
        await car.until_low()
    assert room.store.lesson.mode == "hold"


async def test_stop_names_the_car_that_does_not_answer(room: Room, car: Household) -> None:
    room.adopt(car)
    async with Household(config=NAMES.format("Red")) as other:
        other_id = other.content()["car"][:8]
        room.store.add(other_id, other.url, other.token("Room 3", "garage"), "Red")
        other.signal(signal.SIGSTOP)
        found = await room("stop")
        other.signal(signal.SIGCONT)
        assert found.code == 1
        assert found.out.startswith("1 of 2 cars have stopped (")
        assert found.err == "picar: no answer from Red. Look at these cars.\n"


async def test_hold_and_drive_reach_the_car_with_cap_and_text(room: Room, car: Household) -> None:
    room.adopt(car)
    held = await room("hold", "--text", "Look here", "--cap", "0.6")
    assert (held.code, held.out) == (0, "1 of 1 cars are held, with at most 60% of their speed.\n")
    async with car.client(await car.phone("Ada")) as phone:
        await phone.until(lambda state: (state["lesson"] or {}).get("text") == "Look here")
        driven = await room("drive")
        assert (driven.code, driven.out) == (0, "1 of 1 cars may drive, with at most 60% of their speed.\n")
        await phone.until(lambda state: state["lesson"] and state["lesson"]["mode"] == "drive")
    assert (room.store.lesson.seq, room.store.lesson.cap) == (2, 0.6)
    for cap in ("3", "fast"):
        wrong = await room("hold", "--cap", cap)
        assert wrong.code == 2
        assert "use a number from 0.05 to 1" in wrong.err


async def test_list_shows_live_strange_and_absent_cars(room: Room, car: Household) -> None:
    found = room.adopt(car)
    room.store.add("absent00", "http://127.0.0.1:9", "nothing", "Red")
    async with Household(config=NAMES.format("Green")) as strange:
        listed = await room("--car", strange.url, "list", "--json")
        table = await room("--car", strange.url, "list")
    cards = {card["name"]: card for card in json.loads(listed.out)}
    assert cards["Blitz"]["presence"] == "live"
    assert cards["Blitz"]["paths"] == ["direct"]
    assert (cards["Blitz"]["id"], cards["Blitz"]["state"]) == (found, "disarmed")
    assert (cards["Green"]["presence"], cards["Green"]["adopted"]) == ("new", False)
    assert cards["Red"]["presence"] == "silent"
    assert cards["Red"]["problem"]["code"] == "refused"
    assert table.code == 0
    assert "number  name" in table.out
    assert "Red: No car answers" in table.out


async def test_a_revoked_garage_says_how_to_come_back(room: Room, car: Household) -> None:
    room.adopt(car)
    assert (await car.cli("pair", "--revoke", "Room 3")).code == 0
    listed = json.loads((await room("list", "--json")).out)
    assert listed[0]["problem"] == {
        "code": "not_paired",
        "message": "The car does not know this garage any more. Adopt it again with its PIN.",
    }
    assert (await room("adopt", car.url, car.pin)).code == 0
    assert json.loads((await room("list", "--json")).out)[0]["presence"] == "live"


async def test_a_garage_without_zeroconf_needs_cars_or_no_mdns(room: Room, tmp_path: Path) -> None:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "zeroconf.py").write_text("raise ImportError(name='zeroconf')\n")
    path = {"PYTHONPATH": f"{tmp_path / 'blocked'}:{Path(__file__).parents[2]}", "PICAR_GARAGE__MDNS": "true"}
    found = await room("--port", "0", **path)
    assert found.code == 2
    assert "pip install 'zeroconf>=0.140'" in found.err
    assert "no_zeroconf" in found.err
    listed = await room("list", "--json", **path)
    assert (listed.code, listed.out) == (0, "[]\n")


@pytest.mark.parametrize("order", ["hold", "list"])
async def test_a_file_that_is_damaged_ends_a_command_with_a_sentence(room: Room, order: str) -> None:
    room.store.path.write_text("{")
    found = await room(order)
    assert found.code == 1
    assert "cannot be read as the list of adopted cars" in found.err
    assert "Traceback" not in found.err


def test_the_entry_of_a_car_survives_another_one(room: Room) -> None:
    room.store.add("aaaaaaaa", "http://127.0.0.1:1", "t", "A")
    room.store.add("bbbbbbbb", "http://127.0.0.1:2", "t", "B")
    assert room.store.cars["aaaaaaaa"] == Adopted("http://127.0.0.1:1", "t", "A")


async def test_a_car_that_is_forgotten_is_not_waited_for(room: Room, car: Household) -> None:
    room.adopt(car)
    room.store.add("absent00", "http://127.0.0.1:9", "nothing", "Red")
    assert (await room("stop")).code == 1
    assert (await room("forget", "Blue")).code == 1
    assert (await room("forget", "Red")).out == "Red is no longer in the garage.\n"
    found = await room("stop")
    assert (found.code, found.out[:12]) == (0, "1 of 1 cars ")


async def test_a_list_without_cars_says_how_to_adopt_one(room: Room) -> None:
    found = await room("list")
    assert found.code == 1
    assert "No car is adopted or found. Adopt each car:" in found.err


async def test_picar_pair_shows_the_pin_and_the_devices_of_the_page_also_beside_a_running_car(
    room: Room, car: Household
) -> None:
    page = AccessStore(room.folder / "garage")
    page.keep(page.pair("Ada", "phone").id)
    car.token("Otto", "script")
    env = {"STATE_DIRECTORY": str(page.path.parent), "XDG_RUNTIME_DIR": str(car.folder)}

    async def pair(*arguments: str) -> str:
        return (await run([sys.executable, "-m", "picar", "pair", *arguments], env)).out

    assert page.pin in await pair()
    assert await pair("--list") == "  phone   Ada  (from this machine's terminal)\n"
    assert (await pair("--revoke", "all")).startswith("Removed: 1 (Ada).")
    assert await pair("--list") == "No phone or script is paired.\n"
    assert car.names() == ["Otto"]
