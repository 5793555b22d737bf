"""The bench that a fault is tried on: the real product, its driver at full throttle, and a bad radio between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.measure import Write
from tests.faults import brokers, hats, leaks
from tests.faults.boards import BOARDS, Drives, drives, terminals
from tests.faults.disk import Disk
from tests.faults.driver import AHEAD_HEADINGS, HEADINGS, STEERED_HEADINGS, Driver
from tests.faults.hats import HATS, Devices
from tests.faults.jitter import ROOT
from tests.faults.judge import powering, written
from tests.faults.proxy import Proxy
from tests.faults.ranges import CONFIGS, FOLDER, HCSR04
from tests.motor.kinds_rig import Car, text_of
from tests.support.product import Product
from tests.support.viewer import Viewer
from tests.support.waiting import DEADLINE_S, until

if TYPE_CHECKING:
    from tests.faults.catalogue import Fault

FULL = Path("/dev/full")
ENDED_S = 5.0  # for a process that was killed, or ends by itself
# Full throttle and back in no time, a short brake, and otherwise the product as everybody gets it.
CONFIG = "[drive]\naccel = 20.0\ndecel = {decel}\n[motors]\nbrake_hold_s = 0.1\n"
HORN = 16
WITH_HORN = f'[aux.horn]\nkind = "momentary"\npin = {HORN}\nmax_on_s = 30.0\n'
JUMPERS = '[l298n]\nena = "jumper"\nenb = "jumper"\nin1 = 23\nin2 = 24\nin3 = 27\nin4 = 22\n'


class Disturbed(AssertionError):
    """The driver was disturbed before the fault struck: by the car, or by a machine that was late.

    Args:
        since: the monotonic time from which on the driver was observed.
        what: the disturbance.
    """

    def __init__(self, since: float, what: str) -> None:
        super().__init__(what)
        self.since = since


class Deadline(NamedTuple):
    """Something that had to happen within a bound, beside the motors' end: when it began and ended."""

    what: str
    since: float
    until: float
    bound_s: float


