"""The adapter between a client of a foreign protocol and its seat at the hub.

`core/guest.py` judges the commands; a bridge translates its protocol. This file adds nothing to the rules of a driver.

Laws:
- No command is queued: each goes on, or is refused, when it arrives. A connection passes one message in a turn of the event
  loop (`fairness.py`), so a burst of one guest does not delay another client.
- A command that is not neutral takes a free wheel. The wheel is given up when the guest lets go of it, and at the end of
  the connection at once; no rate limit refuses that. The states of the car are the clock for this.
- A guest never asks for a wheel that another client has. A guest that was refused the wheel begins with neutral again: the
  wheel of a driver who leaves does not go to a stick that is already pushed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

from picar.access.visitor import Visitor
from picar.car.hub import Hub
from picar.car.seat import Peer, Seat, View
from picar.core.drive import Refusal
from picar.core.guest import SPEED, Guest, GuestLink
from picar.core.protocol import MESSAGES, Drive, Release, Stop, Take
from picar.core.shaping import NEUTRAL, Wanted, is_neutral

PAYLOAD_BYTES = 8
SENTENCES = {**MESSAGES, "not_driver": "Another client has the wheel, or the car still rolls."}


class Bridge(Peer, Protocol):
    """The connection of a guest that answers pings."""

    def ping(self, data: bytes) -> None:
        """Send a ping of RFC 6455."""


class GuestSeat:
    """A seat of a client that echoes no tick.

    Args:
        hub: of the car.
        visitor: the admitted visitor.
        peer: takes the states, and passes them to `show`.
        guest: judges the commands.
        timeout_s: age at which a command is stale.
        speed: the cap of the driver, at most `SPEED`.
    """

    def __init__(
        self, hub: Hub, visitor: Visitor, peer: Peer, guest: Guest, timeout_s: float, speed: float = SPEED
    ) -> None:
        self._hub, self._guest = hub, guest
        self._loop = asyncio.get_running_loop()
        self._seq = 0
        self._drove = False  # after the newest command
        self._seat: Seat = hub.seat(visitor, peer, GuestLink(timeout_s, lambda: guest.seen_at, speed))

    @property
    def drives(self) -> bool:
        """Whether this guest has the wheel."""
        return self._hub.driver == self._seat.id

    def leave(self) -> None:
        """Give up the wheel, at once and without the grace for a reload, and the seat."""
        self._give_up()
        self._seat.leave()

    def show(self, view: View) -> bool:
        """Take a state of the car; give up a wheel that is not moved, or that another client asks for."""
        self._guest.see(view.state.state)
        now = self._hub.now()
        if view.you == "driver" and (
            self._guest.must_release(self._hub.config.session.idle_s, now)
            or (view.state.requests and self._guest.may_yield(now))
        ):
            self._loop.call_soon(self._give_up)
        return True

    def _give_up(self) -> None:
        """Give up the wheel, or the request for it; the oldest request gets the wheel."""
        now = self._hub.now()
        self._hub.act(self._seat, Release(), now, now)

    def _notice_loss(self) -> None:
        """Begin with neutral again if the wheel was lost after the newest command."""
        if self._drove and not self.drives:
            self._guest.lose()

    def _take(self) -> bool:
        """Take the wheel if it is free, and then show the car neutral. Returns whether this guest has the wheel."""
        if self._hub.driver is None:
            self._seat.do(Take(0))
            if self.drives:
                self._send(NEUTRAL)
            else:
                self._give_up()  # the car still rolls, or others ask: a guest does not ask
        return self.drives

    def _send(self, wanted: Wanted, *, neutral_first: bool = False) -> None:
        """Send a command to the car."""
        for each in (NEUTRAL, wanted) if neutral_first else (wanted,):
            self._seq += 1
            self._seat.do(Drive(self._seq, 0, each))


class GuestDriver(GuestSeat):
    """One foreign connection at the hub, and its peer.

    Args:
        hub: of the car.
        visitor: the admitted visitor.
        bridge: the connection.
    """

    def __init__(self, hub: Hub, visitor: Visitor, bridge: Bridge) -> None:
        self._bridge = bridge
        self._deadband, self._timeout_s = hub.config.drive.deadband, hub.config.session.command_timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self.hello, self.refuse = bridge.hello, bridge.refuse
        self.close, self.drop = bridge.close, bridge.drop
        guest = Guest(hub.now(), self._timeout_s, self._deadband)
        super().__init__(hub, visitor, self, guest, self._timeout_s)
        self._beat()

    def show(self, view: View) -> bool:
        """Take a state of the car, and pass it on."""
        super().show(view)
        return self._bridge.show(view)

    def pong(self, payload: bytes) -> None:
        """Take a pong."""
        self._guest.pong(payload, self._hub.now())

    def command(self, wanted: Wanted) -> None:
        """Take a command."""
        self._notice_loss()
        verdict = self._guest.judge(wanted, self._hub.now())
        refusal = verdict.refusal
        if self._hub.lesson.holds:
            self._guest.lose()
            refusal = Refusal.HELD
        elif refusal == Refusal.NOT_NEUTRAL and self._hub.driver not in (None, self._seat.id):
            refusal = "not_driver"
        elif refusal is None and not is_neutral(wanted, self._deadband) and not (self.drives or self._take()):
            self._guest.lose()
            refusal = "not_driver"
        if refusal is not None:
            self.refuse(refusal)
        else:
            if self.drives:  # else it is neutral
                self._send(wanted, neutral_first=verdict.neutral_first)
            self._guest.accept(wanted, self._hub.now())
        self._drove = self.drives
        self._beat()

    def stop(self) -> None:
        """Stop the car; at once, and for every guest."""
        self._seat.do(Stop())

    def reset(self, done: Callable[[str | None], None]) -> None:
        """End the stop, if this guest drives and has seen it. `done` is called with the code of a refusal, or with None."""
        seen_at = self._guest.seen_at
        if not self.drives:
            done("not_driver")
        elif self._hub.now() >= seen_at + self._timeout_s:
            done(Refusal.STALE)
        else:
            self._hub.channel.reset(seen_at, seen_at + self._timeout_s, done)

    def _beat(self) -> None:
        """Send a ping if one is due, and call this again when the next one is due."""
        if self._timer:
            self._timer.cancel()
        if self._seat.left:  # also a refusal may end the connection
            return
        if payload := self._guest.ping(self._hub.now(), lambda: secrets.token_bytes(PAYLOAD_BYTES)):
            self._bridge.ping(payload)
        self._timer = self._loop.call_later(max(0.001, self._guest.ping_at - self._hub.now()), self._beat)
