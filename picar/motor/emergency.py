"""Drive the motor pins low without knowing what they were doing: after a death, or on command."""

from __future__ import annotations

import time
from collections.abc import Callable

from picar.config import L298NConfig
from picar.errors import PinsBusy
from picar.motor.pins import Pins
from picar.motor.pins.checked import try_all

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
    while True:
        try:
            _write_low(open_pins(), wiring)
        except PinsBusy:
            if time.monotonic() >= give_up_at:
                raise
        else:
            return
        time.sleep(_RETRY_STEP_S)


def _write_low(pins: Pins, wiring: L298NConfig) -> None:
    try:
        try_all(lambda bcm: pins.output(bcm).set(0), wiring.wired().values())
    finally:
        pins.close()
