"""The machine that is examined: a tree of files, and a way to ask programs.

Tests give a tree of their own and answers of their own; there is one real machine, `this_machine()`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from picar.config import ServerConfig
from picar.sensors.host import ROOT, Tree

PATIENCE_S = 30.0  # a small Pi starts a Python that imports a GPIO library in a second or two; a busy one takes many times that
_MORE_PATHS = "/usr/sbin:/sbin"  # where iw is, and where a user's PATH does not look


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said. `code` is its exit code, None where it was too slow and is gone."""

    code: int | None
    out: str = ""
    err: str = ""


class Ask(Protocol):
    """A way to run a program."""

    def __call__(self, *command: str) -> Answer | None:
        """Return what it said, or None where there is no such program."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    Args:
        root: its file tree; `/` is this machine's.
        ask: runs a program.
        listen: opens the sockets that `picar serve` would open, or raises `ServeError`.
        python: version of the Python that runs picar.
        interpreter: its program, for trying a GPIO library in a process of its own.
        is_root: whether root asks, whom no group keeps out.
    """

    root: Path
    ask: Ask
    listen: Callable[[ServerConfig], list[socket.socket]]
    python: str = platform.python_version()
    interpreter: str = sys.executable
    is_root: bool = False

    def text(self, *paths: str) -> str | None:
        """Return the text of the first of these files that can be read, None without any."""
        return Tree(self.root).text(*paths)

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, sorted."""
        return Tree(self.root).find(pattern)

    def has(self, path: str) -> bool:
        """Tell whether there is such a file or folder."""
        return os.path.lexists(self.root / path)


def this_machine() -> Machine:
    """Return the machine that this runs on."""
    from picar.web.server import listen

    return Machine(ROOT, run, listen, is_root=os.geteuid() == 0)


def run(*command: str, patience_s: float = PATIENCE_S) -> Answer | None:
    """Run a program, with a deadline and without a terminal; all that it started ends with it."""
    paths = f"{os.environ.get('PATH', os.defpath)}:{_MORE_PATHS}"
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"LC_ALL": "C.UTF-8", "PATH": paths, "SYSTEMD_PAGER": ""},
            start_new_session=True,
        )
    except OSError:  # missing, or not for this user
        return None
    with process:
        try:
            out, err = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return Answer(None)
    return Answer(
        process.returncode, out.decode(errors="replace").strip(), err.decode(errors="replace").strip()
    )
