"""What happens to the camera while two browsers watch its picture; see `catalogue.py`.

Each act first looks that the car drives on: whatever the camera does, it costs no command. Then the link is cut, or a
process of the car is killed, and the pins must be low as soon as without a camera.
"""

from __future__ import annotations

import os
import signal

from tests.faults.links import link_cut
from tests.faults.rig import Rig
from tests.support.viewer import Viewer

VIEWERS = 2
STATES = 30  # more than a second of driving
PICTURES = 3


async def watched_and_cut(rig: Rig) -> None:
    await _watch(rig)
    await _drives_on(rig)
    await link_cut(rig)


async def odd_and_cut(rig: Rig) -> None:
    await _watch(rig, pictures=0)
    await _drives_on(rig)
    await link_cut(rig)


async def stopped_and_cut(rig: Rig) -> None:
    await _hurt(rig, signal.SIGSTOP)
    await link_cut(rig)


async def killed_and_cut(rig: Rig) -> None:
    await _hurt(rig, signal.SIGKILL)
    await link_cut(rig)


async def watched_server_killed(rig: Rig) -> None:
    await _watch(rig)
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)


async def stopped_server_killed(rig: Rig) -> None:
    await _hurt(rig, signal.SIGSTOP)
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)


async def watched_motor_killed(rig: Rig) -> None:
    await _watch(rig)
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)


async def _watch(rig: Rig, pictures: int = PICTURES) -> None:
    for _ in range(VIEWERS):
        viewer = Viewer(rig.car.url)
        await viewer.open()
        rig.viewers.append(viewer)
    for viewer in rig.viewers:
        await viewer.sees(pictures)


async def _hurt(rig: Rig, number: signal.Signals) -> None:
    await _watch(rig)
    camera = rig.car.camera_pid()
    assert camera is not None, "no camera runs, although browsers watch"
    os.kill(camera, number)
    await _drives_on(rig)


async def _drives_on(rig: Rig) -> None:
    seen = len(rig.driver.states)
    await rig.driver.hears(STATES)
    states = {state["state"] for state in rig.driver.states[seen:]}
    assert states == {"armed"}, f"the camera disturbed the driver: {states}"
    assert rig.driver.codes == [], f"the camera cost commands: {rig.driver.codes}"
