"""The car with one thing patched: `python -m tests.faults.odd ODDITY serve …` starts the same main.

blocks     SIGUSR1 blocks the server's event loop for `HUNG_S`
gil        SIGUSR1 does the same in a C call that holds the GIL
forward    SIGUSR1 steps the wall clock of either process an hour forward
back       and an hour back
stuck      in the motor process, the left motor's pins raise when they shall go low
hasty      a turn and the time of a guest may last 1 s
range-X    SIGUSR1 breaks the distance sensor of the motor process: see `ranges.py`
camera-X   the camera process is `tests.camera.odd_camera X`
needy      as a real GPIO library, opening the pins takes descriptors; and the server may have few of them

The motor process is patched too: the server starts this file for it, `python -m tests.faults.odd ODDITY`.
The machine's own clock is not stepped: others live on it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from picar.access import guests
from picar.core import protocol
from picar.motor.pins.mock import MockPins

HUNG_S = (
    2.0  # longer than `command_timeout_s` and `rearm_s` together: a held stick must not drive on after it
)
HOUR_S = 3600.0
STUCK = (12, 23, 24)  # ENA, IN1, IN2
FEW_DESCRIPTORS, NEEDED_DESCRIPTORS = (
    64,
    8,
)  # lgpio needs one for the chip, one for each pin, and our lock one


def patch(oddity: str) -> None:
    """Patch this process."""
    patches = {
        "blocks": _block,
        "gil": _hold_gil,
        "forward": _step,
        "back": _step,
        "stuck": _stick,
        "needy": _need,
        "hasty": _hasten,
    }
    if oddity.startswith("range-"):
        from tests.faults.ranges import break_at_a_signal

        break_at_a_signal(oddity.removeprefix("range-"))
    elif not oddity.startswith("camera-"):
        patches[oddity](oddity)


def start_this_for_the_motor_process(oddity: str) -> None:
    """Let `subprocess` start this file where the car asks for its motor process."""
    popen = subprocess.Popen

    def start(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if command[-1] == "picar.motor":
            command = [*command[:-1], "tests.faults.odd", oddity]
        if command[-1] == "picar.camera" and oddity.startswith("camera-"):
            command = [*command[:-1], "tests.camera.odd_camera", oddity.removeprefix("camera-")]
        return popen(command, **more)

    setattr(subprocess, "Popen", start)  # noqa: B010


def _block(_oddity: str) -> None:
    signal.signal(signal.SIGUSR1, lambda _number, _frame: time.sleep(HUNG_S))


def _hold_gil(_oddity: str) -> None:
    usleep = ctypes.PyDLL(None).usleep
    signal.signal(signal.SIGUSR1, lambda _number, _frame: usleep(int(HUNG_S * 1e6)))


def _step(oddity: str) -> None:
    now, steps = time.time, {"forward": HOUR_S, "back": -HOUR_S}

    def step(_number: int, _frame: object) -> None:
        setattr(time, "time", lambda: now() + steps[oddity])  # noqa: B010

    signal.signal(signal.SIGUSR1, step)


def _stick(_oddity: str) -> None:
    record = MockPins.record

    def stuck_record(self: MockPins, bcm: int, op: str, value: float) -> None:
        if bcm in STUCK and op in ("write", "pwm") and self.levels[bcm] and not value:
            raise OSError(5, "the pin does not answer")
        record(self, bcm, op, value)

    setattr(MockPins, "record", stuck_record)  # noqa: B010


def _hasten(_oddity: str) -> None:
    setattr(protocol, "TURNS_S", (0, 1, 60, 300))  # noqa: B010
    setattr(guests, "LEAST_S", 1)  # noqa: B010


def _need(_oddity: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, FEW_DESCRIPTORS))
    finish, init = MockPins.finish, MockPins.__init__

    def needy_init(self: MockPins, *args: Any) -> None:
        self.needed = [os.open(os.devnull, os.O_RDONLY) for _ in range(NEEDED_DESCRIPTORS)]  # type: ignore[attr-defined]
        init(self, *args)

    def needy_finish(self: MockPins, rests: Mapping[int, int]) -> None:
        finish(self, rests)
        for fd in self.needed:  # type: ignore[attr-defined]
            os.close(fd)

    setattr(MockPins, "__init__", needy_init)  # noqa: B010
    setattr(MockPins, "finish", needy_finish)  # noqa: B010


def _main() -> int:
    oddity = sys.argv.pop(1)
    if len(sys.argv) == 1:
        from picar.motor.__main__ import main as motor

        patch(oddity)
        return motor()
    from picar.__main__ import main as server

    if oddity != "stuck" and not oddity.startswith(
        "range-"
    ):  # the server's own pins are well: it must be able to help
        patch(oddity)
    start_this_for_the_motor_process(oddity)
    return server()


if __name__ == "__main__":
    sys.exit(_main())
