"""garage.json: kept, shared with commands, never half written."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from picar.core.lesson import Lesson
from picar.errors import FileError
from picar.files import replace
from picar.garage.store import Adopted, GarageStore
from tests.support.waiting import DEADLINE_S

HOLD = Lesson("hold", 0.5, 0, "Room 3", "Look here")


def test_cars_and_lessons_survive_a_restart(tmp_path: Path) -> None:
    store = GarageStore(tmp_path / "garage")
    store.add("aaaaaaaa", "http://blitz:8000", "token", "Blitz")
    assert store.teach(None, HOLD) == HOLD._replace(seq=1)
    assert store.teach("aaaaaaaa", HOLD, above=41) == HOLD._replace(seq=42)
    assert (GarageStore(tmp_path / "garage").own, store.is_unsaved) == ({}, True)
    assert not store.save()
    assert not store.is_unsaved
    again = GarageStore(tmp_path / "garage")
    assert again.cars == {"aaaaaaaa": Adopted("http://blitz:8000", "token", "Blitz")}
    assert (again.lesson.seq, again.own["aaaaaaaa"].seq) == (1, 42)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_change_of_another_process_is_followed_and_not_lost(tmp_path: Path) -> None:
    server, command = GarageStore(tmp_path), GarageStore(tmp_path)
    command.teach(None, HOLD)
    command.save()
    assert server.refresh()
    assert not server.refresh()
    assert server.lesson.seq == 1
    command.add("aaaaaaaa", "http://a", "t", "A")
    server.add("bbbbbbbb", "http://b", "t", "B")
    assert set(server.cars) == {"aaaaaaaa", "bbbbbbbb"}
    server.teach("aaaaaaaa", HOLD)
    server.save()
    command.remove("aaaaaaaa")
    server.teach(None, HOLD)
    assert server.save(), "the other process has changed it"
    assert (set(server.cars), server.own) == ({"bbbbbbbb"}, {})
    assert GarageStore(tmp_path).own == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        ("hold", "drive", ("hold", 3)),
        ("hold", "hold", ("hold", 3)),
        ("drive", "drive", ("drive", 3)),
        ("drive", "hold", ("hold", 2)),
    ],
)
@pytest.mark.parametrize("car", [None, "aaaaaaaa"])
def test_of_two_lessons_with_one_number_the_later_one_is_raised_unless_it_ends_a_hold(
    tmp_path: Path, car: str | None, ours: str, theirs: str, result: tuple[str, int]
) -> None:
    server = GarageStore(tmp_path)
    server.teach(car, HOLD)
    server.save()
    command = GarageStore(tmp_path)
    assert server.teach(car, HOLD._replace(mode=ours, text="ours")).seq == 2
    assert command.teach(car, HOLD._replace(mode=theirs, text="theirs")).seq == 2
    command.save()
    assert server.save()
    for store in (server, GarageStore(tmp_path)):
        lesson = store.own[car] if car else store.lesson
        assert (lesson.mode, lesson.seq) == result
        assert lesson.text == ("ours" if result[1] == 3 else "theirs")


def test_a_lesson_that_is_older_than_the_one_in_the_file_does_not_come_back(tmp_path: Path) -> None:
    server, command = GarageStore(tmp_path), GarageStore(tmp_path)
    server.teach(None, HOLD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("picar.garage.store.replace", _full)
        with pytest.raises(FileError):
            server.save()
    command.teach(None, HOLD)
    command.teach(None, HOLD._replace(mode="drive"))
    command.save()
    assert server.refresh()
    assert (server.lesson.mode, server.lesson.seq) == ("drive", 2)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_lessons_during_a_write_are_in_force_at_once_and_the_newest_is_written_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, thawed = threading.Event(), threading.Event()

    def hang(path: Path, text: str, mode: int) -> None:
        writing.set()
        assert thawed.wait(DEADLINE_S)
        replace(path, text, mode)

    store = GarageStore(tmp_path)
    store.add("aaaaaaaa", "http://a", "t", "A")
    monkeypatch.setattr("picar.garage.store.replace", hang)
    store.teach(None, HOLD)
    thread = threading.Thread(target=store.save)
    thread.start()
    assert writing.wait(DEADLINE_S)
    numbers = [store.teach(None, HOLD._replace(text=str(number))).seq for number in range(3)]
    assert numbers == [2, 3, 4]
    thawed.set()
    thread.join()
    assert (GarageStore(tmp_path).lesson.seq, store.lesson.seq, store.is_unsaved) == (1, 4, True)
    store.save()
    assert GarageStore(tmp_path).lesson.text == "2"


def test_a_folder_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: pytest.fail("it waits for a frozen disk"))
    GarageStore(tmp_path)


def test_two_writers_at_once_give_each_lesson_its_own_number(tmp_path: Path) -> None:
    numbers: list[int] = []

    def write() -> None:
        store = GarageStore(tmp_path)
        for _ in range(5):
            store.teach(None, HOLD)
            store.save()
            numbers.append(store.lesson.seq)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 11))


GOOD = {
    "cars": {"aaaaaaaa": {"url": "http://a", "token": "t", "name": "A"}},
    "lesson": HOLD._asdict(),
    "own": {},
}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps(GOOD | {"cars": {"aaaaaaaa": {"url": 7, "token": "t", "name": "A"}}}),
        json.dumps(GOOD | {"cars": {"aaaaaaaa": {"url": "http://a"}}}),
        json.dumps(GOOD | {"lesson": HOLD._asdict() | {"mode": "fly"}}),
        json.dumps(GOOD | {"lesson": HOLD._asdict() | {"seq": True}}),
        json.dumps(GOOD | {"own": {"aaaaaaaa": []}}),
        json.dumps(
            GOOD | {"own": {"aaaaaaaa": {"mode": "hold", "cap": "x", "seq": 1, "by": "", "text": ""}}}
        ),
        "[" * 10_000,
    ],
)
def test_a_damaged_file_is_an_error_at_the_start_and_nothing_later(tmp_path: Path, text: str) -> None:
    store = GarageStore(tmp_path)
    store.add("aaaaaaaa", "http://a", "t", "A")
    store.path.write_text(text)
    with pytest.raises(FileError, match="writes it again at the next hold; otherwise adopt the cars again"):
        GarageStore(tmp_path)
    with pytest.raises(FileError):
        store.refresh()
    assert set(store.cars) == {"aaaaaaaa"}, "a running garage keeps what it knows"


def test_a_lesson_that_cannot_be_written_counts_until_the_end(tmp_path: Path) -> None:
    store = GarageStore(tmp_path)
    store.path.mkdir()
    store.teach(None, HOLD)
    with pytest.raises(FileError):
        store.save()
    assert store.lesson == HOLD._replace(seq=1)
    assert not store.is_unsaved, "it is reported once"
