"""What every handler has: the Host and Origin checks, the headers, errors as JSON.

The checks are in `prepare`, for the WebSocket too: Tornado 6.6 calls `check_origin` only when a request
looks foreign, and a rebound name does not.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError, RequestHandler

from picar.web.hosts import AllowedHosts, same_origin, split_host

_CODES = {
    HTTPStatus.FORBIDDEN: ("forbidden", "This may not be read from here."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing here. The page is at /."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This address does not take that method."),
    HTTPStatus.BAD_REQUEST: ("bad_request", "This request cannot be understood."),
}
_FOREIGN_PAGE = "This page is not the car's own. Open the car's page itself."


class Refused(HTTPError):
    """A refusal with a code and a sentence of its own."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(status, log_message=None)
        self.code, self.sentence = code, sentence


class Base(RequestHandler):
    """The base of every handler."""

    def prepare(self) -> None:
        """Refuse a foreign Host with 421 and a foreign Origin with 403, before anything runs."""
        host = self.request.host
        allowed: AllowedHosts = self.settings["allowed_hosts"]
        if not allowed.allows(host):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", _wrong_host(host))
        origin = self.request.headers.get("Origin")
        if origin is not None and not same_origin(origin, host):
            raise Refused(HTTPStatus.FORBIDDEN, "foreign_origin", _FOREIGN_PAGE)

    def set_default_headers(self) -> None:
        """Let the page load its own files and talk to this car, and nothing else."""
        host = self.request.host
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        self.clear_header("Server")
        # Older Safari does not count the WebSocket under 'self'; a Host that is not ours is refused anyway.
        sockets = f" ws://{host} wss://{host}" if split_host(host) else ""
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self'{sockets}; manifest-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer `{"error": {"code", "message"}}`."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            code, sentence = error.code, error.sentence
        else:
            unknown = ("error", "Something went wrong in the car; its log says what.")
            code, sentence = _CODES.get(HTTPStatus(status_code), unknown)
        self.finish({"error": {"code": code, "message": sentence}})


def _wrong_host(host: str) -> str:
    parts = split_host(host)
    if parts is None:
        return "The Host header of this request is no host name."
    return (
        f'This car does not answer to the name {parts[0]}. Open it by its IP address, or add allowed_hosts = ["{parts[0]}"] '
        "under [server] in picar.toml and start picar again."
    )
