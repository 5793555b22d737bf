"""The spectators as the bench sees them: a process that joins, and is asked for its counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.server import ROOT, Server

JOIN_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 60.0
LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """How many states each spectator has had by a time, and what reading them took."""

    t: float
    cpu_s: float = 0.0
    states: Sequence[int] = ()


class Crowd:
    """Spectators that have joined. With `process` None there are none."""

    def __init__(self, process: asyncio.subprocess.Process | None) -> None:
        self._process = process

    async def seen(self) -> Seen:
        """Ask them."""
        if self._process is None:
            return Seen(time.monotonic())
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        answer = await _line(self._process, ANSWER_TIMEOUT_S)
        return Seen(time.monotonic(), **json.loads(answer))


@contextlib.asynccontextmanager
async def joined(server: Server, count: int) -> AsyncIterator[Crowd]:
    """Let so many spectators join a server, and leave at the end.

    Raises:
        RuntimeError: one could not join.
        TimeoutError: they could not in time.
    """
    if not count:
        yield Crowd(None)
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.spectators.load", str(urlsplit(server.url).port), str(count)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        if (said := await _line(process, JOIN_TIMEOUT_S)) != "ready":
            raise RuntimeError(f"{count} spectators at {server.name}: {said}")
        yield Crowd(process)
    finally:
        if process.returncode is None:
            process.kill()  # it holds nothing that needs an orderly end
        await process.wait()


async def _line(process: asyncio.subprocess.Process, timeout_s: float) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            return (await process.stdout.readline()).decode().strip()
    except TimeoutError:
        raise TimeoutError(f"the spectators said nothing for {timeout_s:g} s") from None
