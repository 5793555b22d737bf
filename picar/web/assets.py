"""Where the page's files are, inside the wheel or beside the package in a checkout, and how they are sent."""

from __future__ import annotations

import gzip
from pathlib import Path

from tornado.httputil import HTTPServerRequest
from tornado.web import GZipContentEncoding

import picar
from picar.web.errorpage import weights

_PACKAGE = Path(picar.__file__).parent


def folder(name: str) -> Path:
    """Return the folder `static` or `templates`."""
    packed = _PACKAGE / "_web" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether this Accept-Encoding header names gzip, and likes it no less than no packing (RFC 9110 §12.5.3)."""
    accepted = weights(accept_encoding)
    gzipped = accepted.get("gzip", accepted.get("x-gzip", 0.0))
    return gzipped > 0.0 and gzipped >= accepted.get("identity", 0.0)


class Packing(GZipContentEncoding):
    """Tornado's packing of answers, for those only who take it: by itself it looks for the letters `gzip` and no weight."""

    def __init__(self, request: HTTPServerRequest) -> None:
        if not accepts_gzip(request.headers.get("Accept-Encoding", "")):
            request.headers["Accept-Encoding"] = "identity"
        super().__init__(request)


class Packed:
    """The page's files as gzip, packed once: a small Pi needs milliseconds for each, on the loop that the driver waits for."""

    TYPES = frozenset({".css", ".html", ".js", ".json", ".svg"})

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[tuple[int, int], bytes]] = {}

    def offers(self, request: HTTPServerRequest, file: Path) -> bool:
        """Tell whether this request gets the file packed: all of it, and to one that can unpack it."""
        headers = request.headers
        whole = request.method in ("GET", "HEAD") and "Range" not in headers
        return whole and accepts_gzip(headers.get("Accept-Encoding", "")) and file.suffix in self.TYPES

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
