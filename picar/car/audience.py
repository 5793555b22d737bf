"""The order in which the clients receive the states.

Laws:
- No client is waited for: a client that has not taken the last state yet receives the next one instead, and a client
  that takes no state for some seconds is dropped.
- The driver comes first. All other clients receive their states in slices, and the driver's messages are read between
  the slices.
- Quiet clients receive theirs after all others: at once on news, else once a second while the car is driven, and each
  10 s at rest.
- A state is built once for all clients that receive it at about the same time, with one `View` for each role: the
  driver, the clients that ask for the wheel, and all other clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from picar.car.seat import TICK_S, Seat, View
from picar.core.protocol import CarState

RESTING_TICK_S = 0.2  # between the states of all other clients, always
QUIET_TICK_S, QUIET_RESTING_TICK_S = 1.0, 10.0  # the same for quiet clients
SLICE = 16  # states sent without a pause: a third of a millisecond on a laptop
DEAF_S = 5.0  # so long without taking a state: the client has gone, or its link is broken
SLACK_S = 0.013  # a state may be sent so much early, to use a wake-up that happens anyway


class Audience:
    """All clients, in the order of their newest state: the client that has waited longest is the first.

    Args:
        timeout_s: age at which a command is stale.
        build: returns the state for a tick and the time.
        draw_tick: returns a random tick.
        asks: returns whether a client asks for the wheel.
    """

    def __init__(
        self,
        timeout_s: float,
        build: Callable[[int, float], CarState],
        draw_tick: Callable[[], int],
        asks: Callable[[str], bool],
    ) -> None:
        self._timeout_s = timeout_s
        self._build, self._draw_tick, self._asks = build, draw_tick, asks
        self._seats: dict[str, Seat] = {}
        self._quiet: dict[str, Seat] = {}
        self._state: CarState
        self._views: dict[tuple[str, bool], View] = {}
        self._built_at = self._news_at = float("-inf")
        self.tick = draw_tick()

    def __len__(self) -> int:
        return len(self._seats) + len(self._quiet)

    def __iter__(self) -> Iterator[Seat]:
        return iter([*self._seats.values(), *self._quiet.values()])

    def find(self, client: str | None) -> Seat | None:
        """Return the seat of this client, if it has one."""
        return (self._seats.get(client) or self._quiet.get(client)) if client else None

    def add(self, seat: Seat) -> None:
        """Add a new client."""
        self._line(seat)[seat.id] = seat

    def remove(self, seat: Seat) -> None:
        """Remove a client."""
        self._line(seat).pop(seat.id, None)

    def welcome(self, seat: Seat, driver: str | None, now: float) -> None:
        """Send a new client its first state."""
        self._rebuild(now)
        self._send(seat, driver, now)

    def news(self, now: float) -> None:
        """Make a new state due for all clients at once."""
        self._news_at = now

    def serve(self, driver: str | None, driving: bool, since: float, now: float) -> bool:
        """Send the states that are due: the driver's, and a slice of the others.

        Args:
            driver: the client that has the wheel.
            driving: whether a client drives or anything moves.
            since: when this round of states began.
            now: the time.

        Returns:
            Whether more is due.
        """
        first = self.find(driver)
        if first and self._is_due(first, self._driver_period(driving), since):
            self._rebuild(now)
            self._send(first, driver, since)
        for _ in range(SLICE):
            seat = self._first_due(driving, since)
            if seat is None:
                return False
            if now - self._built_at > TICK_S or self._built_at < self._news_at:
                self._rebuild(now)
            self._send(seat, driver, since)
        return True

    def _line(self, seat: Seat) -> dict[str, Seat]:
        return self._quiet if seat.quiet else self._seats

    def _first_due(self, driving: bool, since: float) -> Seat | None:
        """Return the client that has waited longest if its state is due; a quiet one only if no other client's is."""
        first = next(iter(self._seats.values()), None)
        if first is None or not self._is_due(first, RESTING_TICK_S, since):
            first = next(iter(self._quiet.values()), None)
            period_s = QUIET_TICK_S if driving else QUIET_RESTING_TICK_S
            if first is None or not self._is_due(first, period_s, since):
                return None
        return first

    def _is_due(self, seat: Seat, period_s: float, now: float) -> bool:
        return now >= seat.served_at + period_s - SLACK_S or seat.served_at < self._news_at

    def _driver_period(self, driving: bool) -> float:
        # A driver at rest must still hold a tick that is good for a first command.
        return TICK_S if driving else min(RESTING_TICK_S, self._timeout_s / 2)

    def _rebuild(self, now: float) -> None:
        self.tick = self._draw_tick()
        self._state, self._views = self._build(self.tick, now), {}
        self._built_at = now

    def _view(self, seat: Seat, driver: str | None) -> View:
        """Return the newest state for this client's role."""
        role = ("driver", False) if seat.id == driver else ("spectator", self._asks(seat.id))
        if role not in self._views:
            self._views[role] = View(self._state, *role)
        return self._views[role]

    def _send(self, seat: Seat, driver: str | None, now: float) -> None:
        """Send the newest state; the age of its tick counts from its building, not from its sending."""
        line = self._line(seat)
        line[seat.id] = line.pop(seat.id, seat)  # to the end of the line
        seat.served_at = now
        if seat.peer.show(self._view(seat, driver)):
            seat.link.sent(self.tick, self._built_at)
            seat.deaf_since = None
        elif seat.deaf_since is None:
            seat.deaf_since = now
        elif now - seat.deaf_since > DEAF_S:
            seat.peer.drop()
