"""When may the wheels turn, and how fast: the state machine, the deadline and the slew limiter.

It turns commands and the passing of time into an `Output`; it does not know pins, pipes or clocks.

Laws:
- Only `command` with a deadline still ahead makes a wheel turn, and only until that deadline.
- Wheels turn in `armed` alone; `stopped` brakes for `brake_hold_s`, then coasts like all the others.
- Leaving `armed` puts both wheels to zero in the same call; what follows ramps up from zero.
- A wheel rests at zero for `reverse_pause_s` before it turns the other way, whatever happened between.
- A refused call changes nothing.
- Sticks and jogs do not mix: the wheels rest between them, for the one are speeds and the other duty cycles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from picar.config import DriveConfig
from picar.core.shaping import (
    NEUTRAL,
    Jog,
    Sticks,
    Tank,
    Wanted,
    Wheels,
    is_neutral,
    jog_duties,
    wheel_speeds,
)

TICK_S = 0.02  # 50 Hz: a ramp step too small to feel


class State(StrEnum):
    """Where the car is; see the table in docs/protocol.md."""

    DISARMED = "disarmed"
    ARMED = "armed"
    FAILSAFE = "failsafe"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why the car is not armed. Stable words, translated by the page."""

    STARTED = "started"
    RELEASED = "released"
    DRIVER_GONE = "driver_gone"
    COMMANDS_STALE = "commands_stale"
    STOP = "stop"
    RESET = "reset"


class Refusal(StrEnum):
    """Why a command was refused. Stable words, part of the protocol."""

    STALE = "stale"
    NOT_NEUTRAL = "not_neutral"
    STOPPED = "stopped"
    MOVING = "moving"


@dataclass(frozen=True, slots=True)
class Output:
    """What the bridge shall do now: turn the wheels at these speeds, or hold them by braking.

    `raw`: they are duty cycles, of a jog. `cap`: while a speed cap is in force, no motor may turn faster than the
    configuration lets it at this speed; a share of full power, 1 where no cap is in force.
    """

    left: float = 0.0
    right: float = 0.0
    brake: bool = False
    raw: bool = False
    cap: float = 1.0


COAST = Output()
BRAKE = Output(brake=True)


class _Wheel:
    """The slew limiter of one side."""

    __slots__ = ("direction", "rested_at", "speed")

    def __init__(self) -> None:
        self.speed = 0.0
        self.direction = 0.0  # sign of the last turn, remembered at rest
        self.rested_at = -math.inf

    def halt(self, now: float) -> None:
        if self.speed:
            self.speed, self.rested_at = 0.0, now

    def follow(self, target: float, dt: float, now: float, limits: DriveConfig) -> None:
        """Move towards `target` for `dt` seconds: down by `decel`, up by `accel` and never for over one tick."""
        if self.speed and self.speed * target <= 0.0:
            target = 0.0  # through zero only by way of a rest
        if abs(target) <= abs(self.speed):
            self._slow_down(abs(target), limits.decel * dt, now)
        elif not self._must_rest(target, now, limits.reverse_pause_s):
            size = min(abs(target), abs(self.speed) + limits.accel * min(dt, TICK_S))
            self.speed = math.copysign(size, target)
            self.direction = math.copysign(1.0, target)

    def _slow_down(self, target: float, step: float, now: float) -> None:
        size = max(target, abs(self.speed) - step)
        if size > 0.0:
            self.speed = math.copysign(size, self.speed)
        else:
            self.halt(now)

    def _must_rest(self, target: float, now: float, pause_s: float) -> bool:
        return self.speed == 0.0 and self.direction * target < 0.0 and now - self.rested_at < pause_s


