"""Reads a pin trace as it grows, and tells how the wheels turned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

SIDES = ((12, 23, 24), (13, 27, 22))  # enable, forward, reverse


class PinWatch:
    """The wheels since the last look.

    Args:
        file: the trace.
        let_it_write: waits until all pin writes so far are in it.
    """

    def __init__(self, file: Path, let_it_write: Callable[[], None]) -> None:
        self._let_it_write = let_it_write
        self._file = file.open(encoding="utf-8")
        self._rest = ""
        self._levels: dict[int, float] = {}
        self.writes = 0

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def turned(self) -> set[str]:
        """Return which ways a wheel turned since the last call: forward, reverse, both or none."""
        self._let_it_write()
        lines = (self._rest + self._file.read()).split("\n")
        self._rest = lines.pop()
        turned = set(self.turns())
        for line in lines:
            write = json.loads(line)
            self.writes += 1
            self._levels[write["pin"]] = write["value"]
            turned |= self.turns()
        return turned

    def turns(self) -> set[str]:
        """Return which ways a wheel turns now; a brake turns none."""
        found = set()
        for enable, forward, reverse in SIDES:
            difference = self._levels.get(forward, 0) - self._levels.get(reverse, 0)
            if self._levels.get(enable) and difference:
                found.add("forward" if difference > 0 else "reverse")
        return found
