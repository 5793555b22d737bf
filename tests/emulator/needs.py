"""What this machine must have to emulate a Pi, and the sentence that says what it lacks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

# Program: Debian's package.
TO_BUILD = {
    "mmdebstrap": "mmdebstrap",
    "genext2fs": "genext2fs",
    "arch-test": "arch-test",
    "qemu-aarch64-static": "qemu-user-static",
    "fdtput": "device-tree-compiler",
    "resize2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "ssh-keygen": "openssh-client",
    "newuidmap": "uidmap",  # for who is not root
}
TO_RUN = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
}


class Lacking(Exception):
    """Something that a person must mend first; its text is one sentence with the fix."""


def surroundings() -> dict[str, str]:
    """Return the environment for these programs: the PATH of an ordinary user may leave out where some of them are."""
    return os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def check_tools(tools: dict[str, str]) -> None:
    """Raise `Lacking` when a program is missing, with the command that installs all that are."""
    path = surroundings()["PATH"]
    missing = sorted({package for program, package in tools.items() if not shutil.which(program, path=path)})
    if missing:
        raise Lacking(
            f"this machine lacks {', '.join(missing)}; on Debian or Ubuntu: sudo apt install {' '.join(missing)}"
        )


def check_arm64() -> None:
    """Raise `Lacking` when this machine does not run programs for arm64."""
    if subprocess.run(["arch-test", "arm64"], capture_output=True, check=False).returncode:
        raise Lacking(
            "the kernel of this machine is not told how to run arm64 programs: sudo update-binfmts --enable qemu-aarch64 "
            "(in a container, first: mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc)"
        )


def check_room(where: Path, needed_bytes: int) -> None:
    """Raise `Lacking` when the disk has less free than that."""
    free = shutil.disk_usage(where).free
    if free < needed_bytes:
        raise Lacking(
            f"{where} has {free / 1e9:.1f} GB free, and {needed_bytes / 1e9:.1f} GB are needed; free some, or name another "
            "disk with XDG_CACHE_HOME=."
        )


def check_port(port: int, what: str) -> None:
    """Raise `Lacking` when somebody listens on the port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise Lacking(f"port {port} is for root alone; {what} names another, from 1024 on.") from None
        except OSError:
            raise Lacking(f"port {port} of this machine is in use; {what} names another.") from None
