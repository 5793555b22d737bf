"""Cars with other boards in the campaign: their faults, and the judge of what their chips do after a fault."""

from __future__ import annotations

import pytest

from tests.bench.measure import Write
from tests.faults.boards import BOARDS, TITLES, drives, terminals
from tests.faults.catalogue import BOARD_FAULTS, FAULTS, ON_OTHER_BOARDS
from tests.faults.judge import judge
from tests.motor.kinds_rig import Car

HIT_AT = 10.0
Step = tuple[str, str, float]  # the motor, "board" for its standby line; the role; the value


def writes(toy: Car, start: float, *steps: Step) -> list[Write]:
    """Return writes of terminals, 10 ms apart."""
    pins = {motor.name: motor.pins for motor in toy.motors}
    pins["board"] = {"standby": toy.motors[0].standby or 0}
    return [
        Write(start + n / 100, pins[motor][role], "pwm", value)
        for n, (motor, role, value) in enumerate(steps)
    ]


def driving(name: str) -> list[Write]:
    """Return the writes that drive all motors forward."""
    toy = BOARDS[name]
    roles = [(motor, role) for motor in toy.motors for role in motor.pins if role != "in2"]
    steps = [(motor.name, role, 1.0) for motor, role in sorted(roles, key=lambda each: each[1])]
    return writes(toy, 9.0, *steps, *([("board", "standby", 1.0)] if toy.motors[0].standby else []))


def resting(name: str) -> list[Write]:
    """Return the writes of all terminals low, in their order."""
    return [Write(10.1 + n / 100, pin, "write", 0.0) for n, pin in enumerate(terminals(BOARDS[name]))]


def test_every_car_has_the_five_faults_with_the_bounds_of_the_l298n() -> None:
    of_l298n = {fault.name: (fault.act, fault.bound_s, fault.since) for fault in FAULTS}
    found = {fault.name: (fault.act, fault.bound_s, fault.since) for fault in BOARD_FAULTS}
    assert found == {f"{board}/{name}": of_l298n[name] for board in BOARDS for name in ON_OTHER_BOARDS}
    assert list(TITLES) == list(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_a_car_that_stops_is_low_and_drives_nothing_on_the_way(name: str) -> None:
    toy, trace = BOARDS[name], [*driving(name), *resting(name)]
    assert set(terminals(toy)) == toy.pins
    high = {write.pin for write in driving(name)}
    low_at = max(write.t for write in resting(name) if write.pin in high)
    verdict = judge(trace, terminals(toy), HIT_AT)
    assert (verdict.drove, verdict.low_at, verdict.rose) == (True, low_at, ())
    assert drives(toy, trace, HIT_AT) == ([], [])


@pytest.mark.parametrize("name", BOARDS)
def test_a_terminal_that_stays_high_is_not_low(name: str) -> None:
    toy, trace = BOARDS[name], driving(name)
    for high in {write.pin for write in trace}:
        low = [write for write in resting(name) if write.pin != high]
        assert judge([*trace, *low], terminals(toy), HIT_AT).low_at is None


def test_a_motor_that_turns_the_other_way_after_the_fault_is_seen() -> None:
    toy = BOARDS["drv8833"]
    wrong = writes(toy, 10.0, ("left", "in2", 1.0), ("left", "in1", 0.0))
    found = drives(toy, [*driving("drv8833"), *wrong, *resting("drv8833")], HIT_AT)
    assert found == ([wrong[1]], [])


def test_a_motor_that_stood_and_is_driven_on_the_way_is_seen() -> None:
    toy = BOARDS["four"]
    wrong = writes(toy, 10.0, ("rear_right", "in1", 1.0))
    trace = [write for write in driving("four") if write.pin != wrong[0].pin]
    assert drives(toy, [*trace, *wrong, *resting("four")], HIT_AT) == (wrong, [])


def test_a_motor_that_is_driven_again_is_seen_although_another_one_was_never_released() -> None:
    toy = BOARDS["tb6612"]
    wrong = writes(toy, 10.0, ("left", "pwm", 0.0), ("left", "pwm", 1.0))
    assert drives(toy, [*driving("tb6612"), *wrong, *resting("tb6612")], HIT_AT) == ([], [wrong[1]])


def test_a_standby_line_that_rises_again_drives_the_motors_again() -> None:
    toy = BOARDS["tb6612"]
    again = writes(toy, 10.0, ("board", "standby", 0.0), ("board", "standby", 1.0))
    found = drives(toy, [*driving("tb6612"), *again, *resting("tb6612")], HIT_AT)
    assert found == ([], [again[1]])


def test_an_input_that_changes_while_its_speed_pin_drives_is_refused() -> None:
    toy = BOARDS["steer-motor"]
    with pytest.raises(AssertionError, match="an input of drive changed"):
        drives(toy, [*driving("steer-motor"), *writes(toy, 10.0, ("drive", "in1", 0.0))], HIT_AT)
