"""The emergency: every motor pin low from a process that knows nothing of what it was doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from picar.config import L298NConfig
from picar.errors import BackendError, PicarError, PinError, PinsBusy
from picar.motor.emergency import BUSY_RETRY_S, pins_low
from picar.motor.pins import Pin
from tests.motor.boards import WIRINGS

WIRING = L298NConfig()


@dataclass
class Chip:
    """Lines that another process may hold; `busy` says of each attempt whether it does."""

    busy: Callable[[int], bool] = lambda _attempt: False
    broken: frozenset[int] = frozenset()
    attempts: int = 0
    open: int = 0
    calls: list[tuple[str, int, float]] = field(default_factory=list)
    at_opening: bool = False

    def __call__(self) -> ChipPins:
        self.attempts += 1
        if self.at_opening and self.busy(self.attempts):
            raise PinsBusy("another picar holds the lock")
        self.open += 1
        return ChipPins(self)

    def writes(self) -> list[tuple[int, float]]:
        return [(bcm, value) for kind, bcm, value in self.calls if kind == "write"]


@dataclass
class ChipPins:
    chip: Chip

    def output(self, bcm: int) -> Pin:
        if not self.chip.at_opening and self.chip.busy(self.chip.attempts):
            raise PinsBusy(f"GPIO {bcm} is busy")
        self.chip.calls.append(("claim", bcm, 0))
        return ChipPin(self.chip, bcm)

    def pwm(self, bcm: int, hz: int) -> Pin:
        raise AssertionError(f"GPIO {bcm} must be a plain output, not PWM at {hz} Hz")

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
    pins_low(chip, wiring)
    order = [pin for pin in (wiring.ena, wiring.enb) if pin != "jumper"]
    order += [wiring.in1, wiring.in2, wiring.in3, wiring.in4]
    assert chip.writes() == [(pin, 0) for pin in order]


def test_an_enable_is_low_before_the_next_pin_is_so_much_as_claimed() -> None:
    chip = Chip()
    pins_low(chip, WIRING)
    assert [(kind, bcm) for kind, bcm, _ in chip.calls[:3]] == [("claim", 12), ("write", 12), ("claim", 13)]


def test_the_backend_is_let_go() -> None:
    chip = Chip()
    pins_low(chip, WIRING)
    assert (chip.attempts, chip.open) == (1, 0)


@pytest.mark.parametrize("at_opening", [False, True], ids=["at a claim", "at opening"])
def test_busy_pins_are_tried_again_until_they_are_free(at_opening: bool) -> None:
    chip = Chip(busy=lambda attempt: attempt < 4, at_opening=at_opening)
    pins_low(chip, WIRING)
    assert len(chip.writes()) == 6
    assert (chip.attempts, chip.open) == (4, 0)


@pytest.mark.parametrize("at_opening", [False, True], ids=["at a claim", "at opening"])
def test_pins_that_stay_busy_are_given_up_after_a_moment(at_opening: bool) -> None:
    chip = Chip(busy=lambda _attempt: True, at_opening=at_opening)
    start = time.monotonic()
    with pytest.raises(PinsBusy):
        pins_low(chip, WIRING)
    took = time.monotonic() - start
    assert BUSY_RETRY_S <= took < 1.0
    assert 2 < chip.attempts < 100  # it waits between
    assert chip.open == 0
    assert chip.writes() == []


def test_pins_that_are_busy_half_way_are_all_written_in_the_end() -> None:
    calls = iter([False, False, True])
    chip = Chip(busy=lambda _attempt: next(calls, False))
    pins_low(chip, WIRING)
    assert [pin for pin, _ in chip.writes()][-6:] == [12, 13, 23, 24, 27, 22]
    assert chip.open == 0


def test_a_backend_that_cannot_be_opened_is_not_asked_twice() -> None:
    asked = []

    def refuse() -> ChipPins:
        asked.append(1)
        raise BackendError("no chip on this machine")

    with pytest.raises(BackendError, match="no chip"):
        pins_low(refuse, WIRING)
    assert len(asked) == 1


@pytest.mark.parametrize("broken", WIRING.wired().values())
def test_a_pin_that_does_not_answer_keeps_no_other_from_being_low(broken: int) -> None:
    chip = Chip(broken=frozenset({broken}))
    with pytest.raises(PicarError, match=f"GPIO {broken}"):
        pins_low(chip, WIRING)
    assert {pin for pin, value in chip.writes() if value == 0} == set(WIRING.wired().values()) - {broken}
    assert chip.open == 0
