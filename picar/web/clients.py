"""The connections, and which of them gets a state when.

Law: no client is waited for. One that has not taken the last state yet gets the next one instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from picar.core import protocol
from picar.core.link import Link, RateCap

TICK_S = 0.05  # the driver's states while someone drives
RESTING_TICK_S = 0.2  # everybody else's, always
_SLACK_S = 0.01  # a timer that fires a little early has fired


class Wire(Protocol):
    """One WebSocket, as the rest of the server sees it."""

    def send(self, text: str) -> bool:
        """Send, unless what was sent before is still on its way. Returns whether it was sent."""
        ...

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection."""
        ...


@dataclass(slots=True, eq=False)
class Client:
    """One connection. `session` is the browser it belongs to, `due_at` when its next state is."""

    id: str
    session: str
    wire: Wire
    link: Link
    rate: RateCap = field(default_factory=RateCap)
    strikes: int = 0
    due_at: float = 0.0


class Audience:
    """Everyone who is connected.

    Args:
        timeout_s: age at which a command is stale.
        build: returns the state for a tick number and the time.
    """

    def __init__(self, timeout_s: float, build: Callable[[int, float], protocol.CarState]) -> None:
        self._timeout_s = timeout_s
        self._build = build
        self._clients: dict[str, Client] = {}
        self._joined = 0
        self.tick = 0

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def add(self, session: str, wire: Wire) -> Client:
        """Note a new connection."""
        self._joined += 1
        client = Client(f"c{self._joined}", session, wire, Link(self._timeout_s))
        self._clients[client.id] = client
        return client

    def remove(self, client: Client) -> None:
        """Forget a connection."""
        self._clients.pop(client.id, None)

    def send_due(self, driver: str | None, driving: bool, now: float) -> None:
        """Send a state to those whose turn it is."""
        due = [c for c in self if now >= c.due_at - _SLACK_S]
        if due:
            self.send(due, driver, driving, now)

    def send(self, clients: Iterable[Client], driver: str | None, driving: bool, now: float) -> None:
        """Build one state and send it: the same text to all, but for the driver's own."""
        self.tick += 1
        state = self._build(self.tick, now)
        texts: dict[str, str] = {}
        for client in clients:
            drives = client.id == driver
            you = "driver" if drives else "spectator"
            if you not in texts:
                texts[you] = protocol.state(state, you)
            if client.wire.send(texts[you]):
                client.link.sent(self.tick, now)
            client.due_at = now + self._period(drives, driving)

    def _period(self, drives: bool, driving: bool) -> float:
        if not drives:
            return RESTING_TICK_S
        # A driver at rest must still hold a tick that is good for a first command.
        return TICK_S if driving else min(RESTING_TICK_S, self._timeout_s / 2)
