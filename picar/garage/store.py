"""garage.json in the garage's folder: the adopted cars with their tokens, and the newest lessons with their numbers.

`picar garage` reads and writes it, and so do its commands beside a running one.

Laws:
- Only its owner can read it, from its first byte.
- It is replaced in one step, under a lock; a change by another process is not lost.
- A file that cannot be read ends a command with a sentence; a running garage keeps what it knows.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from picar.access.locations import state_directory
from picar.access.store import FIXES, locked
from picar.core.lesson import DRIVE, Lesson
from picar.errors import AccessError, FileError
from picar.files import read_small, replace
from picar.fleet.topics import lesson_of

FILE = "garage.json"
NO_LESSON = Lesson(DRIVE, 1.0, 0, "", "")


class Adopted(NamedTuple):
    """An adopted car: the address of its page, the garage's token and its name."""

    url: str
    token: str
    name: str


class _Content(NamedTuple):
    cars: dict[str, Adopted]
    lesson: Lesson
    own: dict[str, Lesson]  # by car


def folder() -> Path:
    """Return the garage's folder in the state directory."""
    return state_directory() / "garage"


class GarageStore:
    """garage.json, read and written by one process.

    Args:
        folder: the garage's folder; it is made if it is missing.

    Raises:
        FileError: the folder cannot be made, or the file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._content = _Content({}, NO_LESSON, {})
        self._seen: tuple[int, int, int] | None = None
        with self._explaining():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._read()

    @property
    def cars(self) -> dict[str, Adopted]:
        """The adopted cars, by id."""
        return self._content.cars

    @property
    def lesson(self) -> Lesson:
        """The lesson of all cars; `seq` 0 if there was none."""
        return self._content.lesson

    @property
    def own(self) -> dict[str, Lesson]:
        """The lessons of single cars, by id."""
        return self._content.own

    def refresh(self) -> bool:
        """Read the file again if another process has changed it. Returns whether it has; raises FileError."""
        with self._explaining():
            return self._read()

    def add(self, car: str, url: str, token: str, name: str) -> None:
        """Add a car, or replace it; raises FileError."""
        self._change(lambda found: found._replace(cars={**found.cars, car: Adopted(url, token, name)}))

    def remove(self, car: str) -> None:
        """Remove a car and its own lesson; raises FileError."""

        def change(found: _Content) -> _Content:
            cars, own = dict(found.cars), dict(found.own)
            cars.pop(car, None)
            own.pop(car, None)
            return found._replace(cars=cars, own=own)

        self._change(change)

    def teach(self, car: str | None, lesson: Lesson, above: int = 0) -> Lesson:
        """Keep a lesson for all cars or for one, with the next number, higher than `above`; returns it. Raises FileError."""

        def change(found: _Content) -> _Content:
            before = (found.own.get(car) if car else found.lesson) or NO_LESSON
            new = lesson._replace(seq=max(before.seq, above) + 1)
            return found._replace(own={**found.own, car: new}) if car else found._replace(lesson=new)

        changed = self._change(change)
        return changed.own[car] if car else changed.lesson

    def _change(self, change: Callable[[_Content], _Content]) -> _Content:
        with self._explaining(), contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locked(self.path.parent))
                self._read()
            finally:  # in force until the end, also if it cannot be kept
                self._content = found = change(self._content)
            members = {
                "cars": {car: one._asdict() for car, one in found.cars.items()},
                "lesson": found.lesson._asdict(),
                "own": {car: one._asdict() for car, one in found.own.items()},
            }
            replace(self.path, json.dumps(members), 0o600)
            self._read()
        return self._content

    def _read(self) -> bool:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return False
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._seen:
            return False
        text = read_small(self.path)
        if text:  # an empty one: see `replace`
            self._content = _parsed(text)
        self._seen = stamp
        return True

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except AccessError as error:
            raise FileError(str(error)) from None
        except OSError as error:
            fix = FIXES.get(error.errno or 0, "Name another folder in $STATE_DIRECTORY.")
            raise FileError(f"{self.path} cannot be used: {error.strerror}. {fix}") from None
        except (ValueError, RecursionError) as error:
            fix = "Rename it; then the cars must be adopted again."
            raise FileError(
                f"{self.path} cannot be read as the list of adopted cars: {error}. {fix}"
            ) from None


def _parsed(text: str) -> _Content:
    """Return the content of a file; raises ValueError."""
    try:
        found = json.loads(text)
        cars = {str(car): Adopted(**one) for car, one in found["cars"].items()}
        own = {str(car): _lesson(one) for car, one in found["own"].items()}
        lesson = _lesson(found["lesson"])
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it has another form") from None
    if not all(isinstance(text, str) and text.isprintable() for one in cars.values() for text in one):
        raise ValueError("a car in it has another form")
    return _Content(cars, lesson, own)


def _lesson(found: Any) -> Lesson:
    """Return a lesson of the file; raises ValueError. It has the form of the one at a broker."""
    return lesson_of(json.dumps(found).encode()) or NO_LESSON
