"""The freshness of a client that drives by HTTP POSTs, which prove nothing about their age. docs/clients.md.

A POST counts for `LEASE_S` from its arrival. A network or a browser that has held several of them back delivers them at
once, so the first POST after a silence waits for the next ones.

Laws:
- The first POST after `QUIET_S` without one waits for `TRIAL_S`, and so do all that arrive in this time. `MANY` or more are
  a queue, and are refused.
- POSTs that wait behind one another on one connection are a queue too, at any time.
- A queue ends after `CALM_S` in which `MANY` POSTs never arrived within `BURST_S`. Until then every POST is refused.
- A silence of `QUIET_S` is neutral, because no letter means neutral. It stays so while a queue is refused, also if the
  wheel is lost meanwhile; every other refusal, and the loss of the wheel in a drive, asks for a new silence.
- Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

import math
from collections import deque

from picar.core.drive import Refusal
from picar.core.guest import QUIET_S, Guest, Verdict
from picar.core.shaping import Wanted

LEASE_S = 0.25
TRIAL_S = 0.06
MANY = 3
BURST_S = 0.12
CALM_S = 0.3
FORGET_S = 2.0


class Poster(Guest):
    """One client. Call `arrive` for each POST, and `judge` at the time that `arrive` has returned.

    `seen_at` is the arrival of the newest POST.
    """

    def __init__(self, deadband: float) -> None:
        super().__init__(0.0, LEASE_S, deadband)
        self._arrivals: deque[float] = deque([-math.inf] * MANY, MANY)
        self._trial_until = self._burst_at = -math.inf
        self._tried = MANY  # POSTs of the open trial
        self._is_trial = self._is_queue = self._has_rested = False

    def arrive(self, now: float) -> float:
        """Count a POST. Returns when to judge it."""
        if now - self.seen_at >= QUIET_S:
            self._trial_until, self._tried, self._is_trial = now + TRIAL_S, 0, True
            self._is_queue, self._has_rested = False, True
        self.seen_at = now
        self._arrivals.append(now)
        if now - self._arrivals[0] <= BURST_S:
            self._burst_at = now
        if self._is_trial:
            self._tried += 1
            self._is_queue = self._tried >= MANY
        elif now - self._burst_at >= CALM_S:
            self._is_queue = False
        return max(now, self._trial_until)

    def queue(self, now: float) -> None:
        """Record that another POST waits behind this one on its connection."""
        self._is_queue, self._burst_at = True, now

    def judge(self, wanted: Wanted, now: float) -> Verdict:  # noqa: ARG002 - no letter is neutral
        """Judge a POST."""
        self._is_trial = False
        if self._is_queue:
            return Verdict("too_fast")
        if self._needs_neutral and not self._has_rested:
            return Verdict(Refusal.NOT_NEUTRAL)
        return Verdict(neutral_first=self._has_rested)

    def accept(self, wanted: Wanted, now: float) -> None:
        """Record a POST that the car follows."""
        if self._has_rested:
            self._held = None
        super().accept(wanted, now)
        self._has_rested = False

    def refuse(self) -> None:
        """Record that the client may not drive now."""
        self.lose()
        self._has_rested = False

    def is_gone(self, now: float) -> bool:
        """Return whether the newest POST is longer ago than `FORGET_S`."""
        return FORGET_S <= now - self.seen_at < math.inf
