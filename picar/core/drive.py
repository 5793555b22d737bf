"""When the wheels may turn, and how fast: the state machine, the deadline, the caps and the slew limiter.

Commands and the passing of time go in, an `Output` comes out. Pins, pipes and clocks are elsewhere.

Laws:
- Only `command` with a deadline still ahead makes a wheel turn, and only until that deadline.
- Wheels turn in `armed` alone; `stopped` brakes for `brake_hold_s`, then rests like all other states: the wheels roll or
  brake, as the board does at rest.
- Leaving `armed` puts both wheels to zero in the same call; what follows ramps up from zero.
- A wheel or a steering motor rests at zero for `reverse_pause_s` before it turns the other way, in every case.
- A refused call changes nothing.
- Sticks and jogs do not mix, nor do jogs of two motors: the wheels rest between them. Sticks are speeds and jogs are duty
  cycles, and two motors of one side share a ramp.
- Each direction has a cap. The mean of the wheels is the direction; a turn on the spot has the higher of both caps, so
  that a car in front of an obstacle can turn away. The targets of the wheels obey the cap of the direction that is asked
  for and that of the direction in which the car still moves. `Output.cap` is the cap of the direction in which the car
  moves: it holds at once, also while the ramps still run down.
- A car with steering has the ramp of the throttle and a fast one of the steering in the place of the sides. Its throttle is its
  direction, and no cap limits its steering.
- The cap of a distance sensor is one of forward speed. At 0 it puts wheels that move the car forward to zero without a ramp, and
  brakes for `brake_hold_s`; the driver may turn on the spot or drive backwards meanwhile.
- A servo turns no wheel: it needs no rest between its directions, and it keeps its place when the wheels rest. A servo that
  centred would make a rolling car swerve.
- Before `ready_at` every command is refused: an ESC needs a neutral pulse for a time.
- A hold refuses every command and lets a car in motion go to zero by its ramp, no longer than until the deadline of the
  newest accepted command. A stop stays a stop. A servo keeps its place.
"""

from __future__ import annotations

import math
from enum import StrEnum

from picar.core.shaping import (
    NEUTRAL,
    Jog,
    Sticks,
    Tank,
    Wanted,
    Wheels,
    is_neutral,
    jog_duties,
    steered_speeds,
    wheel_speeds,
)
from picar.layouts import LAYOUTS, Layout
from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from picar.config import DriveConfig

TICK_S = 0.02  # 50 Hz: a ramp step too small to feel
STEERING_RATE = 10.0  # per s: a steering motor goes from the middle to its end in 0.1 s


class State(StrEnum):
    """The state of the car; see the table in docs/protocol.md."""

    DISARMED = "disarmed"
    ARMED = "armed"
    FAILSAFE = "failsafe"
    STOPPED = "stopped"


class Reason(StrEnum):
    """The reason why the car is not armed. Stable words; the page translates them."""

    STARTED = "started"
    ARMING = "arming"
    RELEASED = "released"
    DRIVER_GONE = "driver_gone"
    COMMANDS_STALE = "commands_stale"
    STOP = "stop"
    RESET = "reset"
    BATTERY = "battery"
    HELD = "held"


class Refusal(StrEnum):
    """The reason why a command was refused. Stable words, part of the protocol."""

    STALE = "stale"
    NOT_NEUTRAL = "not_neutral"
    STOPPED = "stopped"
    MOVING = "moving"
    ARMING = "arming"
    HELD = "held"


class Output(NamedTuple):
    """The instruction to the board: turn the wheels at these speeds, or hold them by braking.

    On a car with steering, `left` is the throttle and `right` the steering.
    `jog`: the motor of a jog, whose speed is then a duty cycle; empty otherwise. `cap`: while a cap is in force, the
    highest speed of a motor, measured by the configured calibration; 1 without a cap.
    """

    left: float = 0.0
    right: float = 0.0
    brake: bool = False
    jog: str = ""
    cap: float = 1.0


COAST = Output()
BRAKE = Output(brake=True)
_AT_REST = Wheels(0.0, 0.0)


class _Ramp(NamedTuple):
    """The limits of a wheel or of a steering motor; see the section `[drive]`."""

    accel: float
    decel: float
    reverse_pause_s: float


