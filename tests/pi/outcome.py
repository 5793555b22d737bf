"""What became of each fault, for the table at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell of the matrix backend, persistence, fault.

    Args:
        backend: picar's, and which library was beneath.
        persist: whether the kernel leaves released pins as they were.
        fault: in words.
        low_after_s: from the fault to the first reading with no enable pin high.
        gap_s: the longest time between two readings around it: so much less it may have been.
        became: what the enable pins were just after: "low" outputs, or "input".
    """

    backend: str
    persist: bool
    fault: str
    low_after_s: float
    gap_s: float
    became: str

    def __str__(self) -> str:
        cells = (
            self.backend,
            "yes" if self.persist else "no",
            self.fault,
            f"{self.low_after_s:.2f}",
            f"{self.gap_s:.2f}",
            self.became,
        )
        return f"| {' | '.join(cells)} |"


outcomes: list[Outcome] = []


def heading() -> tuple[str, str]:
    """Return the table's head."""
    return (
        "| library | pins persist | fault | EN low after (s) | between readings (s) | EN then |",
        "|---|---|---|---|---|---|",
    )
