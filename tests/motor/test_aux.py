"""Lights, horns and servos in the motor process, on mock pins and a clock of the test."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import AuxConfig, BoardConfig, Config, LampConfig, MotorConfig, MotorSections
from picar.core.drive import BRAKE, COAST, Output, Refusal, State
from picar.errors import PinError, PinsBusy
from picar.motor.aux import STEP_S, Outputs
from picar.motor.boards import Board
from picar.motor.emergency import pins_low
from picar.motor.pins import Pin
from picar.motor.pins.mock import MockPins
from picar.wiring.presets import PRESETS

HORN, LIGHT, GLOW, BUZZER, PAN, TILT, BACK, BRAKES, LAMP = 5, 6, 16, 17, 18, 19, 20, 21, 25
CAR = Config(
    aux={
        "horn": AuxConfig(kind="momentary", pin=HORN, max_on_s=2.0),
        "buzzer": AuxConfig(kind="momentary", pin=BUZZER, tone_hz=440),
        "light": AuxConfig(pin=LIGHT),
        "glow": AuxConfig(kind="dimmer", pin=GLOW, safe="off"),
        "pan": AuxConfig(kind="servo", pin=PAN, axis="pan", left_us=2000, right_us=1000),
        "tilt": AuxConfig(kind="servo", pin=TILT, axis="tilt", left_us=600, right_us=2400, relax=True),
        "back": AuxConfig(pin=BACK, follow="reverse"),
        "brakes": AuxConfig(pin=BRAKES, follow="brake"),
    },
    lamp=LampConfig(pin=LAMP),
)
LIFE_S = 0.5


class FailingPins(MockPins):
    """Mock pins whose named pins fail: at the claim, or at each write while they are in `failing`."""

    def __init__(self, clock: Callable[[], float], busy: int = -1) -> None:
        super().__init__(clock)
        self.busy, self.failing, self.commits = busy, set[int](), 0

    def output(self, pin: int, rest: int = 0) -> Pin:
        if pin == self.busy:
            raise PinsBusy(f"GPIO {pin} is in use")
        return super().output(pin, rest)

    def write(self, pin: int, level: int) -> None:
        if pin in self.failing:
            raise PinError(f"GPIO {pin} does not answer")
        super().write(pin, level)

    def commit(self, *, afresh: bool = False) -> None:
        self.commits += 1


class Bench:
    """The outputs of a car, and the time."""

    def __init__(self, config: Config = CAR, busy: int = -1) -> None:
        self.now = 100.0
        self.state, self.output = State.DISARMED, COAST
        self.pins = FailingPins(lambda: self.now, busy)
        self.outputs = Outputs(Board(config), self.pins)
        self.acts = 0
        self.act()

    def act(self) -> None:
        self.acts += 1
        self.outputs.act(self.state, self.output, self.now)

    def set(self, name: str, value: float, life: float = LIFE_S) -> Refusal | None:
        refusal = self.outputs.set(name, value, self.now + life, self.now)
        self.act()
        return refusal

    def pass_s(self, time_s: float) -> None:
        """Let time pass, with a call of `act` whenever it is due."""
        end = self.now + time_s
        while (due := self.outputs.next_event(self.now)) < end:
            assert due > self.now
            self.now = due
            self.act()
        self.now = end
        self.act()

    def hold(self, name: str, time_s: float) -> None:
        """Renew a command ten times a second."""
        for _ in range(round(time_s * 10)):
            self.set(name, 1)
            self.pass_s(0.1)

    def level(self, pin: int) -> float:
        return self.pins.levels.get(pin, 0.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_all_outputs_are_claimed_low_and_servos_get_no_pulse(bench: Bench) -> None:
    bench.state = State.ARMED
    assert {write.op for write in bench.pins.writes if write.pin != LAMP} == {"claim"}
    assert not any(level for pin, level in bench.pins.levels.items() if pin != LAMP)
    assert not {PAN, TILT} & bench.pins.levels.keys()


@pytest.mark.parametrize(("name", "pin", "high"), [("horn", HORN, 1.0), ("buzzer", BUZZER, 0.5)])
def test_a_horn_sounds_until_the_deadline_of_its_newest_command(
    bench: Bench, name: str, pin: int, high: float
) -> None:
    assert bench.set(name, 1) is None
    assert bench.level(pin) == high
    assert bench.outputs.values[name] == 1.0
    bench.pass_s(LIFE_S / 2)
    bench.set(name, 1)
    bench.pass_s(LIFE_S - 0.001)
    assert bench.level(pin) == high
    bench.pass_s(0.001)
    assert bench.level(pin) == 0.0
    assert bench.outputs.values[name] == 0.0


def test_a_horn_whose_deadline_has_passed_needs_a_release(bench: Bench) -> None:
    bench.set("horn", 1)
    bench.pass_s(LIFE_S)
    bench.set("horn", 1)
    assert bench.level(HORN) == 0.0
    bench.set("horn", 0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 1.0


def test_a_late_command_is_refused_and_changes_nothing(bench: Bench) -> None:
    assert bench.set("horn", 1, life=0.0) is Refusal.STALE
    assert bench.set("light", 1, life=-0.1) is Refusal.STALE
    assert bench.outputs.values["light"] == bench.level(LIGHT) == bench.level(HORN) == 0.0


def test_a_horn_that_was_on_for_too_long_needs_a_release(bench: Bench) -> None:
    bench.hold("horn", 1.9)
    assert bench.level(HORN) == 1.0
    bench.hold("horn", 0.2)
    assert bench.level(HORN) == 0.0
    bench.hold("horn", 3.0)
    bench.pass_s(10.0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 0.0
    bench.set("horn", 0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 1.0


def test_stop_silences_the_horn_until_its_release_and_leaves_the_lights(bench: Bench) -> None:
    for name in ("horn", "light", "glow"):
        bench.set(name, 1)
    bench.outputs.stop()
    bench.act()
    assert (bench.level(HORN), bench.level(LIGHT), bench.level(GLOW)) == (0.0, 1.0, 1.0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 0.0
    bench.set("horn", 0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 1.0


def test_without_a_driver_a_light_holds_unless_it_shall_be_off(bench: Bench) -> None:
    for name in ("horn", "light", "glow"):
        bench.set(name, 1)
    bench.outputs.release()
    bench.act()
    assert (bench.level(HORN), bench.level(LIGHT), bench.level(GLOW)) == (0.0, 1.0, 0.0)
    bench.set("horn", 1)
    assert bench.level(HORN) == 1.0, "the next driver needs no release"


def test_a_failsafe_switches_off_once_what_shall_be_off(bench: Bench) -> None:
    for name in ("light", "glow"):
        bench.set(name, 1)
    bench.state = State.FAILSAFE
    bench.act()
    assert (bench.level(LIGHT), bench.level(GLOW)) == (1.0, 0.0)
    bench.set("glow", 0.3)
    bench.pass_s(1.0)
    assert bench.level(GLOW) == 0.3


def test_a_servo_turns_at_most_180_degrees_a_second_and_stays_in_its_range(bench: Bench) -> None:
    bench.set("pan", 1.0)
    bench.pass_s(1.0)
    pulses = [write.value for write in bench.pins.writes if write.pin == PAN]
    assert pulses[-1] == 1000
    assert pulses[0] >= 1500 - 2000 * STEP_S
    assert all(0 <= a - b <= 2000 * STEP_S + 1 for a, b in itertools.pairwise(pulses))
    bench.set("pan", -1.0)
    at = bench.now
    bench.pass_s(2.0)
    (end,) = [write.t for write in bench.pins.writes if (write.pin, write.value) == (PAN, 2000)]
    assert end - at == pytest.approx(0.5, abs=2 * STEP_S)
    assert bench.outputs.values["pan"] == -1.0
    assert bench.level(PAN) == 2000, "it holds"


def test_a_servo_relaxes_at_rest_and_wakes_for_the_next_command(bench: Bench) -> None:
    bench.set("tilt", 0.5)
    bench.pass_s(1.2)
    assert bench.level(TILT) == 1950
    bench.pass_s(0.5)
    assert bench.level(TILT) == 0
    bench.set("tilt", 0.5)
    assert bench.level(TILT) == 1950
    bench.pass_s(1.1)
    assert bench.level(TILT) == 0


@pytest.mark.parametrize("end", ["stop", "release", "failsafe"])
def test_a_servo_on_its_way_holds_when_the_car_stops(bench: Bench, end: str) -> None:
    bench.set("pan", 1.0)
    bench.pass_s(0.1)
    if end == "failsafe":
        bench.state = State.FAILSAFE
    else:
        getattr(bench.outputs, end)()
    bench.act()
    place = bench.level(PAN)
    assert 1000 < place < 1400
    bench.pass_s(1.0)
    assert bench.level(PAN) == place


@pytest.mark.parametrize("steers", [False, True])
def test_the_reverse_light_follows_the_wheels(steers: bool) -> None:
    bench = Bench(_steering() if steers else CAR)
    for output, lit in [
        (Output(0.5, 0.0), 0.0),
        (Output(-0.5, 1.0 if steers else 0.2), 1.0),
        (Output(0.5, -0.5), 0.0),  # a turn on the spot; with steering, forward to the left
        (COAST, 0.0),
    ]:
        bench.output = output
        bench.act()
        assert bench.level(BACK) == lit


def _steering() -> Config:
    motor = MotorSections(drive=MotorConfig(in1=23, in2=24), steer=MotorConfig(in1=27, in2=22))
    layout = dataclasses.replace(CAR.layout, kind="steer-motor")
    return dataclasses.replace(CAR, board=BoardConfig(kind="drv8833"), layout=layout, motor=motor)


def test_the_brake_light_is_on_while_the_car_becomes_slower(bench: Bench) -> None:
    for speed, lit in [(0.2, 0), (0.4, 0), (0.4, 0), (0.3, 1), (0.3, 1)]:
        bench.output = Output(speed, speed)
        bench.act()
        assert bench.level(BRAKES) == lit, speed
    bench.pass_s(0.31)
    assert bench.level(BRAKES) == 0.0
    bench.output = BRAKE
    bench.act()
    assert bench.level(BRAKES) == 1.0
    bench.output = COAST
    bench.act()
    bench.pass_s(0.31)
    assert bench.level(BRAKES) == 0.0


@pytest.mark.parametrize(
    ("state", "changes"), [("disarmed", 20), ("armed", 0), ("failsafe", 80), ("stopped", 80)]
)
def test_the_lamp_blinks_as_the_state_says_and_nothing_else_wakes_the_loop(
    bench: Bench, state: str, changes: int
) -> None:
    bench.state = State(state)
    bench.act()
    before, acts = len(bench.pins.writes), bench.acts
    bench.pass_s(10.0)
    assert len([write for write in list(bench.pins.writes)[before:] if write.pin == LAMP]) == changes
    assert bench.acts - acts <= changes + 1
    if state == "armed":
        assert bench.level(LAMP) == 1.0


def test_an_output_whose_pin_is_taken_is_broken_and_the_others_work(
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench = Bench(busy=HORN)
    bench.set("horn", 1)
    bench.pass_s(1.0)
    bench.set("light", 1)
    assert bench.outputs.values["horn"] is None
    assert bench.level(LIGHT) == 1.0
    bench.outputs.low()
    assert capfd.readouterr().err == "picar motor: [aux.horn] is out of order: GPIO 5 is in use\n"


def test_an_output_that_fails_is_only_switched_off_from_then_on(capfd: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    bench.set("horn", 1)
    bench.pins.failing.add(HORN)
    bench.pass_s(1.0)
    assert bench.outputs.values["horn"] is None
    assert bench.level(HORN) == 1.0
    bench.pins.failing.clear()
    bench.act()
    assert bench.level(HORN) == 0.0
    bench.set("horn", 0)
    bench.set("horn", 1)
    assert (bench.level(HORN), bench.outputs.values["horn"]) == (0.0, None)
    assert capfd.readouterr().err == "picar motor: [aux.horn] is out of order: GPIO 5 does not answer\n"


def test_low_switches_all_off_and_servos_hold(bench: Bench) -> None:
    for name in ("horn", "buzzer", "light", "glow", "pan"):
        bench.set(name, 1)
    bench.pass_s(0.4)
    bench.outputs.low()
    levels = {pin: level for pin, level in bench.pins.levels.items() if level}
    assert levels == {PAN: bench.level(PAN)}


def test_only_a_written_channel_of_the_chip_is_committed() -> None:
    channels = {"horn": 100, "pan": 101}
    aux = {
        name: dataclasses.replace(one, pin=channels.get(name, one.pin))
        for name, one in CAR.aux.items()
        if name != "tilt"
    }
    board = BoardConfig(kind="drv8833", chip="pca9685")
    motor = MotorSections(left=MotorConfig(in1=104, in2=105), right=MotorConfig(in1=106, in2=107))
    bench = Bench(dataclasses.replace(CAR, aux=aux, board=board, motor=motor))
    bench.set("light", 1)
    bench.pass_s(2.0)
    assert bench.pins.commits == 0
    bench.set("horn", 1)
    assert bench.pins.commits == 1
    bench.pass_s(0.1)
    assert bench.pins.commits == 1
    bench.pass_s(1.0)
    assert bench.pins.commits == 2
    bench.outputs.low()
    assert bench.pins.commits == 3


@pytest.mark.parametrize("preset", ["picar", "donkeycar-gpio"])
def test_in_an_emergency_the_motors_come_first_and_a_busy_output_keeps_none_of_them(preset: str) -> None:
    car = PRESETS[preset].config.having("aux.horn", kind="momentary", pin=HORN).having("lamp", pin=LAMP)
    pins, board = FailingPins(lambda: 0.0, busy=LAMP), Board(car)
    with pytest.raises(PinsBusy):
        pins_low(lambda: pins, board)
    order = list(dict.fromkeys(write.pin for write in pins.writes))
    steered = {board.wires.servo.pin} if board.wires.servo else set()
    assert order[-1] == HORN
    assert {*order[:-1]} == {terminal.pin for terminal in board.wires.terminals} - steered


names = st.sampled_from(["horn", "buzzer", "light", "glow", "pan", "tilt"])
events = st.one_of(
    st.tuples(st.just("set"), names, st.floats(-1, 1), st.floats(-0.1, 1.0)),
    st.tuples(st.just("wait"), st.floats(0.0, 3.0)),
    st.tuples(st.sampled_from(["stop", "release"])),
    st.tuples(st.just("state"), st.sampled_from(State)),
    st.tuples(st.just("output"), st.sampled_from([COAST, BRAKE, Output(0.5, 0.5), Output(-1.0, -0.2)])),
)


@given(st.lists(events, max_size=30))
def test_after_any_messages_and_silence_every_horn_is_off_and_every_servo_is_in_its_range(
    happened: list[tuple[Any, ...]],
) -> None:
    bench = Bench()
    on_since: dict[int, float] = {}
    for kind, *rest in happened:
        if kind == "set":
            name, value, life = rest
            whole = CAR.aux[name].kind in ("momentary", "toggle")
            bench.set(name, float(value > 0) if whole else abs(value) if name == "glow" else value, life)
        elif kind == "wait":
            bench.pass_s(rest[0])
        elif kind == "state":
            bench.state = rest[0]
        elif kind == "output":
            bench.output = rest[0]
        else:
            getattr(bench.outputs, kind)()
        bench.act()
        for pin, most_s in ((HORN, 2.0), (BUZZER, 5.0)):
            if bench.level(pin):
                assert bench.now - on_since.setdefault(pin, bench.now) <= most_s + 3.0
            else:
                on_since.pop(pin, None)
    bench.pass_s(1.0)
    assert bench.level(HORN) == bench.level(BUZZER) == 0.0
    for write in bench.pins.writes:
        if write.pin in (PAN, TILT):
            low, high = (1000, 2000) if write.pin == PAN else (600, 2400)
            assert low <= write.value <= high or (write.pin == TILT and write.value == 0)
    assert all(math.isfinite(write.value) for write in bench.pins.writes)
