"""The base of all handlers: checks before a request is handled, headers of the answer, errors as JSON.

The checks are in `prepare`, for the WebSocket too: Tornado 6.6 calls `check_origin` only if Origin and Host
differ, and under a rebound name they are the same.

Laws:
- Every handler requires an admitted visitor unless it sets `public = True`.
- A garage and the bridge to MQTT are refused by every other handler unless it sets `fleet = True`.
- A guest is refused by every other handler unless it sets `guest = True`.
"""

from __future__ import annotations

import contextlib
import json
import logging
from http import HTTPStatus
from typing import Any, NoReturn

from tornado.routing import Matcher
from tornado.web import HTTPError, RequestHandler

from picar.access.visitor import FLEET, Visitor
from picar.errors import AccessError
from picar.system import child
from picar.web.allowed_hosts import AllowedHosts, foreign_origin, same_origin, split_host, wrong_host
from picar.web.auth import Gate
from picar.web.errorpage import error_body
from picar.web.fairness import FairQueues, RateLimitedLog

log = logging.getLogger(__name__)

_CODES = {
    HTTPStatus.FORBIDDEN: ("forbidden", "This path is not a file of the page. The page is at /."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing at this address. The page is at /."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "Use one of the methods in the header Allow."),
    HTTPStatus.BAD_REQUEST: ("bad_request", "This request is invalid. Check its address, headers and body."),
}
_NOT_JSON = "Send JSON, with the header Content-Type: application/json."
# Strangers read this sentence, so it contains no path of this machine and no `program.command`.
_NOT_PAIRED = (
    "This phone or program is not paired with the car. Open the car's page and enter its PIN; "
    "the command picar pair shows the PIN on the car's machine."
)

_HTTPS_ONLY = (
    "This car drives over https only. The page /help/https has the address, and the steps for each phone."
)
_GUEST = (
    "A guest sees, drives and stops the car, and nothing else. For more, pair this phone with the car's PIN."
)
_NOT_DRIVER = (
    "A garage and the bridge to MQTT see the car, stop it and set lessons and caps, and nothing else."
)
_NOT_DRAWN = "The car could not draw this now; its log has the reason. Try again."

# pattern of the path or another rule, handler, arguments of its `initialize`
Route = tuple[str | Matcher, type[RequestHandler], dict[str, Any]]


class Refused(HTTPError):
    """A refusal with its own code, sentence and headers."""

    def __init__(self, status: int, code: str, sentence: str, **headers: str) -> None:
        super().__init__(status, log_message=None)
        self.code, self.sentence = code, sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Handler(RequestHandler):
    """The base of every handler."""

    public = False  # True: strangers are admitted too
    fleet = False  # True: a garage and the bridge to MQTT are admitted too
    guest = False  # True: guests are admitted too
    any_origin = False  # True: any page may send GET or HEAD; the content is public, the page cannot read it
    immediate = False  # True: a request of an admitted visitor does not wait for its turn
    always_on_http = False  # True: served over http even if http does not drive
    authentication = "Bearer"  # the scheme for programs
    visitor: Visitor | None = None
    _is_refused = False

    def initialize(self, **parts: Any) -> None:
        """Keep the parts that the route names; a handler declares them as its attributes."""
        vars(self).update(parts)

    @property
    def is_secure(self) -> bool:
        """Whether the request came over the car's own https."""
        return self.request.protocol == "https"

    async def prepare(self) -> None:
        """Refuse a foreign Host (421), a foreign page (403) or a stranger (401) before the handler runs.

        The visitor is looked up before the wait: admitted visitors have a queue of their own.
        """
        gate: Gate = self.settings["gate"]
        self.visitor = self.admit(gate)
        if not (self.visitor and self.immediate):
            await self.wait_for_turn()
        self._admit_or_refuse()
        if not self.public and not self.immediate:
            self.save_new_pairing()

    def admit(self, gate: Gate) -> Visitor | None:
        """Return the visitor, or None for a stranger."""
        return gate.admit(self.request)

    def refuse_stranger(self) -> NoReturn:
        """Refuse a visitor who must be admitted and is not."""
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "not_paired",
            self.settings.get("not_paired", _NOT_PAIRED),
            WWW_Authenticate=self.authentication,
        )

    def save_new_pairing(self) -> None:
        """Save a new pairing when its cookie first returns; for other visitors, do nothing."""
        gate: Gate = self.settings["gate"]
        try:
            gate.save_new_pairing(self.visitor)
        except AccessError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_saved", str(error), Retry_After="10") from None

    def on_finish(self) -> None:
        """Save a new pairing after the answer of an immediate handler, which must not wait for a disk."""
        if self.immediate:
            with contextlib.suppress(Refused):
                self.save_new_pairing()

    async def wait_for_turn(self) -> None:
        """Wait until the driver's messages and earlier requests are handled."""
        queues: FairQueues = self.settings["queues"]
        await queues.wait(self.visitor is not None)

    def _admit_or_refuse(self) -> None:
        host = self.request.host
        allowed: AllowedHosts = self.settings["allowed_hosts"]
        if not allowed.allows(host):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", wrong_host(host))
        if self.is_foreign(host):
            sentence = foreign_origin(self.request.headers.get("Origin"), host)
            self.log_refusal(sentence)
            raise Refused(HTTPStatus.FORBIDDEN, "foreign_origin", sentence)
        kind = self.visitor.kind if self.visitor else None
        if self.settings["https_only"] and not (self.is_secure or self.always_on_http or kind == "bridge"):
            raise Refused(HTTPStatus.FORBIDDEN, "https_only", _HTTPS_ONLY)
        if self.visitor is None and not self.public:
            self.refuse_stranger()
        if kind in FLEET and not (self.public or self.fleet):
            raise not_driver()
        if kind == "guest" and not (self.public or self.guest):
            raise Refused(HTTPStatus.FORBIDDEN, "guest", _GUEST)

    def is_foreign(self, host: str) -> bool:
        """Return whether another page's script or form sent this request; links to public pages are allowed."""
        headers = self.request.headers
        reads = self.request.method in ("GET", "HEAD")
        origin = headers.get("Origin")  # a module script has one too, and a proxy may have changed the Host
        ours = origin is None or same_origin(origin, host, self.is_secure)
        if not ours and not (self.any_origin and reads):
            return True
        # Sent over https and to localhost only. Used only to refuse: a client can forge this header.
        site = headers.get("Sec-Fetch-Site", "none")
        return not (self.public and reads) and site not in ("none", "same-origin")

    def log_refusal(self, sentence: str) -> None:
        """Log why a request is refused; at most one line per second for all requests."""
        refusals: RateLimitedLog = self.settings["refusals"]
        refusals.warning("refused: %s", sentence)

    def allowed_methods(self) -> list[str]:
        """Return the methods that this address accepts."""
        return [
            method
            for method in self.SUPPORTED_METHODS
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]

    def set_default_headers(self) -> None:
        """Allow the page to load its own files and to connect to this car, and nothing else."""
        host = self.request.host
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.clear_header("Server")
        # Older Safari does not count the WebSocket under 'self'. Requests with a wrong Host are refused anyway.
        sockets = f"{'' if self.is_secure else f' ws://{host}'} wss://{host}" if split_host(host) else ""
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self'{sockets}; manifest-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )

    def _log(self) -> None:
        """Log the request; a refusal is no error of the car, and a program may repeat its request every second."""
        if not self._is_refused:
            super()._log()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send `{"error": {"code", "message"}}`, or a page with the message to a browser."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            self._is_refused = True
            code, sentence = error.code, error.sentence
            for name, value in error.headers.items():
                self.set_header(name, value)
        else:
            unknown = ("error", "picar could not handle this request. Its log has the details.")
            code, sentence = _CODES.get(HTTPStatus(status_code), unknown)
        self.set_header("Vary", "Accept")
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        kind, body = error_body(self.request.headers, status_code, code, sentence)
        self.set_header("Content-Type", kind)
        self.finish(body)


