"""While a speed cap is in force, no motor gets more than the configured calibration gives at that cap, whatever happens.

The objects of the motor process, from its order to its pins, with a clock in the test's hands. What the server refuses
beforehand is not refused here: the cap must hold without it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.calibration.values import Calibration, option_of
from picar.config import Config, DriveConfig, L298NConfig
from picar.core.drive import TICK_S
from picar.core.shaping import JOG_DUTY, LEAST_SPEED, NEUTRAL, Jog, Sticks, Tank, Wanted
from picar.motor import pipe
from picar.motor.__main__ import assemble
from picar.motor.loop import MotorLoop
from picar.motor.pins.mock import MockPins
from picar.motor.pipe import Order
from tests.motor.boards import ENABLED, JUMPERED, LEFT_JUMPER
from tests.support.calibrations import NAMES, changed, two_sides

TIMEOUT_S = 0.5
AHEAD = Sticks(1.0, 0.0)
BY_DEFAULT = Calibration.of(Config())
STRONG = changed(BY_DEFAULT, min_duty=0.8)
WEAK = changed(BY_DEFAULT, min_duty=0.0, left_trim=0.5, right_trim=0.5)


class Car:
    """A motor process that may be started again, as the server starts it.

    Args:
        config: what picar.toml says.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.configured = Calibration.of(config)
        self.calibrated: Calibration | None = None
        self.caps = (1.0, 1.0)
        self.now = 100.0
        self._n = 0
        self._commands, self._commands_end = os.pipe()
        os.set_blocking(self._commands, False)
        self.start()

    def close(self) -> None:
        os.close(self._commands)
        os.close(self._commands_end)

    def start(self) -> None:
        order = Order.of(self.config, "mock", None, None, min(self.caps), self.calibrated)
        self.pins = MockPins()
        self.drive, bridge = assemble(Order.parse(order.encode()), self.pins)
        self.caps = (min(self.caps),) * 2
        self.loop = MotorLoop(self.drive, bridge, None, self._commands, -1, clock=lambda: self.now)

    def send(self, frame: bytes) -> None:
        """Send a command, let a tick pass, and look at the pins."""
        os.write(self._commands_end, frame)
        self.loop._read()
        self.tick()

    def tick(self) -> None:
        self.loop._act(self.now)
        self.now += TICK_S
        if self.cap() < 1.0:
            assert all(duty <= most + 1e-9 for duty, most in zip(self.duties(), self.most(), strict=True))

    def number(self) -> int:
        self._n += 1
        return self._n

    def hold(self, wanted: Wanted, ticks: int = 5) -> None:
        for _ in range(ticks):
            self.send(pipe.drive(self.number(), wanted, self.now + TIMEOUT_S))

    def rest(self) -> None:
        self.hold(NEUTRAL, 7)  # also over the pause before the other direction

    def set_cap(self, forward: float, reverse: float | None = None) -> None:
        self.caps = (forward, forward if reverse is None else reverse)
        self.send(pipe.cap(self.number(), *self.caps))

    def cap(self) -> float:
        """Return the cap of the direction in which the wheels move the car."""
        direction = sum(self.drive.applied)
        forward, reverse = self.caps
        return max(self.caps) if direction == 0.0 else forward if direction > 0.0 else reverse

    def limit(self, speed: float) -> None:
        self.send(pipe.limit(self.number(), speed, self.now + TIMEOUT_S))

    def calibrate(self, calibration: Calibration | None) -> None:
        """Send it; what is accepted is kept for the next start."""
        self.rest()
        refused = len(self.loop._refused)
        self.send(pipe.calibrate(self.number(), calibration or self.configured, self.now + TIMEOUT_S))
        if len(self.loop._refused) == refused:
            self.calibrated = calibration

    def stop(self) -> None:
        self.send(pipe.stop(self.number()))
        self.send(pipe.reset(self.number(), self.now, self.now + TIMEOUT_S))

    def duties(self) -> tuple[float, float]:
        """Return the duty cycle of the motor on OUT1 and OUT2, and of the one on OUT3 and OUT4."""
        wiring, levels = self.config.l298n, self.pins.levels
        bridges = ((wiring.ena, wiring.in1, wiring.in2), (wiring.enb, wiring.in3, wiring.in4))
        if self.drive.state == "stopped":
            return (0.0, 0.0)  # a brake turns nothing
        return tuple(
            levels[enable] if isinstance(enable, int) else max(levels[in1], levels[in2])
            for enable, in1, in2 in bridges
        )  # type: ignore[return-value]

    def most(self) -> tuple[float, float]:
        """Return what picar.toml gives them at the cap, in its own arithmetic."""
        left, right = self.config.left.trim, self.config.right.trim
        trims = (right, left) if self.config.l298n.swap else (left, right)
        least, speed = self.config.motors.min_duty, self.cap() * self.config.drive.max_speed
        return (least + (1 - least) * speed * trims[0], least + (1 - least) * speed * trims[1])


@contextmanager
def car(config: Config | None = None) -> Iterator[Car]:
    made = Car(config or Config(drive=DriveConfig(accel=20.0, decel=50.0)))
    try:
        yield made
    finally:
        made.close()