class Rig:
    """One car with its driver; `driving` makes it.

    Args:
        car: the product, started.
        link: the proxy that its driver goes through.
        driver: holds full throttle.
        toy: its motors and their pins where its board is one of `boards.py` or `hats.py`.
        watched: the pins that must be low.
        rng: for what a fault leaves to chance.
        run: the mark of its processes.
        descriptors: how many its server had open before anybody came.
        devices: below its processes where it is one of `hats.py`.
    """

    def __init__(
        self,
        car: Product,
        link: Proxy,
        driver: Driver,
        toy: Car | None,
        watched: Sequence[int],
        rng: random.Random,
        run: str,
        descriptors: int,
        devices: Devices | None = None,
    ) -> None:
        self.devices, self.deadlines = devices, list[Deadline]()
        self.car, self.link, self.driver, self.rng = car, link, driver, rng
        self.toy, self.watched = toy, watched
        self.sent_at = driver.sent_at
        self.hit_at = 0.0
        self.server_pid = car.process.pid
        self.server, self.motor = os.pidfd_open(self.server_pid), os.pidfd_open(car.motor_pid())
        self.server_descriptors = descriptors
        self.disk: Disk | None = None
        self.fleet: brokers.Fleet | None = None
        self.secure_port = 0
        self._run = run
        self._env: Mapping[str, str] = devices.env if devices else {}
        self.pins = devices.header.name if devices else "mock"
        self._helpers: list[asyncio.subprocess.Process] = []
        self.strangers: list[asyncio.StreamWriter] = []
        self.viewers: list[Viewer] = []

    def hit(self) -> None:
        """Note that the fault strikes now."""
        self.hit_at = time.monotonic()

    def last_command(self, low_at: float) -> float:
        """Return when the last command was sent before the fault struck, or before the pins went low."""
        return max(t for t in self.sent_at if t <= min(self.hit_at, low_at))

    def signal(self, process: int, number: signal.Signals) -> None:
        """Send a signal to a process, by its descriptor: never to another that got its number."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, number)

    async def helper(
        self, *arguments: str, env: Mapping[str, str] = MappingProxyType({}), stderr: int | None = None
    ) -> asyncio.subprocess.Process:
        """Start a program that ends with the run, with more environment, and its errors in an open file."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {**self._env, **env} | {leaks.MARK: self._run},
            cwd=ROOT,
        )
        self._helpers.append(process)
        return process

    async def stop(self) -> None:
        """Stop the car, from another client than the driver, and wait until the brake is over."""
        request = urllib.request.Request(f"{self.car.url}/api/v1/stop", b"")  # noqa: S310
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=20).close())  # noqa: S310
        await self.until_low()  # the brake is over

    async def writes(self) -> list[Write]:
        """Return every write so far that counts; of a car of `hats.py`, what its motors did."""
        if self.devices:
            return self.devices.motion(self.trace(), self.hit_at).writes
        if self.car.trace_file == FULL:
            return _writes(await asyncio.to_thread(self._flight))
        return self.trace()

    def trace(self) -> list[Write]:
        """Return every write in the trace so far."""
        return _writes(self.car.trace())

    def drives(self, writes: list[Write]) -> Drives:
        """Return the writes after the fault that let another board than the L298N drive a motor."""
        if self.devices:
            return self.devices.motion(self.trace(), self.hit_at).drives
        return drives(self.toy, writes, self.hit_at) if self.toy else Drives([], [])

    async def is_driving(self) -> bool:
        """Return whether a pin is high, or a motor is driven."""
        return bool(_high(await self.writes()))

    async def until_low(self) -> None:
        """Wait until no pin is high."""
        give_up_at = time.monotonic() + DEADLINE_S
        while high := _high(await self.writes()):
            assert time.monotonic() < give_up_at, f"these pins stay high: {high}"
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the disk with the trace or the recordings. The times of the pin writes are read when it is thawed."""
        assert self.disk is not None
        self.disk.freeze()
        try:
            yield
        finally:
            self.disk.thaw()

    async def until_ended(self, name: str, process: int) -> None:
        """Wait until a process has ended, by its descriptor."""
        await until(lambda: bool(select.select([process], [], [], 0)[0]), f"the end of {name}", ENDED_S)

    async def until_logged(self, sentence: str) -> None:
        """Wait until the car has said so: evidence that a fault has struck."""
        await until(lambda: sentence in self.car.log(), f"{sentence!r} in the log: the fault did not strike")

    async def close(self) -> None:
        """End the helpers, and let go of the processes."""
        for writer in self.strangers:
            writer.transport.abort()
        for viewer in self.viewers:
            stream = viewer.stream
            viewer.socket.close()
            stream.close()
        for process in self._helpers:
            if process.returncode is None:
                process.kill()
            await process.communicate()
        self.signal(self.server, signal.SIGCONT)
        os.close(self.server)
        os.close(self.motor)

    def _flight(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.car.url}/api/v1/flight", timeout=DEADLINE_S) as answer:  # noqa: S310
            return [json.loads(line) for line in answer.read().splitlines()]


@contextlib.asynccontextmanager
async def driving(fault: Fault, jumpers: bool, rng: random.Random, run: str) -> AsyncIterator[Rig]:
    """Start a car and drive it at full throttle; afterwards end it all.

    Raises:
        AssertionError: it does not drive, or does not end.
        Leaked: it left something behind.
    """
    toy = (BOARDS | HATS).get(fault.board)
    wires, watched = (text_of(toy), terminals(toy)) if toy else (JUMPERS * jumpers, powering(jumpers))
    if fault.horn:
        wires, watched = wires + WITH_HORN, (*watched, HORN)
    headings: Sequence[tuple[float, float]] = STEERED_HEADINGS if toy and toy.layout.steers else HEADINGS
    headings = headings if not toy or toy.motors else AHEAD_HEADINGS
    program = ("-m", "tests.faults.odd", fault.oddity) if fault.oddity else ("-m", "picar")
    async with contextlib.AsyncExitStack() as stack:
        tmp = stack.enter_context(tempfile.TemporaryDirectory(prefix="picar-faults-"))
        has_disk = fault.hanging_disk or fault.records == "disk" or fault.broker == brokers.FULL
        disk = stack.enter_context(Disk()) if has_disk else None
        fleet = None
        if fault.broker:
            files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="picar-faults-")))
            fleet = await stack.enter_async_context(brokers.broker_for(fault.broker, files, disk))
        env = {leaks.MARK: run, "XDG_RUNTIME_DIR": tmp, "TMPDIR": tmp}
        secure_port = _free_port() if fault.secure else 0
        https = f'[tls]\nmode = "own"\nport = {secure_port}\n' * fault.secure
        guests = "[rosbridge]\nenabled = true\nport = 0\n" * fault.rosbridge
        records = "/proc/picar" if fault.records == "nowhere" else str(disk and disk.folder / "recordings")
        recordings = f'[recording]\nfolder = "{records}"\nkeep_free_mb = 0\n' * bool(fault.records)
        devices = None
        if toy and fault.board in HATS:
            bench = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="picar-faults-")))
            devices, watched = Devices(bench, toy), hats.watched(toy)
            env |= devices.env
        pins = devices.header.name if devices else "mock"
        sensor = fault.oddity.removeprefix("range-")
        if sensor in CONFIGS:
            env[FOLDER] = stack.enter_context(tempfile.TemporaryDirectory(prefix="picar-faults-"))
        ranged = "" if sensor == fault.oddity else CONFIGS.get(sensor, HCSR04)
        more = https + guests + recordings + wires + ranged + (fleet.config if fleet else "")
        car = Product(pins, config=CONFIG.format(decel=fault.decel) + more, program=program, env=env)
        if fault.full_disk:
            car.trace_file = FULL
        if disk and fault.hanging_disk:
            car.trace_file = disk.folder / "trace.jsonl"
        async with car:
            before = await _descriptors_at_rest(car)
            async with (
                Proxy(car.port) as link,
                Driver(link.url, rng.choice(headings), "horn" * fault.horn) as driver,
            ):
                await driver.full_throttle()
                if fault.horn:
                    await until(lambda: bool(car.levels().get(HORN)), "the horn")
                rig = Rig(car, link, driver, toy, watched, rng, run, before, devices)
                rig.disk, rig.secure_port, rig.fleet = disk, secure_port, fleet
                try:
                    await asyncio.sleep(
                        rng.uniform(0.05, 0.15)
                    )  # a fault comes at any moment between two commands
                    yield rig
                finally:
                    await rig.close()
                    await driver.let_go(zero=False)
                    link.half_open()  # else the driver's goodbye would wait for one that may not come
            await _let_go(car, rig)
        if left := leaks.files(Path(tmp), ignore="picar"):  # flights are saved there
            raise leaks.Leaked(f"files: {left}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def _descriptors_at_rest(car: Product) -> int:
    """Return how many descriptors the server has before anybody is connected to it."""
    with await asyncio.to_thread(urllib.request.urlopen, f"{car.url}/healthz", timeout=DEADLINE_S):
        pass  # its loop runs
    await asyncio.sleep(0.1)  # and has closed this connection
    return leaks.descriptors(car.process.pid)


async def _let_go(car: Product, rig: Rig) -> None:
    """End the car, and see that it had closed what its clients had opened."""
    if car.process.pid == rig.server_pid and car.process.returncode is None:
        give_up_at = time.monotonic() + DEADLINE_S
        while (more := leaks.descriptors(rig.server_pid) - rig.server_descriptors) > 0:
            if time.monotonic() > give_up_at:
                raise leaks.Leaked(f"{more} descriptors of the server")
            await asyncio.sleep(0.01)
    await car.terminate()


def _writes(lines: Iterable[dict[str, Any]]) -> list[Write]:
    return [Write(line["t"], line["pin"], line["op"], line["value"]) for line in lines if "pin" in line]


def _high(writes: list[Write]) -> set[int]:
    levels = {write.pin: write.value for write in written(writes)}
    return {pin for pin, value in levels.items() if value}
