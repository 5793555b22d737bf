"""The simulated car in front of walls: it stops before them, and a broken sensor makes it slow."""

from __future__ import annotations

import math

import pytest

from picar.core.obstacle import SLOW_CAP
from picar.core.shaping import Sticks
from picar.layouts import LAYOUTS
from picar.motor.simcar import REACH_M, TOP_SPEED_M_S, SimCar, Wall
from tests.obstacle.approach import WALL, Approach, to_wall

pytestmark = pytest.mark.slow

SEEDS = 1000
TOUCHES_M = 0.001
SLOW_M_S = 1.2 * SLOW_CAP * TOP_SPEED_M_S  # the minimum duty makes the car a little faster than its share


def test_no_car_at_full_speed_touches_a_flat_wall_up_to_30_degrees_from_the_normal() -> None:
    for seed in range(SEEDS):
        run = to_wall(seed, 30)
        assert run.gap_m > 0.1, f"seed {seed}"
        assert run.speed_m_s > 0.9 * TOP_SPEED_M_S * 0.92, f"seed {seed} began slowly"
        assert run.stands, f"seed {seed} creeps"


@pytest.mark.parametrize("fault", ["dead", "high"])
def test_with_a_dead_sensor_the_car_is_slow(fault: str) -> None:
    for seed in range(20):
        run = to_wall(seed, 30, fault=fault)
        assert run.applied == SLOW_CAP, f"seed {seed}"
        assert 0.0 < run.speed_m_s <= SLOW_M_S, f"seed {seed}"


def test_a_sensor_that_sees_nothing_lets_the_car_drive() -> None:
    assert to_wall(1, 30, fault="far").gap_m <= TOUCHES_M


def test_a_sensor_with_wrong_readings_in_between_still_stops_the_car() -> None:
    gaps = [to_wall(seed, 10, fault="noisy").gap_m for seed in range(50)]
    assert min(gaps) > TOUCHES_M


def test_in_front_of_the_wall_the_car_can_back_out_and_turn() -> None:
    for away in (Sticks(-1.0, 0.0), Sticks(0.0, 1.0)):
        approach = Approach((WALL,), (-1.5, 0.0, 0.0), 3)
        while approach.sensor.cap(approach.now) != 0.0:
            approach.step()
        before = approach.car.pose
        until = approach.now + 1.5
        while approach.now < until:
            approach.step(away)
        approach.close()
        assert approach.car.pose[0] < before[0] - 0.5 or abs(approach.car.pose[2]) > 1.0


def test_an_override_drives_slowly_past_the_sensor_and_ends() -> None:
    approach = Approach((WALL,), (-1.0, 0.0, 0.0), 3)
    until = approach.now + 5.0
    while approach.now < until:
        approach.step()
    assert approach.gap > 0.1
    approach.sensor.override(approach.now)
    fastest = 0.0
    until = approach.now + 9.9
    while approach.now < until:
        approach.step()
        fastest = max(fastest, *(motor.speed for motor in approach.car._motors))
    assert approach.gap <= TOUCHES_M
    assert 0.0 < fastest <= SLOW_M_S
    until = approach.now + 1.0
    while approach.now < until:
        approach.step()
    assert approach.drive.applied == (0.0, 0.0)
    approach.close()


@pytest.mark.parametrize(
    ("degrees", "slides"), [(0, False), (45, False), (59, False), (65, True), (85, True)]
)
def test_a_wall_stops_the_car_and_a_glancing_car_slides_along(degrees: int, slides: bool) -> None:
    wall: Wall = (0.5, -50.0, 0.6, 50.0)
    car = SimCar(LAYOUTS["sides"], walls=(wall,))
    for motor in car._motors:
        motor._strength = 1.0
    car._heading = math.radians(degrees)
    car.advance(0.0)
    car.power(((1.0, 0.0), (1.0, 0.0)), 0.0)
    car.advance(10.0)
    touched = car.pose
    car.advance(11.0)
    assert touched[0] == pytest.approx(0.5 - REACH_M, abs=0.01)
    assert (math.dist(car.pose[:2], touched[:2]) > 0.5) == slides
    car.power(((-1.0, 0.0), (-1.0, 0.0)), 11.0)
    car.advance(12.0)
    assert car.pose[0] < touched[0] - 0.05, "it can always back out"