def test_a_minimum_duty_that_was_raised_before_the_cap_does_not_count_under_it() -> None:
    with car() as toy:
        toy.calibrate(STRONG)
        toy.set_cap(0.1)
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx((0.325, 0.325))  # was 0.82
        toy.start()
        toy.rest()
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx((0.325, 0.325))


def test_a_cap_that_comes_while_a_strong_motor_runs_counts_at_once() -> None:
    with car() as toy:
        toy.calibrate(STRONG)
        toy.hold(AHEAD)
        assert toy.duties() == (1.0, 1.0)
        toy.set_cap(0.2)
        assert toy.duties() == pytest.approx((0.4, 0.4))


def test_each_direction_has_its_own_cap_whatever_the_motors_were_calibrated_to() -> None:
    with car() as toy:
        toy.calibrate(STRONG)
        toy.set_cap(0.1, 1.0)
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx((0.325, 0.325))
        toy.hold(Sticks(0.0, 1.0), 20)
        assert toy.duties() == (1.0, 1.0), "it may turn away"
        toy.hold(Sticks(-1.0, 0.0), 20)
        assert toy.duties() == (1.0, 1.0)


def test_a_calibration_that_is_taken_back_gives_no_more_than_the_configuration_at_the_cap() -> None:
    with car() as toy:
        toy.calibrate(WEAK)
        toy.set_cap(0.1)
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx((0.05, 0.05))
        toy.calibrate(None)
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx((0.325, 0.325))


def test_a_jog_is_capped_by_the_configuration_too() -> None:
    with car() as toy:
        toy.calibrate(STRONG)
        toy.set_cap(0.1)
        toy.hold(Jog("right", JOG_DUTY), 10)
        assert toy.duties() == pytest.approx((0.0, 0.325))
        assert toy.drive.applied.right == pytest.approx(0.325)


def test_a_swap_moves_no_motor_past_its_own_trim() -> None:
    config = Config(
        drive=DriveConfig(accel=20.0, decel=50.0), left=dataclasses.replace(Config().left, trim=0.5)
    )
    with car(config) as toy:
        toy.calibrate(toy.configured._replace(swap=True))
        toy.set_cap(0.4)
        toy.hold(AHEAD)
        assert toy.duties() == pytest.approx(
            (0.4, 0.4)
        )  # the first may not have 0.55, and the second is the left one now


def test_without_a_cap_a_calibration_counts_in_full() -> None:
    with car() as toy:
        toy.calibrate(STRONG)
        toy.hold(Sticks(0.1, 0.0), 10)
        assert min(toy.duties()) > 0.8
        toy.set_cap(0.1)
        toy.set_cap(1.0)
        toy.hold(AHEAD)
        assert toy.duties() == (1.0, 1.0)


def numbers(name: str) -> st.SearchStrategy[float]:
    """Numbers that this option may have, its ends often."""
    option = option_of(name)
    assert option.lo is not None
    assert option.hi is not None
    return st.sampled_from([option.lo, option.hi]) | st.floats(option.lo, option.hi)


calibrations = st.builds(
    two_sides,
    **{name: st.booleans() if option_of(name).type is bool else numbers(name) for name in NAMES},
)
shares = st.sampled_from([LEAST_SPEED, 0.1, 1.0]) | st.floats(LEAST_SPEED, 1.0)
axes = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-1.0, 1.0)
wanted = st.one_of(
    st.just(AHEAD),
    st.builds(Sticks, axes, axes),
    st.builds(Tank, axes, axes),
    st.builds(Jog, st.sampled_from(["left", "right"]), st.floats(-JOG_DUTY, JOG_DUTY)),
)
events = st.one_of(
    st.tuples(st.just("cap"), st.tuples(shares, shares) | shares.map(lambda cap: (cap, cap))),
    st.tuples(st.just("calibrate"), calibrations),
    st.tuples(st.just("calibrate"), st.none()),
    st.tuples(st.just("limit"), shares),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


def happen(toy: Car, kind: str, value: object) -> None:
    match kind, value:
        case "cap", (float(forward), float(reverse)):
            toy.set_cap(forward, reverse)
        case "limit", float(speed):
            toy.limit(speed)
        case "calibrate", Calibration() | None:
            toy.calibrate(value)
        case "stop", _:
            toy.stop()
        case "restart", _:
            toy.start()
        case _:
            raise AssertionError(kind)


@given(
    configured=calibrations,
    max_speed=st.sampled_from([1.0, 0.1]) | st.floats(0.1, 1.0),
    wiring=st.sampled_from([ENABLED, JUMPERED, LEFT_JUMPER]),
    timeline=st.lists(st.tuples(events, wanted), min_size=2, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_no_motor_is_faster_than_the_owner_allows(
    configured: Calibration,
    max_speed: float,
    wiring: L298NConfig,
    timeline: list[tuple[tuple[str, object], Wanted]],
) -> None:
    drive = DriveConfig(accel=20.0, decel=50.0, max_speed=max_speed)
    config = configured.applied_to(dataclasses.replace(Config(), drive=drive, l298n=wiring))
    with car(config) as toy:
        for (kind, value), sticks in timeline:
            happen(toy, kind, value)
            toy.hold(sticks)
            toy.rest()
            toy.hold(sticks)