class Drive:
    """The state machine between the driver's sticks and the wheels.

    Args:
        limits: shaping and slew of the `[drive]` section.
        rearm_s: after a failsafe, how long a fresh command may re-arm by itself.
        brake_hold_s: how long a stop brakes.
        speed_cap: the owner's, above every driver's limit; a share of `max_speed` in (0, 1].
        min_duty: of the motors as configured, which says how far a jog may go under that cap.

    All times are seconds of one monotonic clock and never run backwards from call to call.
    """

    def __init__(
        self,
        limits: DriveConfig,
        rearm_s: float,
        brake_hold_s: float,
        speed_cap: float = 1.0,
        min_duty: float = 0.0,
    ) -> None:
        self._limits = limits
        self._rearm_s = rearm_s
        self._brake_hold_s = brake_hold_s
        self._left, self._right = _Wheel(), _Wheel()
        self._deadline = -math.inf
        self._updated_at = -math.inf
        self._until = -math.inf  # end of the brake in `stopped`, of the re-arm time in `failsafe`
        self._stopped_at = -math.inf  # the newest stop; a reset must be newer
        self._wanted: Wanted = NEUTRAL
        self.state = State.DISARMED
        self.reason: Reason | None = Reason.STARTED
        self._speed_limit = 1.0
        self._raw = False  # the ramps hold duty cycles, of a jog
        self.speed_cap = speed_cap
        self._min_duty = min_duty

    def command(self, wanted: Wanted, deadline: float, now: float) -> Refusal | None:
        """Take the driver's newest sticks, to be followed until `deadline` at the latest.

        Returns:
            None when accepted, else why not; then nothing has changed.
        """
        self._meet_deadlines(now)
        refusal = self._refusal(wanted, deadline, now)
        if refusal is None:
            self.state, self.reason = State.ARMED, None
            if not any(self.applied):
                self._raw = isinstance(wanted, Jog)
            self._wanted, self._deadline = wanted, deadline
            self._follow(now)
        return refusal

    def stop(self, now: float) -> None:
        """Brake now and stay stopped until a `reset` that is newer than this."""
        self._stopped_at = now
        if self.state is not State.STOPPED:
            self._leave_armed(State.STOPPED, Reason.STOP, now, lasts_s=self._brake_hold_s)

    def reset(self, seen_at: float, deadline: float, now: float) -> Refusal | None:
        """Leave the stop.

        Args:
            seen_at: when the state that the driver acts on was sent.
            deadline: until when this reset is good.
            now: the time.

        Returns:
            `stale` when it is late, or older than the newest stop; it changes nothing then.
        """
        if now >= deadline or seen_at <= self._stopped_at:
            return Refusal.STALE
        if self.state is State.STOPPED:
            self._leave_armed(State.DISARMED, Reason.RESET, now)
        return None

    def release(self, reason: Reason, now: float) -> None:
        """Forget the driver: roll out, and want neutral from the next one. A stop stays a stop."""
        if self.state in (State.ARMED, State.FAILSAFE):
            self._leave_armed(State.DISARMED, reason, now)

    def limit(self, speed: float, deadline: float, now: float) -> Refusal | None:
        """Set the speed limit, a share of `max_speed` in (0, 1]; refused as `stale` at its deadline."""
        if now >= deadline:
            return Refusal.STALE
        self._speed_limit = speed
        return None

    @property
    def speed_limit(self) -> float:
        """The share of `max_speed` that a full stick means: the driver's limit, or the owner's cap where that is lower."""
        return min(self._speed_limit, self.speed_cap)

    def tick(self, now: float) -> Output:
        """Let time pass: meet the deadline, move the ramps, end the brake.

        Returns:
            What the bridge shall do from now on.
        """
        self._meet_deadlines(now)
        if self.state is State.ARMED and now < self._deadline:
            self._follow(now)
        return self.output(now)

    def output(self, now: float) -> Output:
        """Return what the bridge shall do, without letting time pass."""
        if self.state is State.ARMED:
            raw = self._raw and any(self.applied)
            return Output(self._left.speed, self._right.speed, raw=raw, cap=self._cap)
        return BRAKE if self.state is State.STOPPED and now < self._until else COAST

    @property
    def _cap(self) -> float:
        return self.speed_cap * self._limits.max_speed if self.speed_cap < 1.0 else 1.0

    @property
    def wanted(self) -> Sticks:
        """The sticks that the car follows; neutral unless armed."""
        wanted = self._wanted.as_tank() if isinstance(self._wanted, Jog) else self._wanted
        return wanted.as_sticks() if isinstance(wanted, Tank) else wanted

    @property
    def applied(self) -> Wheels:
        """The wheel speeds after the slew limiter, before trim and minimum duty; of a jog, the duty cycles."""
        return Wheels(self._left.speed, self._right.speed)

    @property
    def moving(self) -> bool:
        """Whether a wheel turns, or is asked to; a stick that rests inside the deadband asks for nothing."""
        return any(self.applied) or not is_neutral(self._wanted, self._limits.deadband)

    def next_event(self, now: float) -> float:
        """Return when `tick` must be called next, at the latest; infinity when nothing is due."""
        if self.state is State.ARMED:
            return min(self._deadline, now + TICK_S) if self.moving else math.inf
        if self.state is State.FAILSAFE or (self.state is State.STOPPED and now < self._until):
            return self._until
        return math.inf

    def _refusal(self, wanted: Wanted, deadline: float, now: float) -> Refusal | None:
        if self.state is State.STOPPED:
            return Refusal.STOPPED
        if now >= deadline:
            return Refusal.STALE
        if self.state is State.DISARMED and not is_neutral(wanted, self._limits.deadband):
            return Refusal.NOT_NEUTRAL
        return Refusal.NOT_NEUTRAL if self._would_mix(wanted) else None

    def _would_mix(self, wanted: Wanted) -> bool:
        other_kind = isinstance(wanted, Jog) != self._raw
        return any(self.applied) and other_kind and not is_neutral(wanted, self._limits.deadband)

    def _meet_deadlines(self, now: float) -> None:
        if self.state is State.ARMED and now >= self._deadline:
            if is_neutral(self._wanted, self._limits.deadband):
                self._halt(now)  # a car at rest is no fault
            else:
                self._leave_armed(State.FAILSAFE, Reason.COMMANDS_STALE, now, lasts_s=self._rearm_s)
        if self.state is State.FAILSAFE and now >= self._until:
            self._leave_armed(State.DISARMED, Reason.COMMANDS_STALE, now)

    def _leave_armed(self, state: State, reason: Reason, now: float, lasts_s: float = 0.0) -> None:
        """Enter a state in which no wheel turns."""
        self._halt(now)
        self._wanted = NEUTRAL
        self.state, self.reason, self._until = state, reason, now + lasts_s

    def _halt(self, now: float) -> None:
        if any(self.applied):
            self._left.halt(now)
            self._right.halt(now)
            self._updated_at = now

    def _follow(self, now: float) -> None:
        limits = self._limits
        if isinstance(self._wanted, Jog):
            target = jog_duties(self._wanted, self.speed_cap * limits.max_speed, self._min_duty)
        else:
            most = self.speed_limit * limits.max_speed
            target = wheel_speeds(self._wanted, limits.deadband, limits.expo, most)
        dt, self._updated_at = now - self._updated_at, now
        self._left.follow(target.left, dt, now, limits)
        self._right.follow(target.right, dt, now, limits)
