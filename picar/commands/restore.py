"""`picar restore`: the files of an archive of `picar backup`, at their places.

Laws:
- It writes the files of `backup.places` and no others, and only if all of them can be read.
- A file that is replaced is kept under another name.
- Root writes to the state directory as its owner: a link in there leads nowhere else.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil  # noqa: F401 - the owner of the state may not be able to read Python's files
import tarfile
import zlib
from pathlib import Path

from picar import configfile
from picar.access import locations
from picar.commands.backup import CONFIG, PROFILE, places
from picar.errors import ConfigError, FileError
from picar.files import SMALL_BYTES, folder_in_memory, keep_old, replace
from picar.program import command

_OF_ROOT = (CONFIG, PROFILE)
_MOST_BYTES = 8 * SMALL_BYTES  # of an unpacked archive: six files with their heads


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="an archive of picar backup")
    parser.add_argument("--config", metavar="FILE", help="where the configuration goes; default as for serve")


def run(options: argparse.Namespace) -> int:
    """Put the files of a backup back; the files that they replace are kept."""
    known = places(options.config)
    texts = _texts(options.file, known)
    if locations.running(folder_in_memory()):
        raise FileError("Stop picar first: sudo systemctl stop picar, or Ctrl-C. Nothing was changed.")
    for name, text in sorted(texts.items(), key=lambda part: part[0] not in _OF_ROOT):
        if name not in _OF_ROOT:
            locations.become_owner(locations.resting())
        if name == PROFILE and os.geteuid() != 0:
            print(f"left out: {name}, which needs sudo")
            continue
        path = known[name]
        try:
            path.parent.mkdir(0o755 if name in _OF_ROOT else 0o700, parents=True, exist_ok=True)
            kept = f" (the old one is {keep_old(path).name})" if path.exists() else ""
            replace(path, text, 0o644 if name == CONFIG else 0o600)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror}. Use sudo.") from None
        print(f"{path}{kept}")
    if PROFILE in texts:
        setup = command("hotspot setup", sudo=True)
        print(f"Switch the car's own WiFi on: sudo nmcli connection reload && {setup}")
    print("Start picar again: sudo systemctl restart picar (or by hand).")
    return 0


def _texts(file: str, known: dict[str, Path]) -> dict[str, str]:
    """Return the texts of an archive by name.

    Raises:
        FileError: it is no archive of picar.
        ConfigError: its configuration has problems.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(file)), mode="r:") as tar:
            texts = {entry.name: _text(tar, entry, known) for entry in tar}
    except FileNotFoundError:
        raise FileError(f"{file}: no such file. Name a file that picar backup wrote.") from None
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise FileError(f"{file} is not a backup of picar: {error}. Nothing was changed.") from None
    try:
        tables = configfile.tables_of(texts.get(CONFIG, ""))
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{file}: {CONFIG} is not valid TOML: {error}"]) from None
    configfile.of_tables(tables, f"{file}: {CONFIG}")
    return texts


def _unpacked(file: str) -> bytes:
    """Return the whole content of a compressed file; raises ValueError if it is larger than a backup."""
    with gzip.open(file) as packed:
        data = packed.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    return data


def _text(tar: tarfile.TarFile, entry: tarfile.TarInfo, known: dict[str, Path]) -> str:
    """Return the text of a member; raises ValueError for anything that `picar backup` does not write."""
    data = tar.extractfile(entry) if entry.isreg() and entry.size <= SMALL_BYTES else None
    if entry.name not in known or data is None:
        raise ValueError(f"it has a part {entry.name!r}")
    return data.read().decode()
