"""Where the state directory is, and where a running picar says which one it uses."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from picar.access.store import FILE
from picar.errors import AccessError

_WORD = "serving.json"
_MOST_PIDS = 1 << 22  # proc(5)
_SERVICE = Path("/run/picar")  # RuntimeDirectory= of systemd/picar.service
_SERVICE_STATE = Path("/var/lib/picar")  # its StateDirectory=


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: its process, its port and address, its state directory, and whom it asks for the PIN."""

    pid: int
    host: str
    port: int
    state: str
    pairing: Literal["on", "local", "off"]


def state_directory(env: Mapping[str, str] = os.environ) -> Path:
    """Return systemd's state directory, else `picar` in the user's own (XDG Base Directory Specification)."""
    if given := env.get("STATE_DIRECTORY", "").split(":")[0]:
        try:
            return Path(given).absolute()
        except FileNotFoundError:
            raise AccessError(
                "The current folder is gone. Change to another one, then start picar again."
            ) from None
    base = env.get("XDG_STATE_HOME", "")
    home = Path(base) if Path(base).is_absolute() else Path(env.get("HOME") or "/") / ".local" / "state"
    return home / "picar"


def resting(env: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory of the car that does not run at the moment: the service's, unless the user has one too.

    A list that is not the car's would be worse than none: somebody is removed from it, and drives tomorrow.
    """
    own = state_directory(env)
    ours = bool(env.get("STATE_DIRECTORY")) or (os.geteuid() != 0 and os.path.exists(own / FILE))  # noqa: PTH110
    return own if ours or not os.path.isdir(_SERVICE_STATE) else _SERVICE_STATE  # noqa: PTH112 - these never raise


def announce(serving: Serving, folder: Path | None) -> None:
    """Leave word in a folder in memory for `picar pair`; without one it must be told the port."""
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        new = folder / f"{_WORD}.new"
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123
            os.fchmod(fd, 0o644)  # whatever the umask: it holds no secret
            json.dump(asdict(serving), file)
        new.replace(folder / _WORD)


def withdraw(serving: Serving, folder: Path | None) -> None:
    """Take the word back."""
    if folder is not None and _read(folder) == serving:
        with contextlib.suppress(OSError):
            (folder / _WORD).unlink()


def running(folder: Path | None) -> Serving | None:
    """Return the server that runs: the service, else the one that left word in this folder, else None."""
    for place in (_SERVICE, folder):
        if place is None:
            continue
        serving = _read(place)
        if serving and _lives(serving.pid):
            return serving
    return None


def _read(folder: Path) -> Serving | None:
    try:
        serving = Serving(**json.loads((folder / _WORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return serving if _is_sound(serving) else None


def _is_sound(serving: Serving) -> bool:
    """Tell whether this can be a server's word: `sudo picar pair` reads what a user less trusted than root wrote."""
    texts = (serving.host, serving.state, serving.pairing)
    return (
        type(serving.pid) is int
        and 0 < serving.pid < _MOST_PIDS
        and type(serving.port) is int
        and 0 < serving.port < 1 << 16
        and all(isinstance(text, str) and text.isprintable() for text in texts)
        and Path(serving.state).is_absolute()
        and serving.pairing in ("on", "local", "off")
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
