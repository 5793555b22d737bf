"""An old picture, and a late link, make the car slow: the driver sees, and reacts to, a place that the car has left.

The age of a command is the age of the state that it answers (`link.py`). The link is late while more than a tenth of the
driver's commands of the last `WINDOW_S` are older than a limit: then their 90th percentile is above it.

The server computes the age from the time of capture of the newest picture on the driver's screen, before the first picture
from the time at which pictures were wanted. The rule holds only while the picture fills the screen; otherwise the driver
drives by eye.

Laws:
- A late link, and an old picture, lower the cap and never raise it.
- The cap of a late link falls at once. It rises after `GOOD_FOR_S` without a late link, or when the wheel changes hands.
- The cap of an old picture rises only after `GOOD_FOR_S` of fresh pictures without a break.
- With `stops`, commands are refused after a stop until the pictures are fresh again and the driver has let go.
- A driver who wants no pictures for a time, or has just come back, changes neither: only the report to drive by eye does.
- A neutral command is never refused.
- Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 2.0
LATE_SPEEDS = (
    1.0,
    0.6,
    0.3,
)  # shares of max_speed: in time, above the limit, above `VERY_LATE` times the limit
VERY_LATE = 1.5
_LEAST_COMMANDS = 10  # fewer say nothing about the link
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


class LateLink:
    """The judgement on the driver's link: `speed` is the cap.

    Args:
        slow_from_s: age of commands above which the link is late (`[session] slow_from_s`); 0 for never.
    """

    def __init__(self, slow_from_s: float) -> None:
        self._limits = (slow_from_s, slow_from_s * VERY_LATE)
        self._commands = deque[float]()  # the times of the commands of the window
        self._late = deque[float](), deque[float]()  # of those above each limit
        self._level = 0
        self._good_since = 0.0

    @property
    def speed(self) -> float:
        """The cap, a share of `max_speed`."""
        return LATE_SPEEDS[self._level]

    def take(self, age_s: float, now: float) -> bool:
        """Take a command of this age. Returns whether the cap has changed."""
        if not self._limits[0]:
            return False
        self._commands.append(now)
        for limit, late in zip(self._limits, self._late, strict=True):
            if age_s > limit:
                late.append(now)
        for times in (self._commands, *self._late):
            while times and now - times[0] > WINDOW_S:
                times.popleft()
        return self._judge(now)

    def _judge(self, now: float) -> bool:
        before, commands = self._level, len(self._commands)
        late, very_late = self._late
        level = (len(late) > commands / 10) + (len(very_late) > commands / 10)
        if commands < _LEAST_COMMANDS:
            level = before
        if level >= before:
            self._good_since = now
        if level > before or now - self._good_since >= GOOD_FOR_S:
            self._level, self._good_since = level, now
        return self._level != before
