"""Drive the car with a gamepad on a Linux PC: left stick throttle and steering, first button STOP, second button reset.

    .venv/bin/python docs/examples/gamepad.py CAR:8000 [GAMEPAD]

GAMEPAD is /dev/input/js0 by default; the token is in $PICAR_TOKEN. The program needs no package.
The car stops when the gamepad is unplugged, and when no event of the gamepad has come for STILL_S: a wireless gamepad out of
range sends no event, and its last stick would stay. A stick that is held at its end sends none either: move it a little.
"""

import contextlib
import os
import struct
import sys
import time

from picar.client import Car, CarError

STILL_S = 2.0
EVENT = struct.Struct("IhBB")  # time, value, type, number; linux/joystick.h
BUTTON, AXIS, AT_START = 1, 2, 0x80
STEERING, THROTTLE = 0, 1  # axes of the left stick


def drive(car: Car, gamepad: int) -> None:
    """Follow the sticks until the gamepad is unplugged."""
    axes, moved_at = {STEERING: 0, THROTTLE: 0}, 0.0
    while True:
        with contextlib.suppress(BlockingIOError):  # no further event
            while data := os.read(gamepad, EVENT.size):
                _, value, kind, number = EVENT.unpack(data)
                if kind == AXIS:
                    axes[number], moved_at = value, time.monotonic()
                elif kind == BUTTON and value and number in (0, 1):
                    (car.estop, car.reset)[number]()
            sys.exit("The gamepad is unplugged.")
        held = time.monotonic() - moved_at < STILL_S and car.state["state"] != "stopped"
        throttle, steering = (max(-1.0, axes[axis] / 32767) for axis in (THROTTLE, STEERING))
        car.drive(-throttle, steering) if held else car.drive(0.0)
        car.sleep(0.03)


if __name__ == "__main__":
    try:
        file = os.open(sys.argv[2] if sys.argv[2:] else "/dev/input/js0", os.O_RDONLY | os.O_NONBLOCK)
        with Car(*sys.argv[1:2]) as the_car:
            drive(the_car, file)
    except (CarError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass  # the end of the `with` block has stopped the car
