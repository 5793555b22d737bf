"""The question to the watcher of the car's WiFi, over its socket: one JSON line each way. `watch.py` has the other end.

Verbs: `status`, `on` (`for_s`, `rehearsal`), `off`, `join` (`ssid`, `password`, `replace`). The answer to `status` has the
facts; any other has `text`, and after a refusal also `error`, a code.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

CTL = Path("/run/picar-hotspot/ctl")
LINE_BYTES = 4096
ANSWER_S = 15.0  # a join asks NetworkManager for its profiles first


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
            answer: dict[str, Any] = json.loads(await reader.readline())
            return answer
        finally:
            writer.close()
