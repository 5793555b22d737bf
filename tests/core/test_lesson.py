"""The rules of lessons: the order by seq, the strictest of both scopes, the lift and the fleet cap."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from picar.core.lesson import DRIVE, HOLD, MODES, SCOPES, Lesson, Lessons

caps = st.sampled_from([0.05, 0.4, 1.0])
scopes, modes = st.sampled_from(SCOPES), st.sampled_from(MODES)
lessons = st.builds(
    Lesson, modes, caps, st.integers(0, 5), st.sampled_from(["", "Ada"]), st.sampled_from(["", "Look"])
)


def lesson(mode: str = DRIVE, cap: float = 1.0, seq: int = 1, **more: str) -> Lesson:
    """Return a lesson; the rest of it is empty."""
    return Lesson(mode, cap, seq, more.get("by", ""), more.get("text", ""))


class Model(RuleBasedStateMachine):
    """Random lessons, lifts and fleet caps, beside a list of all that was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.lessons = Lessons()
        self.accepted: list[tuple[str, Any]] = []  # lessons by scope, "lift" and "cap"

    @rule(scope=scopes, lesson=lessons)
    def put(self, scope: str, lesson: Lesson) -> None:
        seqs = [one.seq for where, one in self.accepted if where == scope]
        is_new = lesson.seq > max(seqs, default=-1)
        newest = self.of(scope)
        same = newest and (newest.mode, newest.cap, newest.seq, newest.text)
        assert self.lessons.put(scope, lesson) == (
            is_new or same == (lesson.mode, lesson.cap, lesson.seq, lesson.text)
        )
        if is_new:
            self.accepted.append((scope, lesson))

    @rule()
    def lift(self) -> None:
        self.lessons.lift()
        self.accepted.append(("lift", None))

    @rule(speed=caps, allow_raise=st.booleans())
    def cap(self, speed: float, allow_raise: bool) -> None:
        before = self.fleet_cap()
        assert self.lessons.put_fleet_cap(speed, allow_raise) == (allow_raise or speed <= before)
        if allow_raise or speed <= before:
            self.accepted.append(("cap", speed))

    def of(self, scope: str) -> Lesson | None:
        return next((one for where, one in reversed(self.accepted) if where == scope), None)

    def since_the_newest_lesson(self) -> list[tuple[str, Any]]:
        newest = max((n for n, (where, _) in enumerate(self.accepted) if where in SCOPES), default=-1)
        return self.accepted[newest + 1 :]

    def fleet_cap(self) -> float:
        return next((v for where, v in reversed(self.since_the_newest_lesson()) if where == "cap"), 1.0)

    @invariant()
    def any_hold_holds_unless_it_was_lifted(self) -> None:
        found = [one for one in map(self.of, SCOPES) if one]
        is_lifted = any(where == "lift" for where, _ in self.since_the_newest_lesson())
        assert self.lessons.holds == (any(one.mode == HOLD for one in found) and not is_lifted)
        assert self.lessons.lifted == (any(one.mode == HOLD for one in found) and is_lifted)

    @invariant()
    def the_lowest_cap_caps(self) -> None:
        found = [one.cap for one in map(self.of, SCOPES) if one]
        assert self.lessons.fleet_cap == self.fleet_cap()
        assert self.lessons.cap == min([self.fleet_cap(), *found])

    @invariant()
    def drivers_see_the_text_of_a_lesson_in_force(self) -> None:
        shown = self.lessons.strictest
        assert (shown is None) == (not self.lessons.of)
        if shown and self.lessons.holds:
            assert shown.mode == HOLD


TestModel = Model.TestCase


def test_a_lesson_that_comes_by_two_ways_is_one_lesson() -> None:
    lessons = Lessons()
    assert lessons.put("all", lesson(HOLD, seq=7, by="garage", text="Look"))
    lessons.lift()
    assert lessons.put("all", lesson(HOLD, seq=7, by="Garage: Room 3", text="Look"))
    assert lessons.lifted, "the owner's lift lasts until the next lesson"
    assert not lessons.put("all", lesson(HOLD, seq=7, by="garage", text="Listen"))
    assert not lessons.put("all", lesson(HOLD, seq=6, by="garage", text="Look"))
    assert lessons.put("all", lesson(HOLD, seq=8, text="Look"))
    assert lessons.holds


def test_each_scope_has_a_count_of_its_own() -> None:
    lessons = Lessons()
    assert lessons.put("all", lesson(seq=100))
    assert lessons.put("own", lesson(HOLD, seq=1, text="You"))
    assert lessons.holds
    assert lessons.put("all", lesson(seq=101))
    assert lessons.holds, "any hold holds"
    assert lessons.strictest == lesson(HOLD, seq=1, text="You")


def test_a_lift_without_a_hold_is_not_kept_for_a_later_one() -> None:
    lessons = Lessons()
    lessons.lift()
    assert not lessons.lifted
    assert lessons.put("own", lesson(HOLD))
    assert lessons.holds


@given(caps, caps)
def test_a_lifted_hold_still_caps(first: float, second: float) -> None:
    lessons = Lessons()
    lessons.put("all", lesson(HOLD, cap=first))
    lessons.put("own", lesson(cap=second))
    lessons.lift()
    assert (lessons.holds, lessons.cap) == (False, min(first, second))
    assert lessons.strictest
    assert lessons.strictest.cap == lessons.cap
