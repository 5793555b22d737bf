"""An ESC and a steering servo: any history of outputs, calibrations and times, judged by a model of the ESC."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.calibration.values import Calibration
from picar.config import Config, EscConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.core.shaping import duty_cycle
from picar.errors import BackendError, PinError
from picar.motor.boards import Board
from picar.motor.boards.pulses import TAP_S
from picar.motor.emergency import pins_low
from picar.motor.pins.mock import MockPins
from picar.wires import full_us
from tests.motor import chips
from tests.motor.escs import ESC, SERVO, Esc, esc_car

KINDS = ("double", "direct", "none")
REVERSE_WITHIN_S = 0.5
EVERY_S = 0.05  # the loop of the motor process wakes at least so often while the car moves


class Toy:
    """A car, its ESC and a clock."""

    def __init__(self, config: Config, kind: str = "") -> None:
        self.config, self.now = config, 100.0
        self.configured = Calibration.of(config)
        self.pins = MockPins(clock=lambda: self.now)
        self.motors = Board(config).claim(self.pins, self.configured, lambda: self.now)
        self.esc = Esc(kind or config.esc.reverse, config.esc.neutral_us, config.esc.start_us)
        self.neutral_us = config.esc.neutral_us

    @property
    def pulse_us(self) -> float:
        return self.pins.levels[ESC]

    def apply(self, output: Output, after_s: float = 0.0) -> str:
        """Apply an output some time later, and return what the motor does then."""
        self.now += after_s
        self.motors.apply(output)
        return self.esc.get(self.pulse_us, self.now)

    def hold(self, output: Output, for_s: float, every_s: float = EVERY_S) -> list[str]:
        """Apply an output again and again."""
        return [self.apply(output, every_s) for _ in range(round(for_s / every_s))]

    def calibrate(self, calibration: Calibration) -> None:
        self.motors.calibrate(calibration)
        self.neutral_us = calibration.neutral_us


def test_a_claim_sends_nothing_and_the_first_output_is_neutral_and_straight_ahead() -> None:
    toy = Toy(esc_car())
    assert not toy.pins.writes
    toy.apply(COAST)
    assert toy.pins.levels == {ESC: 1500, SERVO: 1500}


class Step(NamedTuple):
    """What happens after some time: an output, `low` for None, or a calibration."""

    after_s: float
    what: Output | Calibration | None


speeds = st.sampled_from([0.0, 1.0, -1.0, 0.01, -0.01]) | st.floats(-1.0, 1.0)
caps = st.just(1.0) | st.floats(0.05, 1.0)
outputs = st.sampled_from([COAST, BRAKE]) | st.builds(
    Output, speeds, speeds, st.just(False), st.sampled_from(["", "", "drive"]), caps
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Config, list[Step]]:
    """Draw a car, and what happens to it."""
    most = draw(st.sampled_from([0.05, 0.1, 0.3, 1.0]))
    start_us = draw(st.integers(0, min(140, round(most * 500) - 1)))
    esc = EscConfig(draw(st.integers(1400, 1600)), start_us, most, draw(st.sampled_from(KINDS)))
    config = esc_car(esc).having("motor.drive", trim=draw(st.sampled_from([0.5, 1.0])))
    configured = Calibration.of(config)
    pulses = st.integers(0, min(140, round(most * 500) - 1)).flatmap(
        lambda start: st.fixed_dictionaries(
            {
                "esc_neutral_us": st.integers(-min(start_us, start), min(start_us, start)).map(
                    esc.neutral_us.__add__
                ),
                "esc_start_us": st.just(start),
            }
        )
    )
    calibrations = st.builds(
        lambda found, trim: configured._replace(trims=(trim,), pulses=configured.pulses | found),
        pulses,
        st.floats(0.5, 1.0),
    )
    times = st.sampled_from([0.001, 0.02, 0.05, 0.1, TAP_S, 2 * TAP_S, 1.0]) | st.floats(0.001, 0.6)
    what = st.none() | outputs | outputs | outputs | calibrations
    return config, draw(st.lists(st.builds(Step, times, what), max_size=30))


@given(histories(), st.sampled_from(KINDS))
@settings(max_examples=400)
def test_whatever_happens_an_esc_of_any_kind_drives_in_no_direction_that_was_not_asked_for(
    history: tuple[Config, list[Step]], kind: str
) -> None:
    config, steps = history
    toy, most_us = Toy(config, kind), full_us(config)
    for after_s, what in steps:
        if isinstance(what, Calibration):
            assert what.problem(toy.configured, most_us) == ""
            toy.motors.low()  # a car is calibrated at standstill
            toy.calibrate(what)
            continue
        if what is None:
            toy.now += after_s
            toy.motors.low()
            did = toy.esc.get(toy.pulse_us, toy.now)
            output = COAST
        else:
            did, output = toy.apply(what, after_s), what
        assert abs(toy.pulse_us - config.esc.neutral_us) <= most_us + 0.5
        if output.brake or not output.left:
            assert toy.pulse_us == pytest.approx(toy.neutral_us, abs=0.5) or most_us < 140
            assert did == chips.COAST
        elif output.left > 0:
            assert did in (chips.FORWARD, chips.COAST)
        else:
            assert did in (chips.REVERSE, chips.BRAKE, chips.COAST)
            assert config.esc.reverse != "none" or did == chips.COAST
        if output.cap < 1.0 and not output.jog:
            trim = toy.configured.trims[0]
            share = duty_cycle(output.cap, trim, toy.configured.least_duty(most_us))
            beyond = abs(toy.pulse_us - config.esc.neutral_us) - share * most_us
            assert beyond <= 1.0 or toy.pulse_us == pytest.approx(toy.neutral_us, abs=0.5)


speed = st.floats(0.05, 1.0)


clear_speeds = (
    st.just(0.0) | speed | speed.map(lambda forward: -forward)
)  # an ESC takes a softer stick for neutral


@given(st.lists(st.tuples(clear_speeds, st.floats(0.001, 0.4)), max_size=8), speed, st.floats(0.005, EVERY_S))
def test_after_any_history_a_double_esc_drives_backwards_half_a_second_after_the_stick(
    before: list[tuple[float, float]], backwards: float, every_s: float
) -> None:
    toy = Toy(esc_car())
    for left, after_s in before:
        toy.apply(Output(left, 0.0), after_s)
    toy.hold(Output(0.0, 0.0), 0.1, every_s)  # the pause of `Drive`
    did = toy.hold(Output(-backwards, 0.0), REVERSE_WITHIN_S, every_s)
    assert did[-1] == chips.REVERSE
    toy.hold(COAST, 1.0)
    assert toy.apply(Output(-backwards, 0.0), 0.02) == chips.REVERSE, "at once, until it has driven forward"
    assert toy.apply(Output(backwards, 0.0), 0.02) == chips.FORWARD
    assert toy.apply(Output(-backwards, 0.0), 0.02) == chips.BRAKE


@pytest.mark.parametrize("passed_s", [0.01, 0.1, TAP_S, 0.2, 0.29, 2 * TAP_S])
@pytest.mark.parametrize("between", [COAST, BRAKE, Output(0.5, 0.0), None])
def test_an_interrupted_tap_is_harmless_and_the_next_one_works(
    passed_s: float, between: Output | None
) -> None:
    toy = Toy(esc_car())
    toy.hold(Output(0.5, 0.0), 0.5)
    toy.hold(Output(-0.5, 0.0), passed_s, 0.01)
    if between:
        assert toy.apply(between, 0.01) in (chips.COAST, chips.FORWARD)
    else:
        toy.motors.low()
        assert toy.esc.get(toy.pulse_us, toy.now) == chips.COAST
    assert toy.hold(Output(-0.5, 0.0), REVERSE_WITHIN_S, 0.02)[-1] == chips.REVERSE


def test_a_tap_has_both_of_its_pauses_though_nothing_ticks_for_a_long_time() -> None:
    toy = Toy(esc_car())
    toy.apply(Output(0.5, 0.0))
    assert [toy.apply(Output(-0.5, 0.0), 0.4) for _ in range(3)] == [chips.BRAKE, chips.COAST, chips.REVERSE]


@pytest.mark.parametrize(("reverse", "did"), [("direct", chips.REVERSE), ("none", chips.COAST)])
def test_other_escs_reverse_at_once_or_never(reverse: str, did: str) -> None:
    toy = Toy(esc_car(EscConfig(reverse=reverse)))  # type: ignore[arg-type]
    toy.hold(Output(0.5, 0.0), 0.2)
    assert {*toy.hold(Output(-0.5, 0.0), 1.0)} == {did}
    assert toy.pulse_us == (1500 if reverse == "none" else 1500 - 40 - 55)


def test_an_inverted_motor_goes_forward_by_reverse_pulses() -> None:
    toy = Toy(esc_car(EscConfig(reverse="direct")).having("motor.drive", invert=True))
    assert toy.apply(Output(0.5, 0.0)) == chips.REVERSE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, -1.01])
def test_what_is_no_share_reaches_neither_pulse(value: float) -> None:
    toy = Toy(esc_car())
    toy.hold(Output(-0.5, 0.5), 1.0)
    before = dict(toy.pins.levels)
    for output in (Output(value, 0.0), Output(0.0, value), Output(value, 0.0, jog="drive")):
        toy.pins.writes.clear()
        with pytest.raises(PinError, match="not a share"):
            toy.apply(output)
        assert all(write.value in (1500, before[write.pin]) for write in toy.pins.writes)


@pytest.mark.parametrize("ends", [(1000, 1500, 2000), (1900, 1400, 1100), (1200, 1250, 2500)])
@pytest.mark.parametrize("trim", [-0.3, 0.0, 0.1])
@given(st.floats(-1.0, 1.0))
def test_the_servo_turns_between_its_ends_and_its_middle(
    ends: tuple[int, int, int], trim: float, steering: float
) -> None:
    left_us, center_us, right_us = ends
    config = esc_car().having("steering", left_us=left_us, center_us=center_us, right_us=right_us, trim=trim)
    toy = Toy(config)
    places = []
    for turned in (-1.0, 0.0, 1.0, steering):
        toy.apply(Output(0.0, turned))
        places.append(toy.pins.levels[SERVO])
    assert places[0] == left_us
    assert places[2] == right_us
    end_us = right_us if trim > 0 else left_us
    assert places[1] == round(center_us + abs(trim) * (end_us - center_us))
    assert min(left_us, right_us) <= places[3] <= max(left_us, right_us)
    assert (places[3] - places[1]) * steering * (right_us - left_us) >= 0.0


@pytest.mark.parametrize("chip", ["header", "pca9685"])
@pytest.mark.parametrize("oe", [False, True])
def test_low_and_the_emergency_send_neutral_and_leave_the_servo(chip: str, oe: bool) -> None:
    if oe and chip == "header":
        return
    config = esc_car(chip=chip, oe=oe)
    esc, servo = (ESC, SERVO) if chip == "header" else (100, 115)
    pins = MockPins()
    motors = Board(config).claim(pins)
    motors.apply(Output(0.5, 0.7))
    assert pins.levels[servo] == 1850
    pins.writes.clear()
    motors.low()
    assert [write[1:] for write in pins.writes] == [(esc, "pulse", 1500)]
    pins.writes.clear()
    motors.close()
    assert not [write for write in pins.writes if write.pin == servo]
    opened: list[MockPins] = []

    def open_pins() -> MockPins:
        opened.append(MockPins())
        return opened[-1]

    pins_low(open_pins, Board(config))
    (emergency,) = opened
    assert [write[1:] for write in emergency.writes if write.op in ("write", "pulse")] == [
        (esc, "pulse", 1500)
    ]
    pins_low(open_pins, Board(config), ends_pulses=True)
    neutral, end = opened[1:]
    assert [write[1:] for write in end.writes if write.op == "pulse"] == [
        (esc, "pulse", 0),
        (servo, "pulse", 0),
    ]
    assert [write[1:] for write in end.writes if write.op == "write"] == [(5, "write", 1)] * oe
    assert end.writes[0].t - neutral.writes[0].t >= 0.3


def test_where_the_neutral_pulse_cannot_be_sent_the_pulses_end() -> None:
    class Held(MockPins):
        held = True

        def commit(self, *, afresh: bool = False) -> None:
            if self.held and afresh:
                raise BackendError("the bus is held")

    config = esc_car(chip="pca9685", oe=True)
    pins = Held()
    motors = Board(config).claim(pins)
    motors.apply(Output(0.5, 0.7))
    assert pins.levels[5] == 0
    with pytest.raises(BackendError, match="held"):
        motors.low()
    assert pins.levels[5] == 1
    emergency = Held()
    with pytest.raises(BackendError, match="held"):
        pins_low(lambda: emergency, Board(config))
    assert ("write", 5, 1) in [(write.op, write.pin, write.value) for write in emergency.writes]


def test_the_limits_of_an_esc_are_those_of_the_configuration_whatever_the_calibration_in_force() -> None:
    config = esc_car(EscConfig(reverse="direct"))
    configured = Calibration.of(config)
    moved = configured._replace(pulses=configured.pulses | {"esc_neutral_us": 1540})
    pins = MockPins()
    motors = Board(moved.applied_to(config)).claim(pins, configured)
    for speed, pulse_us in ((1.0, 1650), (-1.0, 1390), (0.0, 1540)):
        motors.apply(Output(speed, 0.0))
        assert pins.levels[ESC] == pulse_us


def test_the_simulated_car_drives_and_steers() -> None:
    board = Board(esc_car())
    assert board.supplies({}) == ((0.0, 0.0), (0.0, 0.0))
    assert board.supplies({ESC: 1650, SERVO: 1000}) == ((1.0, 0.0), (-1.0, 0.0))
    assert board.supplies({ESC: 1425, SERVO: 2500}) == ((-0.5, 0.0), (1.0, 0.0))
    assert board.rolls_at_rest
    off = Board(esc_car(chip="pca9685", oe=True))
    assert off.supplies({100: 1650, 115: 2000, 5: 1.0}) == ((0.0, 0.0), (1.0, 0.0))
    assert off.supplies({100: 1650, 115: 2000, 5: 0.0}) == ((1.0, 0.0), (1.0, 0.0))
