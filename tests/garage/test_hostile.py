"""A garage beside programs that are no cars, beside another garage, and after bad luck."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from picar.client.connection import Place
from picar.client.discovery import Found
from picar.client.session import CarError
from picar.commands.garage import _stop
from picar.errors import FileError
from picar.fleet.car import end
from picar.garage.garage import LESSONS_AT_A_TIME, STOPS_AT_A_CAR, Garage
from picar.garage.simulate import Simulated
from picar.garage.store import GarageStore
from tests.garage.test_garage import SETTINGS, Room, car, room  # noqa: F401 - fixtures
from tests.support.household import Household
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

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
    server = HTTPServer(Application([(r"/ws", Malformed), (r"/(.*)", Stranger)]))
    sockets = bind_sockets(0, "127.0.0.1")
    Stranger.answer = answer
    server.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


class Malformed(WebSocketHandler):
    """Sends bytes that no car sends."""

    frames: bytes

    def select_subprotocol(self, subprotocols: list[str]) -> str:
        """Take the first."""
        return subprotocols[0]

    async def open(self) -> None:
        """Send the bytes."""
        stream = self.ws_connection and self.ws_connection.stream
        assert stream
        await stream.write(self.frames)


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


def test_a_page_that_reports_the_id_of_an_adopted_car_changes_nothing_on_its_card(tmp_path: Path) -> None:
    GarageStore(tmp_path).add("abcd1234", "http://127.0.0.1:9", "token", "Blitz")
    garage = Garage(SETTINGS, GarageStore(tmp_path))
    impostor = {"id": "abcd1234", "car": "Impostor", "number": 99, "colour": "000000", "version": "9"}
    garage.on_met(garage._way("http://127.0.0.1:10", "http://127.0.0.1:10"), impostor)
    card = garage.cards.card("abcd1234")
    assert card
    assert (card.fields["name"], card.fields["number"], card.fields["version"]) == ("Blitz", None, None)


@pytest.mark.parametrize(
    "frames",
    [b"\x89\x7e\x00\xc8" + bytes(200), b"\x88\x04\x03\xe8\xff\xfe", b"\x81\x82\x00\x00\x00\x00{}"],
    ids=["a long ping", "a close without text", "a masked frame"],
)
async def test_a_malformed_frame_ends_the_connection(
    frames: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Malformed, "frames", frames, raising=False)
    messages: list[str | bytes | None] = []
    async with stranger("") as url:
        connection = await Place(url, "", None).connect("ws", "picar.v1", messages.append)
        await until(lambda: messages == [None], "the end")
        connection.hang_up()
    assert not caplog.records


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


async def test_stop_waits_until_the_cars_are_held(room: Room, car: Household) -> None:  # noqa: F811
    found = room.adopt(car)
    await room.until(found, presence="live")
    slots = room.garage.lesson_slots
    for _ in range(LESSONS_AT_A_TIME):  # so that no lesson leaves
        await slots.acquire()
    stopping = asyncio.create_task(_stop(room.garage, argparse.Namespace()))
    await until(lambda: room.round and room.round.ended, "the answer to the stop")
    for _ in range(LESSONS_AT_A_TIME):
        asyncio.get_running_loop().call_later(0.2, slots.release)
    assert await stopping == 0
    lesson = await Place(car.url, car.token("script"), None).ask("GET", "api/v1/lesson")
    assert lesson["mode"] == "hold"


async def test_stop_all_again_and_again_asks_a_car_that_hangs_a_few_times_only(tmp_path: Path) -> None:
    asked: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: asked.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        GarageStore(tmp_path).add("abcd1234", f"http://127.0.0.1:{port}", "token", "Blitz")
        garage = Garage(SETTINGS, GarageStore(tmp_path))  # it does not run: no way is open
        for _ in range(50):
            garage.stop_all("Ada")
            await asyncio.sleep(0)
        await until(lambda: len(asked) == STOPS_AT_A_CAR, "the stops")
        assert garage._ways["abcd1234"].stops == STOPS_AT_A_CAR
        assert garage.round
        assert [*garage.round.missing] == ["abcd1234"]
        for writer in asked:
            writer.close()
        await until(lambda: not garage._ways["abcd1234"].stops, "the end of the requests")
        await end([*garage._tasks], 3.0)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_is_reported_and_cars_and_lessons_count_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []
    garage = Garage(SETTINGS, GarageStore(tmp_path), report=reports.append)
    GarageStore(tmp_path).add("abcd1234", "http://127.0.0.1:9", "token", "Blitz")
    monkeypatch.setattr("picar.garage.store.replace", _full)
    garage.put_lesson("hold", 1.0, "", "Ada")
    sentence = await garage.saved()
    assert sentence.endswith("No space left on device. Free some room on the disk.")
    assert reports == [sentence]
    assert (garage.lesson.mode, garage.cards.ours()) == ("hold", ["abcd1234"])
    with pytest.raises(FileError, match=r"No space left on device\. Free some room on the disk\."):
        GarageStore(tmp_path).add("abcd1234", "http://blitz.local", "token", "Blitz")


def test_ctrl_c_while_a_simulated_class_ends_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picar.garage.simulate.most_real", lambda: 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell lets its background jobs ignore it
    try:
        with Simulated(1, "127.0.0.1") as simulated:
            process = simulated._process
            process.send_signal(signal.SIGSTOP)  # so that its end is waited for
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.poll() is None
    process.send_signal(signal.SIGCONT)
    process.wait(DEADLINE_S)
    assert [*tmp_path.iterdir()] == []


async def test_a_record_that_repeats_keeps_no_car_out(
    room: Room,  # noqa: F811
    car: Household,  # noqa: F811
) -> None:
    found = room.adopt(car)
    await room.until(found, presence="live")
    writers: list[asyncio.StreamWriter] = []
    hole = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    async with hole:
        record = Found("x", found, [f"http://127.0.0.1:{hole.sockets[0].getsockname()[1]}"])

        async def repeat() -> None:
            while True:
                room.garage._found(record)
                await asyncio.sleep(0.05)

        car.signal(signal.SIGKILL)
        await car.ended()
        repeating = asyncio.create_task(repeat())
        stop = room.stop_all("Ada")
        await until(lambda: writers, "a try at the wrong address")
        await car.start()
        await until(lambda: stop.ended, "the stop")
        await room.until(found, presence="live", lesson="hold", url=car.url)
        await end([repeating], 3.0)
        for writer in writers:
            writer.close()
