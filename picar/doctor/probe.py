"""Try one GPIO library, in a process of its own: it may start threads, crash, or never return.

`python -m picar.doctor.probe NAME` claims no pin; exit code 0 when the library works, else 1 and why.
"""

from __future__ import annotations

import sys

from picar.errors import BackendError
from picar.motor import pins


def main(name: str) -> int:
    """Return the exit code."""
    try:
        pins.choose(name, None)
    except BackendError as error:
        sys.stderr.write(str(error).removeprefix(f"--pins {name}: "))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
