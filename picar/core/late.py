"""An old picture makes the car slow: the picture shows a place that the car has left.

The server computes the age from the time of capture of the newest picture on the driver's screen, before the first picture
from the time at which pictures were wanted. The rule holds only while the picture fills the screen; otherwise the driver
drives by eye.

Laws:
- An old picture lowers the cap and never raises it; it rises only after `GOOD_FOR_S` of fresh pictures without a break.
- With `stops`, commands are refused after a stop until the pictures are fresh again and the driver has let go.
- A driver who wants no pictures for a time, or has just come back, changes neither: only the report to drive by eye does.
- A neutral command is never refused.
- Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

OLD_S = 0.4
STOP_S = 0.8  # with `late = "stop"`
FRESH_S, GOOD_FOR_S = 0.25, 1.0
SLOW_SPEED = 0.5  # a share of max_speed
PULSES = 2  # in a row with an old picture: one late pulse is not enough
_AWAITED_S = 0.3  # the least age of a picture that was not drawn yet: neither fresh nor old


class Sight:
    """The picture on a client's screen. `by_camera`: the client drives by it; None before the client has reported that."""

    __slots__ = ("_least_s", "_since", "by_camera")

    def __init__(self) -> None:
        self.by_camera: bool | None = None
        self._since: float | None = None  # None if the client wants no pictures
        self._least_s = 0.0

    def expect(self, now: float) -> None:
        """Record that pictures are wanted: the age counts from now, unless a picture was drawn."""
        if self._since is None:
            self._since, self._least_s = now, _AWAITED_S

    def draw(self, captured_s: float) -> None:
        """Record that a picture was drawn."""
        self._since, self._least_s = captured_s, 0.0

    def pause(self) -> None:
        """Record that no pictures are wanted."""
        self._since = None

    def age_s(self, now: float) -> float | None:
        """Return the age of the picture, or None if the client wants no pictures."""
        return None if self._since is None else max(self._least_s, now - self._since)


class LatePicture:
    """The judgement on the driver's picture: `speed` is the cap, `refuses` whether commands are refused.

    Args:
        stops: whether an old picture stops the car (`late = "stop"`), or only makes it slow.
    """

    def __init__(self, stops: bool) -> None:
        self._stops = stops
        self.speed = 1.0
        self.refuses = False
        self._old_pulses = 0
        self._good_since: float | None = None
        self._let_go = True

    def update(self, age_s: float | None, now: float) -> bool:
        """Take the age of the driver's picture, or None for a driver who drives by eye.

        Returns:
            Whether the car must stop now.
        """
        self._old_pulses = self._old_pulses + 1 if age_s is not None and age_s > OLD_S else 0
        if age_s is not None and age_s > FRESH_S:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        if self._old_pulses >= PULSES:
            self.speed = SLOW_SPEED
        elif age_s is None or self._is_good(now):
            self.speed = 1.0
        if self._stops and not self.refuses and age_s is not None and age_s > STOP_S:
            self.refuses = True
            return True
        self._recover(age_s, now)
        return False

    def wait(self) -> None:
        """Let time pass without a picture and without a driver by eye: fresh pictures count anew."""
        self._old_pulses, self._good_since = 0, None

    def takes(self, neutral: bool) -> bool:
        """Take a command of the driver. Returns whether it may go to the car."""
        self._let_go = neutral
        return neutral or not self.refuses

    def _recover(self, age_s: float | None, now: float) -> None:
        if self.refuses and self._let_go and (age_s is None or self._is_good(now)):
            self.refuses = False

    def _is_good(self, now: float) -> bool:
        return self._good_since is not None and now - self._good_since >= GOOD_FOR_S
