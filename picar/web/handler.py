"""What every handler has: who may ask, the headers, errors as JSON.

The checks are in `prepare`, for the WebSocket too: Tornado 6.6 calls `check_origin` only when a request
looks foreign, and a rebound name does not.

Law: a handler is for those whom the gate admits, unless it says that it is public.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError, RequestHandler

from picar.access.visitor import Visitor
from picar.errors import AccessError
from picar.web.allowed_hosts import AllowedHosts, same_origin, split_host
from picar.web.auth import Gate
from picar.web.errorpage import error_page, prefers_page
from picar.web.fairness import FairQueues

log = logging.getLogger(__name__)

_CODES = {
    HTTPStatus.FORBIDDEN: ("forbidden", "This may not be read from here."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing here. The page is at /."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This address does not take that method."),
    HTTPStatus.BAD_REQUEST: ("bad_request", "This request cannot be understood."),
}
_FOREIGN_PAGE = (
    "This request is from a page at {origin}, and reached the car as {host}. Open the car's own page. "
    "A proxy in front of the car must pass on the Host header with its port; docs/access.md has the lines."
)
NOT_SAVED_RETRY_S = "10"
_NOT_JSON = "Send JSON, with Content-Type: application/json."
_SHOWN_CHARACTERS = 100  # of an Origin or a Host, in a sentence
# To strangers: no path of this machine, so no `program.command` here.
_NOT_PAIRED = (
    "This phone or program is not paired with the car. Open the car's page and enter its PIN; "
    "the command picar pair shows the PIN on the car's machine."
)

Route = tuple[
    str, type[RequestHandler], dict[str, Any]
]  # pattern of the path, handler, arguments of its `initialize`


class Refused(HTTPError):
    """A refusal with a code and a sentence of its own, and headers that go with it."""

    def __init__(self, status: int, code: str, sentence: str, **headers: str) -> None:
        super().__init__(status, log_message=None)
        self.code, self.sentence = code, sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class SeldomLog:
    """A log of at most one line a second, since each request of a stranger may write one."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def warn(self, sentence: str) -> None:
        """Log a sentence, or leave it out."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + 1.0
            log.warning("refused: %s", sentence)


class Handler(RequestHandler):
    """The base of every handler."""

    public = False  # also for those who are not paired
    same_for_all = False  # no secret: a foreign page may ask for it, and cannot read the answer
    at_once = False  # for those who may come in, without waiting for a turn
    visitor: Visitor | None = None

    async def prepare(self) -> None:
        """Refuse, before anything runs, a foreign Host (421), a foreign page (403) and a stranger (401).

        All wait for their turn here; who may come in is found out first, so as not to wait behind strangers.
        """
        gate: Gate = self.settings["gate"]
        self.visitor = gate.admit(self.request)
        if not (self.visitor and self.at_once):
            await self.wait_for_turn()
        self._admit_or_refuse()
        if not self.public and not self.at_once:
            self.keep_newcomer()

    def keep_newcomer(self) -> None:
        """Write a newcomer to the list when its cookie first returns."""
        gate: Gate = self.settings["gate"]
        try:
            gate.keep(self.visitor)
        except AccessError as error:
            status, code = HTTPStatus.SERVICE_UNAVAILABLE, "not_saved"
            raise Refused(status, code, str(error), Retry_After=NOT_SAVED_RETRY_S) from None

    def on_finish(self) -> None:
        """Write a newcomer after the answer, for handlers that must not wait for a disk."""
        if self.at_once:
            with contextlib.suppress(Refused):
                self.keep_newcomer()

    async def wait_for_turn(self) -> None:
        """Let the driver's messages be read first, and those who came before."""
        turns: FairQueues = self.settings["turns"]
        await turns.wait(self.visitor is not None)

    def _admit_or_refuse(self) -> None:
        host = self.request.host
        allowed: AllowedHosts = self.settings["allowed_hosts"]
        if not allowed.allows(host):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", _wrong_host(host))
        if self._is_foreign(host):
            sentence = _foreign_page(self.request.headers.get("Origin"), host)
            self.warn_seldom(sentence)
            raise Refused(HTTPStatus.FORBIDDEN, "foreign_origin", sentence)
        if self.visitor is None and not self.public:
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "not_paired",
                _NOT_PAIRED,
                WWW_Authenticate="Bearer",
            )

    def _is_foreign(self, host: str) -> bool:
        """Tell whether another page's script or form asks. A link from there to a public page is fine."""
        headers = self.request.headers
        reads = self.request.method in ("GET", "HEAD")
        origin = headers.get("Origin")  # a module script has one too, and a proxy may have changed the Host
        if origin is not None and not same_origin(origin, host) and not (self.same_for_all and reads):
            return True
        followed_a_link = self.public and reads
        # Sent with https and to localhost only. It can refuse, and it never vouches: anybody may write it.
        return not followed_a_link and headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")

    def warn_seldom(self, sentence: str) -> None:
        """Log why a request is refused, at most once a second for all of them."""
        seldom: SeldomLog = self.settings["seldom_log"]
        seldom.warn(sentence)

    def allowed_methods(self) -> list[str]:
        """Return the methods that this address takes."""
        return [
            method
            for method in self.SUPPORTED_METHODS
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]

    def set_default_headers(self) -> None:
        """Let the page load its own files and talk to this car, and nothing else."""
        host = self.request.host
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
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
        """Answer `{"error": {"code", "message"}}`, and to a browser that opens the address a page with that sentence."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            code, sentence = error.code, error.sentence
            for name, value in error.headers.items():
                self.set_header(name, value)
        else:
            unknown = ("error", "Something went wrong in the car; its log says what.")
            code, sentence = _CODES.get(HTTPStatus(status_code), unknown)
        self.set_header("Vary", "Accept")
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        if prefers_page(self.request.headers):
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(error_page(status_code, code, sentence))
        else:
            self.finish({"error": {"code": code, "message": sentence}})


class JsonHandler(Handler):
    """A handler whose body is a JSON object, and says so: no form of another page can."""

    async def prepare(self) -> None:
        """Refuse with 415 what is not said to be JSON; no body at all is fine."""
        await super().prepare()
        headers = self.request.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        empty = not kind and headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in headers
        if self.request.method == "POST" and kind != "application/json" and not empty:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_json", _NOT_JSON)

    def asked(self, **kinds: tuple[type, ...]) -> dict[str, Any]:
        """Return the body's members.

        Args:
            kinds: the members that there may be, and their types. None of them must be there.

        Raises:
            Refused: it is no JSON object, or has other members or types.
        """
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise bad_request("it is not JSON") from None
        if not isinstance(body, dict):
            raise bad_request("it is not a JSON object")
        for name, value in body.items():
            if name not in kinds:
                raise bad_request(f"it has the members {', '.join(kinds) or 'none'}")
            if type(value) not in kinds[name]:
                raise bad_request(f"{name} has the wrong type")
        return body


def bad_request(problem: str) -> Refused:
    """Return the 400 for a body with this problem."""
    return Refused(HTTPStatus.BAD_REQUEST, "bad_request", f"This request is not understood: {problem}.")


def _foreign_page(origin: str | None, host: str) -> str:
    shown = "another site" if origin is None else origin[:_SHOWN_CHARACTERS] or "(nowhere)"
    return _FOREIGN_PAGE.format(origin=shown, host=host[:_SHOWN_CHARACTERS])


def _wrong_host(host: str) -> str:
    parts = split_host(host)
    if parts is None:
        return "The Host header of this request is no host name."
    return (
        f'This car does not answer to the name {parts[0]}. Open it by its IP address, or add allowed_hosts = ["{parts[0]}"] '
        "under [server] in picar.toml and start picar again."
    )
