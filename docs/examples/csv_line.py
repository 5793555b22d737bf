"""Drive a line from a CSV file, whose rows are: seconds, throttle, steering.

    .venv/bin/python docs/examples/csv_line.py CAR:8000 docs/examples/line.csv

A car with two driven sides turns on the spot if throttle is 0; + is forward and right. The token is in $PICAR_TOKEN.
The whole file is checked before the car moves.
"""

import csv
import sys
from pathlib import Path

from picar.client import Car, CarError

LONGEST_S = 60.0


def read(file: Path) -> list[tuple[float, float, float]]:
    """Return the rows of a file; a wrong row is a ValueError with its number."""
    rows = []
    with file.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            try:
                seconds, throttle, steering = map(float, row)
            except ValueError:
                raise ValueError(f"row {number} is not: seconds, throttle, steering") from None
            if not (0 <= seconds <= LONGEST_S and abs(throttle) <= 1 and abs(steering) <= 1):
                raise ValueError(f"row {number}: 0 to {LONGEST_S:.0f} s, throttle and steering from -1 to 1")
            rows.append((seconds, throttle, steering))
    return rows


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: csv_line.py CAR:8000 FILE")
    try:
        line = read(Path(sys.argv[2]))
        with Car(sys.argv[1]) as car:
            for time_s, forward, right in line:
                car.drive(forward, right)
                car.sleep(time_s)
    except (CarError, OSError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass  # the end of the `with` block has stopped the car
