"""Who drives: one client has the wheel, any number watch, and the wheel is asked for, given or left.

A client is one connection, named by its id; a session is one browser, which may come back as another
client after a reload. What a driver may send is `link.py`'s and `drive.py`'s business.

Laws:
- The wheel changes hands only when it is free, given, given up, left for `grace_s`, or idle for `idle_s`.
- It goes to another one only while the car stands still; until then nobody has it, and the car rolls out.
- Only an accepted, non-zero command keeps the wheel from being idle; an open page does not.
- A client that has gone neither drives nor asks.
- Who asked first is first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

NOBODY: Final = None


@dataclass(frozen=True, slots=True)
class _Seat:
    """The wheel's holder. `left_at` is when its connection closed, None while it is here."""

    client: str
    session: str
    left_at: float | None = None


class Arbiter:
    """Decides who drives.

    Args:
        idle_s: a driver without a non-zero command for so long loses the wheel to the next who asks.
        grace_s: so long the wheel is kept for the session whose connection closed.
        standing: tells whether the car stands still.
    """

    def __init__(self, idle_s: float, grace_s: float, standing: Callable[[], bool] = lambda: True) -> None:
        self._idle_s = idle_s
        self._grace_s = grace_s
        self._standing = standing
        self._seat: _Seat | None = NOBODY
        self._active_at = 0.0
        self._requests: dict[str, str] = {}  # client -> session, in the order they asked

    @property
    def driver(self) -> str | None:
        """The client that has the wheel, also while it is kept for a reload; None when it is free."""
        return self._seat.client if self._seat else NOBODY

    @property
    def requests(self) -> list[str]:
        """The clients that ask for the wheel, first come first."""
        return list(self._requests)

    def asks(self, client: str) -> bool:
        """Tell whether this client asks for the wheel."""
        return client in self._requests

    def may_drive(self, client: str) -> bool:
        """Tell whether commands of this client count."""
        return self._seat is not None and self._seat.client == client and self._seat.left_at is None

    def joined(self, client: str, session: str, now: float) -> None:
        """Give the wheel back to a session that reloaded its page within the grace; it is as idle as before."""
        self.tick(now)
        if self._seat and self._seat.left_at is not None and self._seat.session == session:
            self._requests.pop(client, None)
            self._seat = _Seat(client, session)

    def left(self, client: str, now: float) -> None:
        """Note that the client's connection closed; a driver's seat is kept for `grace_s`."""
        self._requests.pop(client, None)
        if self._seat and self._seat.client == client:
            self._seat = _Seat(client, self._seat.session, left_at=now)

    def take(self, client: str, session: str, now: float) -> None:
        """Ask for the wheel: granted at once when nobody has it, else the client waits in line."""
        self.joined(client, session, now)
        if not self.may_drive(client):
            self._requests.setdefault(client, session)
        self.tick(now)

    def release(self, client: str, now: float) -> bool:
        """Give up the wheel, or take a request back. Returns False for a client with neither.

        The wheel goes to whoever asked first, if anyone.
        """
        if self._requests.pop(client, None) is not None:
            return True
        if not self.may_drive(client):
            return False
        self._seat = NOBODY
        self.tick(now)
        return True

    def grant(self, driver: str, client: str, now: float) -> bool:
        """Give up the wheel for a client that asks. Returns False when nothing was to give or nobody to take."""
        if not self.may_drive(driver) or client not in self._requests:
            return False
        self._requests = {client: self._requests.pop(client), **self._requests}
        self._seat = NOBODY
        self.tick(now)
        return True

    def deny(self, driver: str, client: str) -> bool:
        """Turn a request down. Returns False like `grant`."""
        return self.may_drive(driver) and self._requests.pop(client, None) is not None

    def active(self, now: float) -> None:
        """Note a non-zero command of the driver."""
        self._active_at = now

    def tick(self, now: float) -> None:
        """Let time pass: grace and idle time run out, the first in line moves up."""
        if self._seat and self._seat.left_at is not None and now - self._seat.left_at >= self._grace_s:
            self._seat = NOBODY
        idle = now - self._active_at >= self._idle_s
        free = self._seat is NOBODY or (idle and self._seat.left_at is None)
        if free and self._requests and self._standing():
            client = next(iter(self._requests))
            self._seat = _Seat(client, self._requests.pop(client))
            self._active_at = now
