"""Phones that have paired and not returned their cookie yet: a browser without cookies leaves no entry in the list.

Newcomers are in memory for at most a minute. A newcomer is written to the file when the credential first returns. A
restart of the server loses newcomers; they pair again.
"""

from __future__ import annotations

from picar.access.content import Paired

WAIT_S = 60.0


class Newcomers:
    """The newcomers; time is an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self._expected: dict[str, tuple[Paired, str, float]] = {}  # by id: entry, round, expiry

    def add(self, one: Paired, round_id: str, now: float) -> None:
        """Add a newcomer."""
        self._expected[one.id] = one, round_id, now + WAIT_S

    def present(self, round_id: str, now: float) -> list[Paired]:
        """Return the newcomers of this round that have not expired, the oldest first; drop the others."""
        self._expected = {
            session: (one, theirs, until)
            for session, (one, theirs, until) in self._expected.items()
            if theirs == round_id and now < until
        }
        return [one for one, _, _ in self._expected.values()]

    def remove(self, session: str) -> None:
        """Remove a newcomer, if present."""
        self._expected.pop(session, None)
