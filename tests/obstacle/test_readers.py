"""The readers of the sensors: edges of the kernel's records, a switch, rays, and failures.

The lines are pipes with the kernel's 48-byte records: gpio-sim in an UML kernel refuses edges.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator

import pytest

from picar.config import RangeConfig
from picar.core.obstacle import SLOW_CAP, ObstacleCap
from picar.errors import BackendError
from picar.motor.ranging import open_sensor
from picar.motor.ranging.hcsr04 import PING_EVERY_S, RANGE_M, SOUND_M_S, TRIGGER_S, HcSr04, Pins
from picar.motor.ranging.lines import EVENT, FALLING, RISING, Line
from picar.motor.ranging.sensor import Sensor
from picar.motor.ranging.sim import NOISE_M, SimEcho, distance
from picar.motor.ranging.switch import Switch
from picar.motor.simcar import REACH_M, SimCar

NOW = 100.0


class PipeLine(Line):
    """A line whose edges a test writes."""

    def __init__(self) -> None:
        reading, self.end = os.pipe()
        os.set_blocking(reading, False)
        super().__init__(reading)
        self.now_level = 0
        self.sets: list[tuple[int, float]] = []

    def edge(self, level: int, at: float) -> None:
        self.now_level = level
        os.write(self.end, EVENT.pack(round(at * 1e9), RISING if level else FALLING, 6, 1, 1))

    def echo(self, m: float, at: float) -> None:
        self.edge(1, at)
        self.edge(0, at + 2 * m / SOUND_M_S)

    def set(self, level: int) -> None:
        self.sets.append((level, time.monotonic()))

    def level(self) -> int:
        return self.now_level

    def close(self) -> None:
        os.close(self.end)
        os.close(self.fileno())


@pytest.fixture
def lines() -> Iterator[tuple[PipeLine, PipeLine]]:
    pair = PipeLine(), PipeLine()
    yield pair
    for line in pair:
        line.close()


Pair = tuple[PipeLine, PipeLine]


def sensor_of(lines: Pair) -> tuple[HcSr04, ObstacleCap]:
    return HcSr04(Pins(*lines)), ObstacleCap(0.25, 0.8)


def test_the_length_of_an_echo_is_the_way_there_and_back(lines: Pair) -> None:
    sensor, judge = sensor_of(lines)
    for n in range(3):
        now = NOW + n * PING_EVERY_S
        sensor.advance(judge, now)
        lines[1].echo(0.5, now + 0.0005)
        sensor.advance(judge, now + 0.01)
    assert judge.distance(now + 0.01) == pytest.approx(0.5, abs=1e-6)


def test_a_ping_is_a_pulse_of_at_least_10_microseconds_each_60_ms(lines: Pair) -> None:
    sensor, judge = sensor_of(lines)
    for ms in range(200):
        sensor.advance(judge, NOW + ms / 1000)
    levels, times = zip(*lines[0].sets, strict=True)
    assert levels == (1, 0) * 4
    assert all(low - high >= TRIGGER_S for high, low in zip(times[::2], times[1::2], strict=True))
    assert sensor.next_event() == pytest.approx(NOW + 4 * PING_EVERY_S)


def test_an_echo_longer_than_the_range_is_a_valid_reading(lines: Pair) -> None:
    sensor, judge = sensor_of(lines)
    for n in range(3):
        now = NOW + n * PING_EVERY_S
        sensor.advance(judge, now)
        lines[1].echo(6.5, now + 0.0005)
        sensor.advance(judge, now + 0.05)
    assert (judge.distance(now), judge.cap(now)) == (RANGE_M, 1.0)


@pytest.mark.parametrize("level", [0, 1])
def test_an_echo_that_stays_as_it_is_leaves_the_distance_unknown(lines: Pair, level: int) -> None:
    sensor, judge = sensor_of(lines)
    if level:
        lines[1].edge(1, NOW)
    for n in range(20):
        sensor.advance(judge, NOW + n * PING_EVERY_S)
    assert not judge.is_known(NOW + 1.2)
    assert judge.cap(NOW + 1.2) == SLOW_CAP


def test_a_floating_echo_wakes_the_loop_once_for_each_ping_and_its_spikes_are_no_readings(
    lines: Pair,
) -> None:
    sensor, judge = sensor_of(lines)
    assert sensor.fileno() == -1, "no ping yet"
    for n in range(10):
        now = NOW + n * 1.01 * PING_EVERY_S
        sensor.advance(judge, now)
        assert sensor.fileno() == lines[1].fileno()
        for spike in range(8):  # the kernel keeps 16 edges
            lines[1].edge(1, now + spike * 1e-4)
            lines[1].edge(0, now + spike * 1e-4 + 2e-5)
        sensor.advance(judge, now + 0.01)
        assert sensor.fileno() == -1
    assert not judge.is_known(now)


def test_a_switch_is_read_at_first_and_after_each_edge(lines: Pair) -> None:
    line, judge = lines[0], ObstacleCap(0.25, 0.8)
    line.now_level = 1  # open: the pull-up
    switch = Switch(line, "closed")
    for level, cap in ((1, 1.0), (0, 0.0), (1, 1.0)):
        if level != line.now_level:
            line.edge(level, NOW)
        switch.advance(judge, NOW)
        assert judge.cap(NOW) == cap
    assert switch.fileno() == line.fileno()
    opens = Switch(line, "open")
    opens.advance(judge, NOW)
    assert judge.cap(NOW) == 0.0, "open, or a broken wire"


class Broken:
    """A sensor whose library fails."""

    def fileno(self) -> int:
        return 0

    def advance(self, judge: ObstacleCap, now: float) -> None:
        raise OSError(5, "Input/output error")

    def next_event(self) -> float:
        return 0.0


def test_a_sensor_that_fails_is_slow_and_said_once() -> None:
    said: list[str] = []
    judge = ObstacleCap(0.25, 0.8)
    judge.contact = False
    sensor = Sensor(judge, Broken(), said.append)
    for n in range(10):
        assert sensor.cap(NOW + n) == SLOW_CAP
    sensor.read(NOW + 10)
    assert sensor.fileno() == -1
    assert sensor.next_event(NOW + 10) == math.inf
    assert len(said) == 1
    assert "Input/output error" in said[0]
    assert "30%" in said[0]
    assert sensor.shown(NOW + 10) == (None, SLOW_CAP, False)


@pytest.mark.parametrize(
    "config", [RangeConfig("hcsr04", 5, 6), RangeConfig("switch", switch=6), RangeConfig("sim")]
)
def test_a_sensor_that_cannot_be_opened_is_slow_and_said(
    config: RangeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> int:
        raise BackendError("no GPIO chip of a Raspberry Pi is here")

    monkeypatch.setattr("picar.motor.ranging.lines.header_chip", absent)
    said: list[str] = []
    sensor = open_sensor(config, None, said.append)
    assert (sensor.cap(NOW), sensor.fileno(), len(said)) == (SLOW_CAP, -1, 1)
    assert "cannot be used" in said[0]


def test_silence_is_said_once_a_minute(lines: Pair) -> None:
    said: list[str] = []
    source, judge = sensor_of(lines)
    sensor = Sensor(judge, source, said.append)
    for start in (NOW, NOW + 10, NOW + 100):
        for n in range(3):
            now = start + n * PING_EVERY_S
            sensor.cap(now)
            lines[1].echo(2.0, now + 0.0005)
            sensor.read(now + 0.02)
        assert sensor.cap(start + 0.2) == 1.0
        assert sensor.shown(start + 0.2).m == 2.0
        assert sensor.cap(start + 1.0) == SLOW_CAP
    assert len(said) == 2
    assert "does not answer" in said[0]


@pytest.mark.parametrize(
    ("pose", "m"),
    [
        ((0.0, 0.0, 0.0), 1.0),
        ((0.0, 0.0, math.pi), math.inf),
        ((0.0, 0.0, math.pi / 2), math.inf),
        ((0.0, 1.12, 0.0), 1.0 / math.cos(math.radians(7.5))),  # only the ray on the right meets the box
        ((0.0, 2.0, 0.0), math.inf),
        ((1.0 + REACH_M, 0.0, 0.0), 0.0),
    ],
)
def test_the_rays_meet_the_nearest_wall(pose: tuple[float, float, float], m: float) -> None:
    car = SimCar(walls=((1.0 + REACH_M, -1.0, 2.0, 1.0), (3.0, -1.0, 4.0, 1.0)))
    car._x, car._y, car._heading = pose
    assert distance(car) == pytest.approx(m)


def test_the_simulated_sensor_has_noise_drops_out_and_is_the_same_for_a_seed() -> None:
    def readings(seed: int) -> list[float | None]:
        car = SimCar(walls=((1.0 + REACH_M, -1.0, 2.0, 1.0),))
        echo, found = SimEcho(car, seed), list[float | None]()
        for n in range(1000):
            echo.ping(NOW + n)
            edges = echo.edges(NOW + n + 0.05)
            found.append((edges[1].at - edges[0].at) * SOUND_M_S / 2 if edges else None)
        return found

    one, same, other = readings(1), readings(1), readings(2)
    assert one == same != other
    heard = [m for m in one if m is not None]
    assert 1 <= len(one) - len(heard) <= 30
    mean = sum(heard) / len(heard)
    spread = math.sqrt(sum((m - mean) ** 2 for m in heard) / len(heard))
    assert mean == pytest.approx(1.0, abs=0.002)
    assert spread == pytest.approx(NOISE_M, rel=0.2)


def test_the_simulated_bumper_is_pressed_at_the_wall() -> None:
    car = SimCar(walls=((1.0 + REACH_M, -1.0, 2.0, 1.0),))
    sensor = open_sensor(RangeConfig("switch", switch=6), car)
    assert sensor.cap(NOW) == 1.0
    car._x = 1.0
    assert sensor.next_event(NOW) <= NOW + 0.02
    assert sensor.cap(NOW + 0.02) == 0.0
    assert sensor.shown(NOW + 0.02) == (None, 0.0, False)
