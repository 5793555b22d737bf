"""`picar backup` and `picar restore`: the files of a car in one archive.

The archive has the configuration, and of the state directory the access file, the calibration and the certificates; for root
also the profile of the car's own WiFi. It holds secrets: only its owner can read it.

Laws:
- `restore` writes the files of the list below and no others, and only if all of them can be read.
- A file that is replaced is kept under another name.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from picar import configfile
from picar.access import locations
from picar.access.store import FILE as ACCESS_FILE
from picar.calibration.store import FILE as CALIBRATION_FILE
from picar.commands.hotspot import KEYFILE
from picar.errors import ConfigError, FileError
from picar.files import SMALL_BYTES, folder_in_memory, keep_old, read_small, replace

CONFIG = "picar.toml"
PROFILE = KEYFILE.name
_OF_STATE = (ACCESS_FILE, CALIBRATION_FILE)
_TLS = "tls"  # a folder of the state directory
_PRIVATE = 0o600


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="the archive, for example picar-backup.tar.gz")
    parser.add_argument("--config", metavar="FILE", help="the configuration; default as for serve")


def run(options: argparse.Namespace) -> int:
    """Save configuration, calibration, paired phones, certificates and the car's own WiFi in one file."""
    members = dict(_found(places(options.config)))
    if not members:
        raise FileError("There is nothing to save: no configuration and no state of a car was found.")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), _PRIVATE
            tar.addfile(entry, io.BytesIO(data))
    try:
        fd = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with open(fd, "wb") as file:  # noqa: PTH123
            file.write(archive.getvalue())
    except FileExistsError:
        raise FileError(f"{options.file} exists. Name another file.") from None
    except OSError as error:
        raise FileError(f"{options.file} cannot be written: {error.strerror}.") from None
    print(f"Saved in {options.file}: {', '.join(members)}.")
    print("The file holds the PIN and the keys of this car: keep it like a password.")
    return 0


def places(config: str | None) -> dict[str, Path]:
    """Return the place of each file that an archive may have, by its name there."""
    state = locations.resting()
    found = {CONFIG: configfile.find_file(config) or configfile.SYSTEM_FILE}
    found |= {f"state/{name}": state / name for name in _OF_STATE}
    if (state / _TLS).is_dir():
        files = [path for path in sorted((state / _TLS).iterdir()) if path.is_file()]
        found |= {f"state/{_TLS}/{path.name}": path for path in files}
    if os.geteuid() == 0:
        found[PROFILE] = KEYFILE
    return found


def _found(places: dict[str, Path]) -> Iterator[tuple[str, bytes]]:
    for name, path in places.items():
        try:
            yield name, read_small(path).encode()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise FileError(f"{path} cannot be read: {why}. Use sudo, or mend the file.") from None


def restored(file: str) -> dict[str, str]:
    """Return the texts of an archive by name.

    Raises:
        FileError: it is no archive of picar.
        ConfigError: its configuration has problems.
    """
    try:
        with tarfile.open(file, mode="r:gz") as tar:
            texts = {entry.name: _text(tar, entry) for entry in tar}
    except FileNotFoundError:
        raise FileError(f"{file}: no such file. Name a file that picar backup wrote.") from None
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise FileError(f"{file} is not a backup of picar: {error}. Nothing was changed.") from None
    if CONFIG in texts:
        try:
            configfile.of_tables(configfile.tables_of(texts[CONFIG]), f"{file}: {CONFIG}")
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError([f"{file}: {CONFIG} is not valid TOML: {error}"]) from None
    return texts


def _text(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    """Return the text of a member; raises ValueError for anything that `run` does not write."""
    *folder, name = entry.name.split("/")
    is_known = (
        entry.name in (CONFIG, PROFILE)
        or (folder == ["state"] and name in _OF_STATE)
        or (folder == ["state", _TLS] and name not in ("", ".", ".."))
    )
    if not (is_known and entry.isreg() and entry.size <= SMALL_BYTES):
        raise ValueError(f"it has a part {entry.name!r}")
    data = tar.extractfile(entry)
    assert data is not None  # of a regular file
    return data.read().decode()


def put_back(texts: dict[str, str], config: str | None) -> list[str]:
    """Write the files. Returns a line for each.

    Raises:
        FileError: a running picar, or a file that cannot be written.
    """
    state = locations.resting()
    if locations.running(folder_in_memory()):
        raise FileError("Stop picar first: sudo systemctl stop picar. Nothing was changed.")
    lines = []
    for name, text in texts.items():
        if name == PROFILE and os.geteuid() != 0:
            lines.append(f"left out: {name}, which needs sudo")
            continue
        path = _target(name, state, config)
        try:
            _make(path.parent)
            kept = f" (the old one is {keep_old(path).name})" if path.exists() else ""
            replace(path, text, 0o644 if name == CONFIG else _PRIVATE)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror}. Use sudo.") from None
        lines.append(f"{path}{kept}")
    return lines


def _make(folder: Path) -> None:
    """Make a folder, and those above it; one made by root belongs to the owner of the folder above, as in `files.replace`."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def _target(name: str, state: Path, config: str | None) -> Path:
    if name == CONFIG:
        return configfile.find_file(config) or configfile.SYSTEM_FILE
    return KEYFILE if name == PROFILE else state / name.removeprefix("state/")
