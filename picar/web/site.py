"""The page and its files: their folders in a wheel or a checkout, and their handlers."""

from __future__ import annotations

import gzip
import secrets
from http import HTTPStatus
from pathlib import Path

from tornado.httputil import HTTPServerRequest
from tornado.web import GZipContentEncoding, HTTPError, StaticFileHandler

import picar
from picar.web.auth import ANONYMOUS_COOKIE, find_cookie
from picar.web.errorpage import weights
from picar.web.handler import Handler, Refused, Route

_PACKAGE = Path(picar.__file__).parent


def folder(name: str) -> Path:
    """Return the folder `static`, `templates` or `systemd`: inside the wheel, or beside the package in a checkout."""
    packed = _PACKAGE / "_web" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether this Accept-Encoding header prefers gzip, or gives it equal weight (RFC 9110 §12.5.3)."""
    accepted = weights(accept_encoding)
    gzipped = accepted.get("gzip", accepted.get("x-gzip", 0.0))
    return gzipped > 0.0 and gzipped >= accepted.get("identity", 0.0)


class GzipEncoding(GZipContentEncoding):
    """Tornado's gzip encoding of answers, for clients that accept it; Tornado alone ignores the weights."""

    def __init__(self, request: HTTPServerRequest) -> None:
        if not accepts_gzip(request.headers.get("Accept-Encoding", "")):
            request.headers["Accept-Encoding"] = "identity"
        super().__init__(request)


class GzipCache:
    """The page's files as gzip, compressed once: on a small Pi each takes milliseconds of the event loop."""

    TYPES = frozenset({".css", ".html", ".js", ".json", ".svg"})

    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, int], bytes]] = {}  # version and gzip

    def serves(self, request: HTTPServerRequest, file: Path) -> bool:
        """Return whether this request gets the file as gzip: it accepts gzip, and asks for the whole file."""
        headers = request.headers
        whole = request.method in ("GET", "HEAD") and "Range" not in headers
        return whole and accepts_gzip(headers.get("Accept-Encoding", "")) and file.suffix in self.TYPES

    def get(self, file: Path) -> bytes:
        """Return the file as gzip; compress it again if it has changed.

        Raises:
            OSError: the file cannot be read.
        """
        found = file.stat()
        version = (found.st_mtime_ns, found.st_size)
        cached = self._files.get(file)
        if cached is None or cached[0] != version:
            cached = self._files[file] = (version, gzip.compress(file.read_bytes(), mtime=0))
        return cached[1]


class Page(Handler):
    """`GET /`: the page. Its cookie links connections of one browser, and gives no access."""

    public = any_origin = True
    file: Path
    cache: GzipCache

    def get(self) -> None:
        """Send the page."""
        if not find_cookie(self.request.headers.get_list("Cookie"), ANONYMOUS_COOKIE):
            self.set_cookie(ANONYMOUS_COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="Strict")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        if self.cache.serves(self.request, self.file):
            self.set_header("Content-Encoding", "gzip")
            self.write(self.cache.get(self.file))
        else:
            self.write(self.file.read_bytes())

    head = get


class Static(Handler, StaticFileHandler):
    """`GET /static/…`: a file of the page. Browsers revalidate it, so that all files are of one version."""

    public = any_origin = True

    def initialize(self, path: str, cache: GzipCache) -> None:  # type: ignore[override]
        """Take the folder."""
        StaticFileHandler.initialize(self, path)
        self.cache = cache

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send a file, as gzip if possible; else Tornado sends it."""
        if not self.cache.serves(self.request, Path(path)):
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        place = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        assert place is not None  # Tornado returns None only for a folder with a default file
        self.absolute_path = place
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            return
        self.set_header("Content-Encoding", "gzip")
        self.write(self.cache.get(Path(place)))

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path of a file; refuse a path that no file can have with 404."""
        try:
            return super().validate_absolute_path(root, absolute_path)
        except ValueError:
            raise HTTPError(HTTPStatus.NOT_FOUND) from None

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002 - Tornado's signature
        """Let browsers revalidate a cached file before each use; a file that is no document gets a short policy."""
        self.set_header("Cache-Control", "no-cache")
        if self.absolute_path and Path(self.absolute_path).suffix in (".css", ".js", ".json"):
            self.set_header("Content-Security-Policy", "frame-ancestors 'none'")
            self.clear_header("Last-Modified")  # the Etag is enough

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Return a hash of the content, short because each file's answer carries it."""
        return super().get_content_version(abspath)[:16]


class NotFound(Handler):
    """Every address without a handler."""

    public = True

    async def prepare(self) -> None:
        """Refuse the request; with 404 if its target is a path."""
        await super().prepare()
        if self.request.path.startswith("/"):
            raise HTTPError(HTTPStatus.NOT_FOUND)
        if self.request.method == "OPTIONS":  # of the whole server (`*`); CONNECT arrives here too
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            "The request target is not a path. Request a path such as /healthz.",
        )

    def allowed_methods(self) -> list[str]:
        """Return the methods that at least one address accepts."""
        return ["GET", "HEAD", "POST", "DELETE"]


def routes(page: str = "index.html") -> list[Route]:
    """Return the routes of the page, a file of `templates`, and of the static files."""
    cache = GzipCache()
    return [
        (r"/", Page, {"file": folder("templates") / page, "cache": cache}),
        (r"/static/(.*)", Static, {"path": str(folder("static")), "cache": cache}),
    ]
