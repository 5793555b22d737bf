"""The rules for a client that speaks a foreign protocol and echoes no tick: its first command, freshness, the wheel's end.

docs/clients.md describes them for users.

The pong is the tick: each ping of the car has a random payload, and a command is as old as the newest ping whose pong came
before it. A network that holds commands back holds back the pongs behind them.

Laws:
- A pong counts if its payload was sent to this connection, not longer ago than the timeout, and after the newest that
  counts. No other pong changes anything.
- A command is accepted only before `seen_at` + timeout, and that is its deadline.
- In the first `SETTLE_S` no command is accepted: a library replays what it has queued as soon as it is connected.
- The first command is neutral, and so is the first one after the car was disarmed. A silence of `QUIET_S` on a link that is
  known to work counts as neutral, but not after a failsafe or a stop, and not after a command that was not neutral.
- A neutral command takes no wheel and keeps none.
- Time is an argument, in monotonic seconds. Pings are drawn by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from picar.core.drive import Refusal, State
from picar.core.link import Link
from picar.core.shaping import Wanted, is_neutral

SETTLE_S = 0.5
QUIET_S = 0.5
PROVEN_S = 0.4  # of the silence: two pings
BUSY_PING_S, PING_S = 0.05, 0.2
BUSY_S = 1.0  # after a command
SAME_S = 10.0  # of one unchanged command that is not neutral
YIELD_S = 1.0  # at neutral: then the wheel goes to a client that asks for it
SPEED = 0.6  # the cap of a foreign driver, a share of `max_speed`: its page has no rule for letting go


class Verdict(NamedTuple):
    """The judgement on a command: the code of the refusal, None if it may go on; whether neutral goes before it."""

    refusal: str | None = None
    neutral_first: bool = False


class GuestLink(Link):
    """The freshness of a connection without ticks: a command is as old as the newest proof that the client reads.

    Args:
        timeout_s: age at which a command is stale.
        seen_at: returns the time of the newest proof of freshness, minus infinity before the first.
        speed: the cap of the driver, at most `SPEED`.
    """

    def __init__(self, timeout_s: float, seen_at: Callable[[], float], speed: float = SPEED) -> None:
        super().__init__(timeout_s)
        self.speed = min(speed, SPEED)
        self._seen_at = seen_at

    def sent(self, tick: int, now: float) -> None:
        """Do nothing: a guest echoes no tick."""

    def sent_at(self, tick: int, now: float) -> float | None:  # noqa: ARG002 - as in `Link`
        """Return the time from which the age of a command counts, or None if it is stale."""
        seen_at = self._seen_at()
        if now < seen_at + self.timeout_s:
            return seen_at
        self.stale += 1
        return None


class Guest:
    """One connection. `ping_at` is when the next ping is due, `seen_at` when the newest ping was sent whose pong counts.

    Args:
        opened_at: the time of its start.
        timeout_s: age at which a command is stale (`command_timeout_s`).
        deadband: of neutral, of the section `[drive]`.
    """

    def __init__(self, opened_at: float, timeout_s: float, deadband: float) -> None:
        self._opened_at, self._timeout_s, self._deadband = opened_at, timeout_s, deadband
        self._pings: dict[bytes, float] = {}  # payload -> when it was sent, the oldest first
        self.ping_at = opened_at
        self.seen_at = -math.inf
        self._came_at = -math.inf  # the newest command, accepted or not
        self._state: str = State.DISARMED
        self._needs_neutral = True
        self._silence_counts = True
        self._held: Wanted | None = None  # the newest accepted command that is not neutral
        self._held_since = self._active_at = -math.inf

    def ping(self, now: float, draw: Callable[[], bytes]) -> bytes | None:
        """Return the payload of a ping if one is due."""
        if now < self.ping_at:
            return None
        self._pings = {old: sent for old, sent in self._pings.items() if now - sent <= self._timeout_s}
        payload = draw()
        self._pings[payload] = now
        self.ping_at = now + (BUSY_PING_S if now - self._came_at < BUSY_S else PING_S)
        return payload

    def pong(self, payload: bytes, now: float) -> None:
        """Take a pong."""
        sent_at = self._pings.pop(payload, -math.inf)
        if sent_at > self.seen_at and now - sent_at <= self._timeout_s:
            self.seen_at = sent_at

    def see(self, state: str) -> None:
        """Take the state of the car. A change counts: a guest that has just taken the wheel still sees `disarmed`.

        After a failsafe the drive itself decides.
        """
        if state != self._state and state in (State.DISARMED, State.STOPPED):
            self._needs_neutral = True
        self._state = state
        if state in (State.FAILSAFE, State.STOPPED):
            self._silence_counts = False

    def lose(self) -> None:
        """Record that the guest has no wheel any more."""
        self._needs_neutral = True

    def judge(self, wanted: Wanted, now: float) -> Verdict:
        """Judge a command that has arrived."""
        came_at, self._came_at = self._came_at, now
        self.ping_at = min(self.ping_at, now + BUSY_PING_S)
        if now < self._opened_at + SETTLE_S:
            return Verdict("settling")
        if now >= self.seen_at + self._timeout_s:
            return Verdict(Refusal.STALE)
        if is_neutral(wanted, self._deadband) or not self._needs_neutral:
            return Verdict()
        quiet_since = max(self._opened_at, came_at)
        is_quiet = now - quiet_since >= QUIET_S and self.seen_at >= max(quiet_since, now - PROVEN_S)
        if is_quiet and self._silence_counts:
            return Verdict(neutral_first=True)
        return Verdict(Refusal.NOT_NEUTRAL)

    def accept(self, wanted: Wanted, now: float) -> None:
        """Record a command that the car follows."""
        self._needs_neutral = False
        if is_neutral(wanted, self._deadband):
            self._held, self._silence_counts = None, True
            return
        self._silence_counts, self._active_at = False, now
        if wanted != self._held:
            self._held, self._held_since = wanted, now

    def must_release(self, idle_s: float, now: float) -> bool:
        """Return whether its wheel ends: it was not moved for `idle_s`, or one command has not changed for `SAME_S`."""
        is_stuck = self._held is not None and now - self._held_since >= SAME_S
        return is_stuck or now - self._active_at >= idle_s

    def may_yield(self, now: float) -> bool:
        """Return whether the wheel goes to a client that asks for it."""
        return now - self._active_at >= YIELD_S
