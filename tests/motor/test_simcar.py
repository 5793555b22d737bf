"""The simulated car: where it goes, how it stops, and what it does not do."""

from __future__ import annotations

import math
import random

import pytest

from picar.layouts import LAYOUTS
from picar.motor.simcar import DEAD_ZONE, LOCK, TOP_SPEED_M_S, TRACK_M, WHEELBASE_M, SimCar

FULL, REVERSE, OFF = (1.0, 0.0), (-1.0, 0.0), (0.0, 0.0)
BRAKED = (0.0, 1.0)
Side = tuple[float, float]


class _Equal(random.Random):
    """A box of parts in which both motors are the same."""

    def uniform(self, _a: float, _b: float) -> float:
        return 1.0


@pytest.fixture
def car(monkeypatch: pytest.MonkeyPatch) -> SimCar:
    """A car with two equal motors, at time 0."""
    monkeypatch.setattr(random, "Random", _Equal)
    car = SimCar()
    car.advance(0.0)
    return car


def drive(car: SimCar, left: Side, right: Side, start: float, seconds: float) -> float:
    """Power the motors for a while, and return the time then."""
    car.power((left, right), start)
    now = start
    while now < start + seconds - 1e-9:
        now += 0.02
        car.advance(now)
    return now


def test_at_first_it_stands_where_it_is(car: SimCar) -> None:
    assert car.pose == (0.0, 0.0, 0.0)
    assert not car.moving
    car.advance(3600.0)
    assert car.pose == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("side", "sign"), [(FULL, 1), (REVERSE, -1)])
def test_equal_power_goes_straight_on_at_top_speed(car: SimCar, side: Side, sign: int) -> None:
    drive(car, side, side, 0.0, 3.0)
    x, y, heading = car.pose
    assert (y, heading) == (0.0, 0.0)
    assert x * sign == pytest.approx(TOP_SPEED_M_S * (3.0 - 0.12), rel=0.01)  # the lag of 0.12 s is lost


@pytest.mark.parametrize(("left", "right", "sign"), [(REVERSE, FULL, 1), (FULL, REVERSE, -1)])
def test_opposite_power_spins_in_place(car: SimCar, left: Side, right: Side, sign: int) -> None:
    drive(car, left, right, 0.0, 1.0)
    x, y, heading = car.pose
    assert (x, y) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert heading * sign == pytest.approx(2 * TOP_SPEED_M_S * (1.0 - 0.12) / TRACK_M, rel=0.02)  # + is left


def test_a_full_circle_closes(car: SimCar) -> None:
    left, right = (0.6, 0.0), (1.0, 0.0)
    now = drive(car, left, right, 0.0, 2.0)  # at a steady speed now
    start = car.pose
    turn = (1.0 - (0.6 - DEAD_ZONE) / (1.0 - DEAD_ZONE)) * TOP_SPEED_M_S / TRACK_M
    lap = 2 * math.pi / turn
    car.advance(now + lap / 2)
    radius = TRACK_M / 2 * 1.5 / 0.5
    across = math.dist(start[:2], car.pose[:2])
    assert across == pytest.approx(2 * radius, rel=0.01)
    car.advance(now + lap)
    assert car.pose[:2] == pytest.approx(start[:2], abs=0.002)
    assert car.pose[2] - start[2] == pytest.approx(2 * math.pi, abs=0.01)


def test_straight_on_is_where_it_looks(car: SimCar) -> None:
    now = drive(car, REVERSE, FULL, 0.0, 0.3)
    now = drive(car, BRAKED, BRAKED, now, 2.0)
    x, y, heading = car.pose
    assert heading > 1.0
    drive(car, FULL, FULL, now, 2.0)
    way = math.dist((x, y), car.pose[:2])
    assert way > 1.0
    assert car.pose[2] == heading
    assert car.pose[:2] == pytest.approx((x + way * math.cos(heading), y + way * math.sin(heading)), abs=1e-3)


def test_steps_of_any_length_go_the_same_way(car: SimCar) -> None:
    other = SimCar()
    other.advance(0.0)
    for each in (car, other):
        each.power(((0.5, 0.0), (0.9, 0.0)), 0.0)
    for n in range(1, 201):
        car.advance(n * 0.01)
    other.advance(2.0)
    assert car.pose == pytest.approx(other.pose, abs=1e-3)


def test_without_power_it_rolls_out_and_rests(car: SimCar) -> None:
    now = drive(car, FULL, FULL, 0.0, 1.0)
    car.power((OFF, OFF), now)
    assert car.moving
    rolled_from = car.pose[0]
    now = drive(car, OFF, OFF, now, 3.0)
    assert not car.moving
    assert 0.05 < car.pose[0] - rolled_from < 0.3
    rested = car.pose
    car.advance(now + 60.0)
    assert car.pose == rested


def stopping_distance(how: Side) -> float:
    car = SimCar()
    car.advance(0.0)
    now = drive(car, FULL, FULL, 0.0, 1.0)
    start = car.pose[0]
    drive(car, how, how, now, 3.0)
    assert not car.moving
    return car.pose[0] - start


