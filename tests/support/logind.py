"""A stand-in for busctl: it writes down what is asked of logind, and answers as a test wants."""

from __future__ import annotations

import os
from pathlib import Path

# As if systemd had started it, which cannot be had here; the rehearsal has the real thing.
AS_THE_SERVICE = """
import sys
from picar.web.api import power
power.runs_as_service = lambda: True
from picar.__main__ import main
sys.exit(main())
"""
_PROGRAM = """#!/bin/sh
here=$(dirname "$0")
case $* in *.Manager\\ *) printf '%s\\n' "${*#*.Manager }" >>"$here/calls" ;; esac
case $* in
*Can*) answer=can ;;
*) answer=do ;;
esac
. "$here/$answer"
"""


class FakeLogind:
    """`busctl` in a folder of its own, for the PATH of a car.

    Args:
        folder: a new one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.busctl = folder / "busctl"
        self.busctl.write_text(_PROGRAM)
        self.busctl.chmod(0o755)
        self.answers(can="""echo 's "yes"'""", do=":")

    @property
    def path(self) -> dict[str, str]:
        """The environment of a car that finds this busctl."""
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def answers(self, **scripts: str) -> None:
        """Have it run these lines of shell when it is asked whether it `can`, or told to `do` it."""
        for name, script in scripts.items():
            (self.folder / name).write_text(script + "\n")

    def calls(self) -> list[str]:
        """Return its calls so far."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []
