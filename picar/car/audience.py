"""The connections, and which of them gets a state when.

Laws:
- No client is waited for: one that has not taken the last state yet gets the next one instead, and one that takes none
  for some seconds is hung up on.
- The driver comes first. All others get theirs in slices, between which the driver's messages are read.
- A state is built once for all who get it at about the same time, and framed once for the driver, for those who ask for
  the wheel, and for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from picar.access.visitor import Visitor
from picar.car.seat import TICK_S, Wire, text_frame
from picar.core import protocol
from picar.core.link import Link, RateCap

RESTING_TICK_S = 0.2  # everybody else's, always
SLICE = 16  # states sent in one go: a third of a millisecond on a laptop
DEAF_S = 5.0  # so long without taking a state: it is gone, or its link does not carry us
_SLACK_S = 0.01  # a timer that fires a little early has fired


@dataclass(slots=True, eq=False)
class Client:
    """One connection. `served_at` is when its newest state was due, `deaf_since` when it first took none."""

    id: str
    visitor: Visitor
    wire: Wire
    link: Link
    rate: RateCap = field(default_factory=RateCap)
    strikes: int = 0
    served_at: float = float("-inf")
    deaf_since: float | None = None


class Audience:
    """Everyone who is connected, in the order of their newest state, the one who waits longest first.

    Args:
        timeout_s: age at which a command is stale.
        build: returns the state for a tick and the time.
        draw_tick: returns a random tick.
        asks: tells whether a client asks for the wheel.
    """

    def __init__(
        self,
        timeout_s: float,
        build: Callable[[int, float], protocol.CarState],
        draw_tick: Callable[[], int],
        asks: Callable[[str], bool],
    ) -> None:
        self._timeout_s = timeout_s
        self._build, self._draw_tick, self._asks = build, draw_tick, asks
        self._clients: dict[str, Client] = {}
        self._joined = 0
        self._state: protocol.CarState
        self._frames: dict[tuple[str, bool], bytes] = {}
        self._built_at = self._news_at = float("-inf")
        self.tick = draw_tick()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def find(self, client: str | None) -> Client | None:
        """Return the client of this name, None where there is none."""
        return self._clients.get(client) if client else None

    def add(self, visitor: Visitor, wire: Wire) -> Client:
        """Note a new connection."""
        self._joined += 1
        client = Client(f"c{self._joined}", visitor, wire, Link(self._timeout_s))
        self._clients[client.id] = client
        return client

    def remove(self, client: Client) -> None:
        """Forget a connection."""
        self._clients.pop(client.id, None)

    def welcome(self, client: Client, driver: str | None, now: float) -> None:
        """Send a new client its first state."""
        self._rebuild(now)
        self._send(client, driver, now)

    def news(self, now: float) -> None:
        """Something has changed that everybody wants to know: a state is due for all."""
        self._news_at = now

    def serve(self, driver: str | None, driving: bool, since: float, now: float) -> bool:
        """Send what is due: the driver's state, and a slice of the others'.

        Args:
            driver: the client that has the wheel.
            driving: whether someone drives or anything moves.
            since: when this round of states began.
            now: the time.

        Returns:
            Whether more is due.
        """
        mine = self.find(driver)
        if mine and self._is_due(mine, self._driver_period(driving), since):
            self._rebuild(now)
            self._send(mine, driver, since)
        for _ in range(SLICE):
            client = next(iter(self._clients.values()), None)
            if client is None or not self._is_due(client, RESTING_TICK_S, since):
                return False
            if now - self._built_at > TICK_S or self._built_at < self._news_at:
                self._rebuild(now)
            self._send(client, driver, since)
        return True

    def _is_due(self, client: Client, period_s: float, now: float) -> bool:
        return now >= client.served_at + period_s - _SLACK_S or client.served_at < self._news_at

    def _driver_period(self, driving: bool) -> float:
        # A driver at rest must still hold a tick that is good for a first command.
        return TICK_S if driving else min(RESTING_TICK_S, self._timeout_s / 2)

    def _rebuild(self, now: float) -> None:
        self.tick = self._draw_tick()
        self._state, self._frames = self._build(self.tick, now), {}
        self._built_at = now

    def _frame(self, client: Client, driver: str | None) -> bytes:
        """Return the newest state as this client gets it."""
        role = ("driver", False) if client.id == driver else ("spectator", self._asks(client.id))
        if role not in self._frames:
            self._frames[role] = text_frame(protocol.state(self._state, *role))
        return self._frames[role]

    def _send(self, client: Client, driver: str | None, now: float) -> None:
        """Send the newest state; the tick is as old as that, and not as its sending."""
        self._clients[client.id] = self._clients.pop(client.id, client)  # to the end of the line
        client.served_at = now
        if client.wire.pass_on(self._frame(client, driver)):
            client.link.sent(self.tick, self._built_at)
            client.deaf_since = None
        elif client.deaf_since is None:
            client.deaf_since = now
        elif now - client.deaf_since > DEAF_S:
            client.wire.drop()
