"""The car with the camera process of the bench: `python -m tests.bench.video.car serve …`.

With `--pins sim` it logs each gap of the server's event loop.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

BEAT_S = 0.002
GAP_S = 0.003  # shorter gaps are not logged
MARK = "loop gap"


def patch_camera() -> None:
    """Start the bench's camera process in the place of the car's."""
    popen = subprocess.Popen

    def start(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if command[-1] == "picar.camera":
            command = [*command[:-1], "tests.bench.video.camera"]
        return popen(command, **more)

    setattr(subprocess, "Popen", start)  # noqa: B010


def patch_loop() -> None:
    """Let each event loop look at the clock every 2 ms."""
    run = asyncio.BaseEventLoop.run_forever

    def run_forever(self: asyncio.BaseEventLoop) -> None:
        self.call_soon(_beat, self, time.monotonic())
        run(self)

    setattr(asyncio.BaseEventLoop, "run_forever", run_forever)  # noqa: B010


def _beat(loop: asyncio.BaseEventLoop, due: float) -> None:
    now = time.monotonic()
    if now - due > GAP_S:
        print(MARK, due, now - due, file=sys.stderr, flush=True)
    loop.call_later(BEAT_S, _beat, loop, now + BEAT_S)


def longest_gap(log: str, since: float) -> float:
    """Return the longest gap that ended after this time, in seconds; 0 if none was logged."""
    gaps = [line.removeprefix(MARK).split() for line in log.splitlines() if line.startswith(MARK)]
    return max((float(gap) for due, gap in gaps if float(due) + float(gap) > since), default=0.0)


if __name__ == "__main__":
    from picar.__main__ import main

    patch_camera()
    if "sim" in sys.argv:
        patch_loop()
    sys.exit(main())
