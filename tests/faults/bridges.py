"""Faults of an MQTT broker and of the bridge to it while the car drives; see `catalogue.py`.

First the car must drive on: the fault costs no command and no speed. Then the link is cut, or the server is killed: the pins must be
low as soon as without a bridge.

As a program, `python -m tests.faults.bridges mqtt …` is `picar mqtt` that leaks memory after SIGUSR1.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.faults.brokers import EXPIRED, FULL, GOOD, PASSWORD
from tests.faults.cameras import STATES, Act, look
from tests.faults.rig import Disturbed, Rig
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S, until

DRIVES_S = 3.0
NICE, LIMIT_BYTES = 5, 96 << 20  # as in picar-mqtt.service
LEAK_BYTES, LEAK_S = 1 << 20, 0.01
GROUPS = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")  # of memory: version 2, and 1
CONNECTED = "connected to the broker"
SAYS = {
    GOOD: CONNECTED,
    FULL: CONNECTED,
    PASSWORD: "The broker refuses this car",
    EXPIRED: "certificate has expired",
}


def bridged(
    end: Act,
    kind: str = GOOD,
    *,
    broker: signal.Signals | None = None,
    bridge: signal.Signals | None = None,
    leaks: bool = False,
) -> Act:
    """Return an act: a bridge runs, it or its broker has a fault, the car drives on, and the end comes.

    Args:
        end: the act that must stop the car.
        kind: of the broker, see `broker_for`.
        broker: the signal that the broker gets.
        bridge: the signal that the bridge gets.
        leaks: the bridge leaks memory up to its limit.
    """

    async def act(rig: Rig) -> None:
        fleet = rig.fleet
        assert fleet
        log, before, began = rig.car.folder / "bridge.txt", len(rig.driver.states), time.monotonic()
        process = await start(rig, log)
        await until(lambda: SAYS[kind] in log.read_text(), f"{SAYS[kind]!r} in the bridge's log")
        await rig.driver.hears(STATES)  # the start of a Python may make a busy machine late
        await rig.driver.until(lambda s: s["link"]["cap"] == 1.0)
        await rig.driver.until_full()
        seen, since = len(rig.driver.states), time.monotonic()
        if kind == FULL:
            await _fill(rig, fleet.broker)
        if broker:
            fleet.broker.process.send_signal(broker)
        if bridge:
            process.send_signal(bridge)
        if leaks:
            async with _limited(process):
                process.send_signal(signal.SIGUSR1)
                assert await asyncio.wait_for(process.wait(), 20.0) == -signal.SIGKILL, log.read_text()
        await asyncio.sleep(DRIVES_S + rig.rng.uniform(0.0, 0.1))
        look(rig, seen, since, "the bridge")
        if any(state["state"] != "armed" for state in rig.driver.states[before:]):
            raise Disturbed(began, "the start of the bridge disturbed the driver")
        await end(rig)

    return act


async def start(rig: Rig, log: Path) -> asyncio.subprocess.Process:
    """Start the bridge in the environment of the car."""
    with log.open("wb") as stderr:
        return await rig.helper(
            *("-m", "tests.faults.bridges", "mqtt", "--config", str(rig.car._config)),
            env=rig.car._env,
            stderr=stderr.fileno(),
        )


async def _fill(rig: Rig, broker: Mosquitto) -> None:
    """Fill the disk of the broker, again and again, until the broker reports that it cannot save. A thread writes: the driver goes on."""
    assert rig.disk is not None
    filler, give_up_at = rig.disk.folder / "filler", time.monotonic() + DEADLINE_S
    while "No space left on device" not in broker.log():
        assert time.monotonic() < give_up_at, broker.log()
        await asyncio.to_thread(_append_all, filler)


def _append_all(file: Path) -> None:
    """Append to a file until its disk is full."""
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as filler:
        for size in (1 << 20, 1 << 10):
            with contextlib.suppress(OSError):
                while filler.write(bytes(size)):
                    pass


@contextlib.asynccontextmanager
async def _limited(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Limit the memory of a process as systemd does, so that the kernel kills it if it needs more; end it afterwards.

    The kernel may take its time for a change of groups, so a thread waits for it, not the driver.
    """
    group = await asyncio.to_thread(_group, str(process.pid))
    try:
        await asyncio.to_thread((group / "cgroup.procs").write_text, str(process.pid))
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await until(lambda: not (group / "cgroup.procs").read_text(), "the end of a killed process")
        await asyncio.to_thread(group.rmdir)


def _group(name: str) -> Path:
    """Make a group of processes with a limit of memory; raises OSError."""
    version_2 = (GROUPS[0] / "cgroup.controllers").exists()
    group = GROUPS[not version_2] / f"picar-faults-{name}"
    group.mkdir()
    try:
        limit = group / ("memory.max" if version_2 else "memory.limit_in_bytes")
        limit.write_text(str(LIMIT_BYTES))
    except OSError:
        group.rmdir()
        raise
    return group


@functools.cache
def no_limit() -> str:
    """Return why the memory of a process cannot be limited here, empty where it can."""
    try:
        _group("try").rmdir()
    except OSError as error:
        return f"no limit of memory: {error}"
    return ""


def _leak() -> None:
    """Leak until the end."""
    lost = []
    while True:
        lost.append(bytearray(LEAK_BYTES))
        time.sleep(LEAK_S)


def _main() -> int:
    os.nice(NICE)
    from picar.__main__ import main

    leak = threading.Thread(target=_leak, daemon=True)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: leak.start())
    return main()


if __name__ == "__main__":
    sys.exit(_main())
