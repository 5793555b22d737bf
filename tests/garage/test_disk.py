"""A running `picar garage` whose disk hangs: STOP ALL, its repeats, the page and the lessons go on, and the file comes later.

The cars are real servers with simulated pins. The disk is a real one that is frozen (`tests/faults/disk.py`), or a writer that waits
for a FIFO, where no disk can be frozen.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from picar.access.store import AccessStore
from picar.client.connection import Place
from picar.garage.store import GarageStore
from tests.faults.disk import Disk, NoDisk
from tests.garage.pages import Page
from tests.support.household import Ended, Household, run
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

HANGS_S = 6.0  # longer than the bound after which the garage reports the disk, and than its beats
BEAT_S = 5.0  # generous: the page gets a message each second, also on a busy machine
_OPEN = re.compile(rb"open +(http://127\.0\.0\.1:\d+)")
# `picar garage` that waits, before it replaces garage.json, for the other end of a FIFO, if there is one.
HELD = """
import sys
from picar.commands import run
from picar.garage import store
def replace(path, text, mode, real=store.replace):
    held = path.with_name("held")
    if held.exists():
        held.open().close()
    real(path, text, mode)
store.replace = replace
sys.exit(run(sys.argv[1:]))
"""


class Disks(Protocol):
    """A disk that can hang; `folder` is its root."""

    folder: Path

    def freeze(self) -> None:
        """Let all writes hang."""

    def thaw(self) -> None:
        """Let them go on."""


class Held:
    """The stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._fifo = folder, folder / "garage" / "held"

    def freeze(self) -> None:
        """Make the FIFO."""
        os.mkfifo(self._fifo)

    def thaw(self) -> None:
        """Open its other end."""
        fd = os.open(self._fifo, os.O_RDWR)
        self._fifo.unlink()
        os.close(fd)


@pytest.fixture(params=["frozen", "held"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disks]:
    if request.param == "held":
        yield Held(tmp_path)
        return
    try:
        with Disk() as found:
            yield found
    except NoDisk as error:
        pytest.skip(f"no disk that can be frozen: {error}")


class Room:
    """A running garage on a disk, and its cars."""

    def __init__(self, disk: Disks, scratch: Path) -> None:
        self.disk, self._log = disk, scratch / "log"
        self._env = {"STATE_DIRECTORY": str(disk.folder), "XDG_RUNTIME_DIR": str(scratch)}
        (disk.folder / "garage").mkdir(mode=0o700, exist_ok=True)
        self.process: asyncio.subprocess.Process
        self.url = ""

    @property
    def folder(self) -> Path:
        return self.disk.folder / "garage"

    def adopt(self, car: Household, name: str) -> str:
        found = AccessStore(car.state).id
        GarageStore(self.folder).add(found, car.url, car.token("Room 3", "garage"), name)
        return found

    def teacher(self) -> Page:
        store = AccessStore(self.folder)
        credential = store.credential(store.pair("Ms Lee", "phone"))
        return Page(self.url, {"Cookie": f"picar_{store.car}={credential}"})

    async def start(self) -> None:
        options = ("garage", "--host", "127.0.0.1", "--port", "0", "--no-mdns")
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", HELD, *options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | self._env,
            )
        assert self.process.stdout
        while not (found := _OPEN.search(line := await self.process.stdout.readline())):
            assert line, self.log()
        self.url = found[1].decode()

    async def end(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), DEADLINE_S)

    async def kill(self) -> None:
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def command(self, *arguments: str) -> Ended:
        return await run([sys.executable, "-m", "picar", "garage", "--no-mdns", *arguments], self._env)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


