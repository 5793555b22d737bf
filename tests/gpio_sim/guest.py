"""The first process of the guest: it mounts file systems, makes the GPIO chip, runs pytest, and turns the machine off."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

from tests.gpio_sim.__main__ import ARGUMENTS, EXIT_CODE, ROOT

CHIP = Path("/sys/kernel/config/gpio-sim/header")
MOUNTS = {"proc": "/proc", "sysfs": "/sys", "configfs": "/sys/kernel/config", "tmpfs": "/run"}
_POWER_OFF = 0x4321FEDC  # of reboot(2)
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP


def prepare(out: Path) -> None:
    """Mount what Python and pytest need, bring the loopback up, and make a chip with the label of a Raspberry Pi 4's."""
    for kind, place in MOUNTS.items():
        subprocess.run(["mount", "-t", kind, kind, place], check=True)
    subprocess.run(["mount", "-t", "hostfs", "-o", out, "hostfs", out], check=True)  # that one may be written
    Path("/dev/shm").mkdir()  # noqa: S108
    Path("/dev/fd").symlink_to("/proc/self/fd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    (CHIP / "bank0").mkdir(parents=True)
    for name, value in {"bank0/num_lines": "54", "bank0/label": "pinctrl-bcm2711", "live": "1"}.items():
        (CHIP / name).write_text(value)


def run_pytest(arguments: list[str]) -> int:
    """Run pytest, and collect orphans meanwhile, as a first process must. Returns its exit code."""
    home = {"HOME": "/run", "TMPDIR": "/run", "LG_WD": "/run", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    pytest = subprocess.Popen(command, env=os.environ | home, cwd=ROOT)
    while (ended := os.wait())[0] != pytest.pid:
        pass
    return os.waitstatus_to_exitcode(ended[1])


if __name__ == "__main__":
    try:
        folder = Path(os.environ["OUT"])
        prepare(folder)
        code = run_pytest(json.loads((folder / ARGUMENTS).read_text()))
        (folder / EXIT_CODE).write_text(str(code))
    finally:
        ctypes.CDLL(None).reboot(_POWER_OFF)
