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
        PinsBusy: another process has the pins, and kept them for `BUSY_RETRY_S`.
        BackendError: the backend cannot be opened.
        Whatever the first pin that failed raised, after all were tried.
    """
    give_up_at = time.monotonic() + BUSY_RETRY_S
    pins = _open(open_pins, give_up_at)
    try:
        _write_low(pins, wiring.wired().values(), give_up_at)
    finally:
        pins.close()  # only now: lgpio takes 100 ms for it


def _open(open_pins: Callable[[], Pins], give_up_at: float) -> Pins:
    while True:
        try:
            return open_pins()
        except PinsBusy:
            if time.monotonic() >= give_up_at:
                raise
        time.sleep(_RETRY_STEP_S)


def _write_low(pins: Pins, bcms: Collection[int], give_up_at: float) -> None:
    """Write each pin low; those that were busy again and again, after all the others."""
    failure: Exception | None = None
    while bcms:
        last_try = time.monotonic() >= give_up_at
        busy = []
        for bcm in bcms:
            try:
                pins.output(bcm).set(0)
            except Exception as error:
                if isinstance(error, PinsBusy) and not last_try:
                    busy.append(bcm)
                else:
                    failure = failure or error
        bcms = busy
        if busy:
            time.sleep(_RETRY_STEP_S)
    if failure:
        raise failure
