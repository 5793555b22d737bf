"""The claimed pins of a board, and the channel of a motor, which writes the rows of its kind to them."""

from __future__ import annotations

from collections.abc import Callable

from picar.calibration.values import Calibration
from picar.motor.pins import Pin
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from picar.motor.boards.kinds import Kind


class Line:
    """A claimed pin that is written only when its value changes.

    Args:
        pin: the pin.
        rest: the value that brings the board to rest.
        value: the value after the claim, None if unknown.
    """

    __slots__ = ("_pin", "rest", "value")

    def __init__(self, pin: Pin, rest: float = 0, value: float | None = 0.0) -> None:
        self._pin, self.rest = pin, rest
        self.value = value  # None when a write failed

    @property
    def highest(self) -> float:
        """The value, or 1 while it is not known."""
        return 1.0 if self.value is None else self.value

    def set(self, value: float) -> None:
        """Write a value, unless it is the one written last."""
        if value != self.value:
            self.write(value)

    def write(self, value: float) -> None:
        """Write a value in any case."""
        self.value = None
        self._pin.set(value)
        self.value = value


_Level = tuple[Line, int | None]  # None stands for the duty cycle


class Channel:
    """The lines of one motor, by role, and the rows of its kind.

    `settle` is called between the speed and the inputs: it commits the speed where a chip has it, and not the inputs.
    """

    def __init__(self, kind: Kind, lines: dict[str, Line], settle: Callable[[], None] | None = None) -> None:
        self.kind, self._settle = kind, settle
        self.speed = [lines[role] for role in kind.terminals if role == "pwm"]
        self.inputs = [lines[role] for role in kind.terminals if role != "pwm"]
        self._rows = {row: self._levels(row) for row in (kind.forward, kind.reverse, kind.coast, kind.brake)}

    def turn(self, duty: float, most: float, forward: bool) -> None:
        """Drive the motor with a duty cycle in (0, 1], at most `most`."""
        self._write(self.kind.forward if forward else self.kind.reverse, min(duty, most))

    def brake(self) -> None:
        """Short-circuit the motor."""
        self._write(self.kind.brake)

    def coast(self) -> None:
        """Release the motor while another one turns; on some boards that is a brake."""
        self._write(self.kind.coast)

    def calibrate(self, calibration: Calibration) -> None:
        """Do nothing: the caller calculates the duty cycles."""

    def rest(self) -> None:
        """Make all lines low."""
        for line in (*self.speed, *self.inputs):
            line.set(0)

    def _levels(self, row: str) -> tuple[list[_Level], list[_Level]]:
        """Return the levels of the speeds and of the inputs."""
        levels = [
            (line, None if level == "D" else int(level))
            for line, level in zip((*self.speed, *self.inputs), row, strict=True)
        ]
        return levels[: len(self.speed)], levels[len(self.speed) :]

    def _write(self, row: str, duty: float = 0.0) -> None:
        speeds, inputs = self._rows[row]
        changes = [
            (level, line)
            for line, wanted in inputs
            if (level := duty if wanted is None else wanted) != line.value
        ]
        if changes:
            for line in self.speed:
                line.set(0)
            if self._settle:
                self._settle()
            for level, line in sorted(changes, key=lambda change: change[0] - change[1].highest):
                line.set(level)
        for line, wanted in speeds:
            line.set(duty if wanted is None else wanted)
