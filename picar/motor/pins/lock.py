"""One picar at a time on the real pins, whatever library each uses.

RPi.GPIO lets any number of processes drive the same pin, so picar has a lock of its own: on a device
file that every Pi has. Nothing is written, the kernel drops it with its owner however that dies, and
it knows the owner's pid.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from picar.errors import BackendError, PinsBusy

_DEVICE = Path("/dev/gpiochip0")
_LOCKS = Path("/proc/locks")


class PinsLock:
    """Held from now until `release` or the end of the process.

    Raises:
        PinsBusy: another picar holds it; the sentence names its pid.
    """

    def __init__(self) -> None:
        path, flags, fix = _DEVICE, os.O_RDONLY | os.O_CLOEXEC, may_use("gpio")
        if not _DEVICE.exists():
            path = _elsewhere()
            flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # anybody may have put anything there
            fix = f"Remove it: sudo rm -r {path}"
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}. {fix}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _holder(self._fd)
            self.release()
            raise PinsBusy(_sentence(pid)) from None

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._fd)


def may_use(group: str) -> str:
    """Return how a person comes to use devices of this group."""
    if os.geteuid() == 0:  # no group keeps root out
        return "Root may not use it either. Allow the device where picar runs: DeviceAllow= of the unit, or the container."
    return f"Join the group that may use it: sudo usermod -aG {group} $USER, then log in again."


def _elsewhere() -> Path:
    import tempfile  # here, because no Pi needs it

    return Path(tempfile.gettempdir()) / "picar-pins.lock"


def _holder(fd: int) -> int | None:
    """Return the pid that has a lock on this file, as the kernel lists it, None where it does not."""
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    owners = [line.split() for line in lines if f" {device} " in line and " FLOCK " in line]
    return next((int(words[4]) for words in owners if words[1] == "FLOCK"), None)


def _sentence(pid: int | None) -> str:
    if pid is None:
        return "Another picar has the motor pins. Stop it first: sudo systemctl stop picar."
    return (
        f"Another picar has the motor pins, process {pid}. "
        f"Stop it first: sudo systemctl stop picar, or kill {pid}."
    )
