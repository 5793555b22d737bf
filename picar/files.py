"""Where picar keeps its files, the boot that a file is from, and small files: bounded reading, replacement in one step.

Laws:
- Reading never waits and uses bounded memory: only a small regular file is read, and no link is followed.
- Replacing is one step: a power cut leaves the old file or the new one, or an empty one if the file is new.
- A file that cannot be parsed is renamed, never deleted.
- `replace` writes only files that `read_small` accepts.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import itertools
import os
import stat
from pathlib import Path
from typing import Any

# As in systemd/picar.service and scripts/install.
UNIT = "picar.service"
UNIT_FILE = f"etc/systemd/system/{UNIT}"  # below the machine's root
SERVICE_RUNTIME, SERVICE_STATE = Path("/run/picar"), Path("/var/lib/picar")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SMALL_BYTES = 256 * 1024  # a list of 100 paired phones has 30 kB
MOST_LEVELS = 20  # of nested tables and lists; picar's own files have 3
# Without O_NONBLOCK a FIFO waits for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_OTHER_KINDS = {stat.S_IFDIR: "it is a folder", stat.S_IFLNK: "it is a link"}


def folder_in_memory() -> Path | None:
    """Return a folder that is not on the SD card: systemd's runtime directory, or the user's; `None` without either."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    users = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        return Path(given)
    return Path(users) / "picar" if users else None


def boot_id() -> str:
    """Return the kernel's random name of this boot (random(4)), "" without one: Linux only."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_small(path: Path) -> str:
    """Return the text of a small file, without a byte order mark.

    Raises:
        ValueError: not a small file of UTF-8 text; the message describes the fault.
        OSError: the file is missing or cannot be read.
    """
    _check_kind(path.lstat().st_mode)  # before opening: to open a device may start something
    fd = os.open(path, _READ)
    try:
        _check_kind(os.fstat(fd).st_mode)
        data = b""
        while len(data) <= SMALL_BYTES and (more := os.read(fd, SMALL_BYTES + 1)):
            data += more
    finally:
        os.close(fd)
    if len(data) > SMALL_BYTES:
        raise ValueError(f"it is larger than {SMALL_BYTES // 1024} kB")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ValueError(_OTHER_KINDS.get(stat.S_IFMT(mode), "it is not a regular file"))


def check_depth(data: Any) -> None:
    """Raise ValueError for parsed JSON or TOML that is nested too deeply to be written again."""
    level = [data]
    for _ in range(MOST_LEVELS):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [inner for values in inside for inner in values if isinstance(inner, dict | list)]
    if level:
        raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file in one step; a file written by root belongs to the owner of the folder.

    No fsync: on an SD card it may take a second, while a car is driven. A file system that replaces files in order (ext4,
    which a Raspberry Pi starts from) leaves the old file or the new one. But ext4 writes the data of a file with a *new*
    name up to half a minute after the name (ext4(5), `auto_da_alloc`), and a power cut in between leaves an empty file.
    So a file with a new name also replaces one: an empty file.

    Args:
        path: the file.
        text: its whole content.
        mode: permissions, independent of the umask.

    Raises:
        OSError: the file cannot be written and is unchanged. EFBIG: the text is larger than `read_small` accepts.
    """
    if len(text.encode()) > SMALL_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    fd = os.open(new, _CREATE, mode)
    with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123
        os.fchmod(fd, mode)
        if os.geteuid() == 0:  # sudo picar pair: the service must still read its file
            owner = path.parent.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        file.write(text)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, _CREATE, mode))
    new.replace(path)


def check_writable(folder: Path) -> None:
    """Raise OSError if a folder is not writable, as far as this can be checked without writing."""
    disk = os.statvfs(folder)
    free = disk.f_bavail if os.geteuid() else disk.f_bfree
    problems = {
        errno.EROFS: disk.f_flag & os.ST_RDONLY,
        errno.EACCES: not os.access(folder, os.W_OK | os.X_OK),
        errno.ENOSPC: disk.f_blocks and not free,  # a file system without blocks has no bound
    }
    for number, found in problems.items():
        if found:
            raise OSError(number, os.strerror(number))


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be parsed, and return its new name.

    Raises:
        OSError: the file cannot be renamed.
    """
    return path.rename(_free_name(path, "unreadable"))


def keep_old(path: Path) -> Path:
    """Copy a file beside itself before it is replaced, and return the name of the copy.

    Raises:
        OSError: the file cannot be copied.
    """
    import shutil  # here, because no server needs it

    return Path(shutil.copy2(path, _free_name(path, "old")))


def _free_name(path: Path, word: str) -> Path:
    for number in itertools.count(1):
        other = path.with_name(f"{path.name}.{word}-{number}")
        if not os.path.lexists(other):
            break
    return other
