"""A motor process with something odd about it: `python -m tests.motor.odd_motor ODDITY [PIN]`.

deaf       the pin raises whenever it shall leave zero
stuck      the pin raises whenever it shall go back to zero
print      the GPIO library prints with every write
"""

from __future__ import annotations

import sys

from picar.motor.__main__ import main
from picar.motor.pins.mock import MockPins

_ODDITY, _PIN = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else -1
_record = MockPins.record


def _odd_record(self: MockPins, bcm: int, op: str, value: float) -> None:
    if _ODDITY == "print":
        print("a library says hello")
    elif bcm == _PIN and op in ("write", "pwm"):
        level = self.levels[_PIN]
        if (_ODDITY == "deaf" and value) or (_ODDITY == "stuck" and level and not value):
            raise OSError(5, "the pin does not answer")
    _record(self, bcm, op, value)


if __name__ == "__main__":
    setattr(MockPins, "record", _odd_record)  # noqa: B010
    sys.exit(main())
