"""A claimed board at its ends: low and close in the right order, pins that do not answer, and any sequence of outputs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import L298NConfig, SideConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.errors import PinError
from picar.motor.pins.mock import MockPins
from tests.motor.boards import ENABLED, OUTPUTS, WIRINGS, BreakingPins, WatchedPins, board, written

LOW_ORDERS = {
    "EN-PWM": ["ena=0", "enb=0", "in1=0", "in2=0", "in3=0", "in4=0"],
    "jumpers": ["in1=0", "in2=0", "in3=0", "in4=0"],
    "left jumper": ["enb=0", "in1=0", "in2=0", "in3=0", "in4=0"],
    "right jumper": ["ena=0", "in1=0", "in2=0", "in3=0", "in4=0"],
    "one EN pin": ["ena=0", "in1=0", "in2=0", "in3=0", "in4=0"],
}


@pytest.mark.parametrize("name", WIRINGS)
@pytest.mark.parametrize("swap", [False, True], ids=["", "swapped"])
@pytest.mark.parametrize("before", OUTPUTS)
def test_low_writes_every_pin_and_enables_first_whatever_was_written_before(
    name: str, swap: bool, before: str
) -> None:
    wiring = replace(WIRINGS[name], swap=swap)
    pins = WatchedPins(wiring)
    l298n = board(pins, wiring)
    l298n.apply(OUTPUTS[before])
    written(pins, wiring)
    l298n.low()
    writes = written(pins, wiring)
    enables = sum(write.startswith("en") for write in LOW_ORDERS[name])
    assert sorted(writes) == sorted(LOW_ORDERS[name])
    assert sorted(writes[:enables]) == LOW_ORDERS[name][:enables]
    l298n.low()
    assert sorted(written(pins, wiring)) == sorted(LOW_ORDERS[name])


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_low_tries_every_pin_when_some_do_not_answer(wiring: L298NConfig) -> None:
    all_pins = set(wiring.wired().values())
    for count in (1, 2):
        for broken in itertools.combinations(all_pins, count):
            pins = BreakingPins()
            l298n = board(pins, wiring)
            l298n.apply(Output(1.0, -1.0))
            pins.broken = dict.fromkeys(broken, 1)
            with pytest.raises(OSError, match="does not answer"):
                l298n.low()
            assert not any(pins.levels[bcm] for bcm in all_pins - set(broken))
            l298n.low()
            assert not any(pins.levels.values())


def test_the_first_failure_is_the_one_that_is_told() -> None:
    pins = BreakingPins()
    l298n = board(pins)
    pins.broken = {12: 1, 22: 1}
    with pytest.raises(OSError, match="GPIO 12"):
        l298n.low()


@pytest.mark.parametrize("broken", ENABLED.wired().values())
def test_a_write_that_failed_is_not_taken_for_done(broken: int) -> None:
    pins = BreakingPins()
    l298n = board(pins)
    l298n.apply(Output(1.0, 1.0))
    pins.broken = {broken: 1}
    try:
        l298n.apply(Output(-1.0, -1.0))
    except OSError:
        l298n.apply(COAST)
    else:
        raise AssertionError("the failure was swallowed")
    assert not any(pins.levels.values())


def test_a_pin_whose_write_failed_is_written_again_though_the_value_is_the_old_one() -> None:
    pins = BreakingPins()
    l298n = board(pins)
    l298n.apply(Output(0.5, 0.0))
    pins.broken = {12: 1}
    with pytest.raises(OSError, match="GPIO 12"):
        l298n.apply(Output(1.0, 0.0))
    written(pins)
    l298n.apply(Output(0.5, 0.0))
    assert written(pins) == ["ena=0.625"]


def test_close_leaves_every_pin_low_and_lets_the_backend_go() -> None:
    pins = WatchedPins(ENABLED)
    l298n = board(pins)
    l298n.apply(Output(1.0, 1.0))
    l298n.close()
    assert pins.closed
    assert not any(pins.levels.values())
    with pytest.raises(PinError):
        l298n.apply(Output(1.0, 1.0))


def test_close_lets_the_backend_go_when_a_pin_does_not_answer() -> None:
    pins = BreakingPins()
    l298n = board(pins)
    l298n.apply(Output(1.0, 1.0))
    pins.broken = {13: 9}
    with pytest.raises(OSError, match="GPIO 13"):
        l298n.close()
    assert pins.closed


speeds = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5]) | st.floats(-1.0, 1.0)
outputs = st.just(BRAKE) | st.builds(Output, speeds, speeds)
sides = st.builds(SideConfig, invert=st.booleans(), trim=st.sampled_from([1.0, 0.5]))
wirings = st.sampled_from(list(WIRINGS.values())).flatmap(
    lambda wiring: st.booleans().map(lambda swap: replace(wiring, swap=swap))
)


@given(wirings, st.lists(outputs, max_size=20), sides, sides)
def test_no_bridge_is_ever_switched_under_power_nor_shorted(
    wiring: L298NConfig, sequence: list[Output], left: SideConfig, right: SideConfig
) -> None:
    pins = WatchedPins(wiring)
    l298n = board(pins, wiring, left=left, right=right)
    for output in sequence:
        l298n.apply(output)
        levels = dict(pins.levels)
        pins.writes.clear()
        l298n.apply(output)
        assert not pins.writes
        fresh = WatchedPins(wiring)
        board(fresh, wiring, left=left, right=right).apply(output)
        assert levels == fresh.levels  # the levels do not depend on what was before
    l298n.apply(COAST)
    assert not any(pins.levels.values())


@given(
    st.lists(outputs, max_size=8),
    outputs,
    st.dictionaries(st.sampled_from(sorted(ENABLED.wired().values())), st.integers(1, 2)),
)
def test_once_the_pins_answer_again_they_get_the_right_levels(
    before: list[Output], after: Output, broken: dict[int, int]
) -> None:
    pins = BreakingPins()
    l298n = board(pins)
    for output in before:
        l298n.apply(output)
    pins.broken = dict(broken)
    for _ in range(20):
        try:
            l298n.apply(after)
        except OSError:
            continue
        break
    fresh = MockPins()
    board(fresh).apply(after)
    assert pins.levels == fresh.levels
