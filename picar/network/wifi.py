"""The question to the watcher of the car's WiFi, over its socket: one JSON line each way. `watch.py` has the other end.

Verbs: `status`, `on` (`for_s`, `rehearsal`), `off`, `join` (`ssid`, `password`, `replace`). The answer to `status` has the
facts, with the networks in sight at the last scan; any other has `text`, and after a refusal also `error`, a code.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from picar.config import HotspotConfig

CTL = Path("/run/picar-hotspot/ctl")
UNIT = Path("/etc/systemd/system/picar-hotspot.service")  # from `picar hotspot setup`
LINE_BYTES = 8192
DRIVEN = "A client drives. Let the car come to a standstill first."
ANSWER_S = 15.0  # a join asks NetworkManager for its profiles first


def address_of(hotspot: HotspotConfig) -> str:
    """Return the car's address in its own WiFi."""
    return hotspot.address.partition("/")[0]


def has_watcher() -> bool:
    """Return whether the car has a WiFi of its own: its watcher's socket is there, and this process may ask."""
    return os.access(CTL, os.W_OK)


async def ask(verb: str, **more: Any) -> dict[str, Any]:
    """Return the watcher's answer.

    Raises:
        OSError: no watcher runs, or this user may not ask it, or it does not answer in time.
        ValueError: the answer is cut off, because the watcher ended.
    """
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_unix_connection(CTL, limit=LINE_BYTES)
        try:
            writer.write(json.dumps({"verb": verb, **more}).encode() + b"\n")
            return dict(json.loads(await reader.readline()))
        finally:
            writer.close()
