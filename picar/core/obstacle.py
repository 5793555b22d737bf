"""The forward speed that a distance sensor or a switch allows. `Drive.obstacle` obeys the result.

Laws:
- The cap is a share of `max_speed` in [0, 1]. It concerns forward speed alone: the car can always back out and turn away.
- The distance is the median of the last three readings, so that one wrong reading has no effect.
- The distance is unknown until there are three readings, and when there was no reading for `UNKNOWN_AFTER_S`. Then the cap is
  `SLOW_CAP`: a dead sensor makes the car slow, and the car can be driven home.
- The cap is 0 up to `stop_m`, 1 from `slow_m`, and linear between them. After a 0 it stays 0 until all three readings
  are more than `RELEASE_M` above `stop_m`, so that noise does not make the car creep.
- A switch that means an obstacle is a cap of 0; one that does not is a cap of 1.
- An override makes the cap `SLOW_CAP`, never more, and lasts at most `OVERRIDE_S`. An override during an override does not
  make it longer.
"""

from __future__ import annotations

import math
from collections import deque

SLOW_CAP = 0.3
UNKNOWN_AFTER_S = 0.3  # five cycles of an HC-SR04
OVERRIDE_S = 10.0
RELEASE_M = 0.03  # three times the noise of an HC-SR04
MEDIAN_OF = 3


class ObstacleCap:
    """The judgement of one sensor.

    Args:
        stop_m: distance at which the cap is 0.
        slow_m: distance from which the cap is less than 1; more than `stop_m`.

    `contact` is the state of a switch: whether it means an obstacle; None if it is unknown, or if the sensor measures a distance.
    All times are seconds of one monotonic clock and never run backwards from call to call.
    """

    def __init__(self, stop_m: float, slow_m: float) -> None:
        self._stop_m, self._slow_m = stop_m, slow_m
        self._readings: deque[float] = deque(maxlen=MEDIAN_OF)
        self._stale_at = self._override_until = -math.inf
        self._holds = False
        self.contact: bool | None = None

    def measured(self, m: float, now: float) -> None:
        """Take a reading in m: of an echo, or the sensor's range if nothing is within it. Another number is no reading."""
        if not 0.0 <= m < math.inf:  # NaN is in no range
            return
        if now >= self._stale_at:
            self._readings.clear()
        self._readings.append(m)
        self._stale_at = now + UNKNOWN_AFTER_S
        distance = self.distance(now)
        if distance is None:
            return
        if distance <= self._stop_m:
            self._holds = True
        elif min(self._readings) > self._stop_m + RELEASE_M:
            self._holds = False

    def distance(self, now: float) -> float | None:
        """Return the distance in m, None if it is not known."""
        if len(self._readings) < MEDIAN_OF or now >= self._stale_at:
            return None
        return sorted(self._readings)[MEDIAN_OF // 2]

    def is_known(self, now: float) -> bool:
        """Return whether the sensor works."""
        return self.contact is not None or self.distance(now) is not None

    def cap(self, now: float) -> float:
        """Return the cap of forward speed."""
        if now < self._override_until:
            return SLOW_CAP
        if self.contact is not None:
            return 0.0 if self.contact else 1.0
        distance = self.distance(now)
        if distance is None:
            return SLOW_CAP
        if self._holds:
            return 0.0
        return min(1.0, (distance - self._stop_m) / (self._slow_m - self._stop_m))

    def override(self, now: float) -> None:
        """Begin an override."""
        if now >= self._override_until:
            self._override_until = now + OVERRIDE_S

    def end_override(self) -> None:
        """End an override."""
        self._override_until = -math.inf

    def overrides(self, now: float) -> bool:
        """Return whether an override is in force."""
        return now < self._override_until

    def next_event(self, now: float) -> float:
        """Return when the cap changes without a reading, infinity if it does not."""
        return min((at for at in (self._override_until, self._stale_at) if at > now), default=math.inf)
