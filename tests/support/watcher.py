"""A stand-in for the watcher of the car's WiFi: a socket that answers as a test wants, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STATUS = {
    "mode": "hotspot",
    "ssid": "picar-3f2a",
    "address": "10.42.0.1",
    "since_s": 40,
    "stations": 1,
    "next_look_s": 140,
    "last": None,
    "seen": [
        {"ssid": "Home Net", "signal": 80, "secured": True, "known": False},
        {"ssid": "Old", "signal": 60, "secured": True, "known": True},
        {"ssid": "Café", "signal": 40, "secured": False, "known": False},
    ],
    "lost": 0,
    "restarts": 0,
}
# `python -c` this with the place of the socket in TEST_CTL, and with the arguments of picar.
AT_THIS_SOCKET = """
import os, pathlib, sys
from picar.network import wifi
wifi.CTL = pathlib.Path(os.environ["TEST_CTL"])
from picar.__main__ import main
sys.exit(main())
"""


class FakeWatcher:
    """`async with FakeWatcher(path) as watcher:` answers at this path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {"status": STATUS, "join": {"text": "The network goes in 5 s."}}
        self.is_silent = False

    @property
    def env(self) -> dict[str, str]:
        """The environment of a car that asks it."""
        return {"TEST_CTL": str(self.path)}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._answer, self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        self.asked.append(asked)
        if self.is_silent:
            await reader.read()
        else:
            writer.write(json.dumps(self.answers[asked["verb"]]).encode() + b"\n")
        writer.close()
