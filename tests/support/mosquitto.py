"""A real Mosquitto at a free port of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.waiting import DEADLINE_S, until

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"  # Debian's place of daemons


def program() -> str:
    """Return its path; skip without one, and fail in CI."""
    found = shutil.which("mosquitto", path=_PATH)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs Mosquitto: sudo apt install mosquitto")
    return found


def free_port() -> int:
    """Return a TCP port that nothing uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Mosquitto:
    """`async with Mosquitto(folder) as broker:` starts it, and kills it at the end.

    Args:
        folder: for its configuration and its log.
        settings: lines of mosquitto.conf; `{port}` is its port. Without `listener`, they follow one at 127.0.0.1.
    """

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        listener = "" if "listener" in settings else f"listener {self.port} 127.0.0.1\n"
        user = "user root\n" if os.geteuid() == 0 else ""
        self._conf, self._log = folder / "broker.conf", folder / "broker.log"
        self._conf.write_text(f"{user}{listener}{settings.replace('{port}', str(self.port))}")
        self.process: asyncio.subprocess.Process = None  # type: ignore[assignment] # before `start`

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        if error is not None:
            print(self.log())

    async def start(self) -> None:
        """Start it, at the same port as before, and wait until it listens."""
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                program(), "-c", str(self._conf), stdout=log, stderr=log
            )
        try:
            await until(self._listens, "Mosquitto listens")
        except BaseException:
            await self.kill()
            print(self.log())
            raise

    async def kill(self) -> None:
        """Kill it, also a stopped one."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            await self.process.wait()

    def log(self) -> str:
        """Return its messages so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _listens(self) -> bool:
        assert self.process.returncode is None, self.log()
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0
