"""garage.json in the garage's folder: the adopted cars with their tokens, and the newest lessons with their numbers.

`picar garage` reads and writes it, and so do its commands beside a running one.

Laws:
- A lesson is in force in memory before it is in the file. Only a thread waits for the disk, so a disk that hangs delays no stop.
- Only its owner can read it, from its first byte.
- It is replaced in one step, under a lock; a change by another process is not lost.
- Of two lessons the one with the higher number is in force. A lesson that the file does not have yet gets a higher number than a
  lesson that another process has written, unless it would end the hold of that process.
- A file that cannot be read ends a command other than `stop` with a sentence; a running garage keeps what it knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from picar.access.locations import state_directory
from picar.access.store import FIXES, locked
from picar.core.lesson import DRIVE, HOLD, Lesson
from picar.errors import AccessError, FileError
from picar.files import read_small, replace
from picar.fleet.topics import lesson_of

FILE = "garage.json"
NO_LESSON = Lesson(DRIVE, 1.0, 0, "", "")
T = TypeVar("T")


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


class Disk:
    """A thread that waits for the disk. It does one job after another.

    Daemon thread: it blocks signals, and the end of the program does not wait for a job that hangs.

    Raises:
        FileError: the machine has no thread left.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        try:
            threading.Thread(target=self._run, name="the disk", daemon=True).start()
        except RuntimeError as error:
            raise FileError(f"No thread can be started: {error}. End other programs.") from None

    async def do(self, job: Callable[[], T]) -> T:
        """Return the result of a job, or raise its error. Only this task waits for it."""
        done: Future[T] = Future()

        def settle() -> None:
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(job())
                except Exception as error:  # for the task that waits
                    done.set_exception(error)

        self._jobs.put(settle)
        return await asyncio.wrap_future(done)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            self._jobs.get()()


class GarageStore:
    """garage.json, read and written by one process.

    The properties and `teach` never wait for the disk. The other methods may, and one thread at a time calls them.

    Args:
        folder: the garage's folder; it is made if it is missing.
        damaged: take the readable entries of a damaged file. Such a file is never replaced.

    Raises:
        FileError: the folder cannot be made, or the file cannot be read.
    """

    def __init__(self, folder: Path, *, damaged: bool = False) -> None:
        self.path = folder / FILE
        self._content = _Content({}, NO_LESSON, {})
        self._unsaved: set[str | None] = set()  # lessons that are not in the file yet: by car, None for all
        self._memory = threading.Lock()  # of both; it is never held while the disk is waited for
        self._seen: tuple[int, int, int] | None = None
        if damaged:
            self._content = _salvaged(self.path)
            return
        with self._explaining():
            if not folder.is_dir():  # on a disk that hangs, `mkdir` waits for it even then
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

    @property
    def is_unsaved(self) -> bool:
        """Whether there are lessons that `save` has to write."""
        return bool(self._unsaved)

    def teach(self, car: str | None, lesson: Lesson, above: int = 0) -> Lesson:
        """Put a lesson for all cars or for one into force, with the next number, higher than `above`; returns it."""
        with self._memory:
            found = self._content
            before = (found.own.get(car) if car else found.lesson) or NO_LESSON
            new = lesson._replace(seq=max(before.seq, above) + 1)
            self._content = found._replace(own={**found.own, car: new}) if car else found._replace(lesson=new)
            self._unsaved.add(car)
        return new

    def save(self) -> bool:
        """Write the lessons that the file does not have; one that cannot be written counts until the end, and is not tried again.

        Returns:
            Whether another process had changed the file.

        Raises:
            FileError: the file cannot be written.
        """
        return self.is_unsaved and self._change(lambda found: found)

    def refresh(self) -> bool:
        """Read the file again if another process has changed it. Returns whether that changes anything; raises FileError."""
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

    def _change(self, change: Callable[[_Content], _Content]) -> bool:
        """Write the file with a change, and with the unsaved lessons. Returns whether another process had changed it."""
        is_news = False
        with self._explaining(), contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locked(self.path.parent))
                is_news = self._read()
            finally:  # in force until the end, also if it cannot be kept
                with self._memory:
                    self._content = found = change(self._content)
                    self._unsaved.clear()
            members = {
                "cars": {car: one._asdict() for car, one in found.cars.items()},
                "lesson": found.lesson._asdict(),
                "own": {car: one._asdict() for car, one in found.own.items()},
            }
            replace(self.path, json.dumps(members), 0o600)
            self._read()
        return is_news

    def _read(self) -> bool:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return False
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._seen:
            return False
        text = read_small(self.path)
        is_news = bool(text) and self._take(_parsed(text))  # an empty one: see `replace`
        self._seen = stamp
        return is_news

    def _take(self, found: _Content) -> bool:
        """Take the cars of the file, and its lessons that are newer. Returns whether that changes anything."""
        with self._memory:
            ours = self._content
            own = {car: one for car, one in ours.own.items() if car in found.cars or car not in ours.cars}
            for car, one in found.own.items():
                own[car] = _newest(own.get(car, NO_LESSON), one, car in self._unsaved)
            lesson = _newest(ours.lesson, found.lesson, None in self._unsaved)
            self._content = _Content(found.cars, lesson, own)
            return self._content != ours

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except AccessError:
            raise FileError(f"{self.path} is not written: another picar is writing it. Try again.") from None
        except OSError as error:
            fix = FIXES.get(error.errno or 0, "Name another folder in $STATE_DIRECTORY.")
            raise FileError(f"{self.path} cannot be used: {error.strerror}. {fix}") from None
        except (ValueError, RecursionError) as error:
            fix = "Rename it. A garage that runs writes it again at the next hold; otherwise adopt the cars again."
            raise FileError(
                f"{self.path} cannot be read as the list of adopted cars: {error}. {fix}"
            ) from None


def _newest(ours: Lesson, found: Lesson, is_unsaved: bool) -> Lesson:
    """Return the lesson that is in force, of ours and of the one in the file; see the laws."""
    if ours.seq > found.seq or ours == found:
        return ours
    if is_unsaved and (ours.mode == HOLD or found.mode != HOLD):
        return ours._replace(seq=found.seq + 1)
    return found


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


def _salvaged(path: Path) -> _Content:
    """Return the entries of a damaged file that have the right form."""
    try:
        found = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError):
        found = None
    content, members = _Content({}, NO_LESSON, {}), found if isinstance(found, dict) else {}
    parts: list[dict[str, Any]] = [{"lesson": members.get("lesson")}]
    for name in ("cars", "own"):
        entries = members.get(name)
        parts += [{name: {key: one}} for key, one in entries.items()] if isinstance(entries, dict) else []
    for part in parts:
        with contextlib.suppress(ValueError, RecursionError):
            one = _parsed(json.dumps({"cars": {}, "lesson": content.lesson._asdict(), "own": {}, **part}))
            content = _Content({**content.cars, **one.cars}, one.lesson, {**content.own, **one.own})
    return content


def _lesson(found: Any) -> Lesson:
    """Return a lesson of the file; raises ValueError. It has the form of the one at a broker."""
    return lesson_of(json.dumps(found).encode()) or NO_LESSON
