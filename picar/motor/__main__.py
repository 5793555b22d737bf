"""Start the motor process: `python -m picar.motor`, with its order as the first line of the input.

The roof of the motor process: it builds the objects and knows their classes, as `cli.py` does for the
server. Nobody starts this by hand.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from picar.core.drive import Drive
from picar.errors import PicarError
from picar.motor import frames, pins
from picar.motor.l298n import L298N
from picar.motor.order import Order
from picar.motor.pins.trace import PinTrace, TracedPins
from picar.motor.process import MotorLoop


def main() -> int:
    """Claim the pins, run the loop, leave the pins low. Returns the exit code."""
    status = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library's print must not end up among the frames
    commands = sys.stdin.fileno()
    line = _first_line(commands)
    if not line:
        return 0
    try:
        loop, bridge = _build(Order.parse(line), commands, status)
    except PicarError as error:
        os.write(status, frames.failure(str(error)))
        return 1
    return max(_end_with(loop.run), _end_with(bridge.close))


def _end_with(work: Callable[[], int | None]) -> int:
    """Do it and return its exit code. The task's boundary: whatever it raises becomes a sentence and a 1."""
    try:
        return work() or 0
    except Exception as error:
        print(f"picar motor: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _build(order: Order, commands: int, status: int) -> tuple[MotorLoop, L298N]:
    backend = pins.backend(order.backend)(order.l298n)
    world = getattr(backend, "car", None)
    traced = TracedPins(backend, PinTrace(Path(order.trace))) if order.trace else backend
    bridge = L298N(traced, order.l298n, order.motors, order.left, order.right)
    drive = Drive(order.drive, order.session.rearm_s, order.motors.brake_hold_s)
    return MotorLoop(drive, bridge, world, commands, status), bridge


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
