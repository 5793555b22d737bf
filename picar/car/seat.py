"""One client's place at the car: its messages go in here, and a `Peer` carries the answers to the client.

A protocol other than picar.v1 is one file: it takes a seat with `hub.seat(visitor, peer)`, calls `do` with messages of
`core/protocol.py`, and implements `Peer`.

Laws:
- A command is on its way to the motor process before anything else is done with it.
- A stop is never refused, not even above the message rate.
- The first reason to refuse a drive command counts: too many messages, not the driver, a `seq` out of order, a stale
  tick, an old picture, an empty battery. The same order holds for the other messages, which have no `seq`.
- A refused message changes nothing, and a message of a client that has left does nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from picar import __version__
from picar.access.visitor import Visitor
from picar.config import AuxConfig, Config
from picar.core import protocol
from picar.core.drive import Refusal
from picar.core.late import LatePicture, Sight
from picar.core.link import RATE_PER_S, Link, RateCap
from picar.core.protocol import (
    Aux,
    CarState,
    Clock,
    Deny,
    Drive,
    Hello,
    Message,
    ProtocolError,
    Release,
    Stop,
    Take,
)
from picar.core.shaping import JOG_DUTY, Jog, is_neutral
from picar.journal.notes import Notebook
from picar.motor.boards import Board
from picar.motor.channel import Channel
from picar.motor.simcar import WALLS

if TYPE_CHECKING:
    from picar.car.battery import BatteryGuard
    from picar.car.lesson import CurrentLesson
    from picar.car.recording import Recording

TICK_S = 0.05  # between the driver's states while a client drives
STRIKES = 3  # unreadable messages in a row
# All that a guest may send beside a stop. A drive with a jog is for tuning, which is not for guests.
FOR_GUESTS = (
    Drive, Aux, Take, Release, Deny, protocol.Grant, protocol.Reset, protocol.Limit, protocol.Override,
)  # fmt: skip


class View:
    """A state as the clients of one role receive it, encoded once for all of them.

    Args:
        state: the state.
        you: "driver" or "spectator".
        waiting: whether the client asks for the wheel.
    """

    def __init__(self, state: CarState, you: str, waiting: bool) -> None:
        self.state, self.you, self.waiting = state, you, waiting
        self._encoded: dict[Callable[[View], bytes], bytes] = {}

    def encoded(self, encode: Callable[[View], bytes]) -> bytes:
        """Return this view in the bytes of one protocol; `encode` is called for the first client alone."""
        if encode not in self._encoded:
            self._encoded[encode] = encode(self)
        return self._encoded[encode]


class Peer(Protocol):
    """A client's connection, in any protocol. No call waits for the client, and no call raises."""

    def hello(self, hello: Hello) -> None:
        """Send the facts about this car and this client; the first message."""

    def show(self, view: View) -> bool:
        """Send a state, unless an earlier message is still on its way. Returns whether it was sent."""

    def refuse(self, code: str, sentence: str | None = None) -> None:
        """Report a refused message, with a sentence or the one that belongs to the code."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection; `code` is a close code of RFC 6455 §7.4."""

    def drop(self) -> None:
        """Close the connection of a client that no longer reads, without a message."""


class Car(Protocol):
    """The hub, as a seat uses it."""

    channel: Channel
    notes: Notebook
    board: Board
    config: Config
    late: LatePicture  # the driver's
    battery: BatteryGuard | None
    lesson: CurrentLesson
    recording: Recording | None

    def now(self) -> float:
        """Return the time in seconds, monotonic."""

    def may_drive(self, client: str) -> bool:
        """Return whether commands of this client count."""

    def stop(self) -> int:
        """Stop the car."""

    def act(self, seat: Seat, message: Message, sent_at: float, now: float) -> str | None:
        """Act on a message that is neither stop nor drive. Returns the code of a refusal."""

    def passed_on(self, sent_at: float, now: float) -> None:
        """Record that sticks were sent to the motor process, an answer to the state that was sent at `sent_at`."""

    def followed(self, client: str, neutral: bool) -> None:
        """Record that the motor process follows sticks."""

    def on_command(self, age_s: float, now: float) -> None:
        """Take the age of a command of the driver, infinite for an unknown one."""

    def hear_clock(self, unix_s: float) -> None:
        """Take the date of a paired client."""

    def leave(self, seat: Seat) -> None:
        """Forget a client."""


