"""Wait for a condition with a deadline; tests never guess how long something takes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 20.0  # generous: a loaded two-core machine


T = TypeVar("T")


async def until(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Return the first true value of `look`, called every 5 ms."""
    give_up_at = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"waited {deadline_s:g} s in vain: {what}"
        await asyncio.sleep(0.005)
    return found


class News:
    """Wakes a test that waits for something that a message brings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Report that a message has come."""
        self._event.set()

    async def until(self, happened: Callable[[], object], what: Callable[[], str]) -> None:
        """Wait until `happened()`, which is called again after every message.

        Raises:
            TimeoutError: it did not.
        """
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not happened():
                    self._event.clear()
                    await self._event.wait()
        except TimeoutError:
            raise TimeoutError(f"waited {DEADLINE_S:g} s in vain: {what()}") from None


def heed_ctrl_c() -> None:
    """Let a child obey SIGINT (`preexec_fn`): a shell starts its background jobs with that signal ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
