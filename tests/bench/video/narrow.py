"""Links of 1.5 Mbit/s between a phone and cars: network namespaces, and a token bucket at each end of a link. Linux, as root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

RATE = "1.5mbit"
BURST_BYTES = 3200  # two packets
QUEUE = ("limit", "1000")  # packets; Linux's own default
CLONE_NEWNET = 0x40000000  # setns(2)
NAMES = f"bench{os.getpid()}-"
PHONE = NAMES + "phone"


class Narrow:
    """`with Narrow(["pfifo", "pfifo_fast"]) as links:` moves this thread to the phone; `links.car(0)` to the first car.

    Args:
        queues: of each link; `pfifo_fast` sends marked packets first, `pfifo` sends all in order.
    """

    def __init__(self, queues: Sequence[str]) -> None:
        self._queues = queues

    def __enter__(self) -> Self:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _add(PHONE)
            for number, queue in enumerate(self._queues):
                _connect(number, queue)
        except Exception:
            self.__exit__(None, None, None)
            raise
        _enter(PHONE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_namespace(self._home)
        os.close(self._home)
        for name in (PHONE, *(f"{NAMES}{number}" for number in range(len(self._queues)))):
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", name)

    def host(self, number: int) -> str:
        """Return the address of a car."""
        return f"10.77.{number}.1"

    @contextlib.contextmanager
    def car(self, number: int) -> Iterator[None]:
        """Move this thread to a car: what it starts there stays there."""
        _enter(f"{NAMES}{number}")
        try:
            yield
        finally:
            _enter(PHONE)


def why_not() -> str:
    """Return the reason why there can be no narrow link here, or ""."""
    if not all(map(shutil.which, ("ip", "tc"))):
        return "ip and tc are missing: apt-get install iproute2"
    if os.geteuid():
        return "network namespaces need root"
    try:
        with Narrow(["pfifo", "pfifo_fast"]):
            return ""
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


def _add(name: str) -> None:
    _run("ip", "netns", "add", name)
    _run("ip", "-n", name, "link", "set", "lo", "up")


def _connect(number: int, queue: str) -> None:
    car = f"{NAMES}{number}"
    _add(car)
    phone_end, car_end = f"car{number}", "phone"
    _run(
        *("ip", "link", "add", phone_end, "netns", PHONE, "type", "veth"),
        *("peer", "name", car_end, "netns", car),
    )
    for name, device, last in ((car, car_end, 1), (PHONE, phone_end, 2)):
        _run("ip", "-n", name, "addr", "add", f"10.77.{number}.{last}/24", "dev", device)
        _run("ip", "-n", name, "link", "set", device, "up")
        tc = ("tc", "-n", name, "qdisc", "add", "dev", device)
        bucket = ("tbf", "rate", RATE, "burst", str(BURST_BYTES), "limit", "1000000")
        _run(*tc, "root", "handle", "1:", *bucket)
        _run(*tc, "parent", "1:1", queue, *(QUEUE if queue == "pfifo" else ()))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _enter(name: str) -> None:
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _set_namespace(fd)
    finally:
        os.close(fd)


def _set_namespace(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
