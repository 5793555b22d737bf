"""The real product as a real process: `picar serve`, and its pins as the trace tells them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import DEADLINE_S, until

EN_PINS = (12, 13)
ALL_PINS = (12, 13, 22, 23, 24, 27)
WRITING_S = 2.0  # a disk that hangs is not waited for longer
_URL = re.compile(rb"open +(http://(?:127\.0\.0\.1|\[::1\]):(\d+))")


def read_trace(path: Path) -> list[dict[str, Any]]:
    """Return the pin writes that a file holds, in order: t, pin, op, value."""
    return _read_on(path, 0)[0]


def _read_on(path: Path, start: int) -> tuple[list[dict[str, Any]], int]:
    """Return the pin writes from this byte on, and where to go on."""
    with path.open("rb") as file:
        file.seek(start)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], start + len(whole)


def trace_writer(pid: int) -> int | None:
    """Return the id of the process that writes the trace of a server, None without one; Linux."""
    for child in _children(pid):
        if "linewriter" in _command(child):
            return child
    return None


def let_it_write(writer: int | None) -> None:
    """Wait until a trace's writer has put all that it was sent into the file: it waits in read(0) for more, or has ended."""
    give_up_at = time.monotonic() + WRITING_S
    while writer is not None and time.monotonic() < give_up_at:
        try:
            call = Path(f"/proc/{writer}/syscall").read_text().split()
        except OSError:
            return
        if call[:1] == ["-1"] or call[1:2] == ["0x0"]:
            return
        time.sleep(0.0005)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


class Product:
    """`async with Product() as car:` starts it, and ends it also after an error.

    Args:
        pins: backend.
        port: 0 for any free one.
        host: the loopback address to listen on.
        config: text of a TOML file to start it with.
        env: more environment.
        program: arguments of Python that start it; a wrapper may stand in.
    """

    def __init__(
        self,
        pins: str = "mock",
        port: int = 0,
        config: str = "",
        env: Mapping[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "picar"),
        host: str = "127.0.0.1",
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="picar-test-")
        self.folder = Path(self._folder.name)
        self.trace_file = self.folder / "trace.jsonl"
        self._config = self.folder / "picar.toml"
        self._config.write_text(config, encoding="utf-8")
        self._stderr = self.folder / "stderr.txt"
        self._pins, self._port = pins, port
        self.host = host
        self._env = {"XDG_STATE_HOME": str(self.folder / "state"), **(env or {})}
        self._program = program
        self._writes: list[dict[str, Any]] = []
        self._read_up_to = 0
        self._writer: int | None = None
        self.process: asyncio.subprocess.Process = None  # type: ignore[assignment] # before `start`
        self.url = ""
        self.port = 0

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:  # a test that is cancelled leaves no car behind
            if self.process:
                self.signal(signal.SIGKILL)
                await self.process.wait()
            self._folder.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.terminate()
        if error is not None:
            print(self.log())
        self._folder.cleanup()

    async def start(self) -> None:
        """Start it, and wait for its URL."""
        arguments = [
            "serve",
            "--pins",
            self._pins,
            "--host",
            self.host,
            "--port",
            str(self.port or self._port),
        ]
        arguments += ["--config", str(self._config), "--pin-trace", str(self.trace_file)]
        with self._stderr.open("ab") as stderr:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._program,
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=os.environ | self._env,
                start_new_session=True,
            )
        stdout = self.process.stdout
        assert stdout is not None
        async with asyncio.timeout(DEADLINE_S * 2):
            while line := await stdout.readline():
                if found := _URL.search(line):
                    self.url, self.port = found[1].decode(), int(found[2])
                    self._writer = trace_writer(self.process.pid)
                    return
        raise AssertionError(f"picar did not start:\n{self.log()}")

    async def terminate(self) -> int:
        """End it like systemd does, and return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs. (asyncio's own way may take its exit code away from asyncio.)"""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    async def ended(self) -> int:
        """Wait for its end and return its exit code."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()

    def motor_pid(self) -> int:
        """Return the id of its motor process."""
        others = {self._writer, self.camera_pid(), self.recorder_pid()}
        motors = [
            child
            for child in _children(self.process.pid)
            if child not in others and "recording.shelf" not in _command(child)
        ]
        assert len(motors) == 1, motors
        return motors[0]

    def camera_pid(self) -> int | None:
        """Return the id of its camera process, None without one."""
        names = ("picar.camera", "odd_camera")
        cameras = (
            child for child in _children(self.process.pid) if any(name in _command(child) for name in names)
        )
        return next(cameras, None)

    def recorder_pid(self) -> int | None:
        """Return the id of the process that writes a recording, None without one."""
        children = _children(self.process.pid)
        return next((child for child in children if "journal.recorder" in _command(child)), None)

    def memory_mb(self) -> float:
        """Return the resident memory of the server in MiB; Linux."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def let_it_write(self) -> None:
        """Wait until all pin writes so far are in the trace."""
        let_it_write(self._writer)

    def log(self) -> str:
        """Return its standard error."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def trace(self) -> list[dict[str, Any]]:
        """Return every pin write so far: t, pin, op, value."""
        self.let_it_write()
        if self.trace_file.exists():
            writes, self._read_up_to = _read_on(self.trace_file, self._read_up_to)
            self._writes += writes
        return list(self._writes)

    def levels(self) -> dict[int, float]:
        """Return the newest level of each pin."""
        return {write["pin"]: write["value"] for write in self.trace()}

    def is_low(self) -> bool:
        """Tell whether every motor pin is low."""
        levels = self.levels()
        return levels.keys() == set(ALL_PINS) and not any(levels.values())

    def is_driving(self) -> bool:
        """Tell whether an enable pin is high."""
        levels = self.levels()
        return any(levels.get(pin) for pin in EN_PINS)

    async def until_low(self) -> None:
        """Wait until every motor pin is low."""
        await until(self.is_low, f"every pin low, but {self.levels()}")

    async def until_driving(self) -> None:
        """Wait until an enable pin is high."""
        await until(self.is_driving, "an enable pin high")
