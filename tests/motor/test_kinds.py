"""Every kind of board in every wiring and layout: the conformance checks, and any sequence of outputs, jogs and commands."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.calibration.values import Calibration
from picar.config import BoardConfig, Config, DriveConfig, MotorConfig, MotorSections, SideConfig
from picar.core.drive import BRAKE, COAST, TICK_S, Drive, Output, State
from picar.core.shaping import NEUTRAL, Jog, Sticks, Tank, Wanted
from picar.motor.boards import Board
from picar.motor.boards.kinds import KINDS
from picar.motor.pins.mock import MockPins
from picar.wires import KEYS, MAY_JUMPER, WITH_STANDBY
from tests.motor import chips
from tests.motor.boards import WIRINGS
from tests.motor.conformance import CHECKS, DRIVES, check_moments
from tests.motor.kinds_rig import CARS, FORMS, MIN_DUTY, ON_CHIPS, OUTPUTS, Bench, Car, Form, car

PAUSE_S = 0.1
TIMEOUT_S = 0.5


EVERY_CAR = [*CARS, *ON_CHIPS]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("car", EVERY_CAR, ids=str)
def test_conformance(car: Car, check: str) -> None:
    CHECKS[check](car)


def test_every_kind_with_every_wiring_is_examined() -> None:
    assert {*KINDS} == {*KEYS} - {"esc"} == {*chips.CHIPS} == {form.kind for form in FORMS}
    assert {car.motors[0].form.kind for car in ON_CHIPS} == {*KINDS}
    assert {form.kind for form in FORMS if form.standby} == {*WITH_STANDBY}
    assert {form.kind for form in FORMS if form.jumper} == {*MAY_JUMPER}


jog_duties = st.integers(-50, 50).map(lambda percent: percent / 100)
speeds = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5]) | st.floats(-1.0, 1.0)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Car, Config, list[Output | None]]:
    """Draw a car with a calibration, and what happens to it; None is `low`."""
    car = draw(st.sampled_from(EVERY_CAR))
    section = "motor." if car.config.board else ""
    config = car.config.having("board" if car.config.board else "l298n", swap=draw(st.booleans()))
    invert = dict[str, bool]()
    for name in car.layout.motors:
        group = name.split("_")[-1] if "twins" in car.name else name  # twins turn together
        invert.setdefault(group, draw(st.booleans()))
        config = config.having(f"{section}{name}", invert=invert[group])
    jogs = st.builds(
        lambda name, duty: Output(
            duty * (1 - car.layout.speed_of(name)), duty * car.layout.speed_of(name), jog=name
        ),
        st.sampled_from(car.layout.motors),
        jog_duties,
    )
    some = (
        st.none()
        | st.just(BRAKE)
        | st.just(COAST)
        | st.tuples(speeds, speeds).map(lambda pair: Output(*pair))
        | jogs
    )
    return car, config, draw(st.lists(some, max_size=12))


@given(histories())
@settings(max_examples=300)
def test_after_any_history_each_motor_does_what_it_shall(
    history: tuple[Car, Config, list[Output | None]],
) -> None:
    car, config, outputs = history
    bench = Bench(car, config)
    at_rest = True
    for output in outputs:
        if output is None:
            bench.motors.low()
            assert bench.pins.at_rest()
            at_rest = True
            continue
        moments = bench.apply(output)
        for index, motor in enumerate(car.motors):
            actions = moments[-1][index]
            wanted = bench.expected(motor, output)
            assert actions & DRIVES == wanted & DRIVES
            assert actions <= wanted
            stands_by = motor.standby is not None and (at_rest or car.rests(output))
            check_moments(
                [moment[index] for moment in moments],
                passes_drive=motor.form.brakes_by_both_high and not stands_by,
            )
        at_rest = car.rests(output)
        assert car.servo is None or bench.pins.levels[car.servo] == pytest.approx(
            1500 + 500 * output.right, abs=3.0
        )


axes = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-1.0, 1.0)


@st.composite
def drives(draw: st.DrawFn) -> tuple[Car, list[tuple[Wanted | None, int]]]:
    """Draw a car, and what its driver holds for how many ticks; None is a stop and a reset."""
    car = draw(st.sampled_from(EVERY_CAR))
    jogs = st.builds(Jog, st.sampled_from(car.layout.motors), jog_duties)
    wanted = st.none() | st.just(NEUTRAL) | st.builds(Sticks, axes, axes) | st.builds(Tank, axes, axes) | jogs
    return car, draw(st.lists(st.tuples(wanted, st.integers(1, 12)), max_size=12))


class Driven:
    """A car under its state machine: each drive of each motor is compared with the one before."""

    def __init__(self, car: Car, limits: DriveConfig, brake_hold_s: float) -> None:
        self.drive = Drive(limits, 1.0, brake_hold_s, layout=car.layout)
        self.bench, self.now = Bench(car), 100.0
        self._newest: dict[str, tuple[float, str]] = {}

    def hold(self, wanted: Wanted, ticks: int) -> None:
        for _ in range(ticks):
            self.now += TICK_S
            if self.drive.state is not State.ARMED:
                self.drive.command(NEUTRAL, self.now + TIMEOUT_S, self.now)
            self.drive.command(wanted, self.now + TIMEOUT_S, self.now)
            self.tick()

    def stop(self) -> None:
        self.drive.stop(self.now)
        self.tick()
        self.now += TICK_S / 2
        self.drive.reset(self.now, self.now + TIMEOUT_S, self.now)

    def tick(self) -> None:
        before = list(self.bench.pins.doing)
        moments = self.bench.apply(self.drive.tick(self.now))
        for index, motor in enumerate(self.bench.car.motors):
            if motor.form.brakes_by_both_high and not (before[index] | moments[-1][index]) & DRIVES:
                continue  # between the writes of both inputs: see `each_change_passes_no_other_drive`
            for moment in moments:
                for direction in moment[index] & DRIVES:
                    self._drives(motor.name, direction)

    def _drives(self, name: str, direction: str) -> None:
        since, last = self._newest.get(name, (self.now, direction))
        assert last == direction or self.now - since >= PAUSE_S - 1e-9, (name, self.now - since)
        self._newest[name] = (self.now, direction)


@given(drives(), st.sampled_from([6.0, 50.0]), st.sampled_from([0.0, 0.3]))
@settings(max_examples=200)
def test_between_two_directions_a_motor_rests_for_the_pause(
    driven: tuple[Car, list[tuple[Wanted | None, int]]], decel: float, brake_hold_s: float
) -> None:
    car, timeline = driven
    toy = Driven(car, DriveConfig(accel=20.0, decel=decel, reverse_pause_s=PAUSE_S), brake_hold_s)
    for wanted, ticks in timeline:
        if wanted is None:
            toy.stop()
        else:
            toy.hold(wanted, ticks)
    toy.bench.motors.low()
    assert toy.bench.pins.at_rest()


@pytest.mark.parametrize("car", [car for car in CARS if "twins" in car.name], ids=str)
def test_motors_that_share_their_pins_are_jogged_together(car: Car) -> None:
    for name, motor in itertools.product(car.layout.motors, car.motors):
        bench = Bench(car)
        pair = (0.5, 0.0) if car.layout.speed_of(name) == 0 else (0.0, 0.5)
        bench.apply(Output(*pair, jog=name))
        driven = chips.FORWARD in bench.pins.doing[car.motors.index(motor)]
        assert driven == (car.speed_of(motor.name) == car.speed_of(name))


@pytest.mark.parametrize("swap", [False, True])
def test_under_a_cap_no_channel_gets_more_than_its_configured_motor(swap: bool) -> None:
    toy = car(Form("l298n"), "four")
    config = toy.config
    trims = (0.6, 0.7, 0.8, 0.9)
    for name, trim in zip(toy.layout.motors, trims, strict=True):
        config = config.having(f"motor.{name}", trim=trim)
    bench = Bench(toy, config)
    bench.motors.calibrate(Calibration.of(toy.config)._replace(swap=swap))  # all trims 1
    speeds = [motor.pins["pwm"] for motor in toy.motors]
    bench.apply(Output(1.0, 1.0, cap=0.5))
    most = [MIN_DUTY + (1.0 - MIN_DUTY) * 0.5 * trim for trim in trims]
    assert [bench.pins.levels[pin] for pin in speeds] == pytest.approx(most)
    for place, name in enumerate(toy.layout.motors):
        bench.motors.low()
        pair = (0.0, 1.0) if toy.layout.speed_of(name) else (1.0, 0.0)
        bench.apply(Output(*pair, jog=name, cap=0.5))
        channel = (place + 2) % 4 if swap else place
        levels = [bench.pins.levels[pin] for pin in speeds]
        assert levels == pytest.approx([most[n] if n == channel else 0.0 for n in range(4)])


def test_no_cap_is_in_the_way_of_a_steering_motor() -> None:
    toy = car(Form("tb6612", standby=True), "steer-motor")
    bench = Bench(toy)
    bench.apply(Output(1.0, -1.0, cap=0.1))
    drive, steer = (bench.pins.levels[motor.pins["pwm"]] for motor in toy.motors)
    assert (drive, steer) == pytest.approx((0.325, 1.0))


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(("cap", "max_speed", "most"), [(0.1, 1.0, 0.325), (1.0, 0.2, 0.4), (1.0, 1.0, 1.0)])
def test_a_calibration_that_exchanges_drive_and_steering_lifts_no_cap(
    configured: bool, cap: float, max_speed: float, most: float
) -> None:
    toy = car(Form("drv8833"), "steer-motor")
    config = toy.config.having("board", swap=configured).having("drive", max_speed=max_speed)
    bench = Bench(toy, config)
    bench.motors.calibrate(Calibration.of(config)._replace(swap=not configured))
    bench.apply(Output(0.0, 1.0, cap=cap))
    assert max(bench.pins.levels.values()) == pytest.approx(most)


@pytest.mark.parametrize("name", WIRINGS)
@pytest.mark.parametrize("swap", [False, True])
def test_the_section_l298n_means_the_same_as_a_board_of_that_kind(name: str, swap: bool) -> None:
    wiring = WIRINGS[name]
    shared = wiring.ena == wiring.enb != "jumper"
    enables = ("jumper", "jumper") if shared else (wiring.ena, wiring.enb)
    old = Config(
        l298n=dataclasses.replace(wiring, swap=swap), left=SideConfig(trim=0.8), right=SideConfig(invert=True)
    )
    new = Config(
        board=BoardConfig("l298n", standby=wiring.ena if shared else "none", swap=swap),  # type: ignore[arg-type]
        motor=MotorSections(
            left=MotorConfig(enables[0], wiring.in1, wiring.in2, trim=0.8),
            right=MotorConfig(enables[1], wiring.in3, wiring.in4, invert=True),
        ),
    )
    writes: list[object] = []
    for config in (old, new):
        pins = MockPins(clock=lambda: 0.0)
        motors = Board(config).claim(pins)
        for before, after in itertools.product(OUTPUTS, OUTPUTS):
            motors.apply(before)
            motors.apply(after)
            if after.brake:
                motors.low()
        writes.append(list(pins.writes))
        writes.append(Board(config).supplies({12: 0.7, 23: 1.0, 22: 0.4}))
    assert writes[:2] == writes[2:]
    assert Calibration.of(old) == Calibration.of(new)


def test_an_input_whose_level_is_not_known_counts_as_high() -> None:
    toy = car(Form("drv8833"), "sides")
    bench = Bench(toy)
    in1, in2 = toy.motors[0].pins.values()
    bench.apply(Output(-0.5, 0.0))
    bench.pins.broken = {in2: 1}
    with pytest.raises(OSError, match=f"GPIO {in2}"):
        bench.apply(COAST)
    bench.written()
    bench.apply(BRAKE)
    assert bench.written()[:2] == [in2, in1], "the other order drives forward"
