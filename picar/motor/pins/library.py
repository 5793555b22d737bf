"""The common part of the GPIO libraries: the header's chip, a lock, an import, and a sentence for each error."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from collections.abc import Iterator

from picar.errors import BackendError, PinsBusy, may_use

_CHIP_NUMBERS = range(16)
_GET_INFO = 0x8044B401  # GPIO_GET_CHIPINFO_IOCTL of <linux/gpio.h>, the same on every Raspberry Pi
_INFO = struct.Struct("32s32sI")  # struct gpiochip_info: name, label, lines
_LOCK_DEVICE = "/dev/gpiochip0"
_LOCKS = "/proc/locks"
_WORK_DIR = "LG_WD"
_TEMPORARY = (os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0], "/dev/shm")  # noqa: S108 - memory, not the SD card


def header_chip() -> int:
    """Return the number of the GPIO chip with the lines of the header.

    The number differs between models and kernels; the label does not. It is read from the kernel, because lgpio takes
    100 ms to close each chip that it has opened.

    Raises:
        BackendError: there is no such chip, or no permission to use it.
    """
    denied = None
    for number in _CHIP_NUMBERS:
        device = f"/dev/gpiochip{number}"
        try:
            if label(device).startswith("pinctrl-"):
                return number
        except PermissionError:
            denied = denied or device
        except OSError:
            continue
    if denied:
        raise BackendError(f"no permission for {denied}. {may_use('gpio')}")
    raise BackendError("no GPIO chip of a Raspberry Pi is here (none has a label that begins with pinctrl-).")


def label(device: str) -> str:
    """Return the kernel's label of a chip; OSError if there is no such chip, or no permission to use it."""
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)  # as lgpio opens it
    try:
        info = fcntl.ioctl(fd, _GET_INFO, bytes(_INFO.size))
    finally:
        os.close(fd)
    return str(_INFO.unpack(info)[1].rstrip(b"\0"), "ascii", "replace")


class PinsLock:
    """Keeps other picars off the real pins, until `release` or the end of the process.

    RPi.GPIO lets any number of processes drive the same pin, so picar locks a device file that every Pi has. It writes
    nothing. The kernel releases the lock with its owner and lists the owner's pid.

    Raises:
        PinsBusy: another picar holds it; the sentence names its pid.
    """

    def __init__(self) -> None:
        path, flags, fix = _LOCK_DEVICE, os.O_RDONLY | os.O_CLOEXEC, may_use("gpio")
        if not os.path.exists(_LOCK_DEVICE):  # noqa: PTH110
            import tempfile  # here, because no Pi needs it

            path = f"{tempfile.gettempdir()}/picar-pins.lock"
            flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # another user may have put any file there
            fix = f"Remove it: sudo rm -r {path}"
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}. {fix}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _owner(self._fd)
            self.release()
            owner, end = (f", process {pid}", f", or kill {pid}") if pid else ("", "")
            raise PinsBusy(
                f"Another picar has the motor pins{owner}. Stop it first: sudo systemctl stop picar{end}."
            ) from None

    def release(self) -> None:
        """Release the lock."""
        os.close(self._fd)


def _owner(fd: int) -> int | None:
    """Return the pid that holds a lock on this file, None if the kernel does not list it."""
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open(_LOCKS, encoding="ascii") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except OSError:
        return None
    owners = [line.split() for line in lines if f" {device} " in line and " FLOCK " in line]
    return next((int(words[4]) for words in owners if words[1] == "FLOCK"), None)


@contextlib.contextmanager
def importing(package: str) -> Iterator[None]:
    """Import a library in this block; `package` is its name in Debian, for the message that it is not installed."""
    try:
        with private_work_dir():
            yield
    except ImportError:
        raise BackendError(_not_installed(package)) from None
    except Exception as error:  # libraries also look for a Pi and start threads when imported
        raise refusal(error) from None


@contextlib.contextmanager
def private_work_dir() -> Iterator[None]:
    """Give lgpio a working directory of its own while it is imported, and remove it afterwards.

    Its import writes a FIFO there and opens it by name: two imports in one directory disturb each other,
    and it changes the directory of the whole process.
    """
    import tempfile  # here, because it is half of the imports of `pins-low`

    before = os.environ.get(_WORK_DIR)
    here = _current_dir()
    folder = next((f for f in _TEMPORARY if f and os.access(f, os.W_OK | os.X_OK)), None)
    try:
        with tempfile.TemporaryDirectory(prefix="picar-", dir=folder) as work:
            os.environ[_WORK_DIR] = work
            try:
                yield
            finally:
                os.fchdir(here)
    finally:
        os.close(here)
        os.environ.pop(_WORK_DIR, None)
        if before is not None:
            os.environ[_WORK_DIR] = before


def refusal(error: Exception, pin: str = "A motor pin", otherwise: str = "") -> BackendError:
    """Return an error with a sentence that a person can act on, for any error of a library.

    The type of an error is no guide: rpi-lgpio raises lgpio's errors where RPi.GPIO raises RuntimeError, and gpiozero
    those of the library underneath. So the message decides.

    Args:
        error: from the library.
        pin: the pin that was claimed.
        otherwise: the sentence for an error that is not known here; its own message by default.
    """
    message = str(error).strip("'") or type(error).__name__  # lgpio quotes its messages
    if "busy" in message:
        return PinsBusy(f"{pin} is in use by another program. Find it: sudo fuser -v /dev/gpiochip*")
    if "can not open gpiochip" in message:  # lgpio gives no reason, the kernel does
        try:
            header_chip()
        except BackendError as why:
            return why
    if "/dev/mem" in message:
        return BackendError(f"{message.rstrip('.!')}. {may_use('gpio')}")
    if "peripheral base" in message:
        return BackendError(
            "RPi.GPIO does not know this model. Replace it: "
            "sudo apt remove python3-rpi.gpio && sudo apt install python3-rpi-lgpio"
        )
    return BackendError(otherwise or message)


def _current_dir() -> int:
    try:
        return os.open(".", os.O_RDONLY)
    except OSError:  # one that this user may not read, as after `sudo -u picar` at home
        return os.open("/", os.O_RDONLY)


def _not_installed(package: str) -> str:
    sentence = f"its library is not installed. Install it: sudo apt install {package}"
    if _sees_apt():
        return sentence
    return f"{sentence}, and let this Python see it: python3 -m venv --system-site-packages --upgrade {sys.prefix}"


def _sees_apt() -> bool:
    """Return whether this Python finds the packages of apt: outside a venv, or in one with the system's packages."""
    if sys.prefix == sys.base_prefix:
        return True
    try:
        with open(f"{sys.prefix}/pyvenv.cfg", encoding="utf-8") as file:  # noqa: PTH123
            return "include-system-site-packages = true" in file.read()
    except OSError:
        return False
