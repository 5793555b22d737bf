"""Where the page's files are: inside the wheel, or beside the package in a checkout."""

from pathlib import Path

import picar

_PACKAGE = Path(picar.__file__).parent


def folder(name: str) -> Path:
    """Return the folder `static` or `templates`."""
    packed = _PACKAGE / "_web" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
