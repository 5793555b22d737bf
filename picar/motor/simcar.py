"""A small car on a floor with walls: motors with a dead zone and lag, exact-arc motion.

Only the effects that a driver feels on a laptop. The motors differ, so that there is something to trim. The motor of a steering
turns the front wheels against a spring. Time is an argument.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from picar.layouts import LAYOUTS, Layout

TOP_SPEED_M_S = 0.8
TRACK_M = 0.13  # between the wheels
WHEELBASE_M = 0.14  # of a car with steering
LOCK = math.radians(28)  # of its front wheels at full power
DEAD_ZONE = 0.2  # duty below which a motor only hums; measured kits: 0.12 to 0.24
LAG_S = 0.12  # time constant under power
COAST_LAG_S = 0.2
BRAKE_LAG_S = 0.05
SERVO_LAG_S = 0.06
STEP_S = 0.01
AT_REST_M_S = 0.005
Wall = tuple[float, float, float, float]  # left, bottom, right, top in m
# Four walls around, and a few things in the way. The car starts at (0, 0), looking right.
WALLS: tuple[Wall, ...] = (
    (-3.2, 2.4, 3.2, 2.5),
    (-3.2, -2.5, 3.2, -2.4),
    (-3.2, -2.4, -3.1, 2.4),
    (3.1, -2.4, 3.2, 2.4),
    (0.9, 0.7, 1.9, 0.9),
    (-1.5, -1.5, -1.1, -1.1),
    (1.0, -1.6, 1.2, -0.8),
    (-1.9, 0.9, -1.0, 1.1),
)
REACH_M = 0.14  # from the middle of the car to its bumper
GLANCING = math.radians(30)  # angle to a wall up to which a car slides along it
MISMATCH_SEED = 7  # makes all motors but the first a little weaker, as in every box of parts


class _Motor:
    """One motor: wheel speed in m/s, with a first-order lag to the speed of its power."""

    __slots__ = ("_strength", "braking", "power", "speed")

    def __init__(self, strength: float) -> None:
        self._strength = strength
        self.power = self.braking = self.speed = 0.0

    def step(self, dt: float) -> None:
        pull = max(0.0, abs(self.power) - DEAD_ZONE) / (1.0 - DEAD_ZONE)
        target = math.copysign(pull * self._strength * TOP_SPEED_M_S, self.power)
        lag = LAG_S if target else COAST_LAG_S + (BRAKE_LAG_S - COAST_LAG_S) * self.braking
        self.speed += (target - self.speed) * (1.0 - math.exp(-dt / lag))
        if not target and abs(self.speed) < AT_REST_M_S:
            self.speed = 0.0


class SimCar:
    """The car: `power` changes the supply of the motors, `advance` lets time pass, `pose` is its place."""

    def __init__(
        self, layout: Layout = LAYOUTS["sides"], seed: int = MISMATCH_SEED, walls: tuple[Wall, ...] = WALLS
    ) -> None:
        self.walls = walls
        rng = random.Random(seed)  # noqa: S311 - a weak motor is no secret
        count = len(layout.motors)
        self._steers, self._has_servo = layout.steers, layout.servo
        self._motors = [_Motor(rng.uniform(0.92, 0.99) if place else 1.0) for place in range(count)]
        half = (count + 1) // 2
        self._first, self._second = self._motors[:half], self._motors[half:]
        self._steering = self._steered_to = 0.0  # of a servo, in [-1, 1]
        self._x = self._y = self._heading = 0.0
        self._now: float | None = None

    @property
    def rolling(self) -> bool:
        """Whether a wheel turns without power. One with power is driven, or its ESC has a wrong neutral, which no car notices."""
        return any(m.speed and abs(m.power) <= DEAD_ZONE for m in self._motors)

    @property
    def moving(self) -> bool:
        """Whether a wheel turns, or is about to."""
        return any(m.speed or abs(m.power) > DEAD_ZONE for m in self._motors)

    @property
    def pose(self) -> tuple[float, float, float]:
        """Position in m and heading in rad counter-clockwise, from where it started."""
        return round(self._x, 4), round(self._y, 4), round(self._heading, 4)

    def power(self, supplies: Sequence[tuple[float, float]], now: float) -> None:
        """Set each motor's (power in [-1, 1], braking in [0, 1]) from `now` on; of a servo, (place in [-1, 1], 0)."""
        self.advance(now)
        if self._has_servo:
            *supplies, (self._steered_to, _) = supplies
        for motor, (power, braking) in zip(self._motors, supplies, strict=True):
            motor.power, motor.braking = power, braking

    def advance(self, now: float) -> None:
        """Move until `now`, in seconds."""
        elapsed = 0.0 if self._now is None else now - self._now
        self._now = now
        while elapsed > 0.0 and self.moving:
            self._step(min(elapsed, STEP_S))
            elapsed -= STEP_S

    def _step(self, dt: float) -> None:
        for motor in self._motors:
            motor.step(dt)
        self._steering += (self._steered_to - self._steering) * (1.0 - math.exp(-dt / SERVO_LAG_S))
        speed, turn = self._motion()
        place = self._x, self._y
        before, after = self._heading, self._heading + turn * dt
        if abs(turn) < 1e-9:
            self._x += speed * dt * math.cos(before)
            self._y += speed * dt * math.sin(before)
        else:
            self._x += speed / turn * (math.sin(after) - math.sin(before))
            self._y -= speed / turn * (math.cos(after) - math.cos(before))
        self._heading = after
        for wall in self.walls:
            self._bump(place, *wall)

    def _motion(self) -> tuple[float, float]:
        """Return the speed in m/s, and the turn in rad/s."""
        first = sum(motor.speed for motor in self._first) / len(self._first)
        if self._has_servo:
            return first, -first * math.tan(self._steering * LOCK) / WHEELBASE_M
        second = sum(motor.speed for motor in self._second) / len(self._second)
        if self._steers:
            return first, -first * math.tan(second / TOP_SPEED_M_S * LOCK) / WHEELBASE_M
        return (first + second) / 2, (second - first) / TRACK_M

    def _bump(self, place: tuple[float, float], left: float, bottom: float, right: float, top: float) -> None:
        """Push the car out of a wall: its wheels slip.

        A car that touches the wall already, at `place`, and drives at it by more than `GLANCING` stands still; any other slides along.
        """
        x, y = min(max(self._x, left), right), min(max(self._y, bottom), top)
        gap = math.dist((x, y), (self._x, self._y))
        if not 0.0 < gap < REACH_M:
            return
        touched = math.dist(place, (min(max(place[0], left), right), min(max(place[1], bottom), top)))
        way = math.dist(place, (self._x, self._y))
        if touched <= REACH_M + 1e-6 and touched - gap > way * math.sin(GLANCING):
            self._x, self._y = place
        else:
            self._x = x + (self._x - x) * REACH_M / gap
            self._y = y + (self._y - y) * REACH_M / gap
