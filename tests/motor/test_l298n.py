"""The L298N's truth table: every level, and every write in its order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from picar.config import Config, L298NConfig, MotorsConfig, SideConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.motor.boards import Board
from picar.motor.pins.mock import MockPins
from tests.motor.boards import (
    ENABLED,
    JUMPERED,
    OUTPUTS,
    SHARED,
    WIRINGS,
    WatchedPins,
    board,
    names,
    shares_enable,
    written,
)

ENABLED_WRITES = {
    ("coast", "coast"): "",
    ("coast", "forward"): "in1=1 ena=0.625",
    ("coast", "reverse"): "in2=1 ena=0.625",
    ("coast", "brake"): "ena=1",
    ("forward", "coast"): "ena=0 in1=0",
    ("forward", "forward"): "",
    ("forward", "reverse"): "ena=0 in1=0 in2=1 ena=0.625",
    ("forward", "brake"): "ena=0 in1=0 ena=1",
    ("reverse", "coast"): "ena=0 in2=0",
    ("reverse", "forward"): "ena=0 in2=0 in1=1 ena=0.625",
    ("reverse", "reverse"): "",
    ("reverse", "brake"): "ena=0 in2=0 ena=1",
    ("brake", "coast"): "ena=0",
    ("brake", "forward"): "ena=0 in1=1 ena=0.625",
    ("brake", "reverse"): "ena=0 in2=1 ena=0.625",
    ("brake", "brake"): "",
}
JUMPERED_WRITES = {
    ("coast", "coast"): "",
    ("coast", "forward"): "in1=0.625",
    ("coast", "reverse"): "in2=0.625",
    ("coast", "brake"): "",
    ("forward", "coast"): "in1=0",
    ("forward", "forward"): "",
    ("forward", "reverse"): "in1=0 in2=0.625",
    ("forward", "brake"): "in1=0",
    ("reverse", "coast"): "in2=0",
    ("reverse", "forward"): "in2=0 in1=0.625",
    ("reverse", "reverse"): "",
    ("reverse", "brake"): "in2=0",
    ("brake", "coast"): "",
    ("brake", "forward"): "in1=0.625",
    ("brake", "reverse"): "in2=0.625",
    ("brake", "brake"): "",
}
LEVELS = {  # (enable, forward IN, reverse IN)
    "coast": (0, 0, 0),
    "forward": (0.625, 1, 0),
    "reverse": (0.625, 0, 1),
    "brake": (1, 0, 0),
}
LEFT, RIGHT = ("ena", "in1", "in2"), ("enb", "in3", "in4")


def test_the_tables_have_every_change() -> None:
    changes = set(itertools.product(OUTPUTS, OUTPUTS))
    assert set(ENABLED_WRITES) == set(JUMPERED_WRITES) == changes


@pytest.mark.parametrize(("before", "after"), ENABLED_WRITES)
@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_each_change_writes_what_the_table_says_in_that_order(
    wiring: L298NConfig, before: str, after: str
) -> None:
    pins = WatchedPins(wiring)
    l298n = board(pins, wiring)
    l298n.apply(OUTPUTS[before])
    pins.writes.clear()
    l298n.apply(OUTPUTS[after])
    writes = written(pins, wiring)
    for side, enable in ((LEFT, wiring.ena), (RIGHT, wiring.enb)):
        table = JUMPERED_WRITES if enable == "jumper" or shares_enable(wiring) else ENABLED_WRITES
        own = slice(1, 3) if shares_enable(wiring) else slice(3)
        as_left = dict(zip(side[own], LEFT[own], strict=True))
        of_side = [write.split("=") for write in writes if write.split("=")[0] in as_left]
        assert " ".join(f"{as_left[name]}={value}" for name, value in of_side) == table[before, after]


@pytest.mark.parametrize(("before", "after"), ENABLED_WRITES)
def test_after_each_change_the_levels_are_those_of_the_truth_table(before: str, after: str) -> None:
    pins = WatchedPins(ENABLED)
    l298n = board(pins)
    l298n.apply(OUTPUTS[before])
    l298n.apply(OUTPUTS[after])
    for enable, forward, reverse in ((12, 23, 24), (13, 27, 22)):
        assert (pins.levels[enable], pins.levels[forward], pins.levels[reverse]) == LEVELS[after]


def test_one_pin_for_both_enables_is_high_while_a_side_turns_or_brakes() -> None:
    pins = WatchedPins(SHARED)
    l298n = board(pins, SHARED)
    writes = []
    for output in (Output(0.5, 0.0), Output(0.5, -0.5), Output(0.0, -0.5), COAST, BRAKE, COAST):
        l298n.apply(output)
        writes.append(" ".join(written(pins, SHARED)))
    assert writes == ["in1=0.625 ena=1", "in4=0.625", "in1=0", "ena=0 in4=0", "ena=1", "ena=0"]


def test_the_left_side_is_written_before_the_right() -> None:
    pins = WatchedPins(ENABLED)
    board(pins).apply(Output(0.5, -1.0))
    assert written(pins) == ["in1=1", "ena=0.625", "in4=1", "enb=1"]


def test_the_wheels_turn_each_for_itself() -> None:
    pins = WatchedPins(ENABLED)
    l298n = board(pins)
    l298n.apply(Output(0.5, 0.5))
    written(pins)
    l298n.apply(Output(0.5, 0.0))
    assert written(pins) == ["enb=0", "in3=0"]
    l298n.apply(Output(1.0, 0.0))
    assert written(pins) == ["ena=1"]


def test_a_new_speed_in_the_same_direction_writes_the_duty_alone() -> None:
    pins = WatchedPins(ENABLED)
    l298n = board(pins)
    for speed in (0.2, 0.4, 1.0):
        l298n.apply(Output(speed, 0.0))
    assert written(pins) == ["in1=1", "ena=0.4", "ena=0.55", "ena=1"]


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_what_did_not_change_is_not_written(wiring: L298NConfig) -> None:
    pins = WatchedPins(wiring)
    l298n = board(pins, wiring)
    for output in OUTPUTS.values():
        l298n.apply(output)
        pins.writes.clear()
        for _ in range(3):
            l298n.apply(output)
        assert written(pins, wiring) == []


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_every_wire_is_claimed_once_as_what_it_is_and_low(wiring: L298NConfig) -> None:
    class Claims(MockPins):
        def __init__(self) -> None:
            super().__init__(clock=lambda: 0.0)
            self.hz: dict[int, int] = {}

        def pwm(self, bcm: int, hz: int):  # type: ignore[no-untyped-def]
            self.hz[bcm] = hz
            return super().pwm(bcm, hz)

    pins = Claims()
    Board(Config(l298n=wiring, motors=MotorsConfig(pwm_hz=150))).claim(pins)
    claims = [(write.op, write.value) for write in pins.writes]
    assert claims == [("claim", 0)] * len(set(wiring.wired().values()))
    assert sorted(write.pin for write in pins.writes) == sorted(set(wiring.wired().values()))
    terminals = names(wiring)
    pulsed = {terminals[bcm] for bcm in pins.hz}
    assert set(pins.hz.values()) == {150}
    own_ena, own_enb = (pin != "jumper" and not shares_enable(wiring) for pin in (wiring.ena, wiring.enb))
    assert pulsed == ({"ena"} if own_ena else {"in1", "in2"}) | ({"enb"} if own_enb else {"in3", "in4"})


@pytest.mark.parametrize(
    ("left", "right", "writes"),
    [
        (False, False, ["in1=1", "ena=1", "in3=1", "enb=1"]),
        (True, False, ["in2=1", "ena=1", "in3=1", "enb=1"]),
        (False, True, ["in1=1", "ena=1", "in4=1", "enb=1"]),
        (True, True, ["in2=1", "ena=1", "in4=1", "enb=1"]),
    ],
)
def test_an_inverted_side_turns_the_other_way(left: bool, right: bool, writes: list[str]) -> None:
    pins = WatchedPins(ENABLED)
    l298n = board(pins, left=SideConfig(invert=left), right=SideConfig(invert=right))
    l298n.apply(Output(1.0, 1.0))
    assert written(pins) == writes
    l298n.apply(COAST)
    written(pins)
    l298n.apply(Output(-1.0, -1.0))
    swapped = {"in1=1": "in2=1", "in2=1": "in1=1", "in3=1": "in4=1", "in4=1": "in3=1"}
    assert written(pins) == [swapped.get(write, write) for write in writes]


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_swapped_sides_change_places_with_their_trim_and_inversion(wiring: L298NConfig) -> None:
    swapped = replace(wiring, swap=True)
    pins = WatchedPins(swapped)
    l298n = board(pins, swapped, left=SideConfig(trim=0.5), right=SideConfig(invert=True))
    l298n.apply(Output(1.0, 0.5))
    levels = {terminal: pins.levels[bcm] for bcm, terminal in names(swapped).items()}
    forward = levels["in3"] * levels.get("enb", 1)
    reverse = levels["in2"] * levels.get("ena", 1)
    assert (forward, levels["in4"]) == (0.625, 0)  # the left motor, trimmed
    assert (reverse, levels["in1"]) == (0.625, 0)  # the right motor, inverted
    l298n.apply(COAST)
    assert set(pins.levels.values()) == {0}


def test_swapped_sides_brake_and_coast_like_others() -> None:
    swapped = replace(ENABLED, swap=True)
    pins = WatchedPins(swapped)
    l298n = board(pins, swapped)
    l298n.apply(BRAKE)
    assert sorted(written(pins)) == ["ena=1", "enb=1"]
    l298n.apply(COAST)
    assert sorted(written(pins)) == ["ena=0", "enb=0"]


@pytest.mark.parametrize(
    ("speed", "trim", "min_duty", "duty"),
    [
        (1.0, 1.0, 0.25, "1"),
        (1.0, 0.8, 0.25, "0.85"),
        (0.5, 1.0, 0.25, "0.625"),
        (0.5, 0.5, 0.25, "0.4375"),
        (0.5, 0.5, 0.0, "0.25"),
        (1e-9, 1.0, 0.25, "0.25"),
        (-1e-9, 1.0, 0.8, "0.8"),
    ],
)
def test_trim_and_minimum_duty_make_the_duty(speed: float, trim: float, min_duty: float, duty: str) -> None:
    for wiring, terminal in ((ENABLED, "ena"), (JUMPERED, "in1" if speed > 0 else "in2")):
        pins = WatchedPins(wiring)
        board(pins, wiring, min_duty, left=SideConfig(trim=trim)).apply(Output(speed, 0.0))
        assert written(pins, wiring)[-1] == f"{terminal}={duty}"


def test_trim_of_one_side_leaves_the_other_alone() -> None:
    pins = WatchedPins(ENABLED)
    board(pins, right=SideConfig(trim=0.5)).apply(Output(1.0, 1.0))
    assert (pins.levels[12], pins.levels[13]) == (1.0, 0.625)


@pytest.mark.parametrize("speed", [0.0, -0.0])
def test_no_speed_is_a_free_wheel_and_not_the_minimum_duty(speed: float) -> None:
    pins = WatchedPins(ENABLED)
    board(pins).apply(Output(speed, speed))
    assert written(pins) == []
