"""The checks of a kind of board, each for one car: what picar writes, judged by the chips' data sheets.

`test_kinds.py` runs them over all kinds and layouts, `test_kinds_mutated.py` over kinds with one mistake, which they must find.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable

import pytest

from picar.core.drive import BRAKE, COAST, Output
from picar.errors import BackendError, PinError
from picar.motor.boards.kinds import KINDS
from picar.motor.pins.mock import MockPins
from picar.motor.pins.sim import SimPins
from picar.raspberrypi import CHANNELS
from picar.wires import KEYS
from tests.motor import chips
from tests.motor.kinds_rig import OUTPUTS, Bench, Car, pairs

AT_ONCE = ((), (BRAKE,), (Output(0.5, 0.5),), (Output(1.0, -1.0),), (Output(-0.5, 0.0),))
DRIVES = {chips.FORWARD, chips.REVERSE}


def rows_have_the_right_characters(car: Car) -> None:
    """A drive has one duty cycle, a brake and a release none; the terminals are those of the options."""
    for motor in car.motors:
        kind = KINDS[motor.form.kind]
        assert kind.terminals == KEYS[motor.form.kind]
        for row in (kind.forward, kind.reverse):
            assert len(row) == len(kind.terminals)
            assert sorted(row) == sorted({2: "D0", 3: "D10"}[len(row)]) or row in ("D1", "D0")
        for row in (kind.coast, kind.brake):
            assert len(row) == len(kind.terminals)
            assert set(row) <= set("01")


def the_table_is_the_data_sheet_s(car: Car) -> None:
    """For all levels, picar's truth table says what the chip does."""
    for motor in car.motors:
        kind = KINDS[motor.form.kind]
        for levels in itertools.product("01", repeat=len(kind.terminals)):
            by_role = {role: level == "1" for role, level in zip(kind.terminals, levels, strict=True)}
            assert kind.action("".join(levels)) == chips.action(motor.form.kind, True, by_role), levels


def each_change_passes_no_other_drive(car: Car) -> None:
    """After a change each motor does what it shall; between two writes it is driven in no other way than before or after."""
    bench = Bench(car)
    for before, after in pairs():
        bench.apply(before)
        moments = bench.apply(after)
        for index, motor in enumerate(car.motors):
            assert moments[-1][index] == bench.expected(motor, after), (before, after, motor.name)
            during = [moment[index] for moment in moments]
            stands_by = motor.standby is not None and (car.rests(before) or car.rests(after))
            levels = {role: bool(bench.pins.levels[pin]) for role, pin in motor.pins.items()}
            assert car.rests(after) or motor.form.jumper or chips.is_listed(motor.form.kind, levels)
            check_moments(during, passes_drive=motor.form.brakes_by_both_high and not stands_by)


def check_moments(during: list[frozenset[str]], passes_drive: bool) -> None:
    driven = (during[0] | during[-1]) & DRIVES
    if not driven and passes_drive:
        assert sum(bool(actions & DRIVES) for actions in during) <= 1  # between the writes of both inputs
        return
    for actions in during:
        assert actions & DRIVES <= driven, during


def a_change_of_direction_passes_rest(car: Car) -> None:
    """Between two directions there is a moment in which the motor is not driven.

    A chip changes all terminals in one transaction: there, the pause of `Drive` is the rest; see `test_kinds.py`.
    """
    bench = Bench(car)
    for before, after in pairs():
        bench.apply(before)
        moments = bench.apply(after)
        for index, motor in enumerate(car.motors):
            if CHANNELS[0] <= min(motor.pins.values()):
                continue
            driven = [moment[index] & DRIVES for moment in moments]
            for one, other in itertools.pairwise(driven):
                assert not (one and other and one != other), (before, after)


def levels_do_not_depend_on_the_past(car: Car) -> None:
    """An output gives the same levels whatever was before; the same output again writes nothing."""
    fresh = {}
    for output in OUTPUTS:
        bench = Bench(car)
        bench.apply(output)
        fresh[output] = dict(bench.pins.levels)
    bench = Bench(car)
    for before, after in pairs():
        bench.apply(before)
        bench.apply(after)
        assert bench.pins.levels == fresh[after]
        bench.written()
        bench.apply(after)
        assert bench.written() == []
    assert not any(fresh[COAST].get(pin) for pin in car.pins)