@pytest.fixture
async def room(disk: Disks, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    found = Room(disk, tmp_path_factory.mktemp("garage"))
    try:
        yield found
    finally:
        with contextlib.suppress(FileNotFoundError, NoDisk):  # a test that fails leaves the disk frozen
            disk.thaw()
        await found.kill()


def card(page: Page, car: str) -> dict[str, Any]:
    return page.cars.get(car, {})


async def lesson_of(car: Household) -> str:
    answer = await Place(car.url, car.token("test"), None).ask("GET", "api/v1/lesson")
    return str(answer["all"]["mode"]) if answer["all"] else ""


def rest_s(times: list[float], since: float) -> float:
    """Return the longest time between two messages."""
    seen = [since, *(time for time in times if time >= since)]
    return max((after - before for before, after in itertools.pairwise(seen)), default=0.0)


@pytest.mark.alone
async def test_a_disk_that_hangs_delays_no_stop_no_page_and_no_lesson(room: Room) -> None:
    loop = asyncio.get_running_loop()
    async with Household() as driven, Household() as hung:
        first, second = room.adopt(driven, "Red"), room.adopt(hung, "Blue")
        await room.start()
        async with room.teacher() as page, contextlib.AsyncExitStack() as phones:
            await page.wait(
                lambda: {card(page, one).get("presence") for one in (first, second)} == {"live"}, "cars"
            )
            phone = await phones.enter_async_context(driven.client(await driven.phone("Ada")))
            await phone.take()
            phone.hold(0.5)
            await driven.until_driving()
            hung.signal(signal.SIGSTOP)
            room.disk.freeze()
            frozen = loop.time()
            await page.send(type="stop")
            await phone.until(lambda state: state["state"] == "stopped")
            await driven.until_low()
            await page.wait(
                lambda: page.of("answer")[-1:] and page.of("answer")[-1]["missing"] == [second], "1 of 2"
            )
            await page.wait(lambda: card(page, first)["lesson"] == "hold", "the hold of the car")
            await page.until_error("not_saved")
            hung.signal(signal.SIGCONT)
            await page.wait(lambda: page.of("answer")[-1]["ended"], "the answer to a repeated stop")
            await page.wait(lambda: card(page, second)["lesson"] == "hold", "the hold of the other car")
            await asyncio.sleep(max(0.0, frozen + HANGS_S - loop.time()))
            await page.send(type="lesson", mode="drive", cap=0.5)
            await page.wait(
                lambda: {card(page, one)["lesson"] for one in (first, second)} == {"drive"}, "All may drive"
            )
            await phone.let_go()
            await phone.ask("reset")
            await phone.until(lambda state: state["state"] == "disarmed")
            await phone.take()
            phone.hold(0.4)
            await driven.until_driving()
            beside = await room.command("stop")
            assert beside.out.startswith("2 of 2 cars have stopped ("), beside
            assert (beside.code, "garage.json is not written" in beside.err) == (1, True), beside
            await driven.until_low()
            longest = rest_s(page.times, frozen)
            print(
                f"{room.disk.folder}: the page waited {longest:.2f} s at most, in {loop.time() - frozen:.1f} s"
            )
            assert longest <= BEAT_S
            await page.send(type="lesson", mode="hold", cap=0.5, text="Look here")
            await page.send(type="lesson", mode="hold", cap=0.4, text="Look there")
            room.disk.thaw()
            store = GarageStore(room.folder)
            await until(
                lambda: (store.refresh(), store.lesson.text)[1] == "Look there",
                "the newest lesson in the file",
            )
            assert set(store.cars) == {first, second}
        assert await room.end() == 0
        assert "Traceback" not in room.log()
        assert await lesson_of(driven) == "hold"


async def test_a_lesson_that_waits_for_the_disk_is_written_at_the_end(room: Room) -> None:
    async with Household() as car:
        room.adopt(car, "Red")
        await room.start()
        async with room.teacher() as page:
            room.disk.freeze()
            await page.send(type="lesson", mode="hold", cap=1.0, text="One")
            await page.send(type="lesson", mode="hold", cap=1.0, text="Two")
            await page.wait(
                lambda: any((one.get("lesson") or {}).get("text") == "Two" for one in page.messages), "it"
            )
            ending = asyncio.create_task(room.end())
            await page.until_closed()
            room.disk.thaw()
            assert await ending == 0
        assert GarageStore(room.folder).lesson.text == "Two"


# The kernel keeps a process that writes to a frozen disk.
@pytest.mark.parametrize("disk", ["held"], indirect=True)
async def test_a_garage_ends_although_its_disk_hangs(room: Room) -> None:
    async with Household() as car:
        room.adopt(car, "Red")
        await room.start()
        async with room.teacher() as page:
            room.disk.freeze()
            await page.send(type="lesson", mode="hold", cap=1.0)
            await page.wait(lambda: page.of("changes"), "the page goes on")
            assert await room.end() == 0
        assert "the disk does not answer" in room.log()
