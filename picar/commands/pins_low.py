"""`picar pins-low`."""

from __future__ import annotations

import argparse
import contextlib

from picar.commands import common
from picar.errors import PicarError
from picar.motor.pins.trace import TraceFile


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.pin_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Drive every motor pin low."""
    settings = common.load(options)
    backend = common.choose_backend(settings)
    # The lines stay in the pipe until the pins are low: before that, no process is started and no file opened.
    tracing = TraceFile(options.pin_trace) if options.pin_trace else None
    try:
        notes = [tracing.trace.line] if tracing else []
        common.emergency(settings, backend, notes, ends_pulses=True)()
    except Exception:
        if tracing:
            with contextlib.suppress(PicarError):  # the error of the pins matters more
                tracing.save()
        raise
    if tracing:
        tracing.save()
    common.print_warnings(settings)
    print("Every motor pin is low.")
    if backend in ("sim", "mock"):
        print("These are pins of a simulation (--pins sim or mock): no real pin was touched.")
    return 0
