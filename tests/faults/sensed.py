"""What happens to the distance sensor: first the car must become slow and lose no command; then the end comes. See `catalogue.py`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.faults.cameras import STATES, Act
from tests.faults.rig import Rig

SLOW = 0.3


def sensed(end: Act, *, number: signal.Signals | None = None) -> Act:
    """Return an act: the sensor has its fault, the car becomes slow and loses no command, and the end comes.

    Args:
        end: the act that must stop the car.
        number: the signal that the process gets that reads a VL53L0X.
    """

    async def act(rig: Rig) -> None:
        assert rig.driver.states[-1]["obstacle"]["cap"] == 1.0, "the sensor did not see far"
        motor = rig.car.motor_pid()
        if number:
            os.kill(_reader(motor), number)
        else:
            rig.signal(rig.motor, signal.SIGUSR1)
        await rig.driver.until(lambda s: s["obstacle"]["cap"] == SLOW)
        await rig.driver.until(lambda s: sum(s["applied"].values()) / 2 <= SLOW + 0.001)
        await rig.driver.hears(STATES)
        assert not rig.driver.codes, f"the sensor cost commands: {rig.driver.codes}"
        assert rig.driver.states[-1]["state"] == "armed"
        await asyncio.sleep(rig.rng.uniform(0.0, 0.1))  # the end comes at any moment between two states
        await end(rig)

    return act


def _reader(motor: int) -> int:
    """Return the process that reads the VL53L0X, the only child of the motor process."""
    return int(Path(f"/proc/{motor}/task/{motor}/children").read_text().split()[0])
