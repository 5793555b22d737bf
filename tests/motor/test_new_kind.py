"""A further board is one row: order, motor process, simulator, emergency and doctor follow it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picar.commands.common import emergency
from picar.core.drive import BRAKE, COAST, Output
from picar.doctor.pins import hazards
from picar.motor.__main__ import assemble
from picar.motor.boards import Board
from picar.motor.boards.kinds import KINDS
from picar.motor.pins.mock import MockPins
from picar.motor.pins.sim import SimPins
from picar.motor.pipe import Order
from tests.doctor.trees import Case
from tests.motor import new_kind
from tests.motor.new_kind import CONFIG, LEFT, RIGHT, STANDBY
from tests.motor.rig import MotorProcess

CONFIG_TXT = "boot/firmware/config.txt"
PROGRAM = (
    sys.executable,
    "-c",
    "from picar.motor import __main__\nfrom tests.motor import new_kind\nnew_kind.add()\nraise SystemExit(__main__.main())",
)


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    new_kind.add()
    yield
    new_kind.remove()


def written(pins: MockPins) -> list[tuple[int, float]]:
    """Return the writes so far, and forget them."""
    writes = [(write.pin, write.value) for write in pins.writes if write.op in ("write", "pwm")]
    pins.writes.clear()
    return writes


def test_an_order_for_it_drives_its_pins_with_trim_inversion_and_speed_cap() -> None:
    config = CONFIG.having("motor.left", trim=0.5).having("motor.right", invert=True)
    order = Order.parse(Order.of(config, "mock", speed_cap=0.5).encode())
    pins = MockPins()
    drive, bridge = assemble(order, pins)
    assert {write.pin for write in pins.writes} == {STANDBY, *LEFT, *RIGHT}
    assert drive.speed_limit == 0.5
    bridge.apply(Output(1.0, 1.0))
    assert written(pins) == [(9, 1), (12, 0.625), (13, 1.0), (STANDBY, 1)]
    bridge.apply(Output(1.0, 1.0, cap=0.5))
    assert written(pins) == [(12, 0.4375), (13, 0.625)]
    bridge.apply(BRAKE)
    assert written(pins) == [(12, 0), (9, 0), (10, 1), (13, 0), (25, 1)]
    bridge.apply(COAST)
    assert written(pins) == [(STANDBY, 0), (10, 0), (25, 0)]
    bridge.low()
    assert [pin for pin, _ in written(pins)] == [STANDBY, 12, 13, 9, 10, 7, 25]
    bridge.close()
    assert pins.closed


def test_the_motor_process_drives_it_and_leaves_its_pins_low() -> None:
    with MotorProcess(CONFIG, program=PROGRAM) as motor:
        motor.armed()
        motor.hold(lambda: motor.trace.levels() == {STANDBY: 1, 12: 1, 9: 1, 10: 0, 13: 1, 7: 1, 25: 0})
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.levels() == dict.fromkeys((STANDBY, *LEFT, *RIGHT), 0)


@pytest.mark.parametrize(("output", "ahead"), [(Output(1.0, 1.0), 1), (Output(-1.0, -1.0), -1)])
def test_the_simulated_car_moves_as_the_board_supplies_its_motors(output: Output, ahead: int) -> None:
    now = 0.0
    pins = SimPins(Board(CONFIG), lambda: now)
    bridge = Board(CONFIG).claim(pins)
    bridge.apply(output)
    now = 0.5
    pins.car.advance(now)
    assert pins.car.pose[0] * ahead > 0.2
    bridge.apply(BRAKE)
    now = 3.0
    pins.car.advance(now)
    assert not pins.car.moving


def test_the_emergency_writes_its_standby_line_low_first() -> None:
    notes: list[tuple[int, str, float]] = []
    emergency(CONFIG, "mock", [lambda *note: notes.append(note)])()
    writes = [(pin, value) for pin, op, value in notes if op == "write"]
    assert writes == [(pin, 0) for pin in (STANDBY, 12, 13, 9, 10, 7, 25)]


def test_the_doctor_checks_its_pins(tmp_path: Path) -> None:
    machine = Case(files={CONFIG_TXT: "dtparam=spi=on\n"}).build(tmp_path)
    found = [(f.status, f.message) for f in hazards(machine, None, Board(CONFIG))]
    assert found == [
        (
            "warning",
            "[board] standby = 4: this pin is pulled up at power-on, so a motor may run before picar does",
        ),
        ("problem", "[motor.left] in1 = 9: this pin is used by SPI (dtparam=spi=on)"),
        ("problem", "[motor.left] in2 = 10: this pin is used by SPI (dtparam=spi=on)"),
        ("problem", "[motor.right] in1 = 7: this pin is used by SPI (dtparam=spi=on)"),
    ]


def test_whether_it_rolls_at_rest_follows_from_its_table() -> None:
    assert Board(CONFIG).rolls_at_rest
    assert Board(CONFIG.having("board", standby="none")).rolls_at_rest
    KINDS[new_kind.NAME] = new_kind.KIND._replace(truth=new_kind.KIND.truth | {"0-0": "brake"})
    assert not Board(CONFIG.having("board", standby="none")).rolls_at_rest
    assert Board(CONFIG).rolls_at_rest