@dataclass(slots=True, eq=False)
class Seat:
    """One client. `served_at` is when its newest state was due, `deaf_since` when its peer first took no state.

    `quiet`: a spectator for good, with few states.
    """

    id: str
    visitor: Visitor
    peer: Peer
    link: Link
    car: Car
    quiet: bool = False
    rate: RateCap = field(default_factory=RateCap)
    sight: Sight = field(default_factory=Sight)
    strikes: int = 0
    left: bool = False
    served_at: float = float("-inf")
    deaf_since: float | None = None

    @property
    def may_drive(self) -> bool:
        """Whether any message but a stop counts."""
        return not self.quiet and self.visitor.may_drive

    def receive(self, text: str | bytes) -> None:
        """Act on one message of picar.v1."""
        try:
            message = protocol.parse(text)
        except ProtocolError as error:
            self._complain(error)
        else:
            self.strikes = 0
            self.do(message, text)

    def do(self, message: Message, text: str | bytes | None = None) -> None:
        """Act on one message; refuse it through the peer. `text` is the message as JSON, for the flight recorder."""
        if self.left:
            return
        now = self.car.now()
        try:
            refusal = self._act(message, now)
        except ProtocolError as error:
            self._complain(error)
            return
        if refusal:
            self.settle(refusal)
            self.car.notes.refused(self.id, text, refusal, now)
        else:
            drives, number = isinstance(message, Drive), self.car.channel.sent
            self.car.notes.accepted(self.id, text, number, drives, now)

    def leave(self) -> None:
        """Give up the seat; without its driver the car rolls out at once."""
        if not self.left:
            self.left = True
            self.car.leave(self)

    def settle(self, refusal: str | None) -> None:
        """Pass on the refusal of a message, by the motor process or by this one."""
        if refusal is not None:
            self.peer.refuse(refusal, self.car.lesson.sentence if refusal == Refusal.HELD else None)

    def _act(self, message: Message, now: float) -> str | None:
        """Act on a message. Returns the code of a refusal."""
        if isinstance(message, Stop):
            self.car.stop()
            return None
        if not self.rate.allows(now):
            return "too_fast"
        if refusal := self._denied(message):
            return refusal
        if isinstance(message, Clock):
            if self.visitor.name is not None:
                self.car.hear_clock(message.unix_s)
            return None
        if not isinstance(message, (Release, Take)) and not self.car.may_drive(self.id):
            return "not_driver"
        if isinstance(message, Drive):
            return self._drive(message, now)
        if isinstance(message, Aux):
            return self._aux(message, now)
        if isinstance(message, (Release, Deny)):
            return self.car.act(self, message, now, now)
        sent_at = self.link.sent_at(message.tick, now)
        return Refusal.STALE if sent_at is None else self.car.act(self, message, sent_at, now)

    def _denied(self, message: Message) -> str | None:
        """Return the code for a message that this client may never send."""
        if not self.may_drive:
            return "not_driver"
        jogs = isinstance(message, Drive) and isinstance(message.wanted, Jog)
        denied = self.visitor.kind == "guest" and (jogs or not isinstance(message, FOR_GUESTS))
        return "guest" if denied else None

    def _drive(self, message: Drive, now: float) -> str | None:
        seq, tick, wanted = message
        if isinstance(wanted, Jog):
            check_motors((wanted.motor,), self.car.board)
        if not self.link.in_order(seq):
            return "out_of_order"
        sent_at = self.link.sent_at(tick, now)
        self.car.on_command(math.inf if sent_at is None else now - sent_at, now)
        if sent_at is None:
            return Refusal.STALE
        neutral = is_neutral(wanted, self.car.config.drive.deadband)
        if not self.car.late.takes(neutral):
            return "picture_old"
        if self.car.battery and self.car.battery.refuses:
            return "battery_low"
        settle = functools.partial(self._settle_drive, seq, neutral)
        self.car.channel.drive(wanted, sent_at + self.link.timeout_s, settle)
        self.link.accept(seq)
        self.car.passed_on(sent_at, now)
        if self.car.recording:
            self.car.recording.command(self.id, self.car.channel.sent, wanted, now)
        return None

    def _aux(self, message: Aux, now: float) -> str | None:
        check_aux(message.name, message.value, self.car.config)
        if not self.link.in_order(message.seq):
            return "out_of_order"
        sent_at = self.link.sent_at(message.tick, now)
        if sent_at is None:
            return Refusal.STALE
        settle = functools.partial(self._settle_aux, message.seq)
        self.car.channel.aux(message.name, message.value, sent_at + self.link.timeout_s, settle)
        self.link.accept(message.seq)
        return None

    def _settle_aux(self, seq: int, refusal: str | None) -> None:
        self.link.settle(seq, refused=refusal is not None)
        self.settle(refusal)

    def _settle_drive(self, seq: int, neutral: bool, refusal: str | None) -> None:
        self.link.settle(seq, refused=refusal is not None)
        if refusal is None:
            self.car.followed(self.id, neutral)
        else:
            self.settle(refusal)

    def _complain(self, error: ProtocolError) -> None:
        """Refuse a message that cannot be read, and close the connection at the third in a row."""
        now = self.car.now()
        if self.rate.allows(now):
            self.peer.refuse(error.code, str(error))
        else:
            self.peer.refuse("too_fast")
        self.car.notes.unreadable(self.id, error.code, now)
        self.strikes = self.strikes + 1 if error.code == "bad_message" else 0
        if self.strikes >= STRIKES:
            self.peer.close(1008, "three unreadable messages in a row")


