"""`picar backup`: the files of a car in one archive, for `picar restore`.

The archive has the configuration, and of the state directory the access file, the calibration and the certificates; for root
also the profile of the car's own WiFi. It holds secrets: only its owner can read it.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
from pathlib import Path

from picar import configfile
from picar.access import locations
from picar.access.store import FILE as ACCESS_FILE
from picar.calibration.store import FILE as CALIBRATION_FILE
from picar.commands.hotspot import KEYFILE
from picar.errors import FileError
from picar.files import read_small
from picar.network import tls

CONFIG = "picar.toml"
PROFILE = KEYFILE.name
_OF_STATE = (ACCESS_FILE, CALIBRATION_FILE, f"{tls.FOLDER}/{tls.CA}", f"{tls.FOLDER}/{tls.LEAF}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", help="the archive, for example picar-backup.tar.gz")
    parser.add_argument("--config", metavar="FILE", help="the configuration; default as for serve")


def run(options: argparse.Namespace) -> int:
    """Save configuration, calibration, paired phones, certificates and the car's own WiFi in one file."""
    members = _present(options.config)
    os.umask(0o077)
    try:
        with tarfile.open(options.file, "x:gz") as tar:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o600
                tar.addfile(entry, io.BytesIO(data))
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
    return {
        CONFIG: configfile.find_file(config) or configfile.SYSTEM_FILE,
        **{f"state/{name}": state / name for name in _OF_STATE},
        PROFILE: KEYFILE,
    }


def _present(config: str | None) -> dict[str, bytes]:
    found = {}
    for name, path in places(config).items():
        try:
            if name != PROFILE or os.geteuid() == 0:
                found[name] = read_small(path).encode()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise FileError(f"{path} cannot be read: {why}. Use sudo, or mend the file.") from None
    if not found:
        raise FileError("There is nothing to save: no configuration and no state of a car was found.")
    return found
