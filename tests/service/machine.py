"""A Debian with a real systemd as its first process, made fresh for a test run and thrown away after it.

Its tree is made once, by mmdebstrap, and kept; each run lays an overlay on it. It shares this machine's
network and clock, so that a client out here drives the car in there, and its pin trace can be read. What
pip installs in there is fetched by the pip out here, which knows how; apt in there fetches for itself.
PICAR_TEST_TREES names a folder for the trees, PICAR_TEST_SUITE another Debian than this machine's.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
SHIPPED = ("picar", "static", "templates", "scripts", "systemd", "pyproject.toml", "README.md", "LICENSE")
CHECKOUT = "/root/picar"
_WHEELS = "/root/wheels"
TOOLS = ("systemd-nspawn", "mmdebstrap", "nsenter")
BARE = ("systemd-sysv", "dbus", "passwd", "python3")
READY = (*BARE, "python3-venv", "avahi-daemon", "openssl", "polkitd")  # all that scripts/install wants
PATIENCE_S = 300.0
_PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
_REBOOT = 133  # how systemd-nspawn --keep-unit says so
# With these, DevicePolicy= and DeviceAllow= count in there as on a Pi: they are programs of BPF on one hierarchy of groups.
_DEVICE_POLICY = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_SECCOMP": "0"}
_INSIDE = ("--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--root", "--wdns=/")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """`with Machine() as machine:` boots it, and ends it also after an error.

    Args:
        suite: which Debian; this machine's own where it is None.
        bare: without the packages that `scripts/install` fetches from apt.
    """

    def __init__(self, suite: str | None = None, *, bare: bool = False) -> None:
        self._suite = suite or os.environ.get("PICAR_TEST_SUITE") or _own_suite()
        self._bare = bare
        self._folder = tempfile.TemporaryDirectory(prefix="picar-machine-")
        self._root = Path(self._folder.name) / "root"
        self._process: subprocess.Popen[bytes]
        self.leader = 0  # its first process, seen from out here

    def __enter__(self) -> Self:
        below = _tree(self._suite, bare=self._bare)
        upper, work = self._root.with_name("upper"), self._root.with_name("work")
        for folder in (self._root, upper, work):
            folder.mkdir()
        options = f"lowerdir={below},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", self._root], check=True)
        try:
            self._furnish()
            self.boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def path(self, inside: str) -> Path:
        """Return where a file of the machine is, seen from out here; what it has in memory included."""
        return Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside: str, text: str) -> None:
        """Write a file."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in there, as root."""
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": _WHEELS}
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", *_INSIDE, *command],
            env=pip | {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, key: str) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", key, unit).stdout.strip()

    def boot(self) -> None:
        """Switch it on, and wait until it has booted."""
        log = self._root.with_name("console").open("wb")
        with log:
            self._process = subprocess.Popen(
                [
                    *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
                    *("--directory", self._root, "--console=pipe"),
                    "--capability=CAP_BPF,CAP_PERFMON",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], **_DEVICE_POLICY},
            )
        give_up_at = time.monotonic() + PATIENCE_S
        while not self.is_up():
            said = self._root.with_name("console").read_text(errors="replace")
            assert self._process.poll() is None, f"it does not boot:\n{said}"
            assert time.monotonic() < give_up_at, f"it boots too long:\n{said}"
            time.sleep(0.1)

    def kept(self, inside: str) -> Path:
        """Return where a file on its disk is, also when it is switched off."""
        return self._root / inside.removeprefix("/")

    def ended(self) -> str:
        """Return how it has ended by itself: "off", or "reboot", and then it is for `boot` to go on; "" while it runs."""
        return {None: "", 0: "off", _REBOOT: "reboot"}[self._process.poll()]

    def is_up(self) -> bool:
        """Tell whether it has booted."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = children.read_text().split()
        if not pids:
            return False
        self.leader = int(pids[0])
        done = subprocess.run(
            ["nsenter", f"--target={pids[0]}", *_INSIDE, "systemctl", "is-system-running"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() in ("running", "degraded")

    def _furnish(self) -> None:
        """Bring the checkout, and the packages that installing it takes."""
        for name in SHIPPED:
            source, target = ROOT / name, self._root / CHECKOUT[1:] / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        wheels = self._root / _WHEELS[1:]
        pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--wheel-dir", wheels, f"{ROOT}[mqtt]", "hatchling"], check=True)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        options = ("--no-deps", "--only-binary", ":all:", "--python-version", _PYTHON[self._suite])
        packages = ["pillow", "videodev2"]
        if self._suite == "bookworm":  # lgpio has a wheel for its Python, and none for Trixie's
            packages.append("lgpio==0.2.2.0")
        subprocess.run([*pip, *options, "--dest", wheels, *packages], check=True)

    def _end(self) -> None:
        if self.leader and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(
                    self.leader, signal.SIGKILL
                )  # all of the machine ends with its first process, not with nspawn
            self._process.wait(PATIENCE_S)
        subprocess.run(["umount", "--lazy", self._root], check=False)
        self._folder.cleanup()


def missing() -> str:
    """Return what this machine lacks to be the host of another, as a sentence; empty when it is ready."""
    if os.getuid() != 0:
        return "these tests boot a machine in a container: run them as root"
    if lacking := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"no {', '.join(lacking)}: apt install systemd-container mmdebstrap util-linux"
    return ""


def _own_suite() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _tree(suite: str, *, bare: bool) -> Path:
    """Return the tree of a plain Debian; the first time it takes a minute to make."""
    trees = Path(os.environ.get("PICAR_TEST_TREES", "/var/cache/picar-tests"))
    tree = trees / f"{suite}-{'bare' if bare else 'ready'}"
    if not tree.exists():
        trees.mkdir(parents=True, exist_ok=True)
        half = tree.with_name(tree.name + ".half")  # interrupted, it is not taken for a whole one
        shutil.rmtree(half, ignore_errors=True)
        packages = ",".join(BARE if bare else READY)
        command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={packages}", suite, str(half)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        half.rename(tree)
    return tree
