"""Permissions for tests: root's processes heed none, unless they give up the right to ignore them."""

from __future__ import annotations

import os
import shutil

import pytest

_RIGHTS = ("dac_override", "dac_read_search", "fowner")
_DROP = ",".join(f"-{right}" for right in _RIGHTS)
PREFIX = ("setpriv", f"--bounding-set={_DROP}", f"--inh-caps={_DROP}") if os.geteuid() == 0 else ()

# A program for `Product`: picar, heeding permissions.
PICAR = (
    "-c",
    "import os, sys\n"
    f"command = [*{PREFIX!r}, sys.executable, '-m', 'picar', *sys.argv[1:]]\n"
    "os.execvp(command[0], command)",
)

needs_permissions = pytest.mark.skipif(
    bool(PREFIX) and not shutil.which("setpriv"), reason="root heeds no permissions, and there is no setpriv"
)
