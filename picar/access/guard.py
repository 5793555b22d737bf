"""How many PINs may be guessed: ten, then none for a minute, whoever they come from.

By address would stop nobody, since addresses are cheap on a LAN. So: at most ten guesses a minute for all together, and a
six-digit PIN lasts for weeks.

Law: who is paired already is never asked, so a stranger who guesses cannot keep a family from driving.
"""

from __future__ import annotations

TRIES = 10
PAUSE_S = 60.0


class PinGuard:
    """Counts wrong PINs; time is an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self._wrong = 0
        self._closed_until = 0.0

    def wait_s(self, now: float) -> float:
        """Return for how long no PIN is looked at; 0 when one may be tried."""
        return max(0.0, self._closed_until - now)

    def wrong(self, now: float) -> None:
        """Note a wrong PIN."""
        self._wrong += 1
        if self._wrong >= TRIES:
            self._wrong, self._closed_until = 0, now + PAUSE_S

    def right(self) -> None:
        """Note the right one: what was wrong before was a slip of its owner's finger."""
        self._wrong = 0
