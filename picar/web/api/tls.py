"""`GET /help/https`: the way to https for each kind of phone, and the car's CA. Over http, without a login and a script.

The page shows an image from the car's https: a browser that does not trust the certificate shows the text *not yet* instead.
`GET /help/wifi` is a page of the same kind, for phones that leave the car's own WiFi.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

from picar.network import addresses
from picar.web.allowed_hosts import split_host
from picar.web.handler import Handler, Refused, Route
from picar.web.site import folder

if TYPE_CHECKING:
    from picar.web.tls import Https

_TRUSTED = """<svg xmlns="http://www.w3.org/2000/svg" width="180" height="32" viewBox="0 0 180 32"><rect width="180" height="32" rx="16" fill="#0f766e"/><text x="90" y="22" font-family="sans-serif" font-size="16" fill="#fff" text-anchor="middle">✓ trusted · 已信任</text></svg>"""
_CLOSED = "The car does not hand out its CA now. Run sudo picar tls phone on the car's machine; it then does so for 15 minutes."


class Help(Handler):
    """The page and its files."""

    public = always_on_http = True
    https: Https | None
    page: str
    style: str  # the source of the page's style, for its policy

    def get(self, name: str) -> None:
        """Send one of them."""
        kind, content = {"ca.crt": self._ca, "trusted.svg": self._trusted}.get(name, self._page)()
        self.set_header("Content-Type", kind)
        self.write(content)

    head = get

    def _page(self) -> tuple[str, str | bytes]:
        host, https = split_host(self.request.host), self.https
        origin = addresses.url(host[0], https.port, "https") if host and https and https.port else ""
        state, fingerprint = "foreign" if origin else "off", ""
        if https and https.ca:
            state, fingerprint = "open" if https.hands_out_ca else "closed", https.fingerprint
        policy = f"default-src 'none'; style-src {self.style}; img-src data: {origin}; frame-ancestors 'none'"
        self.set_header("Content-Security-Policy", policy)
        values = {"state": state, "origin": escape(origin), "fingerprint": fingerprint}
        page = re.sub(r"\{(state|origin|fingerprint)\}", lambda found: values[found[1]], self.page)
        return "text/html; charset=utf-8", page

    def _ca(self) -> tuple[str, str | bytes]:
        if not (self.https and self.https.ca and self.https.hands_out_ca):
            raise Refused(HTTPStatus.FORBIDDEN, "closed", _CLOSED)
        self.set_header("Content-Disposition", 'attachment; filename="picar-ca.crt"')
        return "application/x-x509-ca-cert", self.https.ca

    def _trusted(self) -> tuple[str, str | bytes]:
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.set_header("Cache-Control", "no-store")
        return "image/svg+xml", _TRUSTED


def routes(https: Https | None) -> list[Route]:
    """Return the routes of the help pages; `https` is None for a car without it."""
    return [
        (r"/help/(https|ca\.crt|trusted\.svg)", Help, {"https": https} | _page("https")),
        (r"/help/(wifi)", Help, {"https": https} | _page("wifi")),
    ]


def _page(name: str) -> dict[str, str]:
    page = (folder("templates") / f"{name}.html").read_text(encoding="utf-8")
    style = page.partition("<style>")[2].partition("</style>")[0].encode()
    return {"page": page, "style": f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'"}
