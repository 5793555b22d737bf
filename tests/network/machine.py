"""A folder with `nmcli` and `iw` that keep a network in a file, and the watcher as a process that uses them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tests.fakes.network as fake
from picar.network import wifi
from picar.network.hotspot import OWN
from tests.support.waiting import DEADLINE_S
from tests.support.watcher import AT_THIS_SOCKET

IN_A_HURRY = """
from picar.network import hotspot, watch
hotspot.ANNOUNCED_S, hotspot.AGAIN_S, watch.POLL_S = 0.5, 1.0, 0.2
"""

AT_HOME = r'home "pass\word; :'
PROFILES = {
    "u-own": {"name": OWN, "ssid": "picar-3f2a", "mode": "ap", "auto": False, "psk": "k3mf-9wxq-t4hn"},
    "u-home": {
        "name": "home",
        "ssid": r"Home: \Net",
        "mode": "infrastructure",
        "auto": True,
        "psk": AT_HOME,
    },
    "u-old": {"name": "old", "ssid": "Old", "mode": "", "auto": False, "psk": "oldpassword"},
}
START: dict[str, Any] = {
    "profiles": PROFILES,
    "networks": {},
    "active": "",
    "wired": False,
    "stations": 0,
    "dead": False,
    "fails": False,
    "refuses": False,
    "can_be_ap": True,
    "country": "DE",
}


class Network:
    """The programs and their network.

    Args:
        folder: a new one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.write(START)
        for name in ("nmcli", "iw"):
            script = folder / name
            script.write_text(f"#!{sys.executable} -S\n" + Path(fake.__file__).read_text().partition("\n")[2])
            script.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a process that uses them."""
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", "FAKE_NETWORK": str(self.folder)}

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        (self.folder / "state.json").write_text(json.dumps(state))

    def state(self) -> dict[str, Any]:
        """Return the state."""
        with self._locked():
            found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def change(self, **values: Any) -> None:
        """Change the state."""
        with self._locked():
            state = json.loads((self.folder / "state.json").read_text())
            self.write(state | values)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def appears(self, ssid: str, psk: str, **more: Any) -> None:
        """Let a network come into sight."""
        self.change(networks=self.state()["networks"] | {ssid: {"psk": psk, "signal": 70, **more}})

    def calls(self) -> list[str]:
        """Return every call so far."""
        return (self.folder / "calls").read_text().splitlines()

    @property
    def active(self) -> str:
        """The active profile."""
        return str(self.state()["active"])


class Watching:
    """`async with Watching(network, …)` runs `picar hotspot watch`; its socket is at `wifi.CTL`."""

    def __init__(self, network: Network, options: str, env: dict[str, str] | None = None) -> None:
        self.network, self.config = network, network.folder / "picar.toml"
        self.config.write_text(f'[hotspot]\ninterface = "wlan0"\n{options}')
        self._env = network.env | {"TEST_CTL": str(wifi.CTL)} | (env or {})

    async def __aenter__(self) -> Self:
        command = (
            sys.executable,
            "-c",
            IN_A_HURRY + AT_THIS_SOCKET,
            "hotspot",
            "watch",
            "--config",
            str(self.config),
        )
        with (self.network.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stderr=log, env=os.environ | self._env
            )
        give_up_at = time.monotonic() + DEADLINE_S
        while not await self._answers():
            assert time.monotonic() < give_up_at, self.log()
            await asyncio.sleep(0.05)
        return self

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(await wifi.ask("status"))
        return False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            await self._process.wait()
        assert "Traceback" not in self.log(), self.log()
        assert self.network.state()["profiles"].items() >= PROFILES.items()

    def log(self) -> str:
        """Return its log so far."""
        return (self.network.folder / "log").read_text()

    async def becomes(self, **wanted: Any) -> dict[str, Any]:
        """Wait until its status has these values."""
        give_up_at = time.monotonic() + DEADLINE_S
        while (status := await wifi.ask("status")) | wanted != status:
            assert time.monotonic() < give_up_at, f"{status}\n{self.log()}"
            await asyncio.sleep(0.1)
        return status
