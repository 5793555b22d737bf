"""picar as a service on a machine, installed by `scripts/install`, with recorded pins."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from tests.service.machine import CHECKOUT, ROOT, Machine
from tests.support.product import ALL_PINS, EN_PINS, read_trace
from tests.support.waiting import until

CONFIG = "/etc/picar/picar.toml"
TRACE = "/run/picar/trace.jsonl"
PICAR = "/opt/picar/venv/bin/picar"
DRIVEN = "/run/picar/driven.toml"
SLOW = "/usr/local/bin/slow-picar"
UNIT = "picar.service"
PATIENCE_S = 60.0


def drop_in(*slow: str, trace: str = TRACE) -> str:
    """Return what makes the unit use recorded pins; the commands of these keys start `SLOW`."""
    text = "[Service]\n"
    for key in ("ExecStartPre", "ExecStart", "ExecStopPost"):
        text += f"{key}=\n"
        for line in (ROOT / "systemd" / UNIT).read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{key}="):
                line = line.replace(f"{PICAR} ", f"{SLOW if key in slow else PICAR} ")
                text += line.replace(" --config", f" --pins mock --pin-trace {trace} --config") + "\n"
    return text


class Service:
    """picar on a machine, installed by scripts/install.

    Args:
        machine: where to.
        options: of scripts/install.
        trace: where its pins are recorded; in memory, it is gone when the machine is switched off.
    """

    def __init__(self, machine: Machine, *options: str, trace: str = TRACE) -> None:
        self.machine, self._trace = machine, trace
        machine.write(f"/etc/systemd/system/{UNIT}.d/mock.conf", drop_in(trace=trace))
        self.free_port = 80 if _is_free(80) else 8000
        self.installed = self.install(options=options)
        assert self.installed.startswith("0\n"), self.installed
        self.first_config = machine.path(CONFIG).read_text()
        self.first_answer = machine.run("sh", "-c", f"journalctl -u {UNIT} -o cat | grep 'open '").stdout
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        machine.write(CONFIG, f'[server]\nport = {self.port}\nhost = "127.0.0.1"\n')

    def install(self, *environment: str, options: tuple[str, ...] = ()) -> str:
        """Run scripts/install. Returns its exit code and what it said."""
        done = self.machine.run("env", *environment, f"{CHECKOUT}/scripts/install", *options, check=False)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    async def run(self, *command: str) -> str:
        """Run a command in the machine, while the driver out here goes on holding the stick."""
        return (await asyncio.to_thread(self.machine.run, *command)).stdout

    async def start(self) -> None:
        """Start it afresh, whatever became of it before."""
        await self.run("systemctl", "restart", UNIT)

    def pids(self) -> dict[str, int]:
        """Return the ids of the server, of the motor process and, while it runs, of the camera process, in there."""
        server = int(self.show("MainPID"))
        pids = {"server": server}
        for child in self.machine.path(f"/proc/{server}/task/{server}/children").read_text().split():
            command = self.machine.path(f"/proc/{child}/cmdline").read_text()
            pids |= {name: int(child) for name in ("motor", "camera") if f"picar.{name}" in command}
        return pids

    def show(self, key: str) -> str:
        return self.machine.show(UNIT, key)

    async def kill(self, signal: str, *names: str) -> None:
        pids = self.pids()
        await self.run("sh", "-c", f"kill -{signal} {' '.join(str(pids[name]) for name in names)}")

    async def until_active_again(self, server: int) -> None:
        """Wait for another server than this one, ready."""
        await until(
            lambda: self.show("MainPID") not in ("0", str(server)) and self.show("ActiveState") == "active",
            "the service again",
            PATIENCE_S,
        )

    def journal(self, since: float) -> list[str]:
        command = ("journalctl", "--unit", UNIT, "--output", "cat", "--since", f"@{since:.6f}")
        return self.machine.run(*command).stdout.splitlines()

    async def until_journal(self, words: str, since: float) -> None:
        """Wait until one line of the journal has these words."""
        await until(lambda: any(words in line for line in self.journal(since)), f"journal: {words}")

    def trace(self) -> list[dict[str, Any]]:
        """Return what was written to the pins, in order."""
        return read_trace(self.machine.path(self._trace))

    def levels(self) -> dict[int, float]:
        return {write["pin"]: write["value"] for write in self.trace()}

    def flights(self) -> set[Path]:
        """Return the files of the flight recorder."""
        return set(self.machine.path("/run/picar").glob("flight-*.jsonl"))

    def is_low(self) -> bool:
        levels = self.levels()
        return levels.keys() == set(ALL_PINS) and not any(levels.values())

    def low_after(self, since: float) -> float:
        """Return how long after `since` both enable pins were low, and see that nothing rose again."""
        levels: dict[int, float] = {}
        low_at, drove = since, False
        for write in self.trace():
            was_high = any(levels.get(pin) for pin in EN_PINS)
            levels[write["pin"]] = write["value"]
            if write["t"] >= since and was_high and not any(levels.get(pin) for pin in EN_PINS):
                low_at, drove = write["t"], True
            assert not (write["value"] and low_at > since), write
        assert drove, "it stood already"
        return low_at - since


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True
