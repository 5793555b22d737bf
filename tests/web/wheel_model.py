"""What the protocol promises, without sockets, time or pins: who drives, who asks, what each message is answered with."""

from __future__ import annotations

from dataclasses import dataclass, field

ACCEPTED = ""


@dataclass(slots=True)
class Seat:
    """The wheel's holder; `here`: its connection is open."""

    client: str
    session: str
    here: bool = True


@dataclass(slots=True)
class WheelModel:
    """The car as every client must see it. Each method returns the code of the answer, empty where it is accepted.

    A refused message changes nothing. `fresh`: the message carries a tick that is good.

    Args:
        keeps_seat: the wheel is kept for a driver whose connection closed, for longer than a test lasts.
    """

    keeps_seat: bool
    seat: Seat | None = None
    asking: dict[str, str] = field(default_factory=dict)
    state: str = "disarmed"
    speed_limit: float = 1.0
    turns: bool = False
    connected: set[str] = field(default_factory=set)

    @property
    def driver(self) -> str | None:
        """Who has the wheel, be they here or not."""
        return self.seat.client if self.seat else None

    def drives(self, client: str) -> bool:
        """Tell whether commands of this client count."""
        return self.seat is not None and self.seat.client == client and self.seat.here

    def join(self, client: str, session: str) -> None:
        """Note a connection; a browser that comes back has its wheel again."""
        self.connected.add(client)
        self._come_back(client, session)

    def leave(self, client: str) -> None:
        """Note the end of a connection."""
        self.connected.discard(client)
        self.asking.pop(client, None)
        if self.drives(client):
            assert self.seat is not None
            self.seat.here = False
            self._disarm()
            if not self.keeps_seat:
                self._pass_on()

    def take(self, client: str, session: str, fresh: bool) -> str:
        """The wheel, please."""
        if not fresh:
            return "stale"
        self._come_back(client, session)
        if not self.drives(client):
            self.asking.setdefault(client, session)
        if self.seat is None:
            self._pass_on()
        return ACCEPTED

    def release(self, client: str) -> str:
        """No wheel, thank you."""
        if client in self.asking:
            del self.asking[client]
            return ACCEPTED
        if not self.drives(client):
            return "not_driver"
        self._pass_on()
        return ACCEPTED

    def grant(self, client: str, other: str, fresh: bool) -> str:
        """You take it."""
        if not self.drives(client):
            return "not_driver"
        if not fresh:
            return "stale"
        if other not in self.asking:
            return "bad_value"
        self.asking = {other: self.asking.pop(other), **self.asking}
        self._pass_on()
        return ACCEPTED

    def deny(self, client: str, other: str) -> str:
        """Not you."""
        if not self.drives(client):
            return "not_driver"
        if self.turns:
            return "bad_value"
        return ACCEPTED if self.asking.pop(other, None) is not None else "bad_value"

    def drive(self, client: str, neutral: bool, fresh: bool, in_order: bool) -> str:
        """Sticks."""
        if not self.drives(client):
            return "not_driver"
        if not in_order:
            return "out_of_order"
        if not fresh:
            return "stale"
        if self.state == "stopped":
            return "stopped"
        if self.state == "disarmed" and not neutral:
            return "not_neutral"
        self.state = "armed"
        return ACCEPTED

    def turn(self, client: str, for_s: int, fresh: bool) -> str:
        """Turns of five minutes, longer than a test lasts; or none."""
        if not self.drives(client):
            return "not_driver"
        if not fresh:
            return "stale"
        if self.turns and self.asking:
            return "bad_value"
        self.turns = for_s > 0
        return ACCEPTED

    def calibrate(self, client: str, fresh: bool) -> str:
        """Other motors; of a car that stands."""
        if not self.drives(client):
            return "not_driver"
        return ACCEPTED if fresh else "stale"

    def stop(self) -> str:
        """Stop, says anyone."""
        self.state = "stopped"
        return ACCEPTED

    def reset(self, client: str, fresh: bool) -> str:
        """Go on; `fresh`: also newer than the newest stop."""
        if not self.drives(client):
            return "not_driver"
        if not fresh:
            return "stale"
        if self.state == "stopped":
            self.state = "disarmed"
        return ACCEPTED

    def limit(self, client: str, speed: float, fresh: bool) -> str:
        """Slower, or faster."""
        if not self.drives(client):
            return "not_driver"
        if not fresh:
            return "stale"
        self.speed_limit = speed
        return ACCEPTED

    def _come_back(self, client: str, session: str) -> None:
        if self.seat and not self.seat.here and self.seat.session == session:
            self.asking.pop(client, None)
            self.seat = Seat(client, session)

    def _pass_on(self) -> None:
        """Free the wheel, and give it to whoever is first in line."""
        if self.seat:
            self._disarm()
        self.seat = None
        if self.asking:
            client = next(iter(self.asking))
            self.seat = Seat(client, self.asking.pop(client))

    def _disarm(self) -> None:
        if self.state != "stopped":
            self.state = "disarmed"
