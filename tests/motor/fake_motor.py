"""Stands in for the motor process: `python -m tests.motor.fake_motor MODE`.

dies       ends before it is ready
hangs      never gets ready
talks      gets ready, and beats as if all were well, but never reads a command
"""

from __future__ import annotations

import sys
import time

from picar.motor.pipe import Status

READY = Status(0, "disarmed", "started", (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 1.0, False, [], None)


def main(mode: str) -> int:
    if mode == "dies":
        return 3
    while True:
        if mode == "talks":
            sys.stdout.buffer.write(READY.encode())
            sys.stdout.buffer.flush()
        time.sleep(0.04)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
