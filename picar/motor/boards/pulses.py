"""Servo pulses: a steering servo, and an ESC (electronic speed controller) with its motor.

Laws:
- A pulse of the servo is between the pulses of its two ends.
- A pulse of the ESC is at most `most_us` from the configured neutral, with any calibration; under a cap, at most that share of it.
- What is no number in [-1, 1] is refused.
- To stop is the neutral pulse. It is no brake: an ESC that has stopped takes the pulse of its brake for reverse. And it is not
  the end of the pulses: what an ESC does then depends on its model (PX4 pull request 19805).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from picar.calibration.values import Calibration
from picar.errors import PinError
from picar.motor.boards.lines import Line

TAP_S = 0.15  # the brake of an ESC, and the neutral after it, before it drives backwards


class Servo:
    """The steering servo.

    Args:
        line: its signal.
        trim: see the section `[steering]`.
    """

    def __init__(self, line: Line, trim: float) -> None:
        self._line, self._trim = line, trim

    def calibrate(self, calibration: Calibration) -> None:
        """Take the ends and the middle."""
        self._left_us, center_us, self._right_us = calibration.ends
        self._middle_us = center_us + self._way(center_us, self._trim)

    def turn(self, steering: float) -> None:
        """Turn to a place in [-1, 1]; + is right."""
        self._line.set(round(self._middle_us + self._way(self._middle_us, _share(steering))))

    def _way(self, middle_us: float, share: float) -> float:
        end_us = self._right_us if share > 0.0 else self._left_us
        return abs(share) * (end_us - middle_us)


class Esc:
    """The channel of a motor with an ESC; see `lines.Channel`.

    Args:
        line: its signal.
        reverse: see the section `[esc]`.
        middle_us: the configured neutral pulse.
        most_us: the distance of the highest pulse from it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        line: Line,
        reverse: str,
        middle_us: int,
        most_us: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed = [line]
        self.inputs: list[Line] = []
        self._line, self._reverse, self._clock = line, reverse, clock
        self._middle_us, self._most_us = middle_us, most_us
        self._drives_backwards = reverse == "direct"
        self._tap: list[float] = []  # when its brake began, and the neutral after it

    def calibrate(self, calibration: Calibration) -> None:
        """Take the neutral pulse."""
        self._neutral_us = calibration.neutral_us
        self._line.rest = self._neutral_us

    def turn(self, duty: float, most: float, forward: bool) -> None:
        """Drive the motor with a share of `most_us` in (0, 1], and by no pulse further than `most` from the configured neutral."""
        if forward:
            self._tap.clear()
            self._drives_backwards = self._reverse == "direct"
            self._pulse(duty, most)
        else:
            self._pulse(-duty if self._may_reverse() else 0.0, most)

    def rest(self) -> None:
        """Send the neutral pulse."""
        self._tap.clear()
        self._pulse(0.0)

    brake = coast = rest

    def _may_reverse(self) -> bool:
        """Return whether a reverse pulse is due; for `double` there is a pause between the first and the second one."""
        if self._drives_backwards or self._reverse == "none":
            return self._drives_backwards
        now = self._clock()
        if not self._tap or (len(self._tap) < 2 and now - self._tap[0] >= TAP_S):
            self._tap.append(now)
        self._drives_backwards = len(self._tap) > 1 and now - self._tap[1] >= TAP_S
        return self._drives_backwards or len(self._tap) == 1

    def _pulse(self, share: float, most: float = 1.0) -> None:
        pulse_us = self._neutral_us + _share(share) * self._most_us
        if share:
            most_us = self._most_us * min(1.0, most)
            pulse_us = max(self._middle_us - most_us, min(self._middle_us + most_us, pulse_us))
        self._line.set(round(pulse_us))


def _share(value: float) -> float:
    if not -1.0 <= value <= 1.0:  # NaN is in no range
        raise PinError(f"{value!r} is not a share of a servo's way from -1 to 1")
    return value
