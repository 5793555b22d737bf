"""The middle of the server: messages in, commands to the motor process, states back to everyone.

It asks `link` whether a message is fresh and `arbiter` who drives, and leaves the rest to the motor
process. It knows neither Tornado nor pins.

Laws:
- A command is on its way to the motor process before anything else is done with it.
- Nothing here repeats a command: only the driver's own message does, so silence stays silence.
- When the wheel changes hands, the motor process hears of it before the new driver does.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Container
from typing import Any, NamedTuple

from picar.access.names import shortened
from picar.access.visitor import Visitor
from picar.calibration.store import Tuning
from picar.calibration.values import Calibration
from picar.car.audience import RESTING_TICK_S, Audience, Client
from picar.car.limits import Condition
from picar.car.seat import TICK_S, Wire, hello
from picar.config import Config
from picar.core import protocol
from picar.core.arbiter import Arbiter
from picar.core.drive import Reason, Refusal
from picar.core.protocol import CarState, ProtocolError
from picar.core.shaping import Sticks, is_neutral
from picar.journal.notes import Notebook
from picar.motor.channel import Channel
from picar.motor.pipe import Status
from picar.sensors.facts import Facts

log = logging.getLogger(__name__)

DRIVING_S = 1.0  # so long after a command somebody counts as driving
LISTED = 5  # of those who ask for the wheel, the first are in each state, with their names
STRIKES = 3  # unreadable messages in a row
ALONE_PULSE_S = 0.5
_CAPPED = "under the owner's speed cap the minimum duty and the trims may only be lowered"
CLOSED_UNPAIRED = 4401  # RFC 6455 §7.4.2: codes from 4000 are the application's


def _draw_tick() -> int:
    return secrets.randbits(protocol.TICK_BITS)


class _Command(NamedTuple):
    """A command that the motor process has not answered yet; `seq` is None for all but drives.

    `then` is called when it was carried out.
    """

    number: int
    client: Client
    seq: int | None = None
    sent_at: float = 0.0
    neutral: bool = True
    then: Callable[[], None] | None = None


class Hub:
    """The state of the server.

    Args:
        config: the configuration.
        backend: name of the backend, for the page.
        channel: the way to the motor process; hand its statuses to `on_status`.
        status: the motor process's first status.
        tuning: the calibration that it was started with, and the file for others.
        note: writes down what happens, as the members of a JSON object.
        speed_cap: the owner's, which the motor process was started with.
        clock: seconds, monotonic.
        draw_tick: returns an unpredictable tick.
    """

    def __init__(
        self,
        config: Config,
        backend: str,
        channel: Channel,
        status: Status,
        tuning: Tuning,
        note: Callable[[str], None] = lambda _members: None,
        speed_cap: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        draw_tick: Callable[[], int] = _draw_tick,
    ) -> None:
        self._draw_tick = draw_tick
        self._config, self._backend, self._notes = config, backend, Notebook(note)
        self._channel, self._status, self._clock = channel, status, clock
        self.tuning = tuning
        self._timeout_s = config.session.command_timeout_s
        self._arbiter = Arbiter(config.session.idle_s, config.session.grace_s, lambda: self.stands_still)
        self._audience = Audience(self._timeout_s, self._build_state, draw_tick, self._arbiter.asks)
        self._driver: str | None = None  # as everybody was told
        self._unanswered: deque[_Command] = deque()
        self._commanded_at = float("-inf")
        self._acted_on = float("-inf")  # when the state was sent that the newest command answers
        self._pulsed_at = float("-inf")
        self._speed_cap = self._kept_cap = speed_cap
        self._condition = Condition()
        self.wake: Callable[[], None] = lambda: None  # asks for a `pulse` soon; set by the event loop's owner

    @property
    def config(self) -> Config:
        """The configuration, for pages that show it."""
        return self._config

    @property
    def speed_cap(self) -> float:
        """The owner's cap that is in force, a share of `max_speed` in [0.05, 1]."""
        return self._speed_cap

    @property
    def is_watched(self) -> bool:
        """Whether anybody is connected."""
        return len(self._audience) > 0

    @property
    def stands_still(self) -> bool:
        """Whether no wheel turns, and no command is on its way that could turn one."""
        return not self._status.moving and not self._unanswered

    def join(self, visitor: Visitor, wire: Wire) -> Client:
        """Welcome a connection: a hello, then a state."""
        now = self._clock()
        client = self._audience.add(visitor, wire)
        self._arbiter.joined(client.id, visitor.session, now)
        wire.send(hello(client.id, self._config, self._backend))
        self._audience.welcome(client, self._arbiter.driver, now)
        self._note_driver(now)
        self.wake()
        return client

    def leave(self, client: Client) -> None:
        """Forget a connection; without its driver the car rolls out at once."""
        now = self._clock()
        if self._arbiter.may_drive(client.id):
            self._channel.release(Reason.DRIVER_GONE)
            log.info("driver %s has gone", client.id)
        self._audience.remove(client)
        self._arbiter.left(client.id, now)
        self._note_driver(now)

    def receive(self, client: Client, text: str | bytes) -> None:
        """Handle one message of a client."""
        try:
            message = protocol.parse(text)
            client.strikes = 0
            refusal = self._handle(client, message)
        except ProtocolError as error:
            self._complain(client, error)
        else:
            now = self._clock()
            if refusal:
                client.wire.send(protocol.error(refusal))
                self._notes.refused(client.id, text, refusal, now)
            else:
                drives = isinstance(message, protocol.Drive)
                self._notes.accepted(client.id, text, self._channel.sent, drives, now)

    def stop(self) -> int:
        """Stop the car, whoever asks. Returns the command's number."""
        number = self._channel.stop()
        if self._status.state != "stopped":  # the others change nothing, and may be many
            self._notes.stop(number)
        self.wake()
        return number

    def cap(self, speed: float, kept: bool = False) -> None:
        """Set the owner's speed cap; a cap that is in force already changes nothing.

        Args:
            speed: a share of `max_speed` in [0.05, 1].
            kept: whether it is on the disk.
        """
        if kept:
            self._kept_cap = speed
        if speed == self._speed_cap:
            return
        self._speed_cap = speed
        self._channel.cap(min(speed, self._condition.speed_cap))
        log.info("speed cap: %g", speed)
        self._tell_everyone(self._clock())

    def on_kept_cap(self, speed: float) -> None:
        """Take the owner's cap that is on the disk: where another process has changed it, it counts here too."""
        if speed != self._kept_cap:
            self.cap(speed, kept=True)

    def on_host(self, host: Facts) -> None:
        """Take how the machine is now; a low voltage makes the car slow."""
        now = self._clock()
        if self._condition.take(host, self.stands_still, now):
            self._channel.cap(min(self._speed_cap, self._condition.speed_cap))
            self._notes.power_cap(self._condition.speed_cap)
            self._tell_everyone(now)

    def keep_only(self, sessions: Container[str]) -> None:
        """Send those home who came in as paired and are not among these any more."""
        for client in self._audience:
            if client.visitor.name is not None and client.visitor.session not in sessions:
                log.info("%s is no longer paired", client.visitor.name)
                self._arbiter.release(
                    client.id, self._clock()
                )  # at once: no grace for one who may not come back
                client.wire.close(CLOSED_UNPAIRED, "not paired any more")

    def answered(self, number: int) -> bool:
        """Tell whether the motor process has handled this command."""
        return self._status.n >= number

    def on_status(self, status: Status) -> None:
        """Take a status of the motor process: settle what it answers, and tell everybody of a new state."""
        before, self._status = self._status, status
        now = self._clock()
        refused = dict(status.refused)
        while self._unanswered and self._unanswered[0].number <= status.n:
            command = self._unanswered.popleft()
            self._settle(command, refused.get(command.number), now)
        if status.state != before.state:
            log.info("%s -> %s (%s)", before.state, status.state, status.reason or "driver")
            self._notes.state(status.state)
            self._tell_everyone(now)
        if before.moving and not status.moving:  # the wheel may be waiting for that
            self._arbiter.tick(now)
            self._note_driver(now)

    def pulse(self) -> float:
        """Let time pass: watch the motor process, move the wheel on; `serve` then sends what is due.

        Returns:
            Seconds until the next call.
        """
        self._channel.check()
        now = self._clock()
        self._arbiter.tick(now)
        self._note_driver(now)
        self._pulsed_at = now
        if self._driving(now):
            return TICK_S
        return RESTING_TICK_S if len(self._audience) else ALONE_PULSE_S

    def serve(self) -> bool:
        """Send some of what is due since the last pulse. Returns whether to call again, after a look at the sockets."""
        now = self._clock()
        return self._audience.serve(self._arbiter.driver, self._driving(now), self._pulsed_at, now)

    def snapshot(self) -> dict[str, Any]:
        """Return the newest state, for somebody who is no client. Its tick was sent to no connection."""
        return protocol.state_fields(self._build_state(self._draw_tick(), self._clock()), "spectator")

    def close(self) -> None:
        """Send everybody home."""
        for client in self._audience:
            client.wire.close(1001, "picar is shutting down")

    def _handle(self, client: Client, message: protocol.Message) -> str | None:
        """Act on a message. Returns the code of a refusal."""
        if isinstance(message, protocol.Stop):
            self.stop()
            return None
        now = self._clock()
        if not client.rate.allows(now):
            return "too_fast"
        if isinstance(message, protocol.Drive):
            return self._drive(client, message, now)
        refusal = self._ask(client, message, now)
        self._note_driver(now)
        return refusal

    def _drive(self, client: Client, message: protocol.Drive, now: float) -> str | None:
        if not self._arbiter.may_drive(client.id):
            return "not_driver"
        if not client.link.in_order(message.seq):
            return "out_of_order"
        sent_at = client.link.sent_at(message.tick, now)
        if sent_at is None:
            return Refusal.STALE
        number = self._channel.drive(message.wanted, sent_at + self._timeout_s)
        client.link.accept(message.seq)
        neutral = is_neutral(message.wanted, self._config.drive.deadband)
        self._unanswered.append(_Command(number, client, message.seq, sent_at, neutral))
        return None

    def _ask(self, client: Client, message: protocol.Message, now: float) -> str | None:
        """Act on everything that is neither stop nor drive. Returns the code of a refusal."""
        if isinstance(message, protocol.Release):
            return None if self._arbiter.release(client.id, now) else "not_driver"
        if not self._arbiter.may_drive(client.id) and not isinstance(message, protocol.Take):
            return "not_driver"
        match message:
            case protocol.Deny(client=other):
                return _named(self._arbiter.deny(client.id, other))
            case (
                protocol.Take(tick)
                | protocol.Grant(tick=tick)
                | protocol.Reset(tick)
                | protocol.Limit(tick=tick)
                | protocol.Calibrate(tick=tick)
            ):
                sent_at = client.link.sent_at(tick, now)
                return Refusal.STALE if sent_at is None else self._ask_fresh(client, message, sent_at, now)
            case _:
                raise AssertionError(message)

    def _ask_fresh(self, client: Client, message: protocol.Message, sent_at: float, now: float) -> str | None:
        match message:
            case protocol.Take():
                self._arbiter.take(client.id, client.visitor.session, now)
            case protocol.Grant(client=other):
                return _named(self._arbiter.grant(client.id, other, now))
            case protocol.Reset():
                number = self._channel.reset(sent_at, sent_at + self._timeout_s)
                self._unanswered.append(_Command(number, client))
            case protocol.Limit(speed=speed):
                number = self._channel.limit(speed, sent_at + self._timeout_s)
                self._unanswered.append(_Command(number, client))
            case protocol.Calibrate(calibration=wanted):
                values = wanted or self.tuning.configured
                if self._speed_cap < 1.0 and values.is_faster_than(self.tuning.current):
                    raise ProtocolError("bad_value", _CAPPED)
                number = self._channel.calibrate(values, sent_at + self._timeout_s)
                done = functools.partial(self._calibrated, client, wanted)
                self._unanswered.append(_Command(number, client, then=done))
        return None

    def _calibrated(self, client: Client, calibration: Calibration | None) -> None:
        """The motor process follows it: keep it for the next start, while the car stands."""
        problem = self.tuning.change(calibration)
        self._config = self.tuning.current.applied_to(self._config)
        if problem:
            client.wire.send(protocol.error("not_saved", problem))

    def _settle(self, command: _Command, refusal: str | None, now: float) -> None:
        """Note the motor process's answer to a command, and pass a refusal on."""
        if command.seq is not None:
            command.client.link.settle(command.seq, refused=refusal is not None)
        if refusal is not None:
            command.client.wire.send(protocol.error(refusal))
        elif command.seq is not None:
            woken = not self._driving(now)
            self._commanded_at, self._acted_on = now, command.sent_at
            if not command.neutral and self._arbiter.may_drive(command.client.id):
                self._arbiter.active(now)
            if woken:
                self.wake()
        elif command.then:
            command.then()

    def _complain(self, client: Client, error: ProtocolError) -> None:
        now = self._clock()
        in_time = client.rate.allows(now)
        client.wire.send(protocol.error(error.code, str(error)) if in_time else protocol.error("too_fast"))
        self._notes.unreadable(client.id, error.code, now)
        client.strikes = client.strikes + 1 if error.code == "bad_message" else 0
        if client.strikes >= STRIKES:
            client.wire.close(1008, "three unreadable messages in a row")

    def _note_driver(self, now: float) -> None:
        """When the wheel has changed hands: the motor process forgets the old driver, then all are told."""
        driver = self._arbiter.driver
        if driver != self._driver:
            log.info("driver: %s", driver or "nobody")
            self._notes.driver(driver or "")
            if self._driver is not None:
                self._channel.release(Reason.RELEASED)
            self._driver = driver
            self._commanded_at = float("-inf")
            self._tell_everyone(now)

    def _tell_everyone(self, now: float) -> None:
        self._pulsed_at = now  # what is served from now on is not older than the news
        self._audience.news(now)
        self.wake()

    def _driving(self, now: float) -> bool:
        """Tell whether someone drives or anything moves; holding the wheel alone is not driving."""
        return self._status.moving or now - self._commanded_at < DRIVING_S

    def _build_state(self, tick: int, now: float) -> CarState:
        status = self._status
        commanded = now - self._commanded_at < DRIVING_S
        driver = self._audience.find(self._arbiter.driver)
        line = self._arbiter.requests
        shown = [driver, *map(self._audience.find, line[:LISTED])]
        return CarState(
            tick=tick,
            state=status.state,
            driver=self._arbiter.driver,
            wanted=Sticks(*status.wanted),
            applied=status.applied,
            speed_limit=status.speed_limit,
            speed_cap=self._speed_cap,
            age_s=now - self._acted_on if commanded else None,
            stale=driver.link.stale if driver else 0,
            reason=status.reason,
            requests=line[:LISTED],
            requests_total=len(line),
            names={c.id: shortened(c.visitor.name) for c in shown if c and c.visitor.name},
            clients=len(self._audience),
            pose=status.pose,
            host=self._condition.facts,
        )


def _named(done: bool) -> str | None:
    """A grant or a refusal names a client that asks for the wheel."""
    if not done:
        raise ProtocolError("bad_value", "this client does not ask for the wheel")
    return None