def test_braking_stops_it_sooner_than_rolling_out() -> None:
    assert stopping_distance(BRAKED) < 0.5 * stopping_distance((0.0, 0.5)) < 0.5 * stopping_distance(OFF)


@pytest.mark.parametrize("duty", [0.01, 0.1, DEAD_ZONE])
def test_a_tiny_duty_only_hums(car: SimCar, duty: float) -> None:
    drive(car, (duty, 0.0), (-duty, 0.0), 0.0, 2.0)
    assert car.pose == (0.0, 0.0, 0.0)
    assert not car.moving


def test_more_duty_is_more_speed(car: SimCar) -> None:
    ways = []
    for duty in (0.25, 0.5, 0.75, 1.0):
        each = SimCar()
        each.advance(0.0)
        drive(each, (duty, 0.0), (duty, 0.0), 0.0, 1.0)
        ways.append(each.pose[0])
    assert ways == sorted(ways)
    assert len(set(ways)) == len(ways)


def test_a_car_out_of_the_box_pulls_to_the_right_and_each_seed_by_its_own_amount() -> None:
    headings = set()
    for seed in range(5):
        car = SimCar(seed=seed)
        car.advance(0.0)
        drive(car, FULL, FULL, 0.0, 1.0)
        assert -1.0 < car.pose[2] < 0.0
        headings.add(car.pose[2])
    assert len(headings) == 5


def test_the_same_seed_is_the_same_car() -> None:
    one, other = SimCar(), SimCar()
    for each in (one, other):
        each.advance(0.0)
        drive(each, FULL, (0.7, 0.0), 0.0, 2.0)
    assert one.pose == other.pose


def test_time_that_stands_still_or_runs_back_moves_nothing(car: SimCar) -> None:
    now = drive(car, FULL, FULL, 0.0, 1.0)
    pose = car.pose
    car.advance(now)
    car.advance(now - 0.5)
    assert car.pose == pose


def with_layout(name: str, monkeypatch: pytest.MonkeyPatch) -> SimCar:
    monkeypatch.setattr(random, "Random", _Equal)
    car = SimCar(LAYOUTS[name])
    car.advance(0.0)
    return car


def supply(car: SimCar, seconds: float, *sides: Side, start: float = 0.0) -> tuple[float, float, float]:
    """Power the motors for a while, and return where the car is then."""
    car.power(sides, start)
    for n in range(1, round(seconds / 0.02) + 1):
        car.advance(start + n * 0.02)
    return car.pose


def test_four_equal_motors_go_straight_on_and_turn_like_two(monkeypatch: pytest.MonkeyPatch) -> None:
    two, four = (with_layout(name, monkeypatch) for name in ("sides", "four"))
    assert supply(four, 2.0, FULL, FULL, FULL, FULL) == supply(two, 2.0, FULL, FULL)
    two, four = (with_layout(name, monkeypatch) for name in ("sides", "four"))
    assert supply(four, 1.0, REVERSE, REVERSE, FULL, FULL) == supply(two, 1.0, REVERSE, FULL)


@pytest.mark.parametrize(("place", "turn"), [(0, -1), (1, -1), (2, 1), (3, 1)])
def test_one_motor_of_four_pulls_its_side(place: int, turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    car = with_layout("four", monkeypatch)
    x, _, heading = supply(car, 0.3, *(FULL if n == place else OFF for n in range(4)))
    assert x > 0.0
    assert heading * turn > 0.1


@pytest.mark.parametrize(
    ("drive", "steer", "turn"), [(FULL, FULL, -1), (FULL, REVERSE, 1), (REVERSE, FULL, 1)]
)
def test_a_car_with_steering_turns_as_its_front_wheels_point(
    drive: Side, steer: Side, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = with_layout("steer-motor", monkeypatch)
    x, _, heading = supply(car, 0.5, drive, steer)
    assert x * drive[0] > 0.05
    assert heading * turn > 0.3


def test_at_full_lock_it_drives_the_circle_of_its_wheelbase(monkeypatch: pytest.MonkeyPatch) -> None:
    car = with_layout("steer-motor", monkeypatch)
    supply(car, 2.0, OFF, FULL)
    assert car.pose == (0.0, 0.0, 0.0), "steering alone moves nothing"
    assert car.moving
    radius = WHEELBASE_M / math.tan(LOCK)
    supply(car, 1.0, (0.4, 0.0), FULL, start=2.0)
    x, y, heading = car.pose
    assert math.hypot(x, y + radius) == pytest.approx(
        radius, rel=0.01
    )  # the center is to the right of the start
    assert math.atan2(x, y + radius) == pytest.approx(-heading, abs=0.01)


def test_without_power_the_front_wheels_go_back_to_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    car = with_layout("steer-motor", monkeypatch)
    supply(car, 1.0, OFF, FULL)
    supply(car, 3.0, OFF, OFF, start=1.0)
    assert not car.moving
    x, y, heading = supply(car, 1.0, FULL, OFF, start=4.0)
    assert (y, heading) == (0.0, 0.0)
    assert x > 0.5
