"""The machine that is examined, a tree of files and a way to run programs, and the findings about it.

Tests build a tree of their own with prepared answers; `this_machine()` is the real one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from picar.config import ServerConfig
from picar.sensors.host import ROOT, Tree
from picar.values import Value

PATIENCE_S = 30.0  # a small Pi starts a Python that imports a GPIO library in a second or two; a busy one takes many times that
_MORE_PATHS = "/usr/sbin:/sbin"  # iw is there, and a user's PATH lacks them
_INDENT = " " * 26

Grade = Literal["ok", "warning", "problem"]


class Finding(Value):
    """One line of the report. `fix` is a command or an edit, empty where there is nothing to mend."""

    check: str
    status: Grade
    message: str
    fix: str = ""


class Answer(Value):
    """The output of a program. `code` is its exit code, None if it was too slow and was killed."""

    code: int | None
    out: str = ""
    err: str = ""


class Ask(Protocol):
    """A way to run a program."""

    def __call__(self, *command: str) -> Answer | None:
        """Return its answer, or None if there is no such program."""


class Machine(Tree):
    """One machine: its file tree (`root` is `/` for this machine), and ways to use it.

    Args:
        ask: runs a program.
        listen: opens the sockets that `picar serve` would open, or raises `ServeError`.
        python: version of the Python that runs picar.
        interpreter: its program, for trying a GPIO library in a process of its own.
        is_root: whether root runs the doctor: root needs no group.
    """

    ask: Ask
    listen: Callable[[ServerConfig], list[socket.socket]]
    python: str = platform.python_version()
    interpreter: str = sys.executable
    is_root: bool = False

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        return os.path.lexists(self.root / path)


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    from picar.web.server import listen

    return Machine(ROOT, run, listen, is_root=os.geteuid() == 0)


def run(*command: str, patience_s: float = PATIENCE_S) -> Answer | None:
    """Run a program, with a deadline and without a terminal; kill its whole process group after the deadline."""
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


def report(findings: Iterable[Finding]) -> list[str]:
    """Return the lines to print."""
    lines, counts = [], {"problem": 0, "warning": 0}
    for finding in findings:
        if finding.status != "ok":
            counts[finding.status] += 1
        first, *more = finding.message.splitlines()
        lines.append(f"  {finding.status:<8} {finding.check:<14} {first}")
        lines += [_INDENT + line.strip() for line in more]
        if finding.fix:
            lines.append(f"{_INDENT}fix: {finding.fix}")
    counted = [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]
    can_drive = "" if counts["problem"] else " The car can drive."
    return [*lines, "", f"{' and '.join(counted)}.{can_drive}" if counted else "All is well."]


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a JSON list of `{"check", "status", "message", "fix"}`."""
    return json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False, indent=2)


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether there is no problem; warnings do not count."""
    return all(finding.status != "problem" for finding in findings)