class _Wheel:
    """The slew limiter of one side, or of the steering motor."""

    __slots__ = ("direction", "rested_at", "speed")

    def __init__(self) -> None:
        self.speed = 0.0
        self.direction = 0.0  # sign of the last turn, remembered at rest
        self.rested_at = -math.inf

    def halt(self, now: float) -> None:
        if self.speed:
            self.speed, self.rested_at = 0.0, now

    def follow(self, target: float, dt: float, now: float, limits: _Ramp) -> None:
        """Move towards `target` for `dt` seconds: down by `decel`, up by `accel` and never for over one tick."""
        if self.speed and self.speed * target <= 0.0:
            target = 0.0  # through zero only by way of a rest
        size, wanted_size = abs(self.speed), abs(target)
        if wanted_size <= size:
            self._slow_down(wanted_size, limits.decel * dt, now)
        elif size or not self._must_rest(target, now, limits.reverse_pause_s):
            size = min(wanted_size, size + limits.accel * min(dt, TICK_S))
            self.speed = math.copysign(size, target)
            self.direction = math.copysign(1.0, target)

    def _slow_down(self, target: float, step: float, now: float) -> None:
        size = max(target, abs(self.speed) - step)
        if size > 0.0:
            self.speed = math.copysign(size, self.speed)
        else:
            self.halt(now)

    def _must_rest(self, target: float, now: float, pause_s: float) -> bool:
        """Return whether this wheel, which is at rest, must not turn yet."""
        return self.direction * target < 0.0 and now - self.rested_at < pause_s


