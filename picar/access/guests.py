"""Guests and their invitations, in memory only: phones that may drive for a time.

Time is an argument of `at`, in monotonic seconds; all other calls count for that time.

Laws:
- One invitation admits one phone. The time of a guest counts from the invitation, and nothing prolongs it.
- Guests and unused invitations together are at most `MOST_GUESTS`. A new invitation replaces the oldest unused one.
- A new round of the list of paired phones ends all of them.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Iterable

from picar.access import tokens
from picar.access.content import Paired
from picar.access.names import look_alike, unused
from picar.errors import AccessError
from picar.program import command
from picar.values import Value

MOST_GUESTS = 32
LEAST_S, MOST_S = 60, 12 * 3600  # the time of a guest
USABLE_S = 600.0  # an invitation, if the guest's time is not shorter
TOKEN = "g."  # noqa: S105 - the beginning of the token of an invitation


class TooManyGuests(AccessError):
    """Guests have all places."""


class _Guest(Value):
    """`entry.invitation` is the token. The invitation is usable until `usable_until`, infinite for an admitted guest."""

    entry: Paired
    usable_until: float
    ends_at: float


class Guests:
    """The guests of one car."""

    def __init__(self) -> None:
        self._known: dict[str, _Guest] = {}  # by id, the oldest invitation first
        self._round, self._now = "", -math.inf

    def at(self, round_id: str, now: float) -> Guests:
        """Return these guests, without those whose time is over; a new round ends all."""
        left = self._known.items() if round_id == self._round else ()
        self._known = {session: one for session, one in left if now < min(one.ends_at, one.usable_until)}
        self._round, self._now = round_id, now
        return self

    @property
    def next_end(self) -> float:
        """The earliest end of a guest's time, infinite without guests."""
        return min((one.ends_at for one in self._known.values()), default=math.inf)

    @property
    def admitted(self) -> list[Paired]:
        """The guests, the oldest invitation first."""
        return [one.entry for one in self._known.values() if one.usable_until == math.inf]

    def invite(self, name: str, for_s: int) -> str:
        """Return the token of a new invitation, for a guest of this tidy name and of `for_s` seconds.

        Raises:
            TooManyGuests: guests have all places.
        """
        if len(self.admitted) >= MOST_GUESTS:
            fix = f"Wait until the time of one is over, or end all of them: {command('pair --new-pin')}."
            raise TooManyGuests(f"This car has {MOST_GUESTS} guests, and that is the most. {fix}")
        if len(self._known) >= MOST_GUESTS:
            del self._known[
                next(session for session, one in self._known.items() if one.usable_until < math.inf)
            ]
        entry = Paired(tokens.new_id(), name, "guest", invitation=TOKEN + secrets.token_urlsafe(16))
        self._known[entry.id] = _Guest(entry, self._now + USABLE_S, self._now + for_s)
        return entry.invitation

    def admit(self, token: str, former: Paired | None, others: Iterable[Paired]) -> Paired | None:
        """Return the guest of an invitation; `None` if it is void, expired or used by another phone.

        Args:
            token: of the invitation.
            former: the guest that this phone already is; another invitation ends it.
            others: the paired phones: a guest of the same name gets a number.
        """
        one = next((one for one in self._known.values() if tokens.is_same(one.entry.invitation, token)), None)
        if one is None or one.entry == former:
            return former if one else None
        if one.usable_until == math.inf:
            return None
        self.end(former)
        used = {look_alike(other.name) for other in (*others, *self.admitted)}
        entry = dataclasses.replace(one.entry, name=unused(one.entry.name, used))
        self._known[entry.id] = dataclasses.replace(one, entry=entry, usable_until=math.inf)
        return entry

    def end(self, guest: Paired | None) -> None:
        """End the time of a guest."""
        if guest:
            self._known.pop(guest.id, None)
