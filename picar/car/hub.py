"""The center of the server: messages of the seats in, commands to the motor process, states back to all clients.

`arbiter` decides which client drives, `seat` whether a message is fresh, `limits` how fast the car may be, and the motor
process does the rest. No Tornado, no pins, no text of a protocol.

Laws:
- A command is on its way to the motor process before anything else is done with it.
- The hub never repeats a command: only a driver's own message becomes one, so silence stays silence. The one exception is a
  zero, sent once when the driver's picture is too old.
- When the wheel changes hands, the motor process receives the release before the new driver is announced.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, Protocol

from picar.access.names import shortened
from picar.access.visitor import Visitor
from picar.calibration.store import CurrentCalibration
from picar.calibration.values import Calibration
from picar.car.audience import RESTING_TICK_S, SLACK_S, Audience
from picar.car.lesson import CurrentLesson
from picar.car.limits import Limits
from picar.car.seat import TICK_S, Peer, Seat, check_motors, hello
from picar.config import Config
from picar.core import protocol
from picar.core.arbiter import Arbiter
from picar.core.drive import Reason, Refusal
from picar.core.late import LateLink, LatePicture
from picar.core.link import Link
from picar.core.protocol import CarState, ProtocolError
from picar.core.shaping import NEUTRAL, Sticks
from picar.journal.notes import Notebook
from picar.motor.boards import Board
from picar.motor.channel import Channel
from picar.motor.pipe import Status
from picar.sensors.facts import Facts

if TYPE_CHECKING:
    from picar.car.battery import BatteryGuard
    from picar.car.recording import Recording, Recordings
    from picar.sensors.battery import Reading

log = logging.getLogger(__name__)

DRIVING_S = 1.0  # after the newest command: so long its sender counts as driving
LISTED = 5  # each state lists the first clients that ask for the wheel, with their names
ALONE_PULSE_S = 0.5
OFTEN_S = 0.04  # between two commands: then a pulse may wait for the next one
WAITING_PULSE_S = 0.06  # at most, where one waits; else every TICK_S
_CAPPED = "under the owner's speed cap the minimum duty, the start and the trims may only be lowered, and neutral must stay"
_TWINS = "motors that share their pins need the same invert and trim"
_NOT_ASKED = "this client does not ask for the wheel"
_NOT_DENIED = f"{_NOT_ASKED}, or turns are set: then it waits for the end of one"
_NO_OVERRIDE = "this car has no distance sensor that the driver may override"
_NOT_GOING_OFF = "the machine is not about to switch itself off, or that was put off once"
_AWAITED = "a client waits for the end of this turn"
CLOSED_UNPAIRED = 4401  # RFC 6455 §7.4.2: codes from 4000 are the application's


class Camera(Protocol):
    """The camera: the name of its source, and what a state tells about its pictures."""

    source: str
    state: dict[str, Any]

    def record(self, on: bool) -> None:
        """Keep the camera on for a recording, or no longer."""


class Hub:
    """The state of the server.

    Args:
        config: the configuration.
        backend: name of the backend, for the page.
        channel: the way to the motor process, started; pass its statuses to `on_status`.
        calibration: the calibration with which it was started, and the file for another one.
        note: writes the members of a JSON object to the flight recorder.
        speed_cap: the owner's cap, with which the motor process was started.
        clock: seconds, monotonic.
        draw_tick: returns an unpredictable tick.
    """

    def __init__(
        self,
        config: Config,
        backend: str,
        channel: Channel,
        calibration: CurrentCalibration,
        note: Callable[[str], None] = lambda _members: None,
        speed_cap: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        draw_tick: Callable[[], int] = lambda: secrets.randbits(protocol.TICK_BITS),
    ) -> None:
        self.config, self._backend, self.channel = config, backend, channel
        self.board = Board(config)
        self._draw_tick = draw_tick
        self.now, self.notes, self.calibration = clock, Notebook(note), calibration
        self._timeout_s = config.session.command_timeout_s
        self._arbiter = Arbiter(
            config.session.idle_s,
            config.session.grace_s,
            lambda: channel.stands_still,
            lambda client: self.notes.event("turn_over", client),
        )
        self.may_drive = self._arbiter.may_drive
        self._audience = Audience(self._timeout_s, self._build_state, draw_tick, self._arbiter.asks)
        self._limits = Limits(channel.cap, speed_cap)
        self.lesson = CurrentLesson(channel, self._limits, self._on_lesson)
        self.battery: BatteryGuard | None = None
        if config.battery.source != "none":
            from picar.car.battery import BatteryGuard

            self.battery = BatteryGuard(config.battery, channel, self._limits, self.notes.event)
        self._seats = 0
        self._driver: str | None = None  # as announced to all clients
        self._commanded_at = float("-inf")
        self._acted_on = float("-inf")  # when the state was sent that the newest command answers
        self._pulsed_at = self._passed_at = float("-inf")
        self._pulse_s = TICK_S
        self.camera: Camera | None = None  # set before the first client
        self.recordings: Recordings | None = None  # None if they are switched off
        self.recording: Recording | None = None  # the one that runs
        self.late = LatePicture(config.camera.late == "stop")  # the driver's
        self._link = LateLink(config.session.slow_from_s)  # the driver's
        self._judged = ""  # the driver's session: a driver who comes back keeps the judgement
        self.judging = True  # set it when a client drives by the picture in another way than before
        self.hear_clock: Callable[[float], None] = lambda _unix_s: None  # for certificates, of paired clients
        self.wants_clock: Callable[[], bool] = lambda: False
        self.wake: Callable[[], None] = lambda: None  # asks for a `pulse` soon; set by the event loop's owner

    @property
    def speed_cap(self) -> float:
        """The owner's cap in force, a share of `max_speed` in [0.05, 1]."""
        return self._limits.owner

    @property
    def driver(self) -> str | None:
        """The client that has the wheel."""
        return self._arbiter.driver

    def seat_of(self, client: str | None, visitor: Visitor) -> Seat | None:
        """Return the seat of a client of the visitor's own session, else None."""
        seat = self._audience.find(client)
        return seat if seat and seat.visitor.session == visitor.session else None

    @property
    def is_watched(self) -> bool:
        """Whether a client is connected."""
        return len(self._audience) > 0

    @property
    def is_shown(self) -> bool:
        """Whether a client of picar.v1 is connected, whose page shows which client drives."""
        return any(type(seat.link) is Link and seat.may_drive for seat in self._audience)

    @property
    def is_driving(self) -> bool:
        """Whether a client drives, or anything moves."""
        return self._driving(self.now())

    def seat(self, visitor: Visitor, peer: Peer, link: Link | None = None, *, quiet: bool = False) -> Seat:
        """Welcome a client: a hello, then a state. `link` is that of a client which echoes no tick, `quiet` that of a `Seat`."""
        now = self.now()
        self._seats += 1
        seat = Seat(f"c{self._seats}", visitor, peer, link or Link(self._timeout_s), self, quiet)
        self._audience.add(seat)
        self.lesson.joined(visitor)
        # A guest does not come back to the wheel that its browser's page had.
        if link is None and seat.may_drive:
            self._arbiter.joined(seat.id, visitor.session, now)
        camera = self.camera.source if self.camera else None
        greeting = hello(seat.id, self.config, self._backend, self.board, camera)
        listed = visitor.name is not None and visitor.kind != "guest"
        if listed and seat.may_drive and self.wants_clock():
            greeting.car["wants_clock"] = True
        if visitor.kind == "guest":
            greeting.car["recording"] = False  # not for guests
        peer.hello(greeting)
        self._audience.welcome(seat, self._arbiter.driver, now)
        self._note_driver(now)
        self.wake()
        return seat

    def leave(self, seat: Seat) -> None:
        """Forget a client; without its driver the car rolls out at once."""
        now = self.now()
        if self._arbiter.may_drive(seat.id):
            self.channel.release(Reason.DRIVER_GONE)
            log.info("driver %s has gone", seat.id)
        self._audience.remove(seat)
        self.lesson.left(seat.visitor, now)
        self._arbiter.left(seat.id, now)
        self._note_driver(now)

    def stop(self) -> int:
        """Stop the car, for every client. Returns the command's number."""
        number = self.channel.stop()
        if self.channel.status.state != "stopped":  # another stop changes nothing, and there may be many
            self.notes.event("stop", number)
        self.wake()
        return number

    def act(self, seat: Seat, message: protocol.Message, sent_at: float, now: float) -> str | None:
        """Act on a message that is neither stop nor drive, an answer to the state that was sent at `sent_at`.

        Returns:
            The code of a refusal.
        """
        deadline = sent_at + self._timeout_s
        match message:
            case protocol.Take() | protocol.Release():
                if refusal := self._take_or_release(seat, message, now):
                    return refusal
            case protocol.Grant(client=other):
                _accepted(self._arbiter.grant(seat.id, other, now), _NOT_ASKED)
            case protocol.Deny(client=other):
                _accepted(self._arbiter.deny(seat.id, other), _NOT_DENIED)
            case protocol.SetTurns(for_s=for_s):
                _accepted(self._arbiter.set_turns(seat.id, for_s, now), _AWAITED)
            case protocol.Reset() | protocol.Limit() | protocol.Override():
                self._pass_on(seat, message, sent_at, deadline)
            case protocol.Calibrate(calibration=wanted):
                self._calibrate(seat, wanted, deadline)
            case protocol.StayOn():
                _accepted(self.battery is not None and self.battery.stay_on(now), _NOT_GOING_OFF)
                self._tell_everyone(now)
            case _:
                assert isinstance(message, protocol.Record), message
                return self._record(message.on, seat.id, now)
        self._note_driver(now)
        return None

    def passed_on(self, sent_at: float, now: float) -> None:
        """Record that sticks were sent to the motor process, and use this wake-up for a pulse that is due.

        Args:
            sent_at: when the state was sent that the sticks answer.
            now: the time.
        """
        self._acted_on = sent_at
        self._pulse_s = WAITING_PULSE_S if now - self._passed_at < OFTEN_S else TICK_S
        self._passed_at = now
        if now - self._pulsed_at > TICK_S - SLACK_S:
            self.wake()

    def followed(self, client: str, neutral: bool) -> None:
        """Record that the motor process follows sticks."""
        self._commanded_at = now = self.now()
        if not neutral and self._arbiter.may_drive(client):
            self._arbiter.active(now)

    def on_command(self, age_s: float, now: float) -> None:
        """Take the age of a command of the driver; a late link makes the car slow."""
        if not self._link.take(age_s, now):
            return
        log.info("speed cap for a late link: %g", self._link.speed)
        self.notes.event("link_cap", self._link.speed)
        self._limits.put("link", self._link.speed, self._link.speed)
        self._tell_everyone(now)

    def cap(self, speed: float, kept: bool = False) -> None:
        """Set the owner's speed cap, a share of `max_speed` in [0.05, 1]; `kept`: whether it is on the disk."""
        if self._limits.put_owner(speed, kept):
            self._tell_everyone(self.now())

    def on_kept_cap(self, speed: float) -> None:
        """Follow the owner's cap on the disk, which another process may change."""
        if self._limits.follow_kept_owner(speed):
            self._tell_everyone(self.now())

    def on_host(self, host: Facts) -> None:
        """Take a reading of the machine; a low voltage makes the car slow."""
        now = self.now()
        if self._limits.take(host, self.channel.stands_still, now):
            self.notes.event("power_cap", self._limits.supply)
            self._tell_everyone(now)

    def on_battery(self, reading: Reading) -> None:
        """Take a reading of the battery, also the same one again; an empty one makes the car slow, then stops it."""
        now = self.now()
        if self.battery and self.battery.take(reading, now):
            self._tell_everyone(now)

    def keep_only(self, sessions: Container[str]) -> None:
        """Disconnect paired clients whose session is not in this list."""
        for seat in self._audience:
            if seat.visitor.name is not None and seat.visitor.session not in sessions:
                log.info("%s is no longer paired", seat.visitor.logged)
                self._arbiter.release(seat.id, self.now())  # at once, without the grace for a reload
                seat.peer.close(CLOSED_UNPAIRED, "not paired any more")

    def on_status(self, before: Status, status: Status) -> None:
        """Take a status of the motor process, after the commands that it answers were settled."""
        now = self.now()
        if status.state != before.state:
            log.info("%s -> %s (%s)", before.state, status.state, status.reason or "driver")
            self.notes.event("state", status.state)
            self._tell_everyone(now)
        if before.moving != status.moving:  # the wheel may be waiting for that
            self.wake()
        if self.recording:
            self.recording.status(status)

    def pulse(self) -> float:
        """Let time pass: read and check the motor process, pass the wheel on; `serve` then sends the states that are due.

        Returns:
            Seconds until the next call.
        """
        self.channel.check()
        now = self.now()
        self._arbiter.tick(now)
        self._note_driver(now)
        if self.judging:
            self._judge_picture(now)
        if self.recordings and self.recordings.busy and self.recordings.check(now):
            self._follow_recording(self.recordings, now)
        late_s = now - self._pulsed_at - TICK_S
        self._pulsed_at = now - late_s if 0.0 < late_s < SLACK_S else now  # without commands too, 20 a second
        if self._driving(now):
            return min(self._pulsed_at + self._pulse_s - now, self.channel.patience_s)
        return RESTING_TICK_S if self.is_watched else ALONE_PULSE_S

    def serve(self) -> bool:
        """Send some of the states due since the last pulse. Returns whether to call again after reading the sockets."""
        now = self.now()
        return self._audience.serve(self._arbiter.driver, self._driving(now), self._pulsed_at, now)

    def snapshot(self) -> dict[str, Any]:
        """Return the newest state as a JSON object, for a request over HTTP. No client was sent its tick."""
        return protocol.state_fields(self._build_state(self._draw_tick(), self.now()), "spectator")

    def close(self) -> None:
        """Disconnect all clients, and end a recording."""
        for seat in self._audience:
            seat.peer.close(1001, "picar is shutting down")
        if self.recordings:
            self.recordings.close()

    def _on_lesson(self, mode: str) -> None:
        self.notes.event("lesson", mode)
        self._tell_everyone(self.now())

    def _take_or_release(
        self, seat: Seat, message: protocol.Take | protocol.Release, now: float
    ) -> str | None:
        """Ask for the wheel, or give it up. Returns the code of a refusal."""
        if isinstance(message, protocol.Release):
            return None if self._arbiter.release(seat.id, now) else "not_driver"
        if self.lesson.holds:
            return Refusal.HELD
        self._arbiter.take(seat.id, seat.visitor.session, now)
        return None

    def _pass_on(
        self,
        seat: Seat,
        message: protocol.Reset | protocol.Limit | protocol.Override,
        sent_at: float,
        deadline: float,
    ) -> None:
        """Send a message to the motor process, which settles it."""
        if isinstance(message, protocol.Reset):
            self.channel.reset(sent_at, deadline, seat.settle)
        elif isinstance(message, protocol.Limit):
            self.channel.limit(message.speed, deadline, seat.settle)
        else:
            _accepted(self.config.range.source != "none" and self.config.range.override, _NO_OVERRIDE)
            self.channel.override(deadline, seat.settle)

    def _record(self, on: bool, client: str, now: float) -> str | None:
        """Start or end a recording. Returns the code of a refusal."""
        if not self.recordings:
            return "recording_off"
        refusal = self.recordings.order(on, client)
        self._follow_recording(self.recordings, now)
        return refusal

    def _follow_recording(self, recordings: Recordings, now: float) -> None:
        """Use the recording that runs now, None without one."""
        before, self.recording = self.recording, recordings.current
        self.notes.record = self.recording.event if self.recording else None
        wants = bool(self.recording and self.recording.images)
        if self.camera and wants != bool(before and before.images):
            self.camera.record(wants)
        self._tell_everyone(now)

    def _calibrate(self, seat: Seat, wanted: Calibration | None, deadline: float) -> None:
        """Send a calibration, None for the configured one, to the motor process."""
        values = wanted or self.calibration.configured
        check_motors(values.motors, self.board)
        configured = self.calibration.configured
        if values.values.keys() != configured.values.keys():
            raise ProtocolError("bad_value", f"this car has the values {', '.join(configured.values)}")
        if problem := values.problem(configured, self.board.full_us):
            raise ProtocolError("bad_value", problem)
        twins = self.board.wires.twins(values.swap)
        if any(values.of_motor(one) != values.of_motor(other) for one, other in twins):
            raise ProtocolError("bad_value", _TWINS)
        if self.speed_cap < 1.0 and values.is_faster_than(self.calibration.current):
            raise ProtocolError("bad_value", _CAPPED)
        self.channel.calibrate(values, deadline, functools.partial(self._calibrated, seat, wanted))

    def _calibrated(self, seat: Seat, calibration: Calibration | None, refusal: str | None) -> None:
        """Keep the calibration that the motor process follows for the next start, while the car stands."""
        seat.settle(refusal)
        if refusal is not None:
            return
        problem = self.calibration.change(calibration)
        self.config = self.calibration.current.applied_to(self.config)
        if problem:
            seat.peer.refuse("not_saved", problem)

    def _note_driver(self, now: float) -> None:
        """When the wheel has changed hands, release the old driver in the motor process, then announce the new one."""
        driver = self._arbiter.driver
        if driver != self._driver:
            log.info("driver: %s", driver or "nobody")
            self.notes.event("driver", driver or "")
            if self._driver is not None:
                self.channel.release(Reason.RELEASED)
            self._driver, self.judging = driver, True
            seat = self._audience.find(driver)
            if seat and seat.visitor.session != self._judged:
                self.late, self._judged = LatePicture(self.config.camera.late == "stop"), seat.visitor.session
                self._limits.put("picture", 1.0, 1.0)
                self._link = LateLink(self.config.session.slow_from_s)
                self._limits.put("link", 1.0, 1.0)
            speed = seat.link.speed if seat else 1.0
            self._limits.put("guest", speed, speed)
            self._commanded_at = float("-inf")
            self._tell_everyone(now)

    def _judge_picture(self, now: float) -> None:
        """Make the car slow, or stop it, if its driver drives by an old picture."""
        driver = self._audience.find(self._driver)
        by_camera = driver.sight.by_camera if driver else None
        age_s = driver.sight.age_s(now) if driver and by_camera else None
        if by_camera is not False and age_s is None:
            self.late.wait()
            self.judging = False
            return
        before = self.late.speed
        must_stop = self.late.update(age_s, now)
        if must_stop and self._driving(now):  # else a zero, before the driver's own, would arm the car
            log.warning("the driver's picture is old: the car stops")
            self.notes.event("picture_old", self._driver or "")
            self.channel.drive(NEUTRAL, now + self._timeout_s, lambda _refusal: None)
        if self.late.speed != before:
            log.info("speed cap for an old picture: %g", self.late.speed)
            self._limits.put("picture", self.late.speed, self.late.speed)
            self._tell_everyone(now)
        self.judging = bool(by_camera) or self.late.refuses

    def _tell_everyone(self, now: float) -> None:
        self._pulsed_at = now  # the states from now on are not older than the news
        self._audience.news(now)
        self.wake()

    def _driving(self, now: float) -> bool:
        """Return whether a client drives or anything moves; holding the wheel alone is not driving."""
        return self.channel.status.moving or now - self._commanded_at < DRIVING_S

    def _build_state(self, tick: int, now: float) -> CarState:
        status = self.channel.status
        commanded = now - self._commanded_at < DRIVING_S
        client = self._arbiter.driver
        driver = self._audience.find(client)
        line = self._arbiter.requests
        shown = [driver, *map(self._audience.find, line[:LISTED])]
        video = None
        if self.camera:
            age_s = driver.sight.age_s(now) if driver else None
            binds = self.late.speed <= status.speed_limit
            cap = self.late.speed if binds else 1.0
            video = {**self.camera.state, "age_s": age_s and round(age_s, 3), "cap": cap}
        ended = self.recordings.ended if self.recordings else None
        state = CarState(
            tick=tick,
            state=status.state,
            driver=client,
            wanted=Sticks(*status.wanted),
            speeds=self.board.layout.speeds,
            applied=status.applied,
            target=status.target,
            speed_limit=status.speed_limit,
            speed_cap=self._limits.owner,
            age_s=now - self._acted_on if commanded else None,
            link_cap=self._link.speed if self._link.speed <= status.speed_limit else 1.0,
            stale=driver.link.stale if driver else 0,
            reason=status.reason,
            turn=self._arbiter.turn(now),
            requests=line[:LISTED],
            requests_total=len(line),
            names={s.id: shortened(s.visitor.name) for s in shown if s and s.visitor.name},
            clients=len(self._audience),
            pose=status.pose,
            host=self._limits.facts,
            lesson=self.lesson.state(now),
            video=video,
            obstacle=status.obstacle and status.obstacle._asdict(),
            aux=None if status.aux is None else dict(zip(self.config.aux, status.aux, strict=True)),
            battery=self.battery.state(now) if self.battery else None,
            recording=self.recording.fields(now) if self.recording else ended,
        )
        if self.recording:
            self.recording.state(state, now)
        return state


def _accepted(done: bool, sentence: str) -> None:
    """Refuse a value that the arbiter does not accept."""
    if not done:
        raise ProtocolError("bad_value", sentence)
