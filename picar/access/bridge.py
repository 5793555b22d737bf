"""The token with which `picar mqtt` enters this car. It is in memory only: each start of the server makes a new one.

The server writes it to a file that only its own user can read. `picar mqtt` reads the file at each connection.
"""

from __future__ import annotations

from pathlib import Path

from picar.access import tokens
from picar.access.locations import state_directory
from picar.files import SERVICE_RUNTIME, folder_in_memory, replace

_FILE = "mqtt-token"


def token_file() -> Path:
    """Return the file of the token: the same for the server and for the bridge of one user, and for both services.

    The folder is in memory; a user without such a folder has the file in the state directory.
    """
    given = folder_in_memory()
    if given is None:
        given = SERVICE_RUNTIME if SERVICE_RUNTIME.is_dir() else state_directory()
    return given / _FILE


def write_token() -> str:
    """Make a token, replace the file by one with this token, and return the token.

    Raises:
        OSError: the file cannot be written.
    """
    token, file = tokens.new_secret(), token_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(file, token, 0o600)
    return token
