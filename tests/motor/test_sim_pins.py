"""Simulated pins: what the board's terminals get is what moves the car."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from picar.config import L298NConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.errors import PinError
from picar.motor.pins.sim import SimPins, open_pins
from tests.motor.boards import ENABLED, JUMPERED, WIRINGS, wired


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A simulated car on its board."""

    wiring: L298NConfig = ENABLED

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.pins = SimPins(wired(self.wiring), self.clock)
        self.board = wired(self.wiring).claim(self.pins)

    def hold(self, output: Output, seconds: float) -> tuple[float, float, float]:
        """Apply an output for a while, and return where the car is then."""
        self.board.apply(output)
        self.clock.now += seconds
        self.pins.car.advance(self.clock.now)
        return self.pins.car.pose


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
@pytest.mark.parametrize(
    ("output", "forward", "turn"),
    [
        (Output(1.0, 1.0), 1, 0),
        (Output(-1.0, -1.0), -1, 0),
        (Output(1.0, -1.0), 0, -1),  # clockwise is negative
        (Output(-1.0, 1.0), 0, 1),
    ],
)
def test_the_car_goes_where_the_wheels_turn(
    wiring: L298NConfig, output: Output, forward: int, turn: int
) -> None:
    x, _, heading = Bench(wiring).hold(output, 0.5)
    if forward:
        assert x * forward > 0.2
        assert abs(heading) < 1.0  # but for the mismatch of the motors
    else:
        assert heading * turn > 3.0
        assert abs(x) < 0.1


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
@pytest.mark.parametrize("output", [COAST, BRAKE])
def test_at_rest_it_stands(wiring: L298NConfig, output: Output) -> None:
    bench = Bench(wiring)
    assert bench.hold(output, 5.0) == (0.0, 0.0, 0.0)
    assert not bench.pins.car.moving


def test_a_brake_stops_sooner_than_coasting_and_a_jumpered_board_always_brakes() -> None:
    ways = {}
    for name, wiring, end in (
        ("coast", ENABLED, COAST),
        ("brake", ENABLED, BRAKE),
        ("jumpered coast", JUMPERED, COAST),
        ("jumpered brake", JUMPERED, BRAKE),
    ):
        bench = Bench(wiring)
        start = bench.hold(Output(1.0, 1.0), 1.0)[0]
        ways[name] = bench.hold(end, 3.0)[0] - start
        assert not bench.pins.car.moving
    assert ways["brake"] < 0.5 * ways["coast"]
    assert ways["jumpered coast"] == ways["jumpered brake"] == pytest.approx(ways["brake"])


def test_a_swapped_wire_shows() -> None:
    clock = Clock()
    pins = SimPins(wired(L298NConfig(in1=24, in2=23)), clock)
    wired(ENABLED).claim(pins).apply(Output(1.0, 1.0))
    clock.now = 0.5
    pins.car.advance(clock.now)
    assert pins.car.pose[2] > 3.0  # the left side runs backwards: it spins


def test_closing_takes_the_power_away() -> None:
    bench = Bench()
    bench.hold(Output(1.0, 1.0), 1.0)
    bench.board.close()
    bench.clock.now += 3.0
    bench.pins.car.advance(bench.clock.now)
    assert not bench.pins.car.moving


def test_they_refuse_what_mock_pins_refuse() -> None:
    pins = open_pins(wired())
    pins.output(23)
    with pytest.raises(PinError, match="claimed already"):
        pins.output(23)
    with pytest.raises(PinError, match="not a level"):
        pins.output(24).set(0.5)
    pins.close()
    with pytest.raises(PinError, match="closed"):
        pins.output(27)
