"""Start the motor process: `python -m picar.motor`, with its order as the first line of the input.

It builds the objects of the motor process, as `commands/serve.py` does for the server. Only the server starts it.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence

from picar.core.drive import Drive
from picar.errors import PicarError
from picar.journal.flight import FlightRecorder
from picar.linewriter import say
from picar.motor import pins, pipe
from picar.motor.boards import ARMING_S, Board, Bridge
from picar.motor.loop import MotorLoop
from picar.motor.pins.trace import PinTrace, TracedPins
from picar.motor.pipe import Order
from picar.system.systemd import ignore_signals
from picar.wires import aux_of


def main() -> int:
    """Claim the pins, run the loop, leave the pins low. Returns the exit code."""
    status = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # no print of a library gets among the frames
    commands = sys.stdin.fileno()
    line = _first_line(commands)
    if not line:
        return 0
    order = Order.parse(line)
    flight = FlightRecorder("motor", order.flight)
    trace = None if order.trace is None else PinTrace(order.trace)
    try:
        loop, ends = _build(order, flight, trace, commands, status)
    except PicarError as error:
        os.write(status, pipe.failure(str(error)))
        return 1
    code, failures = 0, []
    # A signal that comes while Python ends would look like a death.
    for work in (loop.run, ignore_signals, *ends):
        try:
            code = max(code, work() or 0)
        except Exception as error:  # the task's boundary: each error becomes a sentence and a 1
            code = 1
            failures.append(f"{type(error).__name__}: {error}")
    for failure in failures:  # only now, because printing may take time
        say(f"picar motor: {failure}")
    if code or not flight.said_goodbye:
        from picar.files import folder_in_memory

        flight.save("the server is gone" if code == 0 else "the motor process failed", folder_in_memory())
    if trace:
        trace.close()
    return code


def _build(
    order: Order, flight: FlightRecorder, trace: PinTrace | None, commands: int, status: int
) -> tuple[MotorLoop, Sequence[Callable[[], None]]]:
    """Return the loop, and the steps after its end."""
    board = Board(order.config)
    backend = pins.backend(order.backend, board.wires)(board)
    world = getattr(backend, "car", None)
    traced: pins.Pins = TracedPins(backend, flight.pin)
    if trace:
        traced = TracedPins(traced, trace.line)
    drive, bridge = assemble(order, traced)
    extras, ranging, ends = None, None, [bridge.close]
    if order.config.lamp.pin != "none" or aux_of(order.config):
        from picar.motor.aux import Outputs  # here, because few cars have one

        extras = Outputs(board, traced)
        ends = [bridge.low, extras.low, bridge.close]
    if order.config.range.source != "none":
        from picar.motor.ranging import open_sensor  # here, because few cars have one

        ranging = open_sensor(order.config.range, world)
    loop = MotorLoop(
        drive, bridge, world, commands, status, flight.note, bell=order.bell, ranging=ranging, extras=extras
    )
    return loop, ends


def assemble(order: Order, opened: pins.Pins) -> tuple[Drive, Bridge]:
    """Return the state machine and the motor board of an order."""
    config, configured = order.config, order.configured
    board = Board(config)
    bridge = board.claim(opened, configured)
    brake_hold_s, rearm_s = config.motors.brake_hold_s, config.session.rearm_s
    min_duty = configured.least_duty(board.full_us)
    ready_at = time.monotonic() + ARMING_S if board.has_esc else -math.inf
    drive = Drive(config.drive, rearm_s, brake_hold_s, order.speed_cap, min_duty, board.layout, ready_at)
    return drive, bridge


def _first_line(fd: int) -> bytes:
    """Read up to the first newline and not a byte more; empty when the server is gone already."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            return b""
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
