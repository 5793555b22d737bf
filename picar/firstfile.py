"""The first file of its name is written as safely as one that replaces another.

ext4 writes out the data of a file that replaces another one in time, but that of a file that is renamed to a new name as
much as half a minute after the name (ext4(5), `auto_da_alloc`): a power cut in between leaves an empty file.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def hold_the_name(path: Path, mode: int) -> None:
    """Leave an empty file where there is none, to be replaced at once.

    Raises:
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
