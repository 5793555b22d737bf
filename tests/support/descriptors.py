"""Descriptors of this process: their number, and which of many are readable, also above 1,023."""

from __future__ import annotations

import select
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar


class HasFileno(Protocol):
    """A socket, a pipe or a channel."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


T = TypeVar("T", bound=HasFileno)


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


def readable(files: Iterable[T], timeout_s: float = 0.0) -> list[T]:
    """Return the files that can be read or have ended; wait for the first if there is none.

    `select` raises ValueError for a descriptor of 1,024 or more, and a test process may have so many.
    """
    by_number = {file.fileno(): file for file in files}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(timeout_s * 1000)]
