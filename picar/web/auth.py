"""Who a request comes from, and whether it may come in.

Three ways in: a credential (a paired phone's cookie, a script's bearer token); no pairing at all (`off`); or, where
pairing is `local`, this machine itself. Decided on /ws and /api, never on a navigation: a browser does not send a
SameSite=Strict cookie with a link from elsewhere.

Law: behind a tunnel or a proxy everybody arrives from 127.0.0.1, so loopback counts only when the Host says so too and
the request looks in every part as a browser or a program on this machine sends it. There is no list of what proxies
add, since each adds its own: a header that is not on the list below is taken for one of theirs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from tornado.httputil import HTTPServerRequest

from picar.access.content import Paired
from picar.access.store import AccessStore
from picar.access.visitor import Pairing, Visitor
from picar.network.addresses import is_loopback
from picar.web.allowed_hosts import split_host
from picar.web.request_heads import field_values

ANONYMOUS_COOKIE = "picar_session"  # says only that two connections are the same browser
_BEARER = "bearer "
# What browsers, curl and the HTTP libraries of Python, Node, Go and Java send of their own (MDN, "HTTP headers"; tried with
# Chromium). Whole names, then beginnings.
_DIRECT = frozenset(
    [
        "alt-used",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "date",
        "device-memory",
        "dnt",
        "downlink",
        "dpr",
        "ect",
        "expect",
        "from",
        "host",
        "http2-settings",
        "keep-alive",
        "last-event-id",
        "origin",
        "pragma",
        "priority",
        "purpose",
        "range",
        "referer",
        "rtt",
        "save-data",
        "service-worker",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "viewport-width",
        "width",
        "x-requested-with",
    ]
)
_DIRECT_BEGINNINGS = ("accept", "access-control-request-", "content-", "if-", "sec-")


class Gate:
    """Lets visitors in.

    Args:
        store: who is paired.
        pairing: whom to ask for it.
    """

    def __init__(self, store: AccessStore, pairing: Pairing) -> None:
        self.store = store
        self.pairing = pairing

    @property
    def cookie(self) -> str:
        """The name of a paired phone's cookie: this car's own, since cookies know neither ports nor changing addresses."""
        return f"picar_{self.store.car}"

    def admit(self, request: HTTPServerRequest) -> Visitor | None:
        """Return the visitor, or None if the request must be refused."""
        paired = self.paired(request)
        if paired:
            return Visitor(paired.id, paired.name)
        if self.pairing == "off" or (self.pairing == "local" and is_local(request)):
            return Visitor(cookie(request, ANONYMOUS_COOKIE) or secrets.token_urlsafe(16))
        return None

    def keep(self, visitor: Visitor | None) -> None:
        """Write a newcomer to the list; for other visitors, do nothing.

        Raises:
            AccessError: it cannot be written down.
        """
        if visitor and visitor.name is not None:
            self.store.keep(visitor.session)

    def paired(self, request: HTTPServerRequest) -> Paired | None:
        """Return the phone or script whose credential comes with this request."""
        headers = request.headers
        return self._whose(headers.get("Authorization", ""), headers.get_list("Cookie"))

    def has_priority(self, head: bytes, ip: str) -> bool:
        """Return whether a head that is not parsed yet goes before those of strangers.

        Where pairing is `local`, all of this machine's heads do: the whole of them decides later who is admitted.
        """
        if self.pairing == "off" or (self.pairing == "local" and is_loopback(ip)):
            return True
        authorization, cookies = field_values(head, "Authorization"), field_values(head, "Cookie")
        return self._whose("".join(authorization[:1]), cookies) is not None

    def _whose(self, authorization: str, cookies: Iterable[str]) -> Paired | None:
        if authorization.lower().startswith(_BEARER):
            return self.store.who(authorization[len(_BEARER) :].strip())
        credential = find_cookie(cookies, self.cookie)
        return self.store.who(credential) if credential else None


def is_local(request: HTTPServerRequest) -> bool:
    """Tell whether this machine itself asks, as far as can be told: see the law above."""
    host = split_host(request.headers.get("Host", ""))  # Tornado makes 127.0.0.1 of one that is not there
    if host is None or not _is_direct(request):
        return False
    return is_loopback(request.remote_ip or "") and (host[0] == "localhost" or is_loopback(host[0]))


def _is_direct(request: HTTPServerRequest) -> bool:
    """Tell whether no proxy can be seen; nginx asks by HTTP/1.0 unless told otherwise, browsers never do."""
    names = [name.lower() for name in request.headers]
    direct = (name in _DIRECT or name.startswith(_DIRECT_BEGINNINGS) for name in names)
    return request.version != "HTTP/1.0" and all(direct)


def cookie(request: HTTPServerRequest, name: str) -> str:
    """Return the value of a cookie, empty where there is none."""
    return find_cookie(request.headers.get_list("Cookie"), name)


def find_cookie(lines: Iterable[str], name: str) -> str:
    """Return the value of one cookie; the others, which may be another program's and thousands, are not parsed.

    Of several with this name the last counts: browsers send those of the longest path first (RFC 6265 §5.4), and the
    car's are for `/`.

    Args:
        lines: the values of all Cookie headers.
        name: of the cookie.
    """
    pattern = re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=[ \t]*([^;]*)")
    found = [value for line in lines for value in pattern.findall(line)]
    return found[-1].rstrip(" \t").removeprefix('"').removesuffix('"') if found else ""
