"""Where the state directory is, and the file in which a running picar names its own.

Law: a user less trusted than root can set no trap for `sudo picar pair`. A file of such a user never names another
state directory than the service's, and never blocks the reader; root works in a folder as the folder's owner.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from picar.access.store import FILE
from picar.access.visitor import Pairing
from picar.errors import AccessError
from picar.files import SERVICE_RUNTIME, SERVICE_STATE
from picar.values import Value

_WORD = "serving.json"
_NEW = f"{_WORD}.new"
_MOST_BYTES = 4096
_MOST_PIDS = 1 << 22  # proc(5)


class Serving(Value):
    """A running server: its process, address and port, state directory, pairing mode, and port of https if that alone drives."""

    pid: int
    host: str
    port: int
    state: str
    pairing: Pairing
    https: int = 0


def state_directory(env: Mapping[str, str] = os.environ) -> Path:
    """Return systemd's state directory, else `picar` in the user's own (XDG Base Directory Specification)."""
    if given := env.get("STATE_DIRECTORY", "").split(":")[0]:
        try:
            return Path(given).absolute()
        except FileNotFoundError:
            gone = "The current folder is gone. Change to another one, then start picar again."
            raise AccessError(gone) from None
    base = env.get("XDG_STATE_HOME", "")
    home = Path(base) if Path(base).is_absolute() else Path(env.get("HOME") or "/") / ".local" / "state"
    return home / "picar"


def resting(env: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory of a car that does not run: the service's, unless the user has one too.

    The wrong list is worse than an error: a phone that is removed from it drives again tomorrow.
    """
    own = state_directory(env)
    ours = bool(env.get("STATE_DIRECTORY")) or (os.geteuid() != 0 and os.path.exists(own / FILE))  # noqa: PTH110
    return own if ours or not os.path.isdir(SERVICE_STATE) else SERVICE_STATE  # noqa: PTH112 - these never raise


def become_owner(folder: Path) -> None:
    """As root, become the owner of this folder for good, or of the last folder above it that exists.

    On the way down, the first folder that is not root's decides: its owner may have linked everything below it.

    Raises:
        AccessError: root may not become that user here.
    """
    if os.geteuid() != 0:
        return
    for place in (*reversed(folder.parents), folder):
        for look in (os.lstat, os.stat):
            try:
                found = look(place)
            except OSError:
                return
            if found.st_uid != 0:
                _become(found.st_uid, found.st_gid, place)
                return


def _become(user: int, group: int, place: Path) -> None:
    codecs.lookup("ascii")  # for files of the kernel; Python's own files may be unreadable afterwards
    try:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    except OSError:
        raise AccessError(
            f"{place} belongs to user {user}, and root may not act for that user here. Run this as user {user}."
        ) from None


def announce(serving: Serving, folder: Path | None) -> int | None:
    """Write the place of this server for `picar pair`, into a folder in memory; without one, people must name the port.

    Returns:
        The descriptor that holds the file's lock: the server counts as running while it is open.
    """
    if folder is None:
        return None
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _opened(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) as place:
            if os.fstat(place).st_uid != os.geteuid():  # root with the environment of another user
                return None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_NEW, dir_fd=place)
            fd = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=place)
            os.fchmod(fd, 0o644)  # independent of the umask: it holds no secret
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(fd, json.dumps(asdict(serving)).encode())
            os.replace(_NEW, _WORD, src_dir_fd=place, dst_dir_fd=place)
            return fd
    return None


def withdraw(fd: int | None, folder: Path | None) -> None:
    """Remove the file of `announce`, unless another server has replaced it."""
    if fd is None or folder is None:
        return
    with contextlib.suppress(OSError):
        file = folder / _WORD
        if os.path.samestat(os.fstat(fd), file.lstat()):
            file.unlink()
    os.close(fd)


def running(folder: Path | None) -> Serving | None:
    """Return the running server: the service, else this user's own of this folder, else `None`."""
    service = _read(SERVICE_RUNTIME)
    if service and service.state == str(SERVICE_STATE):
        return service
    return _read(folder, owner=os.geteuid()) if folder else None


def _read(folder: Path, owner: int | None = None) -> Serving | None:
    """Return the entry of a running server in this folder, or `None`.

    Args:
        folder: not a link. Its small file must not be a link either, and must belong to the folder's owner.
        owner: the required user id of the folder; any if `None`.
    """
    with (
        contextlib.suppress(OSError, ValueError, TypeError, RecursionError),
        _opened(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) as place,
        _opened(_WORD, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, place) as fd,
    ):
        theirs, found = os.fstat(place).st_uid, os.fstat(fd)
        if theirs != found.st_uid or owner not in (None, theirs):
            return None
        if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_BYTES and _is_locked(fd):
            serving = Serving(**json.loads(os.read(fd, _MOST_BYTES)))
            return serving if _is_sound(serving) else None
    return None


def _is_locked(fd: int) -> bool:
    """Return whether the writer of this file still runs: the kernel drops the lock of a process that ends."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    fd = os.open(path, flags, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _is_sound(serving: Serving) -> bool:
    """Return whether each member has the form that a server writes, and can be printed."""
    numbers = ((serving.pid, _MOST_PIDS), (serving.port, 1 << 16))
    texts = (serving.host, serving.state, serving.pairing)
    return (
        all(type(number) is int and 0 < number < most for number, most in numbers)
        and type(serving.https) is int
        and 0 <= serving.https < 1 << 16
        and all(isinstance(text, str) and text.isprintable() for text in texts)
        and Path(serving.state).is_absolute()
        and serving.pairing in get_args(Pairing)
    )
