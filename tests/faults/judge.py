"""Read a pin trace: when did the wheels lose their power after the fault, and did a pin ever rise again?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.measure import Write

ENABLES = (12, 13)
INPUTS = (22, 23, 24, 27)


def powering(jumpers: bool) -> tuple[int, ...]:
    """Return the pins that must all be low: the enables; with jumpers on the board, the inputs."""
    return INPUTS if jumpers else ENABLES


@dataclass(frozen=True, slots=True)
class Verdict:
    """The levels of the pins around a fault.

    `drove` is true if any pin was high when the fault struck. `low_at` is the time since which all pins stay low, or None.
    `rose` has each write that raised a pin after all were low for the first time since the fault.
    """

    drove: bool
    low_at: float | None
    rose: tuple[Write, ...]


def written(writes: Iterable[Write]) -> Iterable[Write]:
    """Return those that set a pin."""
    return (write for write in writes if write.op in ("write", "pwm"))


def judge(writes: Iterable[Write], watched: Iterable[int], hit_at: float) -> Verdict:
    """Judge a trace.

    A claim or a close that the trace tells of is no write: what a backend does then is its own affair, and a pin is low
    when picar wrote it low.

    Args:
        writes: of both processes, in any order.
        watched: pins that must be low; see `powering`, and `terminals` for another board.
        hit_at: when the fault struck.
    """
    levels = dict.fromkeys(watched, 0.0)
    low_at: float | None = float("-inf")
    drove = decided = False
    rose: list[Write] = []
    for write in sorted(written(writes), key=lambda each: each.t):
        if write.t >= hit_at and not decided:
            drove, decided = low_at is None, True
        if decided and low_at is not None and write.value:
            rose.append(write)
        if write.pin in levels:
            levels[write.pin] = write.value
            if any(levels.values()):
                low_at = None
            elif low_at is None:
                low_at = write.t
    return Verdict(drove if decided else low_at is None, low_at, tuple(rose))
