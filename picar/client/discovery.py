"""Find the cars on this network by mDNS, where the package zeroconf is installed."""

from __future__ import annotations

import contextlib
import time
from typing import Any

SERVICE = "_picar._tcp.local."
FIND_S = 2.0


def find(timeout_s: float = FIND_S) -> list[str]:
    """Return the addresses of the cars that answer in time, for `Car`; an empty list without zeroconf."""
    try:
        from zeroconf import ServiceBrowser, Zeroconf
    except ImportError:
        return []
    names: set[str] = set()

    class Listener:
        def add_service(self, _zeroconf: Any, _kind: str, name: str) -> None:
            names.add(name)

        update_service = remove_service = add_service

    with contextlib.closing(Zeroconf()) as network:
        ServiceBrowser(network, SERVICE, Listener())
        time.sleep(timeout_s)
        found = [network.get_service_info(SERVICE, name) for name in sorted(names)]
    return [f"{one.server.rstrip('.')}:{one.port}" for one in found if one and one.server]