class Drive:
    """The state machine between the driver's sticks and the wheels.

    Args:
        limits: shaping and slew of the `[drive]` section.
        rearm_s: after a failsafe, how long a fresh command may re-arm by itself.
        brake_hold_s: how long a stop brakes.
        speed_cap: the cap at the start in both directions, a share of `max_speed` in (0, 1].
        min_duty: of the motors as configured; it determines the highest duty cycle of a jog under a cap.
        layout: of the car.
        ready_at: the time of the first command that may be accepted.

    `applied` are the wheel speeds after the slew limiter, before trim and minimum duty; of a jog, the duty cycles.
    `target` are the values that `applied` shall reach, under the limit and the caps; zero unless armed.
    `moving`: whether a wheel or a servo turns or shall turn; a stick inside the deadband is at rest.

    All times are seconds of one monotonic clock and never run backwards from call to call.
    """

    def __init__(
        self,
        limits: DriveConfig,
        rearm_s: float,
        brake_hold_s: float,
        speed_cap: float = 1.0,
        min_duty: float = 0.0,
        layout: Layout = LAYOUTS["sides"],
        ready_at: float = -math.inf,
    ) -> None:
        self._limits, self._layout, self._has_servo = limits, layout, layout.servo
        self._ready_at, self._is_arming = ready_at, ready_at > -math.inf
        self._ramp = self._second_ramp = _Ramp(limits.accel, limits.decel, limits.reverse_pause_s)
        if layout.steers:
            pause_s = 0.0 if layout.servo else limits.reverse_pause_s
            self._second_ramp = _Ramp(STEERING_RATE, STEERING_RATE, pause_s)
        self._rearm_s = rearm_s
        self._brake_hold_s = brake_hold_s
        self._left, self._right = _Wheel(), _Wheel()
        self.applied = self.target = _AT_REST
        self.moving = False
        self._deadline = -math.inf
        self._updated_at = -math.inf
        self._until = -math.inf  # end of the brake in `stopped`, of the re-arm time in `failsafe`
        self._stopped_at = -math.inf  # the newest stop; a reset must be newer
        self._wanted: Wanted = NEUTRAL
        self.state = State.DISARMED
        self.reason: Reason | None = Reason.ARMING if self._is_arming else Reason.STARTED
        self._speed_limit = 1.0
        self._jogged = ""  # the motor of a jog: the ramps hold duty cycles
        self._steady = False  # the ramps have arrived: nothing changes before the deadline
        self._forward_cap = self._given_forward = self._reverse_cap = speed_cap
        self._obstacle = 1.0  # the distance sensor's cap
        self._brakes_until = -math.inf  # in front of an obstacle
        self._held = False
        self._min_duty = min_duty

    def command(self, wanted: Wanted, deadline: float, now: float) -> Refusal | None:
        """Take the driver's newest sticks, to be followed until `deadline` at the latest.

        Returns:
            None when accepted, else the reason; then nothing has changed.
        """
        self._meet_deadlines(now)
        refusal = self._refusal(wanted, deadline, now)
        if refusal is None:
            self.state, self.reason = State.ARMED, None
            if not self._turns:
                self._jogged = _jogged(wanted)
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
            reason = Reason.ARMING if now < self._ready_at else Reason.RESET
            self._leave_armed(State.DISARMED, reason, now)
        return None

    def release(self, reason: Reason, now: float) -> None:
        """Forget the driver: roll out, and want neutral from the next one. A stop stays a stop."""
        if self.state in (State.ARMED, State.FAILSAFE):
            self._leave_armed(State.DISARMED, reason, now)

    def hold(self, on: bool, now: float) -> None:
        """Roll to zero by the ramp, then refuse every command until the hold ends. After it the car wants neutral."""
        if on == self._held:
            return
        self._held = on
        if on and self.state is State.ARMED:
            self._wanted = self.wanted._replace(throttle=0.0) if self._has_servo else NEUTRAL
            self._steady = False
            self._end_at_rest(now)
        elif self.state is not State.STOPPED and (on or self.state is State.ARMED):
            reason = Reason.ARMING if now < self._ready_at else Reason.HELD
            self._leave_armed(State.DISARMED, reason, now)

    def limit(self, speed: float, deadline: float, now: float) -> Refusal | None:
        """Set the speed limit, a share of `max_speed` in (0, 1]; refused as `stale` at its deadline."""
        if now >= deadline:
            return Refusal.STALE
        self._speed_limit = speed
        self._steady = False
        return None

    def cap(self, forward: float, reverse: float) -> None:
        """Set the caps above every driver's limit, shares of `max_speed` in (0, 1]."""
        self._given_forward, self._reverse_cap = forward, reverse
        self._forward_cap = min(forward, self._obstacle)
        self._steady = False

    def obstacle(self, cap: float, now: float) -> None:
        """Set the cap of the distance sensor, a share of `max_speed` in [0, 1], for forward motion."""
        if cap != self._obstacle:
            self._obstacle, self._steady = cap, False
            self._forward_cap = min(self._given_forward, cap)
        if cap == 0.0 and self._direction(*self.applied) > 0.0:
            self._halt(now)
            self._brakes_until = now + self._brake_hold_s

    @property
    def speed_limit(self) -> float:
        """The share of `max_speed` that a full stick means: the driver's limit, or the higher cap where that is lower."""
        return min(self._speed_limit, self._cap_of(0.0, 0.0))

    def tick(self, now: float) -> Output:
        """Let time pass: meet the deadline, move the ramps, end the brake.

        Returns:
            The output from now on.
        """
        self._meet_deadlines(now)
        if self.state is State.ARMED and now < self._deadline:
            if self._steady:
                self._updated_at = now
            else:
                self._follow(now)
            if self._held:
                self._end_at_rest(now)
        return self.output(now)

    def output(self, now: float) -> Output:
        """Return the output, without letting time pass."""
        if self.state is State.ARMED:
            applied = self.applied
            if now < self._brakes_until and not self._turns:
                return BRAKE if not self._has_servo else BRAKE._replace(right=applied.right)
            jog, cap = self._jogged if self._turns else "", self._cap_of(*applied)
            return Output(*applied, jog=jog, cap=cap * self._limits.max_speed if cap < 1.0 else 1.0)
        output = BRAKE if self.state is State.STOPPED and now < self._until else COAST
        return output._replace(right=self.applied.right) if self._has_servo else output

    @property
    def wanted(self) -> Sticks:
        """The sticks that the car follows; neutral unless armed."""
        wanted = self._wanted
        if isinstance(wanted, Jog):
            second = self._layout.speed_of(wanted.motor)
            pair = (0.0, wanted.duty) if second else (wanted.duty, 0.0)
            wanted = Sticks(*pair) if self._layout.steers else Tank(*pair)
        return wanted.as_sticks() if isinstance(wanted, Tank) else wanted

    @property
    def turning(self) -> bool:
        """As `moving`, without the movements of a servo."""
        if not self._has_servo or isinstance(self._wanted, Jog):
            return self.moving
        return self._turns or not is_neutral(self.wanted._replace(steering=0.0), self._limits.deadband)

    @property
    def _turns(self) -> bool:
        """Whether a motor turns."""
        left, right = self.applied
        return left != 0.0 or (right != 0.0 and not self._has_servo)

    def next_event(self, now: float) -> float:
        """Return when `tick` must be called next, at the latest; infinity when nothing is due."""
        if self.state is State.ARMED:
            if now < self._brakes_until:
                return min(self._brakes_until, self._deadline, now + TICK_S)
            if not self.moving:
                return math.inf
            return self._deadline if self._steady else min(self._deadline, now + TICK_S)
        if self._is_arming and self.reason is Reason.ARMING:
            return self._ready_at
        if self.state is State.FAILSAFE or (self.state is State.STOPPED and now < self._until):
            return self._until
        return math.inf

    def _end_at_rest(self, now: float) -> None:
        """Leave `armed` for a hold, once the wheels rest and the brake in front of an obstacle is over."""
        if not self._turns and now >= self._brakes_until:
            self._leave_armed(State.DISARMED, Reason.HELD, now)

    def _refusal(self, wanted: Wanted, deadline: float, now: float) -> Refusal | None:
        if self._held:
            return Refusal.HELD
        if self.state is State.STOPPED:
            return Refusal.STOPPED
        if now >= deadline:
            return Refusal.STALE
        if now < self._ready_at:
            return Refusal.ARMING
        if self.state is State.DISARMED and not is_neutral(wanted, self._limits.deadband):
            return Refusal.NOT_NEUTRAL
        return Refusal.NOT_NEUTRAL if self._would_mix(wanted) else None

    def _would_mix(self, wanted: Wanted) -> bool:
        return (
            _jogged(wanted) != self._jogged and self._turns and not is_neutral(wanted, self._limits.deadband)
        )

    def _meet_deadlines(self, now: float) -> None:
        if self.state is State.ARMED and now >= self._deadline:
            if self._held:
                self._leave_armed(State.DISARMED, Reason.HELD, now)
            elif is_neutral(self._wanted, self._limits.deadband):
                self._halt(now)  # a car at rest is no fault
                self.target, self.moving = self.applied, False
            else:
                self._leave_armed(State.FAILSAFE, Reason.COMMANDS_STALE, now, lasts_s=self._rearm_s)
        if self._is_arming and now >= self._ready_at:
            self._is_arming = False
            if self.reason is Reason.ARMING:
                self.reason = Reason.HELD if self._held else Reason.STARTED
        if self.state is State.FAILSAFE and now >= self._until:
            self._leave_armed(State.DISARMED, Reason.COMMANDS_STALE, now)

    def _leave_armed(self, state: State, reason: Reason, now: float, lasts_s: float = 0.0) -> None:
        """Enter a state in which no wheel turns."""
        if self._held and state is State.DISARMED and reason is not Reason.ARMING:
            reason = Reason.HELD
        self._halt(now)
        self._wanted, self.target, self.moving = NEUTRAL, self.applied, False
        self.state, self.reason, self._until = state, reason, now + lasts_s

    def _halt(self, now: float) -> None:
        if any(self.applied):
            self._left.halt(now)
            if not self._has_servo:
                self._right.halt(now)
            self.applied, self._updated_at = Wheels(self._left.speed, self._right.speed), now

    def _follow(self, now: float) -> None:
        before, target = self.applied, self._target()
        self.target = target
        dt, self._updated_at = now - self._updated_at, now
        self._left.follow(target.left, dt, now, self._ramp)
        self._right.follow(target.right, dt, now, self._second_ramp)
        self.applied = Wheels(self._left.speed, self._right.speed)
        steers = self._has_servo and self.applied.right != target.right
        self.moving = self._turns or steers or not is_neutral(self._wanted, self._limits.deadband)
        self._steady = self.applied == target and not self._changes_cap(before, target)

    def _target(self) -> Wheels:
        """Return the speeds that the wheels shall reach under the caps; of a jog, the duty cycles."""
        limits, wanted = self._limits, self._wanted
        cap = self._cap_of(*self.applied)
        if isinstance(wanted, Jog):
            asked = jog_duties(wanted, self._layout, limits.max_speed, self._min_duty)
            most = min(cap, self._cap_of(*asked)) * limits.max_speed
            return jog_duties(wanted, self._layout, most, self._min_duty)
        steers = self._layout.steers
        if steers:
            asked = steered_speeds(wanted, limits.deadband, limits.expo)
        else:
            asked = wheel_speeds(wanted, limits.deadband, limits.expo, 1.0)
        most = min(self._speed_limit, cap, self._cap_of(*asked)) * limits.max_speed
        return Wheels(asked.left * most, asked.right if steers else asked.right * most)

    def _changes_cap(self, before: Wheels, after: Wheels) -> bool:
        """Return whether the new speeds have another cap, and so perhaps another target."""
        return self._forward_cap != self._reverse_cap and self._cap_of(*before) != self._cap_of(*after)

    def _direction(self, left: float, right: float) -> float:
        """Return more than 0 if wheels with these speeds move the car forward, less than 0 for backwards."""
        return left if self._layout.steers else left + right

    def _cap_of(self, left: float, right: float) -> float:
        """Return the cap of the direction in which wheels with these speeds move the car."""
        if self._forward_cap == self._reverse_cap:
            return self._forward_cap
        direction = self._direction(left, right)
        if direction == 0.0:
            return max(self._forward_cap, self._reverse_cap)
        return self._forward_cap if direction > 0.0 else self._reverse_cap


def _jogged(wanted: Wanted) -> str:
    """Return the motor of a jog, an empty text for sticks."""
    return wanted.motor if isinstance(wanted, Jog) else ""
