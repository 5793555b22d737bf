"""A round of STOP ALL: which cars have answered, and which get the stop again. Pure: times are arguments, in monotonic s.

Laws:
- A car counts as stopped by its own answer only.
- A car that has not answered stays in `missing`, also after the last request, until it answers or is dismissed by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

FIRST_S, AGAIN_S, LAST_S = 0.3, 1.0, 30.0  # of the requests over HTTP, after the stop


class StopRound:
    """One STOP ALL.

    Args:
        id: of the command at the broker.
        by: the sender's name.
        cars: ids of the cars that shall stop.
        now: the time of the stop.

    `missing` are the cars without an answer, `stopped` is the number of answers.
    """

    def __init__(self, id: str, by: str, cars: Iterable[str], now: float) -> None:  # noqa: A002
        self.id, self.by, self.sent_at = id, by, now
        self.missing = dict.fromkeys(cars)
        self._cars = set(self.missing)
        self.stopped = 0
        self._answered_at = now
        self._next_at = now + FIRST_S

    @property
    def ended(self) -> bool:
        """Whether no car is missing."""
        return not self.missing

    @property
    def of(self) -> int:
        """The number of all cars."""
        return len(self._cars)

    def is_under_way(self, now: float) -> bool:
        """Return whether a car that comes now belongs to this round."""
        return now - self.sent_at <= LAST_S

    def join(self, car: str, now: float) -> bool:
        """Add a car that has come in the meantime. Returns whether it is new."""
        if car in self._cars or not self.is_under_way(now):
            return False
        self._cars.add(car)
        self.missing[car] = None
        return True

    def heard(self, car: str, now: float) -> bool:
        """Count the answer of a car. Returns whether it was missing."""
        if car not in self.missing:
            return False
        del self.missing[car]
        self.stopped += 1
        self._answered_at = now
        return True

    def dismiss(self, car: str) -> None:
        """Wait no longer for a car."""
        self.missing.pop(car, None)

    def next_s(self, now: float) -> float | None:
        """Return the time in s to the next requests, None after the last ones."""
        if self._next_at > self.sent_at + LAST_S:
            return None
        return max(0.0, self._next_at - now)

    def due(self, now: float) -> list[str]:
        """Return the cars that get a request now, and set the time of the next requests."""
        if now < self._next_at:
            return []
        self._next_at += AGAIN_S
        return list(self.missing)

    def answer(self, _now: float) -> dict[str, Any]:
        """Return the members of an answer to browsers. `after_s` is the time from the stop to the newest answer."""
        after_s = round(self._answered_at - self.sent_at, 2)
        counts = {"stopped": self.stopped, "of": self.of, "missing": list(self.missing)}
        return {**counts, "after_s": after_s, "ended": self.ended}
