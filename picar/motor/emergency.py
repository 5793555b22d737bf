"""The emergency: bring the motor board to rest without its state, after a death or on command."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from picar.errors import PinsBusy

if TYPE_CHECKING:
    from picar.motor.boards import Board
    from picar.motor.pins import Pins

BUSY_RETRY_S = 0.05  # the kernel may need a moment to release the lines of a dead process
_RETRY_STEP_S = 0.005
NEUTRAL_S = 0.3  # of neutral pulses, before they end
Steps = Sequence[Callable[[], object]]


def pins_low(open_pins: Callable[[], Pins], board: Board, *, ends_pulses: bool = False) -> None:
    """Open the backend, carry out every step of `Board.rest`, and close the backend.

    Args:
        open_pins: opens the backend.
        board: the motor board.
        ends_pulses: end the pulses of an ESC and of a servo too, after `NEUTRAL_S`.

    Raises:
        PinsBusy: another process held the pins for at least `BUSY_RETRY_S`.
        BackendError: the backend cannot be opened.
        The error of the first step that failed, after all were tried.
    """
    _carry_out(open_pins, board.rest)
    if ends_pulses and board.wires.pulses:
        time.sleep(NEUTRAL_S)
        _carry_out(open_pins, board.end_pulses)


def _carry_out(open_pins: Callable[[], Pins], steps_with: Callable[[Pins], Steps]) -> None:
    patience = _Patience()
    pins = _open(open_pins, patience)
    try:
        _take(steps_with(pins), patience)
    finally:
        pins.close()  # only now: lgpio takes 100 ms for it


class _Patience:
    """Counts tries and not time: a machine too busy to run this process must not use them up."""

    def __init__(self) -> None:
        self._tries = round(BUSY_RETRY_S / _RETRY_STEP_S)

    def wait(self) -> bool:
        """Wait a moment. Returns whether to try once more."""
        self._tries -= 1
        time.sleep(_RETRY_STEP_S)
        return self._tries >= 0


def _open(open_pins: Callable[[], Pins], patience: _Patience) -> Pins:
    while True:
        try:
            return open_pins()
        except PinsBusy:
            if not patience.wait():
                raise


def _take(steps: Steps, patience: _Patience) -> None:
    """Take each step; repeat those that found a busy pin after all the others."""
    failure: Exception | None = None
    while steps:
        busy: dict[Callable[[], object], PinsBusy] = {}
        for step in steps:
            try:
                step()
            except PinsBusy as error:
                busy[step] = error
            except Exception as error:
                failure = failure or error
        steps = [*busy]
        if busy and not patience.wait():
            failure = failure or next(iter(busy.values()))
            break
    if failure:
        raise failure
