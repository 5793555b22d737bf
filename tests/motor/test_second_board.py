"""A second board: one file with one class, and one line in the list. The rest of the program drives it.

The board of this test has fixed pins: one EN for both motors, and two inputs for each motor with PWM on them, of which both
high is a brake.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from picar.calibration.values import Calibration
from picar.commands.common import emergency
from picar.config import Config, DriveConfig, SideConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.doctor.pins import hazards
from picar.motor import boards
from picar.motor.__main__ import assemble
from picar.motor.boards import Board
from picar.motor.boards.bridge import Channel, Line, TwoMotors
from picar.motor.emergency import pins_low
from picar.motor.pins import Pins, Supply, backend
from picar.motor.pins.mock import MockPins
from picar.motor.pins.sim import SimPins
from picar.motor.pipe import Order
from tests.doctor.trees import Case
from tests.motor.rig import MotorProcess

TWIN = Config(board="twin", drive=DriveConfig(accel=20.0))
CONFIG_TXT = "boot/firmware/config.txt"
EN, LEFT, RIGHT = 4, (9, 10), (7, 25)
PROGRAM = (
    sys.executable,
    "-c",
    "from picar.motor import __main__, boards; boards.BOARDS['twin'] = 'tests.motor.test_second_board.Twin'\n"
    "raise SystemExit(__main__.main())",
)


class _Half(Channel):
    def turn(self, duty: float, forward: bool) -> None:
        high, low = self.inputs if forward else reversed(self.inputs)
        low.set(0)
        high.set(duty)

    def brake(self) -> None:
        for line in self.inputs:
            line.set(1)


class Twin(Board):
    """The second board."""

    def terminals(self) -> dict[str, int]:
        return {"en": EN, "left_a": LEFT[0], "left_b": LEFT[1], "right_a": RIGHT[0], "right_b": RIGHT[1]}

    def claim(self, pins: Pins, configured: Calibration | None = None) -> TwoMotors:
        enable, hz = Line(pins.output(EN)), self.config.motors.pwm_hz
        left, right = (_Half([], [Line(pins.pwm(bcm, hz)) for bcm in side]) for side in (LEFT, RIGHT))
        return TwoMotors(pins, (left, right), Calibration.of(self.config), configured, standby=[enable])

    def motors(self, levels: Mapping[int, float]) -> tuple[Supply, Supply]:
        def supply(side: Sequence[int]) -> Supply:
            a, b = (levels.get(EN, 0.0) * levels.get(bcm, 0.0) for bcm in side)
            return a - b, min(a, b)

        return supply(LEFT), supply(RIGHT)


@pytest.fixture(autouse=True)
def listed() -> Iterator[None]:
    boards.BOARDS["twin"] = f"{__name__}.Twin"
    yield
    del boards.BOARDS["twin"]


def written(pins: MockPins) -> list[tuple[int, float]]:
    """Return the writes so far, and forget them."""
    writes = [(write.pin, write.value) for write in pins.writes if write.op in ("write", "pwm")]
    pins.writes.clear()
    return writes


def test_an_order_for_it_drives_its_pins_with_trim_inversion_and_speed_cap() -> None:
    config = Config(board="twin", left=SideConfig(trim=0.5), right=SideConfig(invert=True))
    order = Order.parse(Order.of(config, "mock", speed_cap=0.5).encode())
    pins = MockPins()
    drive, bridge = assemble(order, pins)
    assert {write.pin for write in pins.writes} == {EN, *LEFT, *RIGHT}
    assert drive.speed_limit == 0.5
    bridge.apply(Output(1.0, 1.0))
    assert written(pins) == [(9, 0.625), (25, 1.0), (EN, 1)]
    bridge.apply(Output(1.0, 1.0, cap=0.5))
    assert written(pins) == [(9, 0.4375), (25, 0.625)]
    bridge.apply(BRAKE)
    assert written(pins) == [(9, 1), (10, 1), (7, 1), (25, 1)]
    bridge.apply(COAST)
    assert written(pins) == [(EN, 0), (9, 0), (10, 0), (7, 0), (25, 0)]
    bridge.low()
    assert written(pins)[0] == (EN, 0)
    bridge.close()
    assert pins.closed


def test_the_motor_process_drives_it_and_leaves_its_pins_low() -> None:
    with MotorProcess(TWIN, program=PROGRAM) as motor:
        motor.armed()
        motor.hold(lambda: motor.trace.levels() == {EN: 1, 9: 1, 10: 0, 7: 1, 25: 0})
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.trace.levels() == dict.fromkeys((EN, *LEFT, *RIGHT), 0)


def test_the_simulated_car_moves_as_the_board_supplies_its_motors() -> None:
    for output, ahead in ((Output(1.0, 1.0), 1), (Output(-1.0, -1.0), -1)):
        now = [0.0]
        pins = SimPins(Twin(TWIN).motors, lambda now=now: now[0])  # type: ignore[misc]
        bridge = Twin(TWIN).claim(pins)
        bridge.apply(output)
        now[0] = 0.5
        pins.car.advance(0.5)
        assert pins.car.pose[0] * ahead > 0.2
        bridge.apply(BRAKE)
        now[0] = 3.0
        pins.car.advance(3.0)
        assert not pins.car.moving


def test_the_emergency_writes_its_enable_low_first() -> None:
    notes: list[tuple[int, str, float]] = []
    emergency(TWIN, "mock", [lambda *note: notes.append(note)])()
    writes = [(pin, value) for pin, op, value in notes if op == "write"]
    assert writes == [(EN, 0), (9, 0), (10, 0), (7, 0), (25, 0)]


def test_a_board_may_have_an_emergency_of_its_own() -> None:
    class OverABus(Twin):
        def rest(self, pins: Pins) -> Sequence[Callable[[], object]]:
            return [lambda: steps.append("all channels off")]

    steps: list[str] = []
    pins_low(lambda: backend("mock")(Twin(TWIN).motors), OverABus(TWIN))
    assert steps == ["all channels off"]


def test_the_doctor_checks_its_pins_and_offers_no_move_of_fixed_ones(tmp_path: Path) -> None:
    machine = Case(files={CONFIG_TXT: "dtparam=spi=on\n"}).build(tmp_path)
    found = [(f.status, f.message, f.fix) for f in hazards(machine, None, Twin(TWIN))]
    delete = f"delete that line from /{CONFIG_TXT}, and reboot"
    assert found == [
        ("warning", "en = 4: this pin is pulled up at power-on, so a motor may run before picar does", ""),
        ("problem", "left_a = 9: this pin is used by SPI (dtparam=spi=on)", delete),
        ("problem", "left_b = 10: this pin is used by SPI (dtparam=spi=on)", delete),
        ("problem", "right_a = 7: this pin is used by SPI (dtparam=spi=on)", delete),
    ]
