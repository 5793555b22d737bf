"""Authentication: which visitor sent a request, and whether the visitor is admitted.

A visitor is admitted with a credential: a paired phone's cookie or a script's bearer token. If pairing is
`off`, every visitor is admitted; if it is `local`, this machine is. A view token admits to the camera's picture alone, and the
token of a garage or of the car's own bridge to MQTT to the handlers with `fleet = True`. The cookie of a guest admits to the
handlers with `guest = True`, until the guest's time is over. Only /ws and /api require a visitor: on a
link from another site, browsers do not send a SameSite=Strict cookie.

A phone that uses http and https has one entry in the list and two cookies. Over https, pairing also sets the cookie for
http, unless that one is valid: it then gives no access, and names the entry to the pairing over http.

Law: behind a tunnel or a proxy all requests arrive from 127.0.0.1. Loopback counts as this machine only if
the Host names it too, and browsers and programs themselves send all headers of the request. Each proxy adds
other headers, so an unknown header is taken for a proxy's.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Iterator

from tornado.httputil import HTTPServerRequest

from picar.access import tokens
from picar.access.content import Kind, Paired
from picar.access.identity import Identity
from picar.access.store import AccessStore
from picar.access.tokens import Purpose
from picar.access.visitor import Pairing, Visitor
from picar.network.addresses import is_loopback
from picar.web.allowed_hosts import split_host
from picar.web.request_heads import field_values

ANONYMOUS_COOKIE = "picar_session"  # links connections of one browser; gives no access
_BEARER, _BASIC = "bearer ", "basic "
_PURPOSES: tuple[Purpose, Purpose] = ("session", "secure session")  # of the credentials for http and https
_VIEW_AS_BEARER = (
    "This is a view token. Send it as the password of HTTP's Basic authentication, with any user name."
)
_SCRIPT_AS_BASIC = (
    "This is the token of a script. Send it in the header Authorization: Bearer, or send a view token; "
    "the command picar pair --token NAME --view makes one."
)
# Sent by browsers, curl, ffmpeg (and so mpv), VLC, and the HTTP libraries of Python, Node, Go and Java (MDN, "HTTP
# headers"; Chromium; libavformat/http.c).
_DIRECT_HEADER = re.compile(
    r"""
    alt-used | authorization | cache-control | connection | cookie | date | device-memory | dnt | downlink
    | dpr | ect | expect | from | host | http2-settings | icy-metadata | keep-alive | last-event-id | origin | pragma
    | priority | purpose | range | referer | rtt | save-data | service-worker | te | trailer
    | transfer-encoding | upgrade | upgrade-insecure-requests | user-agent | viewport-width | width
    | x-requested-with
    | (accept | access-control-request- | content- | if- | sec-) .*
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII | re.DOTALL,
)


