"""What a run must not leave behind: a process, a descriptor, a file; Linux."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

MARK = "FAULTS_RUN"  # an environment variable that every process of a run inherits


class Leaked(Exception):
    """A run left something behind."""


def marked(run: str) -> list[int]:
    """Return all processes of a run that are left."""
    wanted = f"{MARK}={run}".encode()
    return [pid for pid in _pids() if wanted in _environment(pid)]


def kill(pids: list[int]) -> None:
    """End what is left, so that it does not disturb the next run."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def children() -> set[int]:
    """Return the processes, dead ones too, that this one has started and not yet seen the end of."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


def files(folder: Path, ignore: str = "") -> list[str]:
    """Return what lies in a folder that should be empty, apart from one name."""
    return [each.name for each in folder.iterdir() if each.name != ignore]


def _pids() -> Iterator[int]:
    return (int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
