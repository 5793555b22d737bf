"""A switch between a pin and GND: a bumper, or an infrared cliff sensor with an open collector."""

from __future__ import annotations

import math
from typing import Literal

from picar.core.obstacle import ObstacleCap
from picar.motor.ranging.lines import EDGES, INPUT, PULL_UP, Line

DEBOUNCE_US = 5000


class Switch:
    """The switch (`ranging.Source`).

    Args:
        line: its pin, high while the switch is open.
        when: the state that means an obstacle.
    """

    def __init__(self, line: Line, when: Literal["closed", "open"]) -> None:
        self._line, self._obstacle = line, int(when == "open")
        self._read = False

    @classmethod
    def open(cls, pin: int | str, when: Literal["closed", "open"]) -> Switch:
        """Claim the pin; raises BackendError. The kernel removes the bounces."""
        return cls(Line.claim(pin, INPUT | EDGES | PULL_UP, DEBOUNCE_US), when)

    def fileno(self) -> int:
        """Return the descriptor of the pin."""
        return self._line.fileno()

    def advance(self, judge: ObstacleCap, now: float) -> None:  # noqa: ARG002 - a switch has no age
        """Read the level, at first and after each edge."""
        if self._line.edges() or not self._read:
            judge.contact = self._line.level() == self._obstacle
            self._read = True

    def next_event(self) -> float:
        """Return infinity: the descriptor wakes the loop."""
        return math.inf
