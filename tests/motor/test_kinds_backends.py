"""Every kind of board on every vendor library: the levels of its lines, no wave for a level, and all low, also with a broken line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from picar.core.drive import BRAKE, COAST, Output
from picar.motor.boards import Board
from picar.motor.emergency import pins_low
from tests.motor import chips
from tests.motor.kinds_rig import CARS, Bench, Car, Motor
from tests.motor.rig import wait_until
from tests.support.header import FAKED, FakeHeader

ON_EVERY_LIBRARY = [
    car
    for car in CARS
    if car.name.endswith(("sides", "tb6612 standby four", "drv8833 steer-motor", "jumper"))
]


@pytest.fixture(params=FAKED)
def fake(request: pytest.FixtureRequest, install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    """Each vendor library's fake; none sleeps at its end."""
    fake = install_fake(request.param)
    fake.board.tell("closing_s", "0")
    return fake


def doing(fake: FakeHeader, motor: Motor) -> str:
    """Return what a motor does at the levels of the lines; a wave is high."""
    levels = {role: bool(fake.level(pin)) for role, pin in motor.pins.items()}
    if motor.form.jumper:
        levels["pwm"] = True
    return chips.action(motor.form.kind, motor.standby is None or bool(fake.level(motor.standby)), levels)


def waves(fake: FakeHeader) -> int:
    """Return how many waves were started or changed that are high for a part of the time."""
    calls = [call.split() for call in fake.board.calls() if call.startswith(("tx_pwm", "pwm "))]
    return sum("200" in words and 0.0 < float(words[-1]) < 100.0 for words in calls)


@pytest.mark.parametrize("car", ON_EVERY_LIBRARY, ids=str)
def test_the_lines_are_those_of_the_table_and_low_at_the_end(fake: FakeHeader, car: Car) -> None:
    for output in (Output(1.0, -1.0), Output(-1.0, 1.0), BRAKE, Output(0.0, 1.0), COAST):
        motors = Board(car.config).claim(fake.open())
        assert all(fake.is_low_output(pin) for pin in car.pins)
        motors.apply(output)
        assert [doing(fake, m) for m in car.motors] == [
            min(Bench(car).expected(m, output)) for m in car.motors
        ]
        motors.close()
        assert all(fake.is_low_output(pin) for pin in car.pins)
    assert waves(fake) == 0


@pytest.mark.parametrize("car", ON_EVERY_LIBRARY, ids=str)
def test_a_line_that_raises_keeps_no_other_high(fake: FakeHeader, car: Car) -> None:
    motors = Board(car.config).claim(fake.open())
    motors.apply(Output(-0.5, 0.5))
    assert waves(fake) == len(car.motors)
    broken = [*car.motors[-1].pins.values()][-1]  # a line without a wave
    fake.board.tell("broken", str(broken))
    with pytest.raises(Exception, match=r"write|answer"):
        motors.low()
    wait_until(lambda: all(fake.is_low_output(pin) for pin in car.pins - {broken}), "all other lines low")
    fake.board.tell("broken")
    motors.close()
    assert all(fake.is_low_output(pin) for pin in car.pins)


@pytest.mark.parametrize(
    "car", [c for c in ON_EVERY_LIBRARY if "four" in c.name or "steer" in c.name], ids=str
)
def test_the_emergency_brings_what_was_left_high_low(fake: FakeHeader, car: Car) -> None:
    pins = ", ".join(str(pin) for pin in sorted(car.pins))
    victim = fake.python(f"for pin in ({pins}): pins.output(pin).set(1)\nprint('high', flush=True); input()")
    assert victim.stdout
    assert victim.stdout.readline() == "high\n", victim.communicate()
    victim.kill()
    victim.communicate()
    assert all(fake.level(pin) for pin in car.pins)
    pins_low(fake.open, Board(car.config))
    assert all(fake.is_low_output(pin) for pin in car.pins)
