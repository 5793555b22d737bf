"""The rules of a lesson: a garage holds cars or lets them drive, and caps their speed. docs/protocol.md describes it.

A garage sends lessons of two scopes: to all cars, and to this car alone. Each scope counts its lessons with `seq`.

Laws:
- In each scope a lesson counts only if its seq is higher than that of the newest one. The same lesson again changes nothing.
- Any hold holds, and the lowest cap caps.
- The owner's lift of a hold and the fleet cap end with the next lesson that counts, of any scope.
"""

from __future__ import annotations

from picar.tuples import NamedTuple

SCOPES = ("all", "own")
DRIVE, HOLD = MODES = ("drive", "hold")
TEXT_CHARACTERS, TEXT_BYTES = 80, 240  # of UTF-8: each state holds the text


class Lesson(NamedTuple):
    """One lesson: `cap` is a share of `max_speed` in (0, 1], `by` the name of its sender, `text` a sentence for drivers."""

    mode: str
    cap: float
    seq: int
    by: str
    text: str


class Lessons:
    """The newest lesson of each scope.

    `fleet_cap` is a cap beside the lessons; `lifted`: whether the owner has lifted the hold.
    """

    def __init__(self) -> None:
        self.of: dict[str, Lesson] = {}  # by scope
        self.fleet_cap = 1.0
        self.lifted = False

    @property
    def holds(self) -> bool:
        """Whether the car is held."""
        return not self.lifted and any(lesson.mode == HOLD for lesson in self.of.values())

    @property
    def cap(self) -> float:
        """The lowest cap of the lessons and the fleet cap."""
        return min([self.fleet_cap, *(lesson.cap for lesson in self.of.values())])

    @property
    def strictest(self) -> Lesson | None:
        """The lesson whose text drivers see: one that holds, else the one with the lowest cap."""
        held = self.holds
        lessons = self.of.values()
        return min(lessons, key=lambda one: (not held or one.mode != HOLD, one.cap), default=None)

    def put(self, scope: str, lesson: Lesson) -> bool:
        """Take a lesson. Returns False for an old one: a lower seq, or the newest seq with another content."""
        newest = self.of.get(scope)
        if newest and lesson.seq <= newest.seq:
            return newest == lesson._replace(by=newest.by)  # it may come by two ways, with a name for each
        self.of[scope] = lesson
        self.fleet_cap, self.lifted = 1.0, False
        return True

    def lift(self) -> None:
        """Lift the hold, for the owner."""
        self.lifted = self.lifted or self.holds

    def put_fleet_cap(self, speed: float, allow_raise: bool) -> bool:
        """Set the fleet cap, a share of `max_speed`. Returns False for a higher one that is not allowed."""
        if speed > self.fleet_cap and not allow_raise:
            return False
        self.fleet_cap = speed
        return True
