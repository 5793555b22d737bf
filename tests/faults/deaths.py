"""What happens to the server, to the motor process, and to their machine; see `catalogue.py`."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import os
import resource
import signal
import time
import urllib.request
from pathlib import Path

from tests.faults.driver import Driver
from tests.faults.links import link_cut
from tests.faults.odd import FEW_DESCRIPTORS, HOUR_S, HUNG_S
from tests.faults.rig import Rig

LONGER_S = 1.5  # than any bound of a link


async def server_hung(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGUSR1)
    await asyncio.sleep(HUNG_S + 0.1)


async def server_stopped(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGSTOP)
    await asyncio.sleep(HUNG_S)
    rig.signal(rig.server, signal.SIGCONT)


async def server_killed(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)


async def no_descriptors(rig: Rig) -> None:
    limit = _first_free_descriptor(rig.server_pid)
    resource.prlimit(rig.server_pid, resource.RLIMIT_NOFILE, (limit, limit))
    await _strangers(rig, 10, b"GET / HTTP/1.1\r\n")
    await rig.until_logged("out of resources")
    rig.hit()
    rig.link.cut()


async def crowded_no_motor(rig: Rig) -> None:
    await _strangers(rig, FEW_DESCRIPTORS, b"GET / HTTP/1.1\r\n")
    await rig.until_logged("too many connections")
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)


async def no_memory(rig: Rig) -> None:
    size = _virtual_bytes(rig.server_pid)
    resource.prlimit(rig.server_pid, resource.RLIMIT_AS, (size, size))
    request = b"GET /healthz HTTP/1.1\r\nX-Long: " + bytes(60_000)
    await _strangers(rig, 200, request)
    await rig.until_logged("out of memory")
    rig.hit()
    rig.link.cut()


async def motor_killed(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)


async def motor_stopped(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.motor, signal.SIGSTOP)


async def motor_stopped_and_cut(rig: Rig) -> None:
    await motor_stopped(rig)
    rig.link.cut()


async def motor_paused(rig: Rig) -> None:
    await motor_stopped(rig)
    await asyncio.sleep(2.0)
    rig.signal(rig.motor, signal.SIGCONT)


async def both_killed(rig: Rig) -> None:
    both_dead(rig)
    await pins_low(rig)


def both_dead(rig: Rig) -> None:
    """Kill both."""
    rig.signal(rig.server, signal.SIGSTOP)  # else it would help between the two
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)
    rig.signal(rig.server, signal.SIGKILL)


async def pins_low(rig: Rig) -> int:
    """Run `picar pins-low`. Returns its exit code."""
    command = ["-m", "picar", "pins-low", "--pins", rig.pins, "--config", str(rig.car.folder / "picar.toml")]
    done = await rig.helper(*command, "--pin-trace", str(rig.car.trace_file))
    await done.communicate()
    return await done.wait()


async def terminated(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGTERM)


async def interrupted(rig: Rig) -> None:
    rig.hit()
    os.killpg(rig.server_pid, signal.SIGINT)


async def hung_up(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGHUP)


async def clock_stepped(rig: Rig) -> None:
    rig.signal(rig.server, signal.SIGUSR1)
    rig.signal(rig.motor, signal.SIGUSR1)
    await asyncio.sleep(0.5)
    stepped_s = await asyncio.to_thread(_seconds_ahead, rig.car.url)
    assert abs(stepped_s) > HOUR_S / 2, "the clock was not stepped"
    rig.hit()
    rig.link.cut()


async def pin_raises(rig: Rig) -> None:
    await link_cut(rig)
    await rig.until_logged("the pin does not answer")


async def trace_frozen(rig: Rig) -> None:
    with rig.frozen():
        await asyncio.sleep(rig.rng.uniform(0.0, 0.3))
        rig.hit()
        rig.link.cut()
        await asyncio.sleep(LONGER_S)
        rig.signal(rig.server, signal.SIGKILL)
        rig.signal(rig.motor, signal.SIGKILL)
        await rig.until_ended("the server", rig.server)
        await rig.until_ended("the motor process", rig.motor)


async def trace_frozen_no_motor(rig: Rig) -> None:
    with rig.frozen():
        await asyncio.sleep(rig.rng.uniform(0.0, 0.3))
        rig.hit()
        rig.signal(rig.motor, signal.SIGKILL)
        await rig.until_ended("the motor process", rig.motor)
        await rig.until_ended("the server", rig.server)


async def restarted(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)
    await asyncio.sleep(rig.rng.uniform(0.0, 0.1))
    await rig.car.start()
    async with Driver(rig.link.url) as same:  # without the wheel: the new car must not move for it
        await same.drive(0.0)
        same.press()
        await asyncio.sleep(0.5)


def _seconds_ahead(url: str) -> float:
    """Return how far the server's wall clock is ahead of ours."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=20) as answer:  # noqa: S310
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


def _virtual_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def _first_free_descriptor(pid: int) -> int:
    used = {int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return next(n for n in range(len(used) + 1) if n not in used)


async def _strangers(rig: Rig, count: int, say: bytes) -> None:
    """Connect, say something, and stay until the run is over, or as long as the server does."""
    with contextlib.suppress(OSError):
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", rig.car.port)
            rig.strangers.append(writer)
            writer.write(say)
