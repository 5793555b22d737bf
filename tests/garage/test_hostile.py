"""A garage beside programs that are no cars, beside another garage, and after bad luck."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from picar.client.connection import Place
from picar.client.session import CarError
from picar.garage.store import GarageStore
from tests.garage.test_garage import SETTINGS, Room, car, room  # noqa: F401 - fixtures
from tests.support.household import Household
from tests.support.waiting import until

DEEP = "[" * 200_000


class Stranger(RequestHandler):
    """Answers each request alike."""

    answer: str

    def get(self, path: str) -> None:
        """Answer; a path of "elsewhere" is where a redirect leads."""
        if self.answer == "redirect" and path != "elsewhere":
            self.redirect("/elsewhere")
        else:
            self.write(self.answer if self.answer != "redirect" else {"id": "abcd1234"})


@asynccontextmanager
async def stranger(answer: str) -> AsyncIterator[str]:
    """Serve a page that is not that of a car, and yield its address."""
    server = HTTPServer(Application([(r"/(.*)", Stranger)]))
    sockets = bind_sockets(0, "127.0.0.1")
    Stranger.answer = answer
    server.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


@pytest.mark.parametrize("answer", ["[]", '"text"', "null", DEEP, "redirect"])
async def test_a_page_that_is_no_car_s_is_asked_again_and_named(tmp_path: Path, answer: str) -> None:
    async with stranger(answer) as url:
        with pytest.raises(CarError, match="is not that of a car"):
            await Place(url, "", None).ask("GET", "api/v1/session")
        GarageStore(tmp_path).add("abcd1234", url, "token", "Blitz")
        garage = Room(tmp_path)
        await garage.start()
        await until(lambda: garage.card("abcd1234")["problem"], "the sentence about the page")
        assert garage.card("abcd1234")["problem"]["code"] == "no_car"
        task = garage.garage._ways["abcd1234"].task
        assert task
        assert not task.done(), "the way is tried again"
        await garage.end()


async def test_an_old_drive_does_not_end_the_hold_of_another_garage(
    room: Room,  # noqa: F811
    car: Household,  # noqa: F811
) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    room.put_lesson("drive", 0.5, "", "Ada")
    await until(lambda: not room.untaught(), "the answer")
    other = Place(car.url, car.token("Room 4", "garage"), None)
    hold = {"scope": "all", "mode": "hold", "cap": 1.0, "seq": 9, "by": "Room 4"}
    await other.ask("PUT", "api/v1/lesson", **hold)
    await room.end()
    await room.start(SETTINGS)  # also `picar garage list` is a garage
    await room.until(found, presence="live", lesson="hold")
    await until(lambda: room.garage._ways[found].has("all"), "the refusal of the old lesson")
    assert (await other.ask("GET", "api/v1/lesson"))["all"]["seq"] == 9
    assert room.card(found)["lesson"] == "hold"
    room.put_lesson("drive", 0.5, "", "Ada")
    await room.until(found, lesson="drive")
