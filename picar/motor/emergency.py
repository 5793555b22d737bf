"""Drive the motor pins low without knowing what they were doing: after a death, or on command."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from picar.config import L298NConfig
from picar.errors import PinsBusy
from picar.motor.pins import Pins

BUSY_RETRY_S = 0.05  # the kernel may need a moment to let go of a dead process's lines
_RETRY_STEP_S = 0.005


def pins_low(open_pins: Callable[[], Pins], wiring: L298NConfig) -> None:
    """Claim every motor pin as a plain output, write it low, enables first, and let go.

    A plain output, because a pulse-width thread that was killed may have left its pin high, and a new
    one would pulse it; an explicit write, because claiming does not write on every library.

    Args:
        open_pins: opens the backend.
        wiring: the pins.

    Raises:
        PinsBusy: another process has the pins, and kept them for at least `BUSY_RETRY_S`.
        BackendError: the backend cannot be opened.
        Whatever the first pin that failed raised, after all were tried.
    """
    patience = _Patience()
    pins = _open(open_pins, patience)
    try:
        _write_low(pins, dict.fromkeys(wiring.wired().values()), patience)
    finally:
        pins.close()  # only now: lgpio takes 100 ms for it


class _Patience:
    """Counts tries and not time: a machine too busy to let this process run must not use them up."""

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


def _write_low(pins: Pins, bcms: Collection[int], patience: _Patience) -> None:
    """Write each pin low; those that were busy again and again, after all the others."""
    failure: Exception | None = None
    while bcms:
        busy: dict[int, PinsBusy] = {}
        for bcm in bcms:
            try:
                pins.output(bcm).set(0)
            except PinsBusy as error:
                busy[bcm] = error
            except Exception as error:
                failure = failure or error
        bcms = [*busy]
        if busy and not patience.wait():
            failure = failure or next(iter(busy.values()))
            break
    if failure:
        raise failure
