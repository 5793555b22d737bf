"""The page and its files: where they are, inside the wheel or beside the package in a checkout, and how they are sent."""

from __future__ import annotations

import gzip
import secrets
from http import HTTPStatus
from pathlib import Path

from tornado.httputil import HTTPServerRequest
from tornado.web import GZipContentEncoding, HTTPError, StaticFileHandler

import picar
from picar.web.auth import ANONYMOUS_COOKIE, cookie
from picar.web.errorpage import weights
from picar.web.handler import Handler, Refused, Route

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


class Page(Handler):
    """`GET /`: the page. Its cookie says only that two connections are the same browser."""

    public = same_for_all = True

    def initialize(self, templates: Path, packed: Packed) -> None:
        """Take the folder of the page."""
        self._file, self._packed = templates / "index.html", packed

    def get(self) -> None:
        """Send the page."""
        if not cookie(self.request, ANONYMOUS_COOKIE):
            self.set_cookie(ANONYMOUS_COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="Strict")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        if self._packed.offers(self.request, self._file):
            self.set_header("Content-Encoding", "gzip")
            self.write(self._packed.get(self._file))
        else:
            self.write(self._file.read_bytes())

    head = get


class Static(Handler, StaticFileHandler):
    """`GET /static/…`: the page's files, revalidated at each visit so that an update never half arrives."""

    public = same_for_all = True

    def initialize(self, path: str, packed: Packed) -> None:  # type: ignore[override]
        """Take the folder."""
        super().initialize(path)
        self._packed = packed

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send a file, packed where that may be; the rest is Tornado's business."""
        if not self._packed.offers(self.request, Path(path)):
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        place = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        assert place is not None  # only a folder with a page of its own is none
        self.absolute_path = place
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            return
        self.set_header("Content-Encoding", "gzip")
        self.write(self._packed.get(Path(place)))

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Take a path that no file can have for one that is not there."""
        try:
            return super().validate_absolute_path(root, absolute_path)
        except ValueError:
            raise HTTPError(HTTPStatus.NOT_FOUND) from None

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002 - Tornado's signature
        """Have browsers ask again."""
        self.set_header("Cache-Control", "no-cache")


class NotFound(Handler):
    """Everything else."""

    public = True

    async def prepare(self) -> None:
        """Refuse, with 404 where the request target is a path."""
        await super().prepare()
        if self.request.path.startswith("/"):
            raise HTTPError(HTTPStatus.NOT_FOUND)
        if self.request.method == "OPTIONS":  # of the whole server (`*`); CONNECT arrives here too
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            "The request target is no path. Ask for one, like /healthz.",
        )

    def allowed_methods(self) -> list[str]:
        """Return the methods that some address takes."""
        return ["GET", "HEAD", "POST"]


def routes() -> list[Route]:
    """Return the addresses of the page and its files."""
    packed = Packed()
    return [
        (r"/", Page, {"templates": folder("templates"), "packed": packed}),
        (r"/static/(.*)", Static, {"path": str(folder("static")), "packed": packed}),
    ]
