"""The lessons of a garage: their numbers, and their way to the cars and to the broker.

Laws:
- A lesson is sent before it is saved: nothing here waits for a disk.
- The number of a new lesson is higher than those that any car or the broker reports.
- A lesson that a car refuses as old is raised above the car's once: two garages must not raise each other without end.
- An old `drive` is never raised above a `hold`: a garage that starts or connects again must not end the STOP ALL of another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from picar.core.lesson import HOLD, SCOPES, Lesson
from picar.garage.link import Way
from picar.garage.store import GarageStore

if TYPE_CHECKING:
    from picar.garage.mqtt import BrokerPath

ORDER_S = 5.0  # later, a lesson is old
_MOST_SEQ = 2**52  # that counts: half of what the protocol has, so that a car cannot use up the numbers


class Teaching:
    """Keeps lessons, and sends them.

    Args:
        store: holds them.
        ways: the direct ways, by car.
        path: the way to the broker.
        save: called after each new lesson, to write the file.
    """

    def __init__(
        self,
        store: GarageStore,
        ways: Mapping[str, Way],
        path: BrokerPath | None,
        save: Callable[[], object],
    ) -> None:
        self._store, self._ways, self._path, self._save = store, ways, path, save
        self._above: dict[str | None, int] = {}  # by car, None for all: the highest number that was reported
        self._raised: set[tuple[str | None, int]] = set()
        self._ordered_at: dict[str | None, float] = {}  # by car, in monotonic s

    def put(self, car: str | None, lesson: Lesson) -> None:
        """Put a lesson into force, for one car or for all."""
        self._ordered_at[car] = time.monotonic()
        self._teach(car, lesson, self._above.get(car, 0))

    def _teach(self, car: str | None, lesson: Lesson, above: int) -> Lesson:
        new = self._store.teach(car, lesson, above)
        self.spread()
        self._save()
        return new

    def spread(self) -> None:
        """Send the lessons to the adopted cars that have others, and to the broker."""
        store = self._store
        for car, way in self._ways.items():
            for scope, lesson in zip(SCOPES, (store.lesson, store.own.get(car)), strict=True):
                if way.adopted and lesson and lesson.seq and way.wanted.get(scope) != lesson:
                    way.teach(scope, lesson)
        self.publish()

    def publish(self) -> None:
        """Send the lessons to the broker; one that it has already changes nothing."""
        for car, lesson in [(None, self._store.lesson), *self._store.own.items()]:
            if self._path and lesson.seq:
                self._path.publish_lesson(car, lesson)

    def note(self, car: str | None, seq: int) -> None:
        """Count on from a number that was reported."""
        if seq < _MOST_SEQ:
            self._above[car] = max(self._above.get(car, 0), seq)

    def has_rival(self, way: Way) -> bool:
        """Compare the lessons of a car with ours, and raise ours once. Returns whether another garage counts on."""
        found = False
        for scope, car in zip(SCOPES, (None, way.car), strict=True):
            theirs = way.lesson.get(scope)
            theirs = theirs if isinstance(theirs, dict) else {}
            seq = theirs.get("seq")
            if type(seq) is int and 0 <= seq < _MOST_SEQ:
                self.note(car, seq)
                found = self._is_outdone(car, seq, theirs) or found
        return found

    def _is_outdone(self, car: str | None, seq: int, theirs: dict[str, Any]) -> bool:
        ours = self._store.own.get(car) if car else self._store.lesson
        if ours is None or not 0 < ours.seq <= seq:
            return False
        if theirs | {"by": ours.by} == ours._asdict():  # else another process has used the number too
            return False
        is_old = time.monotonic() - self._ordered_at.get(car, -ORDER_S) >= ORDER_S
        if is_old and theirs.get("mode") == HOLD and ours.mode != HOLD:
            return False
        if (car, ours.seq) in self._raised:
            return True
        self._raised.add((car, self._teach(car, ours, seq).seq))
        return False
