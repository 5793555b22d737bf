"""How picar was started: the command lines in messages, which work as printed, and how to start another Python of it.

A printed command line begins with `picar`, `.venv/bin/picar` after `scripts/run`, or `sudo`.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
from pathlib import Path

import picar
from picar.files import SERVICE_RUNTIME

_NAME = "picar"


def command(arguments: str, *, sudo: bool | None = None) -> str:
    """Return the command line with these arguments for a person to type, like `.venv/bin/picar pair --list`.

    Args:
        arguments: of the program, quoted where needed.
        sudo: whether root must run it; if `None`, this is so for `pair` when root or the service runs now.
    """
    if sudo is None:
        sudo = arguments.startswith("pair") and _needs_root()
    return f"{'sudo ' * sudo}{program()} {arguments}"


@functools.cache
def program() -> str:
    """Return the shortest name of this program that works in a shell: `picar`, else its path.

    `serve` looks it up before anything moves, so that a disk that hangs delays no later message.
    """
    script = Path(sys.argv[0])
    if script.name != _NAME:  # python -m picar
        script = Path(sys.executable).with_name(_NAME)
    if not os.access(script, os.X_OK):
        return f"{_short(sys.executable)} -m {_NAME}"
    named = (Path(folder, _NAME) for folder in os.get_exec_path())
    found = next((path for path in named if os.access(path, os.X_OK) and path.is_file()), None)
    if found and os.path.realpath(found) == os.path.realpath(script):
        return _NAME
    return _short(str(script))


def python(module: str) -> list[str]:
    """Return the command that runs a module of picar; the current folder is not in its path."""
    return [sys.executable, "-P", "-m", module]


def python_environment() -> dict[str, str]:
    """Return the environment in which another Python finds this picar."""
    path = (str(Path(picar.__file__).parents[1]), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def _needs_root() -> bool:
    return "SUDO_UID" in os.environ or os.environ.get("RUNTIME_DIRECTORY") == str(SERVICE_RUNTIME)


def _short(path: str) -> str:
    """Return a path as seen from the current folder or from home, quoted for a shell."""
    try:
        here = os.getcwd()  # noqa: PTH109 - as text
        path = os.path.abspath(path)  # noqa: PTH100 - symbolic links stay: a virtual environment's Python is one
    except FileNotFoundError:  # the current folder is gone
        return shlex.quote(path)
    for folder, prefix in ((here, ""), (os.path.expanduser("~"), "~/")):  # noqa: PTH111
        if folder != "/" and path.startswith(f"{folder}/"):
            inside = path[len(folder) + 1 :]
            return prefix + shlex.quote(inside if prefix or "/" in inside else f"./{inside}")
    return shlex.quote(path)
