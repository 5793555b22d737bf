"""Both lines of Tornado that picar runs on: the installed one, and the other in a folder for PYTHONPATH."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tornado

LINES = {"6.5": "tornado>=6.5.9,<6.6", "6.6": "tornado>=6.6,<6.7"}
_OFFLINE = "connection", "resolve", "timed out", "No matching distribution"


class Tornados:
    """Makes the environment in which a product runs on a line of Tornado; each is fetched once.

    Args:
        folder: to put them in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.env = functools.cache(self._env)

    def _env(self, line: str) -> dict[str, str]:
        if tornado.version.startswith(f"{line}."):
            return {}
        target = self._folder / line
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*pip, "--target", str(target), LINES[line]], capture_output=True, text=True, check=False
        )
        if done.returncode and not os.environ.get("CI") and any(word in done.stderr for word in _OFFLINE):
            pytest.skip(f"no network to fetch {LINES[line]}")
        assert done.returncode == 0, done.stderr
        env = {"PYTHONPATH": os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))}
        assert _version(env).startswith(f"{line}."), _version(env)
        return env


@contextmanager
def tornados() -> Iterator[Tornados]:
    """Keep them for one run of the suite."""
    with tempfile.TemporaryDirectory(prefix="picar-test-tornado-") as folder:
        yield Tornados(Path(folder))


def _version(env: dict[str, str]) -> str:
    code = "import tornado; print(tornado.version)"
    return subprocess.check_output([sys.executable, "-c", code], env=os.environ | env, text=True).strip()