def check_aux(name: str, value: float, config: Config) -> None:
    """Refuse an output that a client cannot set, or a value that it cannot have.

    Raises:
        ProtocolError: with the code bad_value.
    """
    names = [name for name, one in config.aux.items() if not one.follow]
    if name not in names:
        raise ProtocolError("bad_value", f"this car has the outputs {', '.join(names) or 'none'}")
    kind = config.aux[name].kind
    if kind in ("toggle", "momentary") and value not in (0, 1):
        raise ProtocolError("bad_value", f"{name} is 0 or 1")
    if kind == "dimmer" and value < 0:
        raise ProtocolError("bad_value", f"{name} is a number from 0 to 1")


def check_motors(motors: Iterable[str], board: Board) -> None:
    """Refuse motors that this car does not have.

    Raises:
        ProtocolError: with the code bad_value.
    """
    ours = board.layout.motors
    if not set(motors) <= set(ours):
        raise ProtocolError("bad_value", f"this car has the motors {', '.join(ours)}")


def hello(client: str, config: Config, backend: str, board: Board, camera: str | None) -> Hello:
    """Return the hello for a client; `camera` is the source of the picture. For a simulated car it has the walls too."""
    limits = {
        "max_speed": config.drive.max_speed,
        "grace_s": config.session.grace_s,
        "deadband": config.drive.deadband,
        "jog_duty": JOG_DUTY,
        "messages_per_s": RATE_PER_S,
        "message_bytes": protocol.MAX_BYTES,
    }
    if board.has_esc:
        limits["esc_full_us"] = board.full_us
    car: dict[str, Any] = {"name": config.server.name, "backend": backend, "version": __version__}
    car["board"] = {
        "kind": board.wires.kind,
        "steers": board.layout.steers,
        "motors": board.layout.motors,
        "rolls_at_rest": board.rolls_at_rest,
        "servo": board.layout.servo,
        "esc": board.has_esc,
        "keeps_driving": board.wires.keeps_driving,
    }
    car["camera"] = {"source": camera} if camera else None
    car["recording"] = config.recording.enabled
    if config.range.source != "none":
        car["range"] = {"source": config.range.source, "override": config.range.override}
    if config.aux:
        car["aux"] = [_shown(name, one) for name, one in config.aux.items() if not one.follow]
    if backend == "sim":
        car["walls"] = WALLS
    return Hello(client, car, config.session.command_timeout_s, TICK_S, limits)


def _shown(name: str, one: AuxConfig) -> dict[str, Any]:
    """Return what the page needs for the button of an output."""
    button = one.button if one.button >= 0 else None
    shown = {"name": name, "kind": one.kind, "label": one.label or name, "icon": one.icon, "key": one.key}
    return {**shown, "button": button, "axis": one.axis}
