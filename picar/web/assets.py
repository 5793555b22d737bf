"""Where the page's files are, inside the wheel or beside the package in a checkout, and how they are sent."""

from __future__ import annotations

import gzip
from pathlib import Path

from tornado.httputil import HTTPServerRequest

import picar

_PACKAGE = Path(picar.__file__).parent


def folder(name: str) -> Path:
    """Return the folder `static` or `templates`."""
    packed = _PACKAGE / "_web" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


class Packed:
    """The page's files as gzip, packed once: a small Pi needs milliseconds for each, on the loop that the driver waits for."""

    TYPES = frozenset({".css", ".html", ".js", ".json", ".svg"})

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[tuple[int, int], bytes]] = {}

    def offers(self, request: HTTPServerRequest, file: Path) -> bool:
        """Tell whether this request gets the file packed: all of it, and to one that can unpack it."""
        headers = request.headers
        whole = request.method in ("GET", "HEAD") and "Range" not in headers
        return whole and "gzip" in headers.get("Accept-Encoding", "") and file.suffix in self.TYPES

    def get(self, file: Path) -> bytes:
        """Return the file, packed; anew when it has changed.

        Raises:
            OSError: it is not there.
        """
        found = file.stat()
        version = (found.st_mtime_ns, found.st_size)
        kept = self._kept.get(file)
        if kept is None or kept[0] != version:
            kept = self._kept[file] = (version, gzip.compress(file.read_bytes(), mtime=0))
        return kept[1]
