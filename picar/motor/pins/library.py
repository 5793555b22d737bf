"""What every GPIO library needs: an import that leaves nothing behind, and a plain sentence for whatever it raises."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from picar.errors import BackendError, PinsBusy
from picar.motor.pins.chips import header_chip
from picar.motor.pins.lock import may_use

_WORK_DIR = "LG_WD"
_TEMPORARY = (os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0], "/dev/shm")  # noqa: S108 - memory, not the SD card


@contextlib.contextmanager
def importing(package: str) -> Iterator[None]:
    """Import a library in here; `package` is Debian's, for the one who has not installed it."""
    try:
        with private_work_dir():
            yield
    except ImportError:
        raise BackendError(_not_installed(package)) from None
    except Exception as error:  # they also look for a Pi, and start threads
        raise refusal(error) from None


@contextlib.contextmanager
def private_work_dir() -> Iterator[None]:
    """Give lgpio a working directory of its own while it is imported, and take it away afterwards.

    Its import writes a FIFO there and opens it by name: two imports in one directory disturb each other,
    and it changes the directory of the whole process.
    """
    import tempfile  # here, because it is half of what `pins-low` would import otherwise

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
    """Return what a person can do about whatever a library raised.

    No type tells one failure from another: rpi-lgpio raises lgpio's errors where RPi.GPIO raises
    RuntimeError, and gpiozero those of whatever is underneath. So the message must.

    Args:
        error: from the library.
        pin: what was asked for.
        otherwise: the sentence for an error that is not known here; its own message by default.
    """
    message = str(error).strip("'") or type(error).__name__  # lgpio quotes its messages
    if "busy" in message:
        return PinsBusy(f"{pin} is in use by another program. Find it: sudo fuser -v /dev/gpiochip*")
    if "can not open gpiochip" in message:  # lgpio knows no more, the kernel does
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
    """Tell whether this Python finds what apt installs: outside any venv, or in one that was told to."""
    if sys.prefix == sys.base_prefix:
        return True
    try:
        settings = (Path(sys.prefix) / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    return "include-system-site-packages = true" in settings
