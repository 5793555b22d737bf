"""What happens to the camera while two clients watch its picture; see `catalogue.py`.

First the car must drive on: whatever the camera does, it costs no command and no speed. Then the link is cut, or a process
of the car is killed: the pins must be low as soon as without a camera, and no camera process may be left behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

from tests.faults.rig import Disturbed, Rig
from tests.support.viewer import Viewer

VIEWERS = 2
STATES = 30  # more than a second of driving
PICTURES = 3
OUT_OF_MEMORY = "camera: The camera needed more than 400 MB"  # the car takes each SIGKILL of another for that

Act = Callable[[Rig], Awaitable[None]]


def watched(end: Act, *, number: signal.Signals | None = None, logged: str = "") -> Act:
    """Return an act: two clients watch, the camera has its fault, the car drives on, and the end comes.

    Args:
        end: the act that must stop the car.
        number: the signal that the camera process gets.
        logged: the evidence of the fault in the car's log. After it the picture must come again.
    """

    async def act(rig: Rig) -> None:
        seen, since = len(rig.driver.states), time.monotonic()
        await _watch(rig)
        if number:
            camera = rig.car.camera_pid()
            assert camera is not None, "no camera runs, although clients watch"
            os.kill(camera, number)
        if logged:
            await rig.until_logged(logged)
            await _see(rig)
        await rig.driver.hears(STATES)
        await asyncio.sleep(rig.rng.uniform(0.0, 0.1))  # the end comes at any moment between two states
        look(rig, seen, since)
        await end(rig)

    return act


def look(rig: Rig, seen: int, since: float, what: str = "the camera") -> None:
    """Check that the driver lost no command, and drove at full speed.

    Args:
        rig: the car.
        seen: how many states had come before.
        since: when the clients began to watch.
        what: the suspect.

    Raises:
        Disturbed: the suspect disturbed the driver, or the machine was late.
    """
    states = {state["state"] for state in rig.driver.states[seen:]}
    if states != {"armed"}:
        raise Disturbed(since, f"{what} disturbed the driver: {states}")
    slow = [
        state["applied"]
        for state in rig.driver.states[seen:]
        if min(map(abs, state["applied"].values())) < 1.0
    ]
    if slow:
        raise Disturbed(since, f"{what} made the car slower: {slow[0]}")
    if rig.driver.codes:
        raise Disturbed(since, f"{what} cost commands: {rig.driver.codes}")


async def _watch(rig: Rig) -> None:
    for _ in range(VIEWERS):
        viewer = Viewer(rig.car.url)
        await viewer.open()
        rig.viewers.append(viewer)
    await _see(rig)


async def _see(rig: Rig) -> None:
    """Wait for pictures; those that were on the way already are fewer."""
    for viewer in rig.viewers:
        await viewer.sees(PICTURES)
