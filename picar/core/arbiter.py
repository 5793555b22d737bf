"""The arbiter assigns the wheel: one client drives, any number watch; clients take, request, grant and release it.

A client is one connection, named by its id. A session is one browser, which may return as another client after a
reload. The checks of a driver's commands are in `link.py` and `drive.py`.

Laws:
- The wheel changes hands only when it is free, granted, released, left for `grace_s`, idle for `idle_s`, or at the end
  of a turn.
- Another client gets it only while the car stands still; until then it is free, and the car rolls out.
- Only an accepted, non-zero command keeps the wheel from being idle; an open page does not.
- A client that has gone neither drives nor requests.
- The oldest request is served first.
- A turn ends only while a client requests the wheel; until then its driver drives on. It ends also while the car moves.
- While a client waits for the end of a turn, the driver can neither deny its request nor change the turns.
- Turns last for all drivers, until a driver unsets them or the wheel has been free for `FORGET_TURNS_S`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

NOBODY: Final = None
TURNS_S = (0, 60, 120, 300)  # the lengths of a turn; 0 is no turns
FORGET_TURNS_S = 60.0


class Turn(NamedTuple):
    """The length of a turn and the time left of the present one, both in s; without a driver no time has passed."""

    for_s: int
    left_s: float


class _Seat(NamedTuple):
    """The driver. `left_at` is the time at which its connection closed, None while it is open."""

    client: str
    session: str
    left_at: float | None = None


class Arbiter:
    """Assigns the wheel.

    Args:
        idle_s: time without a non-zero command after which the driver loses the wheel to the oldest request.
        grace_s: time for which the wheel is kept for a session after its connection closed.
        standing: returns whether the car stands still.
        on_turn_over: is called with the client that loses the wheel because its turn is over.
    """

    def __init__(
        self,
        idle_s: float,
        grace_s: float,
        standing: Callable[[], bool] = lambda: True,
        on_turn_over: Callable[[str], None] = lambda _client: None,
    ) -> None:
        self._idle_s = idle_s
        self._grace_s = grace_s
        self._standing, self._on_turn_over = standing, on_turn_over
        self._seat: _Seat | None = NOBODY
        self._active_at = 0.0
        self._turn_s, self._turn_began_at = 0, 0.0
        self._free_since = 0.0
        self._requests: dict[str, str] = {}  # client -> session, oldest first

    @property
    def driver(self) -> str | None:
        """The client with the wheel, also while the wheel is kept for a reload; None if it is free."""
        return self._seat.client if self._seat else NOBODY

    @property
    def requests(self) -> list[str]:
        """The clients that request the wheel, oldest request first."""
        return list(self._requests)

    def asks(self, client: str) -> bool:
        """Return whether this client requests the wheel."""
        return client in self._requests

    def may_drive(self, client: str) -> bool:
        """Return whether commands of this client are accepted."""
        return self._seat is not None and self._seat.client == client and self._seat.left_at is None

    def joined(self, client: str, session: str, now: float) -> None:
        """Return the wheel to a session that reloaded its page within the grace; its idle time goes on."""
        self.tick(now)
        if self._seat and self._seat.left_at is not None and self._seat.session == session:
            self._requests.pop(client, None)
            self._seat = _Seat(client, session)

    def left(self, client: str, now: float) -> None:
        """Record that the client's connection closed; keep a driver's wheel for `grace_s`."""
        self._requests.pop(client, None)
        if self._seat and self._seat.client == client:
            self._seat = _Seat(client, self._seat.session, left_at=now)

    def take(self, client: str, session: str, now: float) -> None:
        """Request the wheel: the client gets it at once if it is free, else its request waits."""
        self.joined(client, session, now)
        if not self.may_drive(client):
            self._requests.setdefault(client, session)
        self.tick(now)

    def release(self, client: str, now: float) -> bool:
        """Release the wheel, or cancel a request. Returns False for a client with neither.

        The oldest request gets the wheel.
        """
        if self._requests.pop(client, None) is not None:
            return True
        if not self.may_drive(client):
            return False
        self._free(now)
        self.tick(now)
        return True

    def grant(self, driver: str, client: str, now: float) -> bool:
        """Hand the wheel to a client that requests it. Returns False unless the one drives and the other requests."""
        if not self.may_drive(driver) or client not in self._requests:
            return False
        self._requests = {client: self._requests.pop(client), **self._requests}
        self._free(now)
        self.tick(now)
        return True

    def deny(self, driver: str, client: str) -> bool:
        """Refuse a request. Returns False like `grant`, and while turns are set: the client waits for the end of one."""
        return self.may_drive(driver) and not self._turn_s and self._requests.pop(client, None) is not None

    def set_turns(self, driver: str, for_s: int, now: float) -> bool:
        """Set the length of all turns, one of `TURNS_S`; the driver's begins now.

        Returns False unless it drives, and while a client waits for the end of its turn.
        """
        if not self.may_drive(driver) or (self._turn_s and self._requests):
            return False
        self._turn_s, self._turn_began_at = for_s, now
        return True

    def turn(self, now: float) -> Turn | None:
        """Return the present turn; None while no turns are set."""
        if not self._turn_s:
            return None
        left_s = self._turn_s - (now - self._turn_began_at) if self._seat else self._turn_s
        return Turn(self._turn_s, max(0.0, left_s))

    def active(self, now: float) -> None:
        """Record a non-zero command of the driver."""
        self._active_at = now

    def tick(self, now: float) -> None:
        """Let time pass: grace, turn and idle time end, and the oldest request gets a free wheel."""
        if self._seat and self._seat.left_at is not None and now - self._seat.left_at >= self._grace_s:
            self._free(now)
        turn = self.turn(now) if self._seat and self._requests else None
        if self._seat and turn and turn.left_s == 0.0:
            self._on_turn_over(self._seat.client)
            self._free(now)
        if self._seat is NOBODY and now - self._free_since >= FORGET_TURNS_S:
            self._turn_s = 0
        idle = now - self._active_at >= self._idle_s
        free = self._seat is NOBODY or (idle and self._seat.left_at is None)
        if free and self._requests and self._standing():
            client = next(iter(self._requests))
            self._seat = _Seat(client, self._requests.pop(client))
            self._active_at = self._turn_began_at = now

    def _free(self, now: float) -> None:
        self._seat, self._free_since = NOBODY, now
