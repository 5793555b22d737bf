"""Phones that were let in and have not come back yet: a browser that keeps no cookies leaves nothing in the list.

They are in memory, for a minute at most. Whoever shows the credential in time is written into the list; a server that
starts again in between has forgotten them, and they pair again.
"""

from __future__ import annotations

from picar.access.content import Paired

WAIT_S = 60.0


class Newcomers:
    """Who is expected back; time is an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self._expected: dict[str, tuple[Paired, str, float]] = {}  # id: who, in which round, until when

    def add(self, one: Paired, round_id: str, now: float) -> None:
        """Expect somebody back."""
        self._expected[one.id] = one, round_id, now + WAIT_S

    def present(self, round_id: str, now: float) -> list[Paired]:
        """Return those who may still come, the oldest first; a round that has ended ends their chance."""
        self._expected = {
            session: (one, theirs, until)
            for session, (one, theirs, until) in self._expected.items()
            if theirs == round_id and now < until
        }
        return [one for one, _, _ in self._expected.values()]

    def remove(self, session: str) -> None:
        """Expect somebody no longer."""
        self._expected.pop(session, None)
