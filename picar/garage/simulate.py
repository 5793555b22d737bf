"""A simulated class on this machine, for `picar garage --simulate N`.

A process of its own starts the cars: real servers with motor processes while memory allows, and played ones. It adds each car to the
garage's list when the car answers. All of them end with the garage, also when the garage is killed: the process then reads the end of
its input, and the kernel ends the cars with the process.

Law: everything is in one temporary folder, which is removed at the end. No file of a real garage or car is read or written.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from picar.access.store import AccessStore
from picar.errors import UsageError
from picar.files import read_small
from picar.garage.store import GarageStore
from picar.network.addresses import loopback_of, url
from picar.program import python, python_environment

MOST_CARS = 300
CAR_MIB, SPARE_MIB = 50, 500  # of memory: for each real car, and for everything else
END_S = 20.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_ADDRESS = re.compile(rb"  open   http://.*:(\d+)\n")
_MEMORY = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)
_CAR = """
[server]
name = "Car {}"
host = "{}"
port = 0
[fleet]
number = {}
"""


class Simulated:
    """`with Simulated(30, host) as simulated:` starts the cars; `folder` is that of the garage.

    Args:
        count: number of cars.
        host: the address of this machine at which the cars listen, as for `[server] host`.

    Raises:
        UsageError: there are too many or too few cars.
    """

    def __init__(self, count: int, host: str) -> None:
        if not 1 <= count <= MOST_CARS:
            raise UsageError(f"--simulate {count}: use a number of cars from 1 to {MOST_CARS}.")
        self._count, self._host = count, host
        self._real = min(count, most_real())

    @property
    def sentence(self) -> str:
        """How many cars are real and how many are played, as a line for the terminal."""
        return f"  cars   {self._count} simulated: {self._real} real, {self._count - self._real} played"

    def __enter__(self) -> Simulated:
        self._scratch = Path(tempfile.mkdtemp(prefix="picar-garage-"))
        self.folder = self._scratch / "garage"
        GarageStore(self.folder)
        command = [
            *python(__name__),
            *map(str, (self._real, self._count - self._real, self._host, self._scratch)),
        ]
        # Its own session: Ctrl-C is for the garage alone.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=python_environment(), start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except KeyboardInterrupt:
            return  # the process ends by itself
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)  # if the process was killed


def most_real(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return how many real cars the memory allows; all of them on a machine that does not tell (proc_meminfo(5))."""
    try:
        found = _MEMORY.search(read_small(meminfo))
    except (OSError, ValueError):
        found = None
    return max(0, int(found[1]) // 1024 - SPARE_MIB) // CAR_MIB if found else MOST_CARS


class _Class:
    """The cars of this process."""

    def __init__(self, host: str, scratch: Path) -> None:
        self._host, self._scratch = host, scratch
        self._store = GarageStore(scratch / "garage")
        self._cars: list[asyncio.subprocess.Process] = []
        self._few = asyncio.Semaphore(min(4, os.cpu_count() or 1))

    async def open(self, real: int, played: int) -> None:
        """Start all cars, a few at a time."""
        await asyncio.gather(*(self._start(number) for number in range(1, real + 1)))
        if played:
            await self._play(played, real + 1)

    async def _play(self, count: int, first: int) -> None:
        """Start the process that plays cars. It ends with this one, the end of its input."""
        arguments = map(str, (count, loopback_of(self._host), first))
        command = (*python("picar.web.garage.played"), *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=python_environment()
        )
        self._cars.append(process)
        assert process.stdout
        for car in json.loads(await process.stdout.readline()):
            self._store.add(car.pop("id"), **car)

    async def _start(self, number: int) -> None:
        """Start a real car that is adopted already, and add it to the list when its address is known."""
        async with self._few:
            folder = self._scratch / f"car-{number}"
            access, file = AccessStore(folder), folder / "picar.toml"
            token = access.credential(access.pair("Garage", "garage"))
            file.write_text(_CAR.format(number, self._host, (number - 1) % 99 + 1), encoding="utf-8")
            car = await asyncio.create_subprocess_exec(
                *python("picar"), "serve", "--pins", "sim", "--config", str(file),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=python_environment() | dict.fromkeys(("STATE_DIRECTORY", "RUNTIME_DIRECTORY"), str(folder)),
                preexec_fn=_end_with_parent,
            )  # fmt: skip
            self._cars.append(car)
            assert car.stdout
            while line := await car.stdout.readline():
                if found := _ADDRESS.fullmatch(line):
                    here = url(loopback_of(self._host), int(found[1]))
                    self._store.add(access.id, here, token, f"Car {number}")
                    return
            sys.stderr.write(f"picar: Car {number} did not start. Simulate fewer cars.\n")

    async def close(self) -> None:
        """End all cars, and remove their files."""
        for car in self._cars:
            with contextlib.suppress(ProcessLookupError):
                car.terminate()
        await asyncio.gather(*(car.wait() for car in self._cars))
        shutil.rmtree(self._scratch, ignore_errors=True)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def main(real: int, played: int, host: str, scratch: Path) -> None:
    """Run the cars until the input ends."""
    cars, ended = _Class(host, scratch), asyncio.StreamReader()
    opening = asyncio.create_task(cars.open(real, played))
    try:
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
        await ended.read()
    finally:
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await cars.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