class JsonHandler(Handler):
    """A handler that requires a JSON body with its Content-Type; a form of another page cannot send that."""

    async def prepare(self) -> None:
        """Refuse a POST or a PUT with another Content-Type (415); an empty body needs none."""
        await super().prepare()
        headers = self.request.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        empty = not kind and headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in headers
        if self.request.method in ("POST", "PUT") and kind != "application/json" and not empty:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_json", _NOT_JSON)

    def members(self, **kinds: tuple[type, ...]) -> dict[str, Any]:
        """Return the members of the body.

        Args:
            kinds: the allowed members and their types; each member is optional.

        Raises:
            Refused: the body is not a JSON object, or has other members or types.
        """
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise bad_request("its body is not JSON") from None
        if not isinstance(body, dict):
            raise bad_request("its body is not a JSON object")
        for name, value in body.items():
            if name not in kinds:
                allowed = f"only these members: {', '.join(kinds)}" if kinds else "no members"
                raise bad_request(f"its body may have {allowed}")
            if type(value) not in kinds[name]:
                raise bad_request(f"{name} has the wrong type")
        return body


def not_driver() -> Refused:
    """Return the 403 for a garage or the bridge to MQTT that asks for more than they may."""
    return Refused(HTTPStatus.FORBIDDEN, "not_driver", _NOT_DRIVER)


def bad_request(problem: str) -> Refused:
    """Return the 400 for a body with this problem."""
    return Refused(HTTPStatus.BAD_REQUEST, "bad_request", f"This request is not valid: {problem}.")


async def drawn(kind: str, *values: Any) -> bytes:
    """Return a drawing of `draw.py`, made in a child process.

    Raises:
        Refused: it could not be drawn.
    """
    answer = await child.answer_of("picar.web.draw", json.dumps([kind, *values]))
    if answer is None:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_drawn", _NOT_DRAWN, Retry_After="10")
    return answer
