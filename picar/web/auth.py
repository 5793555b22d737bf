"""Authentication: which visitor sent a request, and whether the visitor is admitted.

A visitor is admitted by a credential (a paired phone's cookie, a script's bearer token); by anything if pairing is
`off`; or, if pairing is `local`, by a request from this machine itself. Only /ws and /api require a visitor, navigation
does not: browsers do not send a SameSite=Strict cookie when a link on another site is opened.

Law: behind a tunnel or a proxy all requests arrive from 127.0.0.1. Loopback counts as this machine only if the Host names
it too, and every header is one that browsers and programs send themselves. Each proxy adds other headers, so an unknown
header is taken for a proxy's.
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

ANONYMOUS_COOKIE = "picar_session"  # links connections of one browser; gives no access
_BEARER = "bearer "
# The headers that browsers, curl and the HTTP libraries of Python, Node, Go and Java send themselves (MDN, "HTTP
# headers"; tried with Chromium).
_DIRECT_HEADER = re.compile(
    r"""
    alt-used | authorization | cache-control | connection | cookie | date | device-memory | dnt | downlink | dpr | ect
    | expect | from | host | http2-settings | keep-alive | last-event-id | origin | pragma | priority | purpose | range
    | referer | rtt | save-data | service-worker | te | trailer | transfer-encoding | upgrade
    | upgrade-insecure-requests | user-agent | viewport-width | width | x-requested-with
    | (accept | access-control-request- | content- | if- | sec-) .*
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII | re.DOTALL,
)


class Gate:
    """Admits visitors.

    Args:
        store: the list of paired phones and scripts.
        pairing: the pairing mode in force.
    """

    def __init__(self, store: AccessStore, pairing: Pairing) -> None:
        self.store = store
        self.pairing = pairing

    @property
    def cookie(self) -> str:
        """The name of a paired phone's cookie. Each car has its own, since cookies ignore ports and addresses change."""
        return f"picar_{self.store.car}"

    def admit(self, request: HTTPServerRequest) -> Visitor | None:
        """Return the visitor, or None if the request must be refused."""
        paired = self.paired(request)
        if paired:
            return Visitor(paired.id, paired.name)
        if self.pairing == "off" or (self.pairing == "local" and is_local(request)):
            return Visitor(cookie(request, ANONYMOUS_COOKIE) or secrets.token_urlsafe(16))
        return None

    def save_new_pairing(self, visitor: Visitor | None) -> None:
        """Save a new pairing to the list; for other visitors, do nothing.

        Raises:
            AccessError: the list cannot be written.
        """
        if visitor and visitor.name is not None:
            self.store.keep(visitor.session)

    def paired(self, request: HTTPServerRequest) -> Paired | None:
        """Return the phone or script whose credential is in this request, or None."""
        headers = request.headers
        return self._find(headers.get("Authorization", ""), headers.get_list("Cookie"))

    def has_priority(self, head: bytes, ip: str) -> bool:
        """Return whether a head that is not parsed yet goes before those of strangers.

        If pairing is `local`, all heads from loopback do; only the parsed request shows whether its visitor is admitted.
        """
        if self.pairing == "off" or (self.pairing == "local" and is_loopback(ip)):
            return True
        authorization, cookies = field_values(head, "Authorization"), field_values(head, "Cookie")
        return self._find("".join(authorization[:1]), cookies) is not None

    def _find(self, authorization: str, cookies: Iterable[str]) -> Paired | None:
        if authorization.lower().startswith(_BEARER):
            return self.store.who(authorization[len(_BEARER) :].strip())
        credential = find_cookie(cookies, self.cookie)
        return self.store.who(credential) if credential else None


def is_local(request: HTTPServerRequest) -> bool:
    """Return whether this machine itself sent the request, by the law above."""
    host = split_host(request.headers.get("Host", ""))  # Tornado sets a missing Host to 127.0.0.1
    if host is None or not _is_direct(request):
        return False
    return is_loopback(request.remote_ip or "") and (host[0] == "localhost" or is_loopback(host[0]))


def _is_direct(request: HTTPServerRequest) -> bool:
    """Return whether the request shows no proxy. nginx uses HTTP/1.0 by default, browsers never do."""
    return request.version != "HTTP/1.0" and all(map(_DIRECT_HEADER.fullmatch, request.headers))


def cookie(request: HTTPServerRequest, name: str) -> str:
    """Return the value of a cookie, or an empty string."""
    return find_cookie(request.headers.get_list("Cookie"), name)


def find_cookie(lines: Iterable[str], name: str) -> str:
    """Return the value of one cookie, or an empty string. Other programs may have thousands of cookies: they are not parsed.

    Of several cookies with this name, the last counts: browsers send the longest path first (RFC 6265 §5.4), and the
    car's path is `/`.

    Args:
        lines: the values of all Cookie headers.
        name: of the cookie.
    """
    pattern = re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=[ \t]*([^;]*)")
    found = [value for line in lines for value in pattern.findall(line)]
    return found[-1].rstrip(" \t").removeprefix('"').removesuffix('"') if found else ""
