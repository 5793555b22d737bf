"""`picar garage --simulate`: real cars that are adopted already, played ones, and the end of all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from picar.client.connection import Place
from picar.errors import UsageError
from picar.garage.simulate import CAR_MIB, MOST_CARS, SPARE_MIB, Simulated, most_real
from picar.garage.store import Adopted, GarageStore
from tests.support.waiting import DEADLINE_S, until

# Two real cars and one played one, whatever the memory.
PROGRAM = """
import sys, time
from picar.garage import simulate
simulate.most_real = lambda: 2
with simulate.Simulated(3, "127.0.0.1") as simulated:
    print(simulated.folder, flush=True)
    print(simulated.sentence, flush=True)
    sys.stdin.read()
"""


def test_memory_decides_how_many_cars_are_real(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    for mib, cars in ((0, 0), (SPARE_MIB, 0), (SPARE_MIB + CAR_MIB, 1), (SPARE_MIB + 10 * CAR_MIB + 7, 10)):
        file.write_text(f"MemTotal: 9 kB\nMemAvailable:   {mib * 1024} kB\n")
        assert most_real(file) == cars
    assert most_real(tmp_path / "nothing") == MOST_CARS


@pytest.mark.parametrize("count", [-1, 0, 301])
def test_a_class_has_1_to_300_cars(count: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 300"):
        Simulated(count, "127.0.0.1")


def children(pid: int) -> list[int]:
    """Return a process's children and theirs."""
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, direct) for one in (child, *children(child))]


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def cars_of(folder: Path) -> dict[str, Adopted]:
    store = GarageStore(folder)
    await until(lambda: store.refresh() and len(store.cars) == 3, "three cars in the list", 2 * DEADLINE_S)
    return store.cars


@pytest.mark.parametrize("ends_by", ["in order", "killed"])
async def test_its_cars_are_adopted_and_end_with_the_garage(tmp_path: Path, ends_by: str) -> None:
    mine = tmp_path / "mine"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"STATE_DIRECTORY": str(mine), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        folder = Path((await process.stdout.readline()).decode().strip())
        assert (await process.stdout.readline()).decode() == "  cars   3 simulated: 2 real, 1 played\n"
        cars = await cars_of(folder)
        assert sorted(one.name for one in cars.values()) == ["Car 1", "Car 2", "Car 3"]
        for car, one in cars.items():
            place = Place(one.url, one.token, None)
            session = await place.ask("GET", "api/v1/session")
            assert (session["id"], session["car"], f"Car {session['number']}") == (car, one.name, one.name)
            answer = await place.ask(
                "PUT", "api/v1/lesson", scope="all", mode="hold", cap=1.0, seq=1, by="", text=""
            )
            assert answer["mode"] == "hold"
        begun = children(process.pid)
        # The class, of each real car the server and the motor process, and the process that plays.
        assert len(begun) == 1 + 2 * 2 + 1
        if ends_by == "killed":
            process.send_signal(signal.SIGKILL)
        else:
            process.stdin.close()
        code = await asyncio.wait_for(process.wait(), DEADLINE_S)
        assert code == (-signal.SIGKILL if ends_by == "killed" else 0)
        await until(lambda: not any(map(is_running, begun)), "the end of all processes")
        await until(lambda: not folder.parent.exists(), "the end of the folder")
        assert not mine.exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_its_cars_end_also_when_the_class_itself_is_killed(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("picar.garage.simulate.most_real", lambda: 1)
        patch.setenv("TMPDIR", str(tmp_path))
        with Simulated(1, "127.0.0.1") as simulated:
            pid = simulated._process.pid
            await until(lambda: len(children(pid)) == 2, "a car", 2 * DEADLINE_S)
            begun = children(pid)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: not any(map(is_running, begun)), "the end of the car")
