"""What happens to a recording while the car drives; see `catalogue.py`.

First the car must drive on: whatever the recorder and its disk do, it costs no command and no speed, although the pipe to the recorder
fills up with pictures. Then the link is cut, or a process of the car is killed: the pins must be low as soon as without a recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import Literal

from tests.faults.cameras import Act, look
from tests.faults.deaths import LONGER_S
from tests.faults.rig import Rig

DRIVES_S = 3.0
PIPES = 4  # descriptors of a recording, which goes on without its driver: of the recorder and of the camera
FULL, FAILED = {"ended": "full"}, {"ended": "failed"}
Disk = Literal["good", "frozen", "full", "unwritable"]


def recorded(end: Act, disk: Disk = "good", *, number: signal.Signals | None = None) -> Act:
    """Return an act: the driver records, the recording has its fault, the car drives on, and the end comes.

    Args:
        end: the act that must stop the car.
        disk: where the recording is written.
        number: the signal that the recorder gets.
    """

    async def act(rig: Rig) -> None:
        seen, since = len(rig.driver.states), time.monotonic()
        await rig.driver.ask("record", on=True)
        if disk == "unwritable":
            await rig.driver.until(lambda s: s["recording"] == FAILED)
        else:
            await rig.driver.until(lambda s: s["recording"] and s["recording"]["bytes"])
            rig.server_descriptors += PIPES * (disk != "full" and number != signal.SIGKILL)
        recorder = rig.car.recorder_pid()
        if number:
            assert recorder is not None
            os.kill(recorder, number)
        if number == signal.SIGKILL:
            await rig.driver.until(lambda s: s["recording"] == FAILED)
        if disk == "full":
            _fill(rig)
            await rig.driver.until(lambda s: s["recording"] == FULL)
        with rig.frozen() if disk == "frozen" else contextlib.nullcontext():
            await asyncio.sleep(DRIVES_S + rig.rng.uniform(0.0, 0.1))
            look(rig, seen, since)
            await end(rig)
            if disk == "frozen":
                await asyncio.sleep(LONGER_S)
        if number == signal.SIGSTOP and recorder is not None:
            os.kill(recorder, signal.SIGCONT)

    return act


async def motor_killed_on_a_frozen_disk(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)
    await rig.until_ended("the server", rig.server)


def _fill(rig: Rig) -> None:
    """Leave no byte on the disk."""
    assert rig.disk is not None
    with contextlib.suppress(OSError), (rig.disk.folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
