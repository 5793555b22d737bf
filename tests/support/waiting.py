"""Wait for a condition with a deadline; tests never guess how long something takes."""

from __future__ import annotations

import asyncio
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