def low_reaches_rest_from_everywhere(car: Car) -> None:
    """Whatever was before, `low` writes every pin, the kill line first, and the board then does as promised."""
    for outputs in AT_ONCE:
        bench = Bench(car)
        for output in outputs:
            bench.apply(output)
        bench.written()
        place_us = bench.pins.levels.get(car.servo or -1)
        bench.motors.low()
        written = bench.written()
        first = len(car.kill_lines)
        assert written[:first] == car.kill_lines
        speeds = dict.fromkeys(car.speeds)
        assert set(written[first:][: len(speeds)]) == set(speeds)
        assert sorted(written) == sorted({*car.pins, *car.kill_lines})
        assert bench.pins.at_rest()
        assert car.oe is None or bench.pins.levels[car.oe] == 1.0
        assert bench.pins.levels.get(car.servo or -1) == place_us
        assert bench.pins.doing == [frozenset({motor.form.at_rest}) for motor in car.motors]
        for output in OUTPUTS:  # it trusts no level from before
            bench.motors.low()
            bench.apply(output)
            fresh = Bench(car)
            fresh.apply(output)
            assert bench.pins.levels == fresh.pins.levels
    rolls = all(motor.form.at_rest == chips.COAST for motor in car.motors)
    assert Bench(car).board.rolls_at_rest == rolls


def the_emergency_writes_every_pin_low_the_kill_line_first(car: Car) -> None:
    """Without the state of the board, each pin is claimed as a plain output and written low, in the order of `low`."""
    pins = MockPins()
    for step in Bench(car).board.rest(pins):
        step()
    steps = [(write.op, write.pin, write.value) for write in pins.writes]
    order = [pin for op, pin, _ in steps if op == "write"]
    assert steps == [(op, pin, int(pin == car.oe)) for pin in order for op in ("claim", "write")]
    assert sorted(order) == sorted({*car.pins, *car.kill_lines})
    first = [*car.kill_lines, *([] if car.motors[0].standby else dict.fromkeys(car.speeds))]
    assert order[: len(first)] == first


def a_pin_that_raises_keeps_no_other_high(car: Car) -> None:
    """Whichever pin fails in `low` or in a change, all others can be brought low, and that one when it answers again."""
    for pin, output in itertools.product({*car.pins, *car.kill_lines}, (BRAKE, Output(0.5, -0.5))):
        bench = Bench(car)
        bench.apply(output)
        bench.pins.broken = {pin: 1}
        with pytest.raises(OSError, match=f"GPIO {pin}"):
            bench.motors.low()
        assert not any(bench.pins.levels.get(other) for other in car.pins - {pin})
        bench.motors.low()
        assert bench.pins.at_rest()
        for other in (Output(-0.5, 0.5), BRAKE, COAST):
            bench.pins.broken = {}
            bench.motors.low()
            bench.apply(output)
            bench.pins.broken = {pin: 1}
            try:
                bench.apply(other)
            except OSError:
                bench.apply(COAST)
            else:
                bench.pins.broken = {}
                bench.apply(COAST)
            assert bench.pins.at_rest(), (pin, output, other)


def a_held_bus_keeps_no_pin_of_the_header_high(car: Car) -> None:
    """While the bus does not answer, every pin of the header comes to rest, and OE switches the channels off."""
    header = car.pins - {*CHANNELS}
    if header == car.pins:
        return
    for outputs in AT_ONCE:
        bench = Bench(car)
        for output in outputs:
            bench.apply(output)
        bench.pins.bus.is_held = True
        with contextlib.suppress(
            BackendError
        ):  # with a motor at both sides, the speed was the first to change
            bench.apply(COAST)
        assert not any(bench.pins.levels.get(pin) for pin in header)
        with pytest.raises(BackendError):
            bench.motors.low()
        assert not any(bench.pins.levels.get(pin) for pin in header)
        assert car.oe is None or bench.pins.levels[car.oe] == 1.0
        bench.pins.bus.is_held = False
        bench.motors.low()
        assert bench.pins.at_rest()
        assert bench.pins.doing == [frozenset({motor.form.at_rest}) for motor in car.motors]


def what_is_no_duty_cycle_is_refused(car: Car) -> None:
    """No number beyond 1 and no NaN reaches a pin."""
    for value, jog in itertools.product(
        (math.nan, math.inf, -math.inf, 1.5, -1.01), ("", car.motors[0].name)
    ):
        bench = Bench(car)
        with pytest.raises(PinError, match="not a duty cycle"):
            bench.apply(Output(value, 0.0, jog=jog))
        if car.servo:
            with pytest.raises(PinError, match="not a share"):
                bench.apply(Output(0.0, value))
        assert all(0.0 <= bench.pins.levels.get(pin, 0.0) <= 1.0 for pin in car.pins)
        assert not any(actions & DRIVES for moment in bench.pins.moments for actions in moment)
        bench.motors.low()
        assert bench.pins.at_rest()


