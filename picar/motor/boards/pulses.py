"""Servo pulses: a steering servo, and an ESC (electronic speed controller) with its motor.

Laws:
- A pulse of the servo is between the pulses of its two ends.
- A pulse of the ESC is at most `full_us` from the configured neutral, with any calibration.
- To stop is the neutral pulse. It is no brake: an ESC that has stopped takes the pulse of its brake for reverse. And it is not
  the end of the pulses: what an ESC does then depends on its model (PX4 pull request 19805).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from picar.calibration.values import Calibration
from picar.motor.boards.lines import Line

if TYPE_CHECKING:
    from picar.config import EscConfig

RANGE_US = 500  # between neutral and full throttle of an ESC, or the middle and the end of a servo
ARMING_S = 2.0  # of neutral pulses, before an ESC obeys
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
        self._line.set(round(self._middle_us + self._way(self._middle_us, steering)))

    def _way(self, middle_us: float, share: float) -> float:
        end_us = self._right_us if share > 0.0 else self._left_us
        return abs(share) * (end_us - middle_us)


class Esc:
    """The channel of a motor with an ESC; see `lines.Channel`.

    Args:
        line: its signal.
        config: the section `[esc]` as configured.
        clock: seconds, monotonic.
    """

    def __init__(self, line: Line, config: EscConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.speed = [line]
        self.inputs: list[Line] = []
        self._line, self._config, self._clock = line, config, clock
        self._full_us = full_us(config)
        self._drives_backwards = config.reverse == "direct"
        self._tapped_at: float | None = None

    def calibrate(self, calibration: Calibration) -> None:
        """Take the neutral pulse."""
        self._neutral_us = calibration.neutral_us
        self._line.rest = self._neutral_us

    def turn(self, duty: float, forward: bool) -> None:
        """Drive the motor with a share of `full_us` in (0, 1]."""
        if forward:
            self._tapped_at = None
            self._drives_backwards = self._config.reverse == "direct"
            self._pulse(duty)
        else:
            self._pulse(-duty if self._may_reverse() else 0.0)

    def rest(self) -> None:
        """Send the neutral pulse."""
        self._tapped_at = None
        self._pulse(0.0)

    brake = coast = rest

    def _may_reverse(self) -> bool:
        """Return whether a reverse pulse is due; for `double` there is a pause between the first and the second one."""
        if self._drives_backwards or self._config.reverse == "none":
            return self._drives_backwards
        now = self._clock()
        if self._tapped_at is None:
            self._tapped_at = now
        passed_s = now - self._tapped_at
        self._drives_backwards = passed_s >= 2 * TAP_S
        return self._drives_backwards or passed_s < TAP_S

    def _pulse(self, share: float) -> None:
        middle_us, most_us = self._config.neutral_us, self._full_us
        pulse_us = self._neutral_us + share * most_us
        self._line.set(round(max(middle_us - most_us, min(middle_us + most_us, pulse_us))))


def full_us(config: EscConfig) -> float:
    """Return the distance of the highest pulse from neutral."""
    return config.max_throttle * RANGE_US
