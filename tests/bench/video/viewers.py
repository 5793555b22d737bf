"""Viewers in a process of their own: `python -m tests.bench.video.viewers URL seen|silent`.

Each line of its standard input is a number of viewers. It lets so many watch, and answers with the pictures of each so far, in JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator

from tests.bench.server import ROOT
from tests.support.viewer import Viewer

ANSWER_TIMEOUT_S = 30.0


class Counting(Viewer):
    """A viewer that keeps the newest picture only."""

    pictures = 0

    def receive(self, message: str | bytes) -> None:
        super().receive(message)
        self.pictures += isinstance(message, bytes)
        del self.shown[:-1]


class Viewers:
    """The process, as the bench sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def watch(self, count: int) -> list[int]:
        """Let so many watch. Returns the pictures of each so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % count)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer: list[int] = json.loads(await self._process.stdout.readline())
            return answer


@contextlib.asynccontextmanager
async def viewers(url: str, *, answer: bool = True) -> AsyncIterator[Viewers]:
    """Start the process for a server; `answer`: whether the viewers report each picture as seen."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.video.viewers", url, "seen" if answer else "silent"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Viewers(process)
    finally:
        process.kill()
        await process.wait()


async def main(url: str, answer: bool) -> None:
    """Watch until standard input ends."""
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    watching: list[Counting] = []
    while line := await asked.readline():
        for _ in range(int(line) - len(watching)):
            watching.append(Counting(url, draws=answer))
            await watching[-1].open()
            await watching[-1].wait(lambda: watching[-1].pictures, "a picture")
        print(json.dumps([viewer.pictures for viewer in watching]), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # behind the driver and the server
    asyncio.run(main(sys.argv[1], sys.argv[2] == "seen"))