def full_and_no_speed_are_levels(car: Car) -> None:
    """A full speed is no wave, and neither is a brake."""
    for output in (Output(1.0, -1.0), Output(0.0, 1.0), BRAKE, COAST):
        bench = Bench(car)
        bench.apply(output)
        assert {bench.pins.levels[pin] for pin in car.pins} <= {0.0, 1.0}
    bench = Bench(car)
    bench.apply(Output(0.5, -0.5))
    waves = {pin for pin in car.pins if 0.0 < bench.pins.levels[pin] < 1.0}
    assert len(waves) == len({tuple(motor.pins.values()) for motor in car.motors})


def the_simulator_supplies_what_the_chip_does(car: Car) -> None:
    """The supply of each motor, in levels and in the middle of a wave, is that of the chip."""
    for output in OUTPUTS:
        bench = Bench(car)
        bench.apply(output)
        supplies = bench.board.supplies(bench.pins.levels)
        if car.servo:
            *_, (place, _none) = supplies
            assert place == pytest.approx(output.right, abs=0.01)
            supplies = supplies[:-1]
        for motor, (power, braked) in zip(car.motors, supplies, strict=True):
            actions = bench.expected(motor, output)
            wave = 0.625 if len(actions) == 2 else 1.0
            sign = (chips.FORWARD in actions) - (chips.REVERSE in actions)
            rest = wave if not sign else 1.0 - wave
            assert power == pytest.approx(sign * wave)
            assert braked == pytest.approx(rest if chips.BRAKE in actions else 0.0)


def the_simulated_car_moves_as_configured(car: Car) -> None:
    """It goes forward and back, turns both ways, and stops; swapped and inverted motors show."""
    for output in OUTPUTS:
        if not output.brake:
            _check_motion(car, output)
    if not car.layout.steers:
        names = car.layout.motors
        section = "motor." if car.config.board else ""
        inverted = car.config
        for name in names:
            inverted = inverted.having(f"{section}{name}", invert=True)
        assert _pose(car, Output(1.0, 1.0), inverted)[0] < -0.2
        swapped = car.config.having("board" if car.config.board else "l298n", swap=True)
        turn = _pose(car, Output(0.0, -1.0))[2]
        assert turn * _pose(car, Output(0.0, -1.0), swapped)[2] < 0.0
        return
    if not car.servo:
        inverted = car.config.having("motor.steer", invert=True)
        assert _pose(car, Output(1.0, 1.0), inverted)[2] > 0.5
    inverted = car.config.having("motor.drive", invert=True)
    assert _pose(car, Output(1.0, 0.0), inverted)[0] < -0.2


def _check_motion(car: Car, output: Output) -> None:
    x, y, heading = _pose(car, output)
    if not (output.left or output.right):
        assert (x, y, heading) == (0.0, 0.0, 0.0)
    elif car.layout.steers:
        assert (
            math.copysign(1.0, x) == math.copysign(1.0, output.left) if output.left else (x, y) == (0.0, 0.0)
        )
        assert heading * output.left * output.right < 0.0 if output.left * output.right else heading == 0.0
    elif output.left == output.right:
        assert x * output.left > 0.05
        assert abs(heading) < 0.5  # but for the mismatch of the motors
    else:
        assert heading * (output.right - output.left) > 0.2


def _pose(car: Car, output: Output, config: object = None) -> tuple[float, float, float]:
    """Return where the simulated car is after half a second."""
    now = 0.0
    bench = Bench(car, config)  # type: ignore[arg-type]
    pins = SimPins(bench.board, lambda: now)
    motors = bench.board.claim(pins)
    motors.apply(output)
    now = 0.5
    pins.car.advance(now)
    pose = pins.car.pose
    motors.apply(BRAKE)
    now = 3.0
    pins.car.advance(now)
    assert not pins.car.moving
    return pose


CHECKS: dict[str, Callable[[Car], None]] = {
    check.__name__: check
    for check in (
        rows_have_the_right_characters,
        the_table_is_the_data_sheet_s,
        each_change_passes_no_other_drive,
        a_change_of_direction_passes_rest,
        levels_do_not_depend_on_the_past,
        low_reaches_rest_from_everywhere,
        the_emergency_writes_every_pin_low_the_kill_line_first,
        a_pin_that_raises_keeps_no_other_high,
        a_held_bus_keeps_no_pin_of_the_header_high,
        what_is_no_duty_cycle_is_refused,
        full_and_no_speed_are_levels,
        the_simulator_supplies_what_the_chip_does,
        the_simulated_car_moves_as_configured,
    )
}
