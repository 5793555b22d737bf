"""The recordings over HTTP: list, file, ranges, timeline, picture and deletion; and a disk that hangs beside a drive."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from picar.access.store import AccessStore
from picar.config import RecordingConfig
from picar.recording import TOPICS
from picar.web.api import recordings
from picar.web.api.recordings import MOST_WAITING, Shelf
from picar.web.handler import Refused
from tests.faults.disk import Disk, NoDisk
from tests.recording import files
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import ask
from tests.support.waiting import until

pytestmark = pytest.mark.slow

BASE = "/api/v1/recordings"


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[Household]:
    async with Household() as household:
        (household.state / "recordings").mkdir()
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


@pytest.fixture
def drive(house: Household) -> Path:
    return files.write(house.state / "recordings" / "2026-11-26_18-15-00.mcap")


@pytest.fixture(scope="module")
def address(house: Household) -> tuple[str, int]:
    return house.address


def bytes_of(path: Path) -> bytes | None:
    """Return the content of a file, None without one."""
    return path.read_bytes() if path.exists() else None


def reader_of(car: Product) -> int | None:
    """Return the id of the process that reads the recordings, None without one."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == car.process.pid and b"picar.recording.shelf" in command:
            return int(status.parent.name)
    return None


async def test_the_list_has_whole_live_and_broken_recordings_the_newest_first(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    folder = drive.parent
    data, places, _ = files.encoded()
    (folder / "2026-11-27_18-15-00.mcap.part").write_bytes(data[: places[1]])
    (folder / "2026-11-28_18-15-00.mcap").write_bytes(b"no recording")
    (folder / "notes.txt").write_text("not mine")
    (folder / "x y.mcap").write_bytes(data)
    try:
        listed = (await house.ask("GET", BASE, headers=mia)).json["recordings"]
    finally:
        for path in folder.iterdir():
            if path != drive:
                path.unlink()
    unknown = {"start": None, "s": None, "pictures": None, "live": False}
    assert listed == [
        {"name": "2026-11-28_18-15-00", "bytes": None, **unknown},
        {"name": "2026-11-27_18-15-00", "bytes": places[1], **unknown},
        {
            "name": drive.stem,
            "start": files.START_NS / 1e9,
            "s": 1.95,
            "bytes": len(bytes_of(drive) or b""),
            "pictures": 20,
            "live": False,
        },
    ]


async def test_a_car_without_recordings_has_an_empty_list() -> None:
    async with Household("local") as car:
        assert (await car.ask("GET", BASE)).json == {"recordings": []}


async def test_a_file_is_sent_whole_or_in_part(
    house: Household, mia: dict[str, str], address: tuple[str, int], drive: Path
) -> None:
    data, path = bytes_of(drive), f"{BASE}/{drive.name}"
    assert data
    whole = await ask(address, "GET", path, mia)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["content-disposition"] == f'attachment; filename="{drive.name}"'
    assert whole.headers["accept-ranges"] == "bytes"
    for wanted, begin, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, len(data)),
        (f"bytes=5-{10**17}", 5, len(data)),
    ):
        part = await ask(address, "GET", path, mia | {"Range": wanted})
        assert (part.status, part.body) == (206, data[begin:end]), wanted
        assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(data)}"
    for unknown in ("bytes=-5", "bytes=1-2,5-6", "lines=1-2", "bytes=x-", f"bytes={10**20}-"):
        assert (await ask(address, "GET", path, mia | {"Range": unknown})).body == data, unknown
    behind = await ask(address, "GET", path, mia | {"Range": f"bytes={len(data)}-"})
    assert (behind.status, behind.code, behind.headers["content-range"]) == (
        416,
        "bad_range",
        f"bytes */{len(data)}",
    )
    head = await ask(address, "HEAD", path, mia | {"Range": "bytes=0-9"})
    assert (head.status, head.headers["content-length"], head.body) == (206, "10", b"")


async def test_a_file_of_many_pieces_arrives_whole(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    large = drive.with_name("large.mcap")
    large.write_bytes(os.urandom(3_000_001))
    try:
        assert (await ask(house.address, "GET", f"{BASE}/large.mcap", mia)).body == bytes_of(large)
    finally:
        large.unlink()


async def timeline(house: Household, mia: dict[str, str], path: str) -> list[dict[str, Any]]:
    answer = await ask(house.address, "GET", path, mia)
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.splitlines()]