class Gate:
    """Admits visitors, by the list of paired phones and scripts and the pairing mode in force.

    Args:
        store: the list.
        pairing: the mode.
        identity: of the car.
        bridge: the token of the bridge to MQTT; empty without a bridge.
    """

    def __init__(self, store: AccessStore, pairing: Pairing, identity: Identity, bridge: str = "") -> None:
        self.store = store
        self.pairing = pairing
        self.identity = identity
        self._bridge = bridge

    def cookie(self, secure: bool) -> str:
        """Return the name of a paired phone's cookie, this car's own: cookies ignore ports, and addresses change.

        Over https it is one that no page over http can set (RFC 6265bis §4.1.3.2).
        """
        return f"{'__Host-' * secure}picar_{self.store.car}"

    def admit(self, request: HTTPServerRequest) -> Visitor | None:
        """Return the visitor, or None if the request must be refused."""
        paired = self.paired(request)
        if paired:
            return Visitor(paired.id, paired.name, paired.kind)
        if self._is_bridge(request.headers.get("Authorization", "")):
            return Visitor("bridge", kind="bridge")
        if self.pairing == "off" or (self.pairing == "local" and is_local(request)):
            return Visitor(
                find_cookie(request.headers.get_list("Cookie"), ANONYMOUS_COOKIE) or secrets.token_urlsafe(16)
            )
        return None

    def viewer(self, request: HTTPServerRequest) -> Visitor | None:
        """Return the visitor with the view token that is the password in this request, or None."""
        one = self.store.who(password(request))
        return Visitor(one.id, one.name, one.kind) if one and one.kind == "view" else None

    def of_token(self, token: str, kind: Kind) -> Visitor | None:
        """Return the visitor with this token of a script ("script") or a viewer ("view"), or None."""
        one = self.store.who(token)
        return Visitor(one.id, one.name, one.kind) if one and one.kind == kind else None

    def advice(self, request: HTTPServerRequest) -> str | None:
        """Return the fix for a request with a valid token in the wrong form, or None."""
        authorization = request.headers.get("Authorization", "")
        bearer = authorization.lower().startswith(_BEARER)
        one = self.store.who(authorization[len(_BEARER) :].strip() if bearer else password(request))
        if one is None or bearer != (one.kind == "view"):
            return None
        return _VIEW_AS_BEARER if bearer else _SCRIPT_AS_BASIC

    def save_new_pairing(self, visitor: Visitor | None) -> None:
        """Save a new pairing to the list; for other visitors, do nothing.

        Raises:
            AccessError: the list cannot be written.
        """
        if visitor and visitor.name is not None:
            self.store.keep(visitor.session)

    def paired(self, request: HTTPServerRequest) -> Paired | None:
        """Return the phone or program of the credential in this request, None without a valid one."""
        headers = request.headers
        secure = request.protocol == "https"
        return self._find(headers.get("Authorization", ""), headers.get_list("Cookie"), secure)

    def known(self, request: HTTPServerRequest) -> Paired | None:
        """Return the phone whose cookie for http is in this request.

        The cookie may be overheard, so its entry is for a client that has just shown the PIN or an invitation of the terminal.
        """
        credential = find_cookie(request.headers.get_list("Cookie"), self.cookie(False))
        one = self.store.who(credential) or self.store.who(credential, "same phone")
        return one if one and one.kind == "phone" else None

    def cookies(self, paired: Paired, request: HTTPServerRequest) -> Iterator[tuple[str, str, bool]]:
        """Yield name, value and the attribute Secure of each cookie for a phone that has paired with this request."""
        secure = request.protocol == "https"
        yield self.cookie(secure), self.store.credential(paired, _PURPOSES[secure]), secure
        if secure and self.known(request) is None:
            yield self.cookie(False), self.store.credential(paired, "same phone"), False

    def has_priority(self, head: bytes, ip: str, secure: bool = False) -> bool:
        """Return whether a head that is not parsed yet, and came over https or http, goes before those of strangers.

        If pairing is `local`, all heads from loopback do; the parsed request decides about admission.
        """
        if self.pairing == "off" or (self.pairing == "local" and is_loopback(ip)):
            return True
        authorization = "".join(field_values(head, "Authorization")[:1])
        cookies = field_values(head, "Cookie")
        return self._find(authorization, cookies, secure) is not None or self._is_bridge(authorization)

    def _is_bridge(self, authorization: str) -> bool:
        """Return whether this is the header of the bridge to MQTT."""
        given = authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""
        return bool(self._bridge) and tokens.is_same(given, self._bridge)

    def _find(self, authorization: str, cookies: Iterable[str], secure: bool) -> Paired | None:
        refused = ["view"]
        if authorization.lower().startswith(_BEARER):
            one = self.store.who(authorization[len(_BEARER) :].strip())
            refused += ["phone", "guest"] * secure  # it is the content of a cookie for http
        else:
            credential = find_cookie(cookies, self.cookie(secure))
            one = self.store.who(credential, _PURPOSES[secure]) if credential else None
        return one if one and one.kind not in refused else None


def password(request: HTTPServerRequest) -> str:
    """Return the password of HTTP's Basic authentication (RFC 7617) in this request, or an empty string."""
    authorization = request.headers.get("Authorization", "")
    if not authorization.lower().startswith(_BASIC):
        return ""
    try:
        pair = base64.b64decode(authorization[len(_BASIC) :].strip(), validate=True).decode()
    except ValueError:
        return ""
    return pair.partition(":")[2]


def is_local(request: HTTPServerRequest) -> bool:
    """Return whether this machine itself sent the request, by the law above."""
    host = split_host(request.headers.get("Host", ""))  # Tornado sets a missing Host to 127.0.0.1
    if host is None or not is_direct(request):
        return False
    return is_loopback(request.remote_ip or "") and (host[0] == "localhost" or is_loopback(host[0]))


def is_direct(request: HTTPServerRequest) -> bool:
    """Return whether the request shows no proxy. nginx uses HTTP/1.0 by default, browsers never do."""
    return request.version != "HTTP/1.0" and all(map(_DIRECT_HEADER.fullmatch, request.headers))


def find_cookie(lines: Iterable[str], name: str) -> str:
    """Return the value of one cookie in the Cookie headers, or an empty string.

    Other cookies are not parsed: programs on the same host may have thousands. Of several cookies with this
    name the last counts: browsers send the longest path first (RFC 6265 §5.4), and the car's path is `/`.
    """
    pattern = re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=[ \t]*([^;]*)")
    found = [value for line in lines for value in pattern.findall(line)]
    return found[-1].rstrip(" \t").removeprefix('"').removesuffix('"') if found else ""
