"""Find the cars on this network by mDNS, where the package zeroconf is installed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

SERVICE = "_picar._tcp.local."
FIND_S = 2.0
_ANSWER_MS = 3000  # of a car whose record is incomplete


class Found(NamedTuple):
    """The record of a car: its name, the car's id ("" of an older car), and addresses of its page."""

    record: str
    car: str
    urls: list[str]


def find(timeout_s: float = FIND_S) -> list[str]:
    """Return the addresses of the cars that answer in time, for `Car`; an empty list without zeroconf."""
    try:
        from zeroconf import ServiceBrowser, Zeroconf
    except ImportError:
        return []
    names: set[str] = set()

    def changed(name: str, **_more: Any) -> None:
        names.add(name)

    with contextlib.closing(Zeroconf()) as network:
        ServiceBrowser(network, SERVICE, [changed])
        time.sleep(timeout_s)
        found = [network.get_service_info(SERVICE, name) for name in sorted(names)]
    return [f"{one.server.rstrip('.')}:{one.port}" for one in found if one and one.server]


def is_possible() -> bool:
    """Return whether zeroconf is installed."""
    try:
        import zeroconf  # noqa: F401
    except ImportError:
        return False
    return True


async def browse(found: Callable[[Found], object], gone: Callable[[str], object]) -> None:
    """Look for cars until it is cancelled: `found` gets new and changed records, `gone` the name of a record that has ended.

    Raises:
        ImportError: the package zeroconf is not installed.
        OSError: this machine has no network.
    """
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    reading: dict[str, asyncio.Task[None]] = {}

    async def read(name: str) -> None:
        one = AsyncServiceInfo(SERVICE, name)
        if await one.async_request(network.zeroconf, _ANSWER_MS):
            car = (one.properties.get(b"id") or b"").decode("ascii", "ignore")
            addresses = [address for address in one.parsed_scoped_addresses() if "%" not in address]
            hosts = [f"[{address}]" if ":" in address else address for address in addresses]
            found(Found(name, car, [f"http://{host}:{one.port}" for host in hosts]))

    def changed(name: str, state_change: ServiceStateChange, **_more: Any) -> None:
        if name in reading:
            reading.pop(name).cancel()
        if state_change is ServiceStateChange.Removed:
            gone(name)
        else:
            reading[name] = asyncio.create_task(read(name))

    network = AsyncZeroconf()
    try:
        browser = AsyncServiceBrowser(network.zeroconf, SERVICE, [changed])
        try:
            await asyncio.Event().wait()
        finally:
            await browser.async_cancel()
    finally:
        for task in reading.values():
            task.cancel()
        await network.async_close()
