"""This checkout on the emulated Pi, put there by its own `scripts/install`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.emulator.guest import Guest
from tests.service.machine import CHECKOUT, ROOT, SHIPPED

WHEELS = "/root/wheels"
_LGPIO = "lgpio==0.2.2.0"  # as scripts/install wants it where apt has none
_LIBRARIES = ("gpiozero>=2.0.1.post3", "rpi-lgpio>=0.6")
_C_LIBRARY = 36  # Bookworm's is 2.36, and runs what was made for an older one
_TARGET = (
    "--python-version=3.11",
    *(f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, _C_LIBRARY + 1)),
)
UNIT = "picar.service"
# Its Python is fifteen times slower than that of this machine, and some times slower than that of a Pi Zero 2 W: what
# is a hang there is a moment here. The last three are what waits for a Python to start.
DROP_IN = "[Service]\nWatchdogSec=30\nTimeoutAbortSec=20\nTimeoutStopSec=60\nTimeoutStartSec=300\n"


def wheels(folder: Path, *, libraries: bool) -> None:
    """Fetch the wheels of a Pi into a folder, with the pip out here, which knows where from.

    Args:
        folder: to put them in.
        libraries: the other GPIO libraries too.

    Raises:
        subprocess.CalledProcessError: one cannot be had.
    """
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:"]
    command += ["-qq", "--disable-pip-version-check"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"], _LGPIO]
    wanted += project["project"]["optional-dependencies"]["camera"]
    wanted += _LIBRARIES if libraries else ()
    subprocess.run([*command, *_TARGET, "--dest", folder, *wanted], check=True)


def send(guest: Guest, *, libraries: bool = False) -> None:
    """Bring the checkout and its wheels."""
    with tempfile.TemporaryDirectory(prefix="picar-wheels-") as folder:
        wheels(Path(folder), libraries=libraries)
        guest.send({path.name: path for path in Path(folder).iterdir()}, WHEELS)
    guest.send({name: ROOT / name for name in SHIPPED}, CHECKOUT)


def install(guest: Guest) -> str:
    """Install it as a service, with the times of a slow machine. Returns what scripts/install said."""
    guest.write(f"/etc/systemd/system/{UNIT}.d/slow.conf", DROP_IN)
    pip = ("env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={WHEELS}", "PIP_NO_COMPILE=1")
    return guest.run(*pip, f"{CHECKOUT}/scripts/install", "--no-wifi", timeout_s=1800).stdout
