"""Drive a square: the shortest example of a program that drives the car. docs/python.md explains it.

    .venv/bin/python docs/examples/square.py CAR:8000 [TOKEN]

The times are those of the simulated car. Measure your own: the battery and the floor change them.
"""

import sys

from picar.client import Car, CarError

SPEED = 0.5  # share of full speed
SIDE_S = 2.0
TURN, CORNER_S = 0.25, 0.58  # share of full speed, and time for a quarter of a turn on the spot


def square(car: Car) -> None:
    """Drive four sides, with a turn to the right after each."""
    for _ in range(4):
        car.forward(SPEED)
        car.sleep(SIDE_S)
        car.stop()
        car.sleep(0.5)
        car.right(TURN)
        car.sleep(CORNER_S)
        car.stop()
        car.sleep(0.5)


if __name__ == "__main__":
    try:
        with Car(*sys.argv[1:3]) as the_car:
            square(the_car)
    except CarError as error:
        sys.exit(f"{error.code}: {error}")
    except KeyboardInterrupt:
        pass  # the end of the `with` block has stopped the car
