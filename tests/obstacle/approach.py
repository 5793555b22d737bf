"""Approaches of the simulated car: full speed ahead, no steering, until it stands.

The objects of the motor process, from its order to the wheels, with a clock in the test's hands: the real loop, the real
reader of the HC-SR04, the real state machine and bridge, simulated pins, ECHO and car.
"""

from __future__ import annotations

import math
import os
import random
from typing import NamedTuple

from picar.config import Config
from picar.core.drive import TICK_S
from picar.core.obstacle import ObstacleCap
from picar.core.shaping import NEUTRAL, Sticks
from picar.motor.__main__ import assemble
from picar.motor.boards import Board
from picar.motor.loop import MotorLoop
from picar.motor.pins.sim import SimPins
from picar.motor.pipe import Order
from picar.motor.ranging.hcsr04 import HcSr04
from picar.motor.ranging.sensor import Sensor
from picar.motor.ranging.sim import SimEcho
from picar.motor.simcar import REACH_M, SimCar, Wall

AHEAD = Sticks(1.0, 0.0)
TIMEOUT_S = 0.5
LONGEST_S = 15.0
CONFIG = Config().having("range", source="sim")
WALL: Wall = (0.0, -50.0, 0.1, 50.0)  # across the way
CORNER: Wall = (0.0, 0.0, 1.0, 1.0)


class Run(NamedTuple):
    """An approach: the least gap between car and wall in m, the highest speed in m/s and as a share, and whether it ended at rest."""

    gap_m: float
    speed_m_s: float
    applied: float
    stands: bool


class Approach:
    """One car in front of walls.

    Args:
        walls: in its way.
        pose: position of its middle in m, heading in rad.
        seed: of the strength of its motors, of the noise and of the phase between ticks and pings.
        fault: of the sensor, as in `PICAR_SIM_RANGE`.
        config: of the car.
    """

    def __init__(
        self,
        walls: tuple[Wall, ...],
        pose: tuple[float, float, float],
        seed: int,
        fault: str = "",
        config: Config = CONFIG,
    ) -> None:
        rng = random.Random(seed)
        self.now = 100.0 + rng.uniform(0.0, 0.06)
        order = Order.of(config, "sim")
        order = Order.parse(order.encode())
        pins = SimPins(Board(order.config), lambda: self.now)
        self.car = pins.car = SimCar(walls=walls)
        strength = rng.uniform(0.92, 1.0)
        for motor in self.car._motors:  # a car with its trim: it drives straight on
            motor._strength = strength
        self.car._x, self.car._y, self.car._heading = pose
        self.drive, bridge = assemble(order, pins)
        judge = ObstacleCap(config.range.stop_m, config.range.slow_m)
        self.sensor = Sensor(
            judge, HcSr04(SimEcho(self.car, rng.randrange(1 << 30), fault)), lambda _line: None
        )
        commands, self._end = os.pipe()
        self.loop = MotorLoop(
            self.drive, bridge, self.car, commands, -1, clock=lambda: self.now, ranging=self.sensor
        )
        self._commands = commands
        self._tick_at = self.now
        assert self.drive.command(NEUTRAL, self.now + TIMEOUT_S, self.now) is None

    def close(self) -> None:
        os.close(self._commands)
        os.close(self._end)

    def step(self, wanted: Sticks = AHEAD) -> None:
        """Go to the next event of the loop: a tick with a command, or one of the sensor."""
        self.now = min(self._tick_at, max(self.now + 1e-5, self.sensor.next_event(self.now)))
        if self.now == self._tick_at:
            self._tick_at += TICK_S
            self.drive.command(wanted, self.now + TIMEOUT_S, self.now)
        self.loop._act(self.now)

    @property
    def gap(self) -> float:
        """The gap between the car's circle and the nearest wall in m."""
        x, y, _ = self.car.pose
        return (
            min(
                math.dist((x, y), (min(max(x, left), right), min(max(y, bottom), top)))
                for left, bottom, right, top in self.car.walls
            )
            - REACH_M
        )

    def run(self) -> Run:
        """Drive until the car stands for a second, or too long."""
        least, fastest, applied, rested_s, until = self.gap, 0.0, 0.0, 0.0, self.now + LONGEST_S
        while self.now < until and rested_s < 1.0:
            before, (x, y, _) = self.now, self.car.pose
            self.step()
            dt = self.now - before
            way = math.dist((x, y), self.car.pose[:2])
            least, fastest = min(least, self.gap), max(fastest, sum(m.speed for m in self.car._motors) / 2)
            applied = max(applied, *self.drive.applied)
            rested_s = rested_s + dt if way == 0.0 and self.now > 101.0 else 0.0
        self.close()
        return Run(least, fastest, applied, rested_s >= 1.0)


def to_wall(seed: int, most_deg: float, least_deg: float = 0.0, fault: str = "") -> Run:
    """Drive at a flat wall, at an angle between the two to its normal."""
    rng = random.Random(f"wall {seed}")
    angle = math.radians(rng.uniform(least_deg, most_deg)) * rng.choice((-1, 1))
    way = rng.uniform(1.6, 2.5)
    pose = -way * math.cos(angle) - REACH_M, -way * math.sin(angle), angle
    return Approach((WALL,), pose, seed, fault).run()


def to_corner(seed: int) -> Run:
    """Drive at the corner of a box: from any direction, and with any part of the car's width."""
    rng = random.Random(f"corner {seed}")
    angle = rng.uniform(0.0, math.pi / 2)
    way, aside = rng.uniform(1.6, 2.5), rng.uniform(-REACH_M, REACH_M)
    x = -way * math.cos(angle) - aside * math.sin(angle)
    y = -way * math.sin(angle) + aside * math.cos(angle)
    return Approach((CORNER,), (x, y, angle), seed).run()
