"""The pace of the pictures: which of them a viewer receives, and how large and how many they are on a slow link.

A picture holds a radio for its whole transfer, and the driver's ticks wait behind it. On 1.5 Mbit/s, one picture of 38 kB
stopped the car in a prototype.

Laws:
- Of each viewer one picture is on its way; a second one only while the newest trip was shorter than `SHORT_S`.
- The ladder goes down by the trips of pictures alone, at most once in `HOLD_S`; it goes up only after `GOOD_S` of short trips.
- Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import deque

SHORT_S = 0.05  # of a trip: the link has room for a second picture
DEAF_S = 5.0  # a viewer that shows no picture for so long has gone
LATE_S, VERY_LATE_S, GOOD_TRIP_S = 0.08, 0.2, 0.04  # of a trip
SAMPLES, LEAST_SAMPLES = 5, 3
HOLD_S = 0.3
GOOD_S, LONGEST_WAIT_S = 3.0, 60.0
_EARLY = 0.3  # share of a period by which a picture may come early: a camera's clock is not the server's


class Pacing:
    """The pictures on their way to one viewer.

    `newest` is the `seq` of the newest picture that was sent. `trip_s` is the time from sending to the viewer's answer, and
    `captured_s` the time of capture, both of the newest picture that was answered; 0 before.

    Args:
        fps: the most pictures a second that this viewer wants; 0: it is paused.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.trip_s = self.captured_s = 0.0
        self._on_their_way: dict[
            int, tuple[float, float]
        ] = {}  # by seq: when it was sent and captured; the oldest first
        self._next_at = float("-inf")
        self.newest = 0

    @property
    def paused(self) -> bool:
        """Whether the viewer wants no pictures."""
        return self.fps == 0

    def want(self, fps: float) -> None:
        """Take the most pictures a second. After a pause, pictures sent before the pause need no answer."""
        if self.paused:
            self._on_their_way.clear()
        self.fps = fps

    def may_send(self, seq: int, most_fps: float, now: float) -> bool:
        """Return whether this picture may be sent now; `most_fps` is the server's limit."""
        if self.paused or seq <= self.newest:
            return False
        room = 2 if 0.0 < self.trip_s < SHORT_S else 1
        period_s = 1.0 / min(self.fps, most_fps)
        return len(self._on_their_way) < room and now >= self._next_at - _EARLY * period_s

    def sent(self, seq: int, most_fps: float, now: float, captured_s: float) -> None:
        """Record that a picture was sent; `captured_s` is the time of its capture."""
        period_s = 1.0 / min(self.fps, most_fps)
        self._next_at = max(self._next_at, now - _EARLY * period_s) + period_s
        self._on_their_way[seq] = now, captured_s
        self.newest = seq

    def seen(self, seq: int, now: float) -> float | None:
        """Settle this picture and all earlier ones. Returns the trip, or None for a picture that was not on its way."""
        if seq not in self._on_their_way:
            return None
        sent_at, self.captured_s = self._on_their_way[seq]
        self._on_their_way = {later: times for later, times in self._on_their_way.items() if later > seq}
        self.trip_s = max(now - sent_at, 1e-6)
        return self.trip_s

    def is_deaf(self, now: float) -> bool:
        """Return whether the viewer has left a picture unanswered for too long."""
        return not self.paused and any(now - sent_at > DEAF_S for sent_at, _ in self._on_their_way.values())


class Ladder:
    """The quality of the pictures of all viewers together, by the trips of one of them.

    `level` is 0 at the best quality; `hold` sets the best level that is allowed.

    Args:
        levels: number of levels.
        spectator_fps: the most pictures a second for a spectator.
    """

    def __init__(self, levels: int, spectator_fps: int) -> None:
        self.level = self._best = 0
        self._levels, self._spectator_fps = levels, spectator_fps
        self._share = 1  # how many times slower spectators get their pictures
        self._trips: deque[float] = deque(maxlen=SAMPLES)
        self._good_since: float | None = None
        self._changed_at = self._rose_at = float("-inf")
        self._wait_s = GOOD_S

    @property
    def spectator_fps(self) -> float:
        """The most pictures a second for a spectator at present; at least 1."""
        return max(1.0, self._spectator_fps / self._share)

    def hold(self, best: int) -> None:
        """Set the best level that is allowed, for a viewer that saves data. From there, quality rises by trips alone."""
        self._best = best
        self.level = max(self.level, best)

    def forget(self) -> None:
        """Forget the trips: another viewer's count from now on."""
        self._trips.clear()
        self._good_since = None

    def take(self, trip_s: float, spectators: bool, now: float) -> None:
        """Take a trip of the viewer that steers the ladder.

        Args:
            trip_s: of one picture.
            spectators: whether spectators watch.
            now: the time.
        """
        self._trips.append(trip_s)
        if len(self._trips) < LEAST_SAMPLES:
            return
        usual_s = sorted(self._trips)[len(self._trips) // 2]  # the median: the module statistics is large
        if usual_s >= GOOD_TRIP_S:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        if usual_s > LATE_S and now - self._changed_at >= HOLD_S:
            self._down(2 if usual_s > VERY_LATE_S else 1, spectators, now)
        elif self._good_since is not None and now - max(self._good_since, self._changed_at) >= self._wait_s:
            self._up(now)

    def _down(self, steps: int, spectators: bool, now: float) -> None:
        if spectators and self.spectator_fps > 1.0:
            self._share *= 2
        elif self.level < self._levels - 1:
            self.level = min(self._levels - 1, self.level + steps)
        else:
            return
        if now - self._rose_at < self._wait_s:  # the last step up was wrong
            self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)
            self._rose_at = float("-inf")
        self._changed_at = now

    def _up(self, now: float) -> None:
        if now - self._rose_at < 2 * self._wait_s:  # two steps in a row: the first one was right
            self._wait_s = GOOD_S
        if self.level > self._best:
            self.level -= 1
        elif self._share > 1:
            self._share //= 2
        else:
            return
        self._changed_at = self._rose_at = now
