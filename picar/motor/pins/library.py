"""What importing a GPIO library takes, so that each backend's file is about pins only."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_WORK_DIR = "LG_WD"
_TEMPORARY = (os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0], "/dev/shm")  # noqa: S108 - memory, not the SD card


@contextlib.contextmanager
def private_work_dir() -> Iterator[None]:
    """Give lgpio a working directory of its own while it is imported, and take it away afterwards.

    Its import writes a FIFO there and opens it by name: two imports in one directory disturb each other,
    and it changes the directory of the whole process.
    """
    before = os.environ.get(_WORK_DIR)
    here = os.open(".", os.O_RDONLY)
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
        os.environ.pop(_WORK_DIR)
        if before is not None:
            os.environ[_WORK_DIR] = before


def not_installed(package: str) -> str:
    """Return the sentence for a library that is not there; `package` is Debian's."""
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
