"""Start one server under test, know its processes, and end it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Trace, cpu_s, family, memory_mib
from tests.fakes.board import NOWHERE, VARIABLE
from tests.support.header import REAL, FakeHeader
from tests.support.product import trace_writer

ROOT = Path(__file__).parents[2]
ANCHOR = "tests.bench.anchors."
# The slew limiter at its fastest and no shaping, so that each command moves the duty at once.
CONFIG = """
[session]
command_timeout_s = 1.0
[drive]
accel = 20.0
decel = 50.0
expo = 0.0
deadband = 0.01
"""
MODULES = {
    "picar": ["picar", "serve", "--port", "0"],
    "echo": [ANCHOR + "echo"],
    "one process": [ANCHOR + "one_process"],
    "tutorial": [ANCHOR + "tutorial"],
    "20 Hz loop": [ANCHOR + "one_process", "--loop-hz", "20"],
    "broadcast": [ANCHOR + "broadcast"],
    "pictures": [ANCHOR + "pictures"],
}
START_TIMEOUT_S = 30.0


class Server:
    """A running server.

    Args:
        name: a key of `MODULES`; any other name is a car's too.
        folder: where its trace and its log go.
        pins: the car's backend; a vendor library's is a fake.
        root: the checkout whose product runs.
        config: text of the car's configuration file.
        traced: whether it writes its pins into `trace`.
        module: the car's Python module; a wrapper may stand in.
        host: the address that the car listens on.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        pins: str = "mock",
        root: Path = ROOT,
        config: str = CONFIG,
        traced: bool = True,
        module: str = "picar",
        host: str = "127.0.0.1",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.trace = Trace(folder / f"{name}-{pins}.jsonl")
        self._log = folder / f"{name}-{pins}.log"
        command = [sys.executable, "-m", *MODULES.get(name, MODULES["picar"])]
        if traced and name != "echo":
            command += ["--pin-trace", str(self.trace.path)]
        if self.is_car:
            file = folder / "bench.toml"
            file.write_text(config)
            command[2] = module
            command += ["--host", host, "--config", str(file), "--pins", pins]
        env = environment(folder, root)
        if pins in REAL:
            env |= FakeHeader(pins, folder).env | {VARIABLE: NOWHERE}
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            self.url = self._wait_for_page()
        except Exception:
            self.stop()
            raise
        self.first_page_s = time.monotonic() - started
        writer = trace_writer(self._process.pid)  # what measuring costs is not the server's
        self._began_with = family(self._process.pid)
        self.pids = [pid for pid in self._began_with if pid != writer]

    @property
    def is_car(self) -> bool:
        """Whether it is the product, of whichever checkout."""
        return self.name not in MODULES or self.name == "picar"

    @property
    def ws_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    def cpu_s(self) -> float:
        return cpu_s(self.pids)

    def memory(self) -> dict[str, float]:
        """Return what all processes hold, in MiB: resident, and with shared pages shared out."""
        both = [memory_mib(pid) for pid in self.pids]
        return {"rss_mib": sum(rss for rss, _ in both), "pss_mib": sum(pss for _, pss in both)}

    def camera_pid(self) -> int | None:
        """Return the id of the car's camera process, None without one."""
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return next((int(pid) for pid in children if int(pid) not in self._began_with), None)

    def log(self) -> str:
        """Return its output so far."""
        return self._log.read_text()

    def stop(self) -> None:
        """End it, by force if it must."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_page(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            printed = re.search(r"http://127\.0\.0\.1:\d+/?", self._log.read_text())
            if printed:
                url = printed[0].rstrip("/") + "/"
                with urllib.request.urlopen(url, timeout=START_TIMEOUT_S) as answer:  # noqa: S310
                    answer.read()
                return url
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()}")


def environment(folder: Path, root: Path = ROOT) -> dict[str, str]:
    """Return this process's environment, but with nothing of the user's own car, which a bench must not touch."""
    # Without PYTHONDONTWRITEBYTECODE: an installed car has its bytecode, and compiling costs each process memory and time.
    own = ("PICAR_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "PYTHONDONTWRITEBYTECODE")
    env = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    return env | {"PYTHONPATH": str(root), "XDG_STATE_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}


def stop_all(servers: Sequence[Server]) -> None:
    """End all servers, however many fail to."""
    for server in servers:
        server.stop()
