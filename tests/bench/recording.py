"""A long drive that is recorded, beside the same drive that is not: `python -m tests.bench.recording [--seconds 600]`.

Two cars run at the same time, each with a camera of 15 pictures a second of 38 kB, one viewer, and a driver that sends 30 commands a
second. Both share the machine, so their figures compare. Bounds: no message lost, 1.5 % of a core more than the other car, and 1.2 times
the other car's 99th percentile from a command to its pin.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from picar.recording import mcap
from picar.recording.reader import opened
from tests.bench.clients import Picar
from tests.bench.measure import cpu_s, family
from tests.bench.rounds import Paced, paced_block
from tests.bench.server import CONFIG, Server
from tests.bench.video.run import CAMERA, CAR, first
from tests.bench.video.viewers import viewers
from tests.support.waiting import until

FPS = 15
GAP_S = 1 / 30
BLOCK = 300  # commands
MOST_CPU, MOST_RATIO = 0.015, 1.2


def car(folder: Path) -> Server:
    """Start a car whose camera makes 15 pictures a second."""
    camera = CAMERA.format("test", "steady") + f"fps = {FPS}\n"
    return Server("picar", folder, module=CAR, config=CONFIG + camera)


def recorder_of(server: Server) -> int:
    """Return the process id of the recorder."""
    found = [
        pid
        for pid in family(server.pids[0])
        if b"journal.recorder" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found[0]


async def record(server: Server, *, on: bool) -> dict[str, int]:
    """Start or end the recording as the driver; return the last state of it."""
    async with Picar(server) as client:
        await client.take()
        last = client.state["recording"] or {}
        await client.ask("record", on=on)
        await client.until(lambda s: bool(s["recording"]) == on)
        if on:
            await client.until(lambda s: s["recording"]["bytes"])
        return dict(last)


async def drive(server: Server, until_s: float, rng: random.Random) -> Paced:
    """Send commands until this time."""
    paced = Paced()
    while time.monotonic() < until_s:
        await paced_block(server, paced, BLOCK, GAP_S, rng)
    return paced


def losses(path: Path) -> tuple[Counter[str], int]:
    """Return the messages of a recording by topic, and how many are missing by their sequence numbers."""
    counts: Counter[str] = Counter()
    with opened(path) as recording:
        for message in recording.messages():
            counts[message.topic] += 1
    return counts, gaps(path)


def gaps(path: Path) -> int:
    """Return how many sequence numbers are missing in a recording."""
    newest: Counter[int] = Counter()
    missing, data = 0, path.read_bytes()
    place = len(mcap.MAGIC)
    while place < len(data) - len(mcap.MAGIC):
        opcode, size = mcap.RECORD.unpack_from(data, place)
        if opcode == mcap.CHUNK:
            at, end = place + mcap.RECORD.size + mcap.CHUNK_HEAD.size, place + mcap.RECORD.size + size
            while at < end:
                _, length, channel, sequence, _, _ = mcap.MESSAGE_HEAD.unpack_from(data, at)
                missing += sequence - newest[channel] - 1
                newest[channel] = sequence
                at += mcap.RECORD.size + length
        place += mcap.RECORD.size + size
    return missing


async def main(seconds: float, folder: Path) -> int:
    """Run both drives and print the figures. Returns the exit code."""
    with first():
        recorded, other = car(folder / "recorded"), car(folder / "other")
    try:
        async with contextlib.AsyncExitStack() as stack:
            for server in (recorded, other):
                await (await stack.enter_async_context(viewers(server.url))).watch(1)
            await record(recorded, on=True)
            recorder = recorder_of(recorded)
            os.sched_setscheduler(recorder, os.SCHED_OTHER, os.sched_param(0))  # as without this bench
            groups = ([*recorded.pids, recorder], other.pids)
            before, began = [cpu_s(pids) for pids in groups], time.monotonic()
            recorder_s = cpu_s([recorder])
            end = began + seconds
            with first():
                one, two = await asyncio.gather(
                    drive(recorded, end, random.Random(1)), drive(other, end, random.Random(1))
                )
            took_s = time.monotonic() - began
            with_it, without = (cpu_s(pids) - was for pids, was in zip(groups, before, strict=True))
            recorder_s = cpu_s([recorder]) - recorder_s
            state = await record(recorded, on=False)
        path = (await until(lambda: list(folder.rglob("*.mcap")), "the file"))[0]
        counts, missing = losses(path)
    finally:
        recorded.stop()
        other.stop()
    extra = (with_it - without) / took_s
    figures = [paced.figures() for paced in (one, two)]
    ratio = figures[0]["pin_p99_s"] / figures[1]["pin_p99_s"]
    lost = missing + state["dropped"]
    good = lost == 0 and extra <= MOST_CPU and ratio <= MOST_RATIO
    result = {
        "seconds": round(took_s, 1),
        "bytes": path.stat().st_size,
        "messages": counts,
        "lost": lost,
        "commands": one.sent,
        "extra_cpu_percent": round(100 * extra, 2),
        "of_it_recorder_percent": round(100 * recorder_s / took_s, 2),
        "pin_p99_ms": [round(1000 * one["pin_p99_s"], 2) for one in figures],
        "pin_p50_ms": [round(1000 * one["pin_p50_s"], 2) for one in figures],
        "p99_ratio": round(ratio, 3),
        "good": good,
    }
    print(json.dumps(result, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the drive (600)")
    with tempfile.TemporaryDirectory(prefix="picar-recording-") as scratch:
        sys.exit(asyncio.run(main(parser.parse_args().seconds, Path(scratch))))
