"""garage.json: kept, shared with commands, never half written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from picar.core.lesson import Lesson
from picar.errors import FileError
from picar.garage.store import Adopted, GarageStore

HOLD = Lesson("hold", 0.5, 0, "Room 3", "Look here")


def test_cars_and_lessons_survive_a_restart(tmp_path: Path) -> None:
    store = GarageStore(tmp_path / "garage")
    store.add("aaaaaaaa", "http://blitz:8000", "token", "Blitz")
    assert store.teach(None, HOLD) == HOLD._replace(seq=1)
    assert store.teach("aaaaaaaa", HOLD, above=41) == HOLD._replace(seq=42)
    again = GarageStore(tmp_path / "garage")
    assert again.cars == {"aaaaaaaa": Adopted("http://blitz:8000", "token", "Blitz")}
    assert (again.lesson.seq, again.own["aaaaaaaa"].seq) == (1, 42)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_change_of_another_process_is_followed_and_not_lost(tmp_path: Path) -> None:
    server, command = GarageStore(tmp_path), GarageStore(tmp_path)
    command.teach(None, HOLD)
    assert server.refresh()
    assert not server.refresh()
    assert server.lesson.seq == 1
    command.add("aaaaaaaa", "http://a", "t", "A")
    server.add("bbbbbbbb", "http://b", "t", "B")
    assert set(server.cars) == {"aaaaaaaa", "bbbbbbbb"}


def test_two_writers_at_once_give_each_lesson_its_own_number(tmp_path: Path) -> None:
    numbers: list[int] = []

    def write() -> None:
        store = GarageStore(tmp_path)
        numbers.extend(store.teach(None, HOLD).seq for _ in range(5))

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
    with pytest.raises(FileError, match="Rename it; then the cars must be adopted again"):
        GarageStore(tmp_path)
    with pytest.raises(FileError):
        store.refresh()
    assert set(store.cars) == {"aaaaaaaa"}, "a running garage keeps what it knows"


def test_a_lesson_that_cannot_be_written_counts_until_the_end(tmp_path: Path) -> None:
    store = GarageStore(tmp_path)
    store.path.mkdir()
    with pytest.raises(FileError):
        store.teach(None, HOLD)
    assert store.lesson == HOLD._replace(seq=1)