async def test_a_timeline_has_the_messages_and_the_places_of_the_pictures(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    first, *lines = await timeline(house, mia, f"{BASE}/{drive.stem}.jsonl")
    assert first == {"t": 0, "topic": "metadata", "data": {"version": "1.0", "name": "blitz"}}
    assert len(lines) == 1 + 3 * 40 + 20
    commands = [line for line in lines if line["topic"] == "/picar/cmd"]
    assert [line["t"] for line in commands] == [round(number * 0.05, 3) for number in range(40)]
    assert commands[10]["data"]["throttle"] == 0.25
    data = bytes_of(drive)
    assert data
    pictures = [line for line in lines if line["topic"] == "/camera"]
    for number, one in enumerate(pictures):
        assert data[one["at"] : one["at"] + one["bytes"]] == files.jpeg(number)
    some = await timeline(house, mia, f"{BASE}/{drive.stem}.jsonl?topics=/picar/cmd,/pose")
    assert [one["topic"] for one in some][:3] == ["metadata", "/picar/cmd", "/pose"]
    assert {one["topic"] for one in some} == {"metadata", "/picar/cmd", "/pose"}


async def test_a_long_timeline_has_every_line_once(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    long = files.write(drive.with_name("long.mcap"), files.drive(300_000, 50))
    try:
        lines = await timeline(house, mia, f"{BASE}/long.jsonl?topics=/picar/cmd,/camera")
        assert len(lines) == 1 + 6000 + 6000
        assert [one["t"] for one in lines[1::2]] == [round(number * 0.05, 3) for number in range(6000)]
    finally:
        long.unlink()


async def test_the_picture_is_the_first_one(house: Household, mia: dict[str, str], drive: Path) -> None:
    answer = await ask(house.address, "GET", f"{BASE}/{drive.stem}.jpg", mia)
    assert (answer.headers["content-type"], answer.body) == ("image/jpeg", files.jpeg(0))


async def test_a_broken_recording_is_refused_with_its_sentence(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    drive.with_name("broken.mcap").write_bytes(b"something else")
    answer = await ask(house.address, "GET", f"{BASE}/broken.jsonl", mia)
    assert (answer.status, answer.code) == (503, "not_read")
    assert "is not a recording" in answer.json["error"]["message"]
    assert (await ask(house.address, "DELETE", f"{BASE}/broken.mcap", mia)).status == 204


async def test_a_deleted_recording_is_gone(house: Household, mia: dict[str, str], drive: Path) -> None:
    files.write(drive.with_name("old.mcap"), [])
    answer = await ask(house.address, "DELETE", f"{BASE}/old.mcap", mia)
    assert (answer.status, answer.body) == (204, b"")
    assert bytes_of(drive.with_name("old.mcap")) is None
    assert bytes_of(drive)
    assert "recording old deleted by Mia" in house.log()
    assert (await ask(house.address, "DELETE", f"{BASE}/old.mcap", mia)).code == "not_found"


@pytest.mark.parametrize(
    "name",
    ["..%2fpicar", "%2e%2e%2fx", "a%2fb", "a%00b", "-x", "_x", "x" * 65, "%C3%A9", "a%20b", "~", "*", "a%0a"],
)
async def test_no_other_name_reaches_the_disk(
    house: Household, mia: dict[str, str], drive: Path, name: str
) -> None:
    (house.state / "picar.mcap").write_bytes(b"outside")
    for method, kind in (("GET", "mcap"), ("GET", "jsonl"), ("GET", "jpg"), ("DELETE", "mcap")):
        answer = await ask(house.address, method, f"{BASE}/{name}.{kind}", mia)
        assert (answer.status, answer.code) in ((404, "not_found"), (400, "bad_request")), (method, kind)
    assert bytes_of(house.state / "picar.mcap")


async def test_strangers_other_pages_and_tokens_that_only_see_get_nothing(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    store = AccessStore(house.state)
    view = {"Authorization": f"Bearer {store.credential(store.pair('screen', 'view'))}"}
    for method, path in (
        ("GET", BASE),
        ("POST", BASE),
        ("GET", f"{BASE}/{drive.stem}.mcap"),
        ("GET", f"{BASE}/{drive.stem}.jsonl"),
        ("GET", f"{BASE}/{drive.stem}.jpg"),
        ("DELETE", f"{BASE}/{drive.stem}.mcap"),
    ):
        for who in ({}, view):
            assert (await ask(house.address, method, path, who)).code == "not_paired", (method, path, who)
        foreign = mia | {"Origin": "http://evil.example"}
        assert (await ask(house.address, method, path, foreign)).code == "foreign_origin"
    assert bytes_of(drive)


async def test_the_last_minute_becomes_a_recording(house: Household, mia: dict[str, str]) -> None:
    answer = await house.ask("POST", BASE, {}, mia)
    assert answer.status == 201
    listed = (await house.ask("GET", BASE, headers=mia)).json["recordings"]
    assert answer.json["name"] in [one["name"] for one in listed]
    assert answer.json["name"].endswith("-flight")


async def test_the_last_minute_is_saved_once_at_a_time() -> None:
    async with Household("local") as car:
        answers = await asyncio.gather(*(car.ask("POST", BASE, {}) for _ in range(12)))
        saved = [one for one in answers if one.status == 201]
        assert saved
        assert {one.code for one in answers} == {"", "recording_failed"}
        assert len(saved) < 6  # one ends and the next begins, but each request found another one at work
        assert (await car.ask("POST", BASE, {})).status == 201


async def test_links_and_pipes_among_the_recordings_are_none(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    (house.state / "secret").write_bytes(bytes_of(drive) or b"")
    link, pipe = drive.with_name("link.mcap"), drive.with_name("pipe.mcap")
    link.symlink_to(house.state / "secret")
    os.mkfifo(pipe)
    try:
        listed = (await house.ask("GET", BASE, headers=mia)).json["recordings"]
        assert not {"link", "pipe"} & {one["name"] for one in listed}
        for path in (link, pipe):
            for method, kind in (("GET", "mcap"), ("GET", "jsonl"), ("GET", "jpg"), ("DELETE", "mcap")):
                answer = await house.ask(method, f"{BASE}/{path.stem}.{kind}", headers=mia)
                assert answer.code == "not_found", (path, method, kind)
    finally:
        link.unlink()
        pipe.unlink()


async def test_a_car_that_does_not_record_says_so_and_a_disk_that_is_missing_too(tmp_path: Path) -> None:
    async with Household("local", "[recording]\nenabled = false\n") as car:
        answer = await car.ask("POST", BASE, {})
        assert (answer.status, answer.code) == (409, "recording_off")
    (tmp_path / "file").write_text("no folder")
    async with Household("local", f'[recording]\nfolder = "{tmp_path}/file/x"\n') as car:
        answer = await car.ask("POST", BASE, {})
        assert (answer.status, answer.code) == (503, "recording_failed")
        assert (await car.ask("GET", BASE)).status in (200, 503)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
async def test_the_reader_ends_when_it_is_not_needed_and_starts_again(
    house: Household, mia: dict[str, str], drive: Path
) -> None:
    await house.ask("GET", BASE, headers=mia)
    first = reader_of(house)
    assert first
    await house.ask("GET", BASE, headers=mia)
    assert reader_of(house) == first
    await until(lambda: reader_of(house) is None, "the end of the reader", recordings.IDLE_S + 10)
    assert (await house.ask("GET", BASE, headers=mia)).status == 200
    second = reader_of(house)
    assert second
    os.kill(second, signal.SIGKILL)
    await until(lambda: reader_of(house) != second, "its death")
    again = [(await house.ask("GET", BASE, headers=mia)).status for _ in range(2)]
    assert again[-1] == 200


async def drives_on(phone: Client, for_s: float) -> None:
    """Check that a car that drives is armed in every state of the next seconds, and that the states keep coming."""
    begin, end = len(phone.states), time.monotonic() + for_s
    while time.monotonic() < end:
        seen = len(phone.states)
        await until(lambda: len(phone.states) > seen, "a state", 2.0)  # noqa: B023
        assert phone.states[-1]["state"] == "armed"
    assert {one["state"] for one in phone.states[begin:]} == {"armed"}
    assert len(phone.states) - begin > 10 * for_s


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.alone
async def test_a_reader_that_hangs_delays_no_drive_and_is_replaced() -> None:
    async with Household("local") as car:
        (car.state / "recordings").mkdir()
        files.write(car.state / "recordings" / "a.mcap")
        await car.ask("GET", BASE)
        reader = reader_of(car)
        assert reader
        async with Client(car.url) as phone:
            await phone.take()
            phone.hold(0.3, 0.0)
            await phone.until(lambda s: s["state"] == "armed")
            os.kill(reader, signal.SIGSTOP)
            waiting = [
                asyncio.create_task(car.ask("GET", f"{BASE}/a.jsonl")) for _ in range(MOST_WAITING + 2)
            ]
            await drives_on(phone, 5.0)
            answers = await asyncio.gather(*waiting)
            assert sorted(one.code for one in answers) == sorted(
                ["busy"] * 2 + ["not_read"] + [""] * (MOST_WAITING - 1)
            )
            assert {one["state"] for one in phone.states[-100:]} == {"armed"}
        assert reader_of(car) != reader


@asynccontextmanager
async def driven() -> AsyncIterator[tuple[Household, Client]]:
    """Yield a car with a file of 3 MB among its recordings, and the client that drives it."""
    async with Household("local") as car, Client(car.url) as phone:
        (car.state / "recordings").mkdir()
        (car.state / "recordings" / "a.mcap").write_bytes(bytes(3_000_000))
        await phone.take()
        phone.hold(0.3, 0.0)
        await phone.until(lambda s: s["state"] == "armed")
        yield car, phone


async def test_a_car_that_ends_during_a_download_has_no_error_in_its_log() -> None:
    async with driven() as (car, _):
        reader, writer = await asyncio.open_connection(*car.address)
        writer.write(f"GET {BASE}/a.mcap HTTP/1.1\r\nHost: {car.address[0]}\r\n\r\n".encode())
        assert await reader.read(1)
        assert await car.terminate() == 0
        writer.close()
        assert "ERROR" not in car.log()
        assert "Traceback" not in car.log()


@pytest.mark.alone
async def test_a_download_beside_a_drive_leaves_the_radio_to_the_driver() -> None:
    async with driven() as (car, phone):
        begin = time.monotonic()
        download = asyncio.create_task(ask(car.address, "GET", f"{BASE}/a.mcap"))
        await drives_on(phone, 2.0)
        assert not download.done()
        assert len((await download).body) == 3_000_000
        assert time.monotonic() - begin > 11 * recordings.DRIVEN_PAUSE_S


@pytest.mark.alone
async def test_sixty_saves_at_once_beside_a_drive_delay_nothing() -> None:
    async with driven() as (car, phone):
        saves = [asyncio.create_task(car.ask("POST", BASE, {})) for _ in range(60)]
        await drives_on(phone, 3.0)
        assert {one.code for one in await asyncio.gather(*saves)} == {"", "recording_failed"}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
async def test_a_download_that_has_begun_is_not_cut_by_later_questions() -> None:
    async with driven() as (car, _):
        download = asyncio.create_task(ask(car.address, "GET", f"{BASE}/a.mcap"))
        reader = await until(lambda: reader_of(car), "the reader")
        assert reader
        await asyncio.sleep(2 * recordings.DRIVEN_PAUSE_S)  # now it pauses between two pieces
        os.kill(reader, signal.SIGSTOP)
        waiting = [asyncio.create_task(car.ask("GET", BASE)) for _ in range(2 * MOST_WAITING)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(2 * recordings.DRIVEN_PAUSE_S)  # the download asks for its next piece
        os.kill(reader, signal.SIGCONT)
        assert len((await download).body) == 3_000_000
        assert "busy" in {one.code for one in await asyncio.gather(*waiting)}


@pytest.mark.alone
async def test_a_disk_that_is_frozen_delays_no_drive(tmp_path: Path) -> None:
    try:
        with Disk() as disk:
            config = f'[recording]\nfolder = "{disk.folder}"\n'
            files.write(disk.folder / "a.mcap")
            async with Household("local", config) as car, Client(car.url) as phone:
                await phone.take()
                phone.hold(0.3, 0.0)
                await phone.until(lambda s: s["state"] == "armed")
                disk.freeze()
                deletion = asyncio.create_task(car.ask("DELETE", f"{BASE}/a.mcap"))
                await drives_on(phone, 5.0)
                assert (await deletion).code == "not_read"
                begin = time.monotonic()
                assert (await car.ask("GET", BASE)).code == "not_read"  # its reader cannot even be killed
                assert time.monotonic() - begin < 5.0
                await drives_on(phone, 1.0)
                disk.thaw()
                await until(lambda: not (disk.folder / "a.mcap").exists(), "the deletion")
                assert (await car.ask("GET", BASE)).json == {"recordings": []}
    except NoDisk as why:
        pytest.skip(str(why))


async def test_while_a_killed_reader_has_not_ended_no_other_one_is_started(tmp_path: Path) -> None:
    gate = SimpleNamespace(store=SimpleNamespace(path=tmp_path / "access.json"))
    shelf = Shelf(RecordingConfig(), cast(Any, gate))
    polls: list[None] = []
    shelf._process = cast(Any, SimpleNamespace(poll=lambda: polls.append(None), stdin=None))
    with pytest.raises(Refused, match="503"):
        await shelf.ask("list")
    assert len(polls) > 10
    assert shelf._answers is None


def test_the_topics_of_a_timeline_are_channels_and_only_the_log_is_left_out() -> None:
    from picar.recording.channels import topics

    assert {one.topic for one in topics()} - set(TOPICS) == {"/log"}
