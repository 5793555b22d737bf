"""The lesson in force: from the garage to the motor process, to the speed caps and to the states.

Laws:
- The motor process receives one command when the hold begins or ends, and no other. It enforces the hold.
- No lesson is kept over a restart: both processes start without one, and the garage sends it again.
- A garage that is silent or gone changes nothing: its last lesson stays.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

from picar.access.visitor import FLEET, Visitor
from picar.car.limits import Limits
from picar.core.drive import Refusal
from picar.core.lesson import DRIVE, HOLD, SCOPES, Lesson, Lessons
from picar.core.protocol import MESSAGES
from picar.motor.channel import Channel

log = logging.getLogger(__name__)


class CurrentLesson:
    """Puts lessons into force.

    Args:
        channel: the way to the motor process.
        limits: the speed caps.
        changed: called with the mode after each change.
    """

    def __init__(self, channel: Channel, limits: Limits, changed: Callable[[str], None]) -> None:
        self._channel, self._limits, self._changed = channel, limits, changed
        self._lessons = Lessons()
        self._shown: dict[str, Any] | None = None
        self._connected, self._heard_at = 0, 0.0
        self.boot = secrets.token_hex(8)
        self.holds = False

    def put(self, scope: str, lesson: Lesson) -> bool:
        """Take a lesson. Returns False for an old one."""
        return self._follow(self._lessons.put(scope, lesson))

    def lift(self) -> None:
        """Lift the hold until the next lesson."""
        self._lessons.lift()
        self._follow(True)

    def put_fleet_cap(self, speed: float, allow_raise: bool) -> bool:
        """Set the fleet cap until the next lesson. Returns False for a higher one that is not allowed."""
        return self._follow(self._lessons.put_fleet_cap(speed, allow_raise))

    def joined(self, visitor: Visitor) -> None:
        """Count a connection of a garage or a bridge."""
        self._connected += visitor.kind in FLEET

    def left(self, visitor: Visitor, now: float) -> None:
        """Count the end of a connection."""
        self._connected -= visitor.kind in FLEET
        self.heard(visitor, now)

    def heard(self, visitor: Visitor | None, now: float) -> None:
        """Record that a garage or a bridge was there just now."""
        if visitor and visitor.kind in FLEET:
            self._heard_at = now

    @property
    def sentence(self) -> str:
        """The refusal of a held car, with the text of the lesson."""
        return f"{MESSAGES[Refusal.HELD]} {self._text}".rstrip()

    def state(self, now: float) -> dict[str, Any] | None:
        """Return the member `lesson` of a state."""
        if self._shown is None:
            return None
        return {**self._shown, "garage_s": None if self._connected else int(now - self._heard_at)}

    def fields(self) -> dict[str, Any]:
        """Return the lesson as a JSON object, for a request over HTTP."""
        lessons, strictest = self._lessons, self._lessons.strictest
        return {
            "mode": self._mode,
            "cap": lessons.cap,
            "text": self._text,
            "by": strictest.by if strictest else "",
            "boot": self.boot,
            "lifted": lessons.lifted,
            "fleet_cap": lessons.fleet_cap,
            **{scope: found and found._asdict() for scope in SCOPES for found in [lessons.of.get(scope)]},
        }

    @property
    def _mode(self) -> str:
        return HOLD if self.holds else DRIVE

    @property
    def _text(self) -> str:
        strictest = self._lessons.strictest
        return strictest.text if strictest else ""

    def _follow(self, accepted: bool) -> bool:
        """Put a change into force: the hold in the motor process first. Returns `accepted`."""
        lessons, held, shown = self._lessons, self.holds, self._shown
        self.holds = lessons.holds
        if self.holds != held:
            self._channel.hold(self.holds)
        self._limits.put("lesson", lessons.cap, lessons.cap)
        in_force = self.holds or lessons.cap < 1.0
        self._shown = {"mode": self._mode, "cap": lessons.cap, "text": self._text} if in_force else None
        if self._shown != shown:
            log.info("lesson: %s, speed cap %g", self._mode, lessons.cap)
            self._changed(self._mode)
        return accepted
