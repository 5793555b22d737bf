"""The other GPIO libraries, and the other kernel: drive, kill, stop.

RPi.GPIO wants /dev/gpiomem, which only Raspberry Pi's own kernel has: here it runs as root, on /dev/mem.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.pi.breaking import PYTHON_STARTS_S, SOON_S, break_it
from tests.pi.car import LIBRARIES, UNIT, Car

pytestmark = pytest.mark.pi

_ROOT = "\n".join(
    (
        "User=root",
        "DeviceAllow=/dev/mem rw",
        "CapabilityBoundingSet=CAP_SYS_RAWIO CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE",
        "AmbientCapabilities=",
    )
)


@dataclass(frozen=True, slots=True)
class Library:
    """One row of the matrix.

    Args:
        name: in the table.
        backend: picar's name for it.
        persist: whether the kernel leaves released pins as they were.
        drop_in: more lines for the unit.
        beneath: the C module that sets the pins.
    """

    name: str
    backend: str
    persist: bool = True
    drop_in: str = ""
    beneath: str = "_lgpio."


ROWS = (
    Library("gpiozero on lgpio", "gpiozero", drop_in="Environment=GPIOZERO_PIN_FACTORY=lgpio"),
    Library("rpi-lgpio", "rpigpio", drop_in=f"Environment=PYTHONPATH={LIBRARIES}"),
    Library("RPi.GPIO, as root", "rpigpio", drop_in=_ROOT, beneath="/_GPIO."),
    Library("lgpio", "lgpio", persist=False),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}, persist={row.persist:d}")
async def test_it_drives_and_whatever_ends_it_leaves_the_pins_low(car: Car, row: Library) -> None:
    if car.persist != row.persist:
        await car.power_cycle(persist=row.persist)
    await asyncio.to_thread(car.use, row.backend, row.name, row.drop_in)
    await car.ready()
    maps = await car.run("cat", f"/proc/{(await car.pids())['motor']}/maps")
    assert {name for name in ("_lgpio.", "/_GPIO.") if name in maps} == {row.beneath}
    await break_it(car, "SIGKILL to server", "KILL", "server", most_s=SOON_S)
    least_s = PYTHON_STARTS_S if row.persist else 0.0
    await break_it(car, "SIGKILL to server and motor", "KILL", "server", "motor", least_s=least_s)
    await break_it(car, "systemctl stop", "run", "systemctl", "stop", UNIT, again=False)
