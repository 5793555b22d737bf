"""From stick positions to wheel speeds to duty cycles: deadband, expo, mix, desaturate, trim.

A jog turns one motor alone with a duty cycle that is not corrected; it is for calibrating these corrections.

Pure arithmetic on numbers in [-1, 1]. Ramps and states are in `drive.py`, pins in `motor/boards/`.

Laws: no output leaves [-1, 1]; mirrored sticks give mirrored wheels; a mix that does not fit is
scaled as a whole, so that the car keeps its turn (as ArduPilot's skid steering does) instead of clipping.
"""

from __future__ import annotations

from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from picar.layouts import Layout

LEAST_SPEED = 0.05  # the lowest speed limit and speed cap, a share of max_speed; less does not move a car
JOG_DUTY = 0.5  # the most a jog asks for: a wheel in the air turns at a third of its speed


class Wheels(NamedTuple):
    """Speed of the left and right side in [-1, 1]; + is forward. Of a car with steering, throttle and steering."""

    left: float
    right: float


class Sticks(NamedTuple):
    """The sticks of a driver: throttle (+ forward) and steering (+ right), both in [-1, 1]."""

    throttle: float
    steering: float


class Tank(NamedTuple):
    """Two sticks of a driver, one for each side, both in [-1, 1]."""

    left: float
    right: float

    def as_sticks(self) -> Sticks:
        """Return the throttle and steering that mean the same."""
        return Sticks((self.left + self.right) / 2, (self.left - self.right) / 2)


class Jog(NamedTuple):
    """One motor alone, for calibrating: its duty cycle in [-JOG_DUTY, JOG_DUTY], without trim and minimum duty."""

    motor: str
    duty: float


Wanted = Sticks | Tank | Jog
NEUTRAL = Sticks(0.0, 0.0)


def is_neutral(wanted: Wanted, deadband: float) -> bool:
    """Return whether both axes are inside the deadband. A jog has no deadband: its smallest duty cycle reaches a pin."""
    if isinstance(wanted, Jog):
        return wanted.duty == 0.0
    first, second = wanted
    return abs(first) <= deadband and abs(second) <= deadband


def soften(value: float, deadband: float, expo: float) -> float:
    """Cut out the deadband, stretch the rest to the full range, and bend it by expo.

    Args:
        value: stick position in [-1, 1].
        deadband: travel that counts as zero, in [0, 1).
        expo: 0 is linear, 1 is cubic.

    Returns:
        A value in [-1, 1] that rises with the stick and keeps its sign.
    """
    travel = (abs(value) - deadband) / (1.0 - deadband)
    if travel <= 0.0:
        return 0.0
    bent = (1.0 - expo) * travel + expo * travel**3
    return bent if value > 0.0 else -bent


def arcade_mix(throttle: float, steering: float, limit: float = 1.0) -> Wheels:
    """Mix throttle and steering into two sides, scaled as a whole when one would exceed full speed; that is `limit`."""
    left, right = throttle + steering, throttle - steering
    scale = max(1.0, abs(left), abs(right))
    return Wheels(left / scale * limit, right / scale * limit)


def jog_duties(jog: Jog, layout: Layout, limit: float, min_duty: float) -> Wheels:
    """Return the duty cycles of a jog, limited to the speed that a stick may reach.

    Args:
        jog: the jog of the driver.
        layout: of the car.
        limit: the highest speed of a wheel that the owner and the voltage allow, in (0, 1].
        min_duty: see `duty_cycle`.
    """
    most = min(JOG_DUTY, duty_cycle(limit, 1.0, min_duty))
    duty = max(-most, min(most, jog.duty))
    return Wheels(0.0, duty) if layout.speed_of(jog.motor) else Wheels(duty, 0.0)


def wheel_speeds(wanted: Sticks | Tank, deadband: float, expo: float, limit: float) -> Wheels:
    """Return the wheel speeds for these sticks.

    Args:
        wanted: raw sticks.
        deadband: see `soften`.
        expo: see `soften`.
        limit: speed of a wheel at full stick, in (0, 1].
    """
    if isinstance(wanted, Sticks):
        throttle, steering = wanted
        return arcade_mix(soften(throttle, deadband, expo), soften(steering, deadband, expo), limit)
    left, right = wanted
    return Wheels(soften(left, deadband, expo) * limit, soften(right, deadband, expo) * limit)


def steered_speeds(wanted: Sticks | Tank, deadband: float, expo: float) -> Wheels:
    """Return throttle and steering of a car with steering for these sticks; see `wheel_speeds`."""
    sticks = wanted.as_sticks() if isinstance(wanted, Tank) else wanted
    return Wheels(soften(sticks.throttle, deadband, expo), soften(sticks.steering, deadband, expo))


def duty_cycle(speed: float, trim: float, min_duty: float) -> float:
    """Return the duty cycle for a wheel speed, lifted over the motor's stiction.

    Args:
        speed: in [-1, 1]; only its size counts.
        trim: share of its speed that this motor keeps, in (0, 1].
        min_duty: duty at which the motor just begins to turn, in [0, 1).

    Returns:
        0 at rest, else from `min_duty` to 1.
    """
    if speed == 0.0:
        return 0.0
    return min_duty + (1.0 - min_duty) * abs(speed) * trim
