"""One viewer of the camera: its connection, the pace of its pictures, and the picture on its screen.

`pictures.py` has all viewers and the camera.
"""

from __future__ import annotations

from typing import Protocol

from picar.access.visitor import Visitor
from picar.camera.frames import Frame
from picar.car.seat import Seat
from picar.core.pacing import Pacing

OLDEST_S = 1.0  # an older picture is not sent
TELL_S = 0.5  # between two texts about the camera


class Screen(Protocol):
    """The connection of a viewer. No call waits, and no call raises."""

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:
        """Send a picture, unless an earlier one is still in this process. Returns whether it was sent."""

    def tell(self, text: str) -> bool:
        """Send a text about the camera, unless something is still in this process. Returns whether it was sent."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""

    def drop(self) -> None:
        """Close the connection of a viewer that shows nothing any more."""


class Viewer:
    """One viewer; `level` is the best quality that it wants.

    Args:
        visitor: the admitted visitor.
        screen: its connection.
        seat: of the same browser at the car; None for a stream.
        fps: the most pictures a second that it wants.
        answers: whether it reports the pictures that it has drawn; a stream does not.
    """

    def __init__(
        self, visitor: Visitor, screen: Screen, seat: Seat | None, fps: float, *, answers: bool = True
    ) -> None:
        self.visitor, self.screen, self.seat, self.answers = visitor, screen, seat, answers
        self.pacing = Pacing(fps)
        self.level = 0
        self.present = False
        self._told, self._told_at = "", float("-inf")

    def want(self, fps: int, level: int, now: float) -> None:
        """Take the most pictures a second, and the best quality."""
        self.pacing.want(fps)
        self.level = level
        self.expect(now)

    def expect(self, now: float) -> None:
        """Record whether pictures are wanted from now on."""
        if self.seat and self.pacing.paused:
            self.seat.sight.pause()
        elif self.seat:
            self.seat.sight.expect(now)

    def leave(self, said_goodbye: bool) -> None:
        """Forget the picture, except after a broken connection: the client still drives by it."""
        if self.seat and (said_goodbye or not self.seat.sight.by_camera):
            self.seat.sight.pause()

    def seen(self, seq: int, now: float) -> float | None:
        """Record that a picture was drawn. Returns its trip, or None for a picture that was not on its way."""
        trip_s = self.pacing.seen(seq, now)
        if trip_s is not None and self.seat and not self.pacing.paused:
            self.seat.sight.draw(self.pacing.captured_s)
        return trip_s

    def offer(self, picture: Frame, most_fps: float, now: float) -> None:
        """Send a picture, if this viewer may have it now; `most_fps` is the server's limit."""
        captured_s = picture.captured_ns / 1e9
        age_s = max(0.0, now - captured_s)
        if age_s > OLDEST_S or not self.pacing.may_send(picture.seq, most_fps, now):
            return
        if self.screen.show(picture, age_s, self.pacing.trip_s):
            self.pacing.sent(picture.seq, most_fps, now, captured_s)

    def tell(self, text: str, now: float) -> None:
        """Send news about the camera, unless the last news was sent within `TELL_S`: then call this again later."""
        if text != self._told and now - self._told_at >= TELL_S and self.screen.tell(text):
            self._told, self._told_at = text, now
