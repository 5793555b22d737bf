"""`picar pins-low`."""

from __future__ import annotations

import argparse
import contextlib

from picar.commands.common import (
    BACKENDS,
    Commands,
    add,
    choose_backend,
    emergency,
    load,
    pin_options,
    print_warnings,
)
from picar.errors import PicarError
from picar.motor.pins.trace import TraceFile


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    add(commands, "pins-low", pins_low, pin_options())


def pins_low(options: argparse.Namespace) -> int:
    """Drive every motor pin low."""
    settings = load(options)
    backend = choose_backend(settings)
    # The lines stay in the pipe until the pins are low: before that, no process is started and no file opened.
    tracing = TraceFile(options.pin_trace) if options.pin_trace else None
    try:
        emergency(settings, backend, [tracing.trace.line] if tracing else [])()
    except Exception:
        if tracing:
            with contextlib.suppress(PicarError):  # the error of the pins matters more
                tracing.save()
        raise
    if tracing:
        tracing.save()
    print_warnings(settings)
    print("Every motor pin is low.")
    if backend in ("sim", "mock"):
        print(f"No real one was touched: the pins are {BACKENDS[backend]}.")
    return 0
