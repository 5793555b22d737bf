"""The emergency: every motor pin low from a process that knows nothing of what it was doing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from picar.config import L298NConfig
from picar.errors import BackendError, PicarError, PinError, PinsBusy
from picar.motor.emergency import BUSY_RETRY_S, pins_low
from picar.motor.pins import Pin
from tests.motor.boards import WIRINGS, wired

BOARD = wired()
EVERY_PIN = tuple(dict.fromkeys(t.pin for t in BOARD.wires.terminals))
FOREVER = 10**9


@dataclass
class Chip:
    """Lines that another process may hold: `busy` says how often each is refused, `locked` the opening."""

    busy: dict[int, int] = field(default_factory=dict)
    locked: int = 0
    broken: frozenset[int] = frozenset()
    openings: int = 0
    open: int = 0
    claims: Counter[int] = field(default_factory=Counter)
    calls: list[tuple[str, int, float]] = field(default_factory=list)

    def __call__(self) -> ChipPins:
        self.openings += 1
        if self.openings <= self.locked:
            raise PinsBusy("another picar holds the lock")
        self.open += 1
        return ChipPins(self)

    def writes(self) -> list[tuple[int, float]]:
        return [(bcm, value) for kind, bcm, value in self.calls if kind == "write"]


@dataclass
class ChipPins:
    chip: Chip

    def output(self, bcm: int, rest: int = 0) -> Pin:
        self.chip.claims[bcm] += 1
        if self.chip.claims[bcm] <= self.chip.busy.get(bcm, 0):
            raise PinsBusy(f"GPIO {bcm} is busy")
        self.chip.calls.append(("claim", bcm, rest))
        return ChipPin(self.chip, bcm)

    def pwm(self, bcm: int, hz: int) -> Pin:
        raise AssertionError(f"GPIO {bcm} must be a plain output, not PWM at {hz} Hz")

    def pulse(self, bcm: int) -> Pin:
        raise AssertionError(f"GPIO {bcm} sends no pulses")

    def prepare(self) -> None:
        raise AssertionError("an emergency prepares nothing")

    def commit(self, *, afresh: bool = False) -> None:
        assert afresh
        self.chip.calls.append(("commit", 0, 0))

    def close(self) -> None:
        self.chip.open -= 1


@dataclass
class ChipPin:
    chip: Chip
    bcm: int

    def set(self, value: float) -> None:
        if self.bcm in self.chip.broken:
            raise PinError(f"GPIO {self.bcm} does not answer")
        self.chip.calls.append(("write", self.bcm, value))


@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_every_wire_is_written_low_enables_first(wiring: L298NConfig) -> None:
    chip = Chip()
    pins_low(chip, wired(wiring))
    order = [pin for pin in dict.fromkeys((wiring.ena, wiring.enb)) if pin != "jumper"]
    order += [wiring.in1, wiring.in2, wiring.in3, wiring.in4]
    assert chip.writes() == [(pin, 0) for pin in order]


def test_an_enable_is_low_before_the_next_pin_is_so_much_as_claimed() -> None:
    chip = Chip()
    pins_low(chip, BOARD)
    assert [(kind, bcm) for kind, bcm, _ in chip.calls[:3]] == [("claim", 12), ("write", 12), ("claim", 13)]


def test_the_backend_is_let_go() -> None:
    chip = Chip()
    pins_low(chip, BOARD)
    assert (chip.openings, chip.open) == (1, 0)


def test_pins_that_are_locked_are_tried_again_until_they_are_free() -> None:
    chip = Chip(locked=3)
    pins_low(chip, BOARD)
    assert [pin for pin, _ in chip.writes()] == [*EVERY_PIN]
    assert (chip.openings, chip.open) == (4, 0)


@pytest.mark.parametrize("bcm", EVERY_PIN)
def test_a_busy_pin_is_tried_again_after_all_others_are_low(bcm: int) -> None:
    chip = Chip(busy={bcm: 3})
    pins_low(chip, BOARD)
    assert [pin for pin, _ in chip.writes()] == [pin for pin in EVERY_PIN if pin != bcm] + [bcm]
    assert (chip.openings, chip.open) == (1, 0), "closing takes lgpio 100 ms, longer than there is to try"


def test_a_pin_that_stays_busy_keeps_no_other_busy_one_from_being_low() -> None:
    chip = Chip(busy={12: FOREVER, 13: 2})
    with pytest.raises(PinsBusy, match="GPIO 12"):
        pins_low(chip, BOARD)
    assert {pin for pin, _ in chip.writes()} == {*EVERY_PIN} - {12}


def test_a_busy_pin_is_tried_again_also_when_another_one_failed() -> None:
    chip = Chip(busy={13: 2}, broken=frozenset({12}))
    with pytest.raises(PinError, match="GPIO 12"):
        pins_low(chip, BOARD)
    assert {pin for pin, _ in chip.writes()} == {*EVERY_PIN} - {12}
    assert chip.claims[12] == 1


@pytest.mark.parametrize(
    "chip", [Chip(locked=FOREVER), Chip(busy=dict.fromkeys(EVERY_PIN, FOREVER))], ids=["locked", "busy"]
)
def test_pins_that_stay_busy_are_given_up_after_a_moment(chip: Chip) -> None:
    start = time.monotonic()
    with pytest.raises(PinsBusy):
        pins_low(chip, BOARD)
    took = time.monotonic() - start
    assert BUSY_RETRY_S <= took < 1.0
    assert 2 < max(chip.openings, chip.claims[12]) < 100  # it waits between
    assert chip.open == 0
    assert chip.writes() == []


def test_a_backend_that_cannot_be_opened_is_not_asked_twice() -> None:
    asked = []

    def refuse() -> ChipPins:
        asked.append(1)
        raise BackendError("no chip on this machine")

    with pytest.raises(BackendError, match="no chip"):
        pins_low(refuse, BOARD)
    assert len(asked) == 1


@pytest.mark.parametrize("broken", EVERY_PIN)
def test_a_pin_that_does_not_answer_keeps_no_other_from_being_low(broken: int) -> None:
    chip = Chip(broken=frozenset({broken}))
    with pytest.raises(PicarError, match=f"GPIO {broken}"):
        pins_low(chip, BOARD)
    assert {pin for pin, value in chip.writes() if value == 0} == {*EVERY_PIN} - {broken}
    assert chip.open == 0


def test_in_an_emergency_no_module_is_imported() -> None:
    code = (
        "import sys; from picar.commands.common import emergency; from picar.config import Config\n"
        "low = emergency(Config(), 'mock', []); before = set(sys.modules)\n"
        "low(); print(sys.modules.keys() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"
