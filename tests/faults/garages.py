"""Faults of a garage that shows the car by both ways while it drives; see `catalogue.py`.

First the car must drive on: the fault costs no command and no speed. Then the link is cut, or the server is killed: the pins must be
low as soon as without a garage.

As a program, `python -m tests.faults.garages garage …` is `picar garage` that hangs in a loop after SIGUSR1.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from picar.access.content import Kind
from picar.access.store import FILE, AccessStore
from picar.garage.store import GarageStore
from tests.faults import bridges
from tests.faults.bridges import CONNECTED, DRIVES_S
from tests.faults.cameras import STATES, Act, look
from tests.faults.rig import Disturbed, Rig
from tests.support.waiting import until

HANG = signal.SIGUSR1
HUNG = "hung"
LEAST_NICE = 19
KIND: Kind = "garage"
CLIENTS = 3  # the driver, the bridge and the garage
OWN = '[garage]\nname = "Room 3"\nport = 0\nmdns = false\n'


def shown(end: Act, number: signal.Signals | None = None) -> Act:
    """Return an act: a garage shows the car and has its fault, the car drives on, and the end comes.

    Args:
        end: the act that must stop the car.
        number: the signal that the garage gets.
    """

    async def act(rig: Rig) -> None:
        before, began = len(rig.driver.states), time.monotonic()
        garage = await _start(rig)
        await rig.driver.hears(STATES)  # the start of two Pythons may make a busy machine late
        await rig.driver.until(lambda s: s["link"]["cap"] == 1.0)
        await rig.driver.until_full()
        seen, since = len(rig.driver.states), time.monotonic()
        if number:
            garage.send_signal(number)
        if number == HANG:
            log = rig.car.folder / "garage.txt"
            await until(lambda: HUNG in log.read_text(), "the garage hangs")
        await asyncio.sleep(DRIVES_S + rig.rng.uniform(0.0, 0.1))
        look(rig, seen, since, "the garage")
        if any(state["state"] != "armed" for state in rig.driver.states[before:]):
            raise Disturbed(began, "the start of the garage disturbed the driver")
        await end(rig)

    return act


async def _start(rig: Rig) -> asyncio.subprocess.Process:
    """Start a bridge and a garage that has adopted the car, and wait until the garage uses both ways."""
    assert rig.fleet
    folder, state = rig.car.folder / "room", rig.car.folder / "state" / "picar"
    access = AccessStore(state)
    token = access.credential(access.pair("Garage: Room 3", KIND))
    car = json.loads((state / FILE).read_text(encoding="utf-8"))["car"]
    GarageStore(folder / "garage").add(car, rig.car.url, token, "car")
    config, log = rig.car.folder / "garage.toml", rig.car.folder / "garage.txt"
    config.write_text(rig.fleet.config + OWN, encoding="utf-8")
    bridge = rig.car.folder / "bridge.txt"
    await bridges.start(rig, bridge)
    await until(lambda: CONNECTED in bridge.read_text(), "the bridge is connected")
    with log.open("wb") as stderr:
        garage = await rig.helper(
            *("-m", "tests.faults.garages", "garage", "--config", str(config), "--host", "127.0.0.1"),
            env=rig.car._env | {"STATE_DIRECTORY": str(folder)},
            stderr=stderr.fileno(),
        )
    await until(lambda: CONNECTED in log.read_text(), "the garage is connected with the broker")
    await rig.driver.until(lambda state: state["clients"] == CLIENTS)
    return garage


def _hang(_number: int, _frame: object) -> None:
    print(HUNG, file=sys.stderr, flush=True)
    while True:
        pass


def _main() -> int:
    from picar.__main__ import main

    # As on another machine: a garage that hangs takes no processor time from the car.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(LEAST_NICE)
    signal.signal(HANG, _hang)
    return main()


if __name__ == "__main__":
    sys.exit(_main())
