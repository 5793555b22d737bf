"""How late the machine wakes a process that sleeps 1 ms, beside each run.

A process of its own, so that it measures the machine and not what the campaign does:
`python -m tests.faults.jitter` prints when it was woken and how late, for what is worth a line.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

NAP_S = 0.001
WORTH_S = 0.0002
REMEMBERED = 100_000  # a bad minute has a few thousand


class Jitter:
    """`async with Jitter() as jitter:` measures from then on."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._process: asyncio.subprocess.Process
        self._listening: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.jitter", stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._listening

    def worst(self, since: float, until: float) -> float:
        """Return the worst lateness in seconds between two monotonic times; what was not worth a line is 0."""
        assert self._process.returncode is None, "the jitter process has ended"
        return max((late for t, late in self._late if t >= since and t - late <= until), default=0.0)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            t, late = map(float, line.split())
            self._late.append((t, late))


ROOT = Path(__file__).parents[2]


def _sleep_for_ever() -> None:
    while True:
        before = time.monotonic()
        time.sleep(NAP_S)
        now = time.monotonic()
        if now - before - NAP_S > WORTH_S:
            os.write(1, f"{now:.6f} {now - before - NAP_S:.6f}\n".encode())


if __name__ == "__main__":
    _sleep_for_ever()
