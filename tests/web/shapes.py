"""The shapes of requests: who seems to ask, from which page, under which name; and what the car must answer.

`<host>` in a header stands for the car's own Host, `<cookie>` and `<token>` for a paired phone's and a script's.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Literal

from tests.support.raw import UPGRADE

EVIL = "http://evil.example"
FORM = "application/x-www-form-urlencoded"
BASIC = 'Basic realm="picar"'
MACHINE = socket.gethostname().lower()

# own: may pass as far as its page and name go. link: as own, but only where a link from elsewhere may lead.
Page = Literal["own", "link", "foreign", "wrong_host", "malformed"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A request. `local`: it comes from this machine itself; `paired`: it shows a good credential."""

    page: Page
    headers: dict[str, str] = field(default_factory=dict)
    local: bool = True
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """Something to ask for. `inside`: what it answers to those whom it lets in."""

    method: str
    path: str
    inside: int
    public: bool
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    scheme: str = "Bearer"  # that a 401 asks for
    any_origin: bool = False  # a foreign page may ask for it, since it cannot read the answer

    def sends(self, shape: Shape) -> tuple[dict[str, str], bytes | None]:
        """Return the headers and the body of this shape of request."""
        if self.method == "GET":
            return self.headers | shape.headers, None
        headers = {"Content-Type": "application/json"} | shape.headers
        form = headers["Content-Type"] == FORM
        return headers, b"pin=1&token=2" if form else json.dumps(self.body).encode()


DOORS = {
    "/ws": Door("GET", "/ws", 101, public=False, headers=UPGRADE),
    "/ws/video": Door("GET", "/ws/video", 101, public=False, headers=UPGRADE),
    "/snapshot.jpg": Door("GET", "/snapshot.jpg", 200, public=False, scheme=BASIC),
    "/stream.mjpg": Door(
        "GET", "/stream.mjpg?fps=0", 400, public=False, scheme=BASIC
    ),  # a good answer has no end
    "/api/v1/state": Door("GET", "/api/v1/state", 200, public=False),
    "/api/v1/stop": Door("POST", "/api/v1/stop", 200, public=False, body={}),
    "/api/v1/flight": Door("GET", "/api/v1/flight", 200, public=False),
    "/api/v1/invite": Door("POST", "/api/v1/invite", 200, public=False, body={}),
    "/api/v1/speed-cap": Door("POST", "/api/v1/speed-cap", 400, public=False, body={"speed": 2}),
    "/api/v1/power": Door("POST", "/api/v1/power", 400, public=False, body={"action": "halt"}),
    "/api/v1/wifi": Door("POST", "/api/v1/wifi", 400, public=False, body={"ssid": ""}),
    "/api/v1/calibration": Door("GET", "/api/v1/calibration", 200, public=False),
    "/api/v1/pair": Door("POST", "/api/v1/pair", 400, public=True, body={"pin": 1}),
    "/api/v1/session": Door("GET", "/api/v1/session", 200, public=True),
    "/": Door("GET", "/", 200, public=True, any_origin=True),
    "/static": Door("GET", "/static/js/main.js", 200, public=True, any_origin=True),
    "/healthz": Door("GET", "/healthz", 200, public=True),
    "nothing": Door("GET", "/nothing", 404, public=True),
}


def _hosts(page: Page, *hosts: str, local: bool = True) -> dict[str, Shape]:
    return {f"the name {host!r}": Shape(page, {"Host": host}, local=local) for host in hosts}


def _forwarded(**headers: str) -> dict[str, Shape]:
    return {
        f"through a proxy that says {name.replace('_', '-')}": Shape(
            "own", {name.replace("_", "-"): value}, local=False
        )
        for name, value in headers.items()
    }


PAGES = {
    "a script": Shape("own"),
    "the car's own page": Shape("own", {"Origin": "http://<host>", "Sec-Fetch-Site": "same-origin"}),
    "the car's own page in an old browser": Shape("own", {"Origin": "http://<host>"}),
    "an address that was typed": Shape("own", {"Sec-Fetch-Site": "none"}),
    "a rebound name": Shape("wrong_host", {"Host": "evil.example", "Origin": EVIL}),
    "a rebound name with a port": Shape(
        "wrong_host", {"Host": "evil.example:8000", "Origin": f"{EVIL}:8000"}
    ),
    "a rebound name that a browser vouches for": Shape(
        "wrong_host", {"Host": "evil.example", "Origin": EVIL, "Sec-Fetch-Site": "same-origin"}
    ),
    "a rebound name without Origin": Shape("wrong_host", {"Host": "evil.example"}),
    "a foreign page": Shape("foreign", {"Origin": EVIL}),
    "a foreign page, as browsers say it": Shape("foreign", {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}),
    "a foreign page with a forged same-origin": Shape(
        "foreign", {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"}
    ),
    "a foreign page with a forged none": Shape("foreign", {"Origin": EVIL, "Sec-Fetch-Site": "none"}),
    "another port of this machine": Shape(
        "foreign", {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}
    ),
    "this machine under another name": Shape("foreign", {"Origin": "http://localhost"}),
    "a sandboxed frame": Shape("foreign", {"Origin": "null"}),
    "a sandboxed frame with a forged same-origin": Shape(
        "foreign", {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    ),
    "an empty Origin": Shape("foreign", {"Origin": ""}),
    "two Origins": Shape("foreign", {"Origin": f"http://<host>\n{EVIL}"}),
    "an Origin with a path": Shape("foreign", {"Origin": "http://<host>/"}),
    "an app's Origin": Shape("foreign", {"Origin": "file://"}),
    "cross-site without Origin": Shape("link", {"Sec-Fetch-Site": "cross-site"}),
    "cross-site with a forged Origin": Shape(
        "link", {"Origin": "http://<host>", "Sec-Fetch-Site": "cross-site"}
    ),
    "same-site without Origin": Shape("link", {"Sec-Fetch-Site": "same-site"}),
    "Sec-Fetch-Site in capitals": Shape("link", {"Sec-Fetch-Site": "Cross-Site"}),
    "Sec-Fetch-Site that nobody knows": Shape("link", {"Sec-Fetch-Site": "same-planet"}),
    "two Sec-Fetch-Sites": Shape("link", {"Sec-Fetch-Site": "same-origin\ncross-site"}),
    "a foreign form": Shape(
        "foreign", {"Content-Type": FORM, "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    ),
    "a foreign form without Origin": Shape("link", {"Content-Type": FORM, "Sec-Fetch-Site": "cross-site"}),
    "a form of a sandboxed frame": Shape("foreign", {"Content-Type": FORM, "Origin": "null"}),
}
NAMES = {
    **_hosts("own", "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:65535", "127.9.9.9"),
    **_hosts("own", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
    **_hosts("own", MACHINE, f"{MACHINE}.local", f"{MACHINE}-2.local:80", local=False),
    **_hosts("own", "192.168.4.1", "10.0.0.7:1", "0.0.0.0", "[fe80::1]", "[::]", "8.8.8.8", local=False),
    **_hosts("wrong_host", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"),
    **_hosts("wrong_host", "127.1", "2130706433", "0x7f000001", "0127.0.0.1", "1"),
    **_hosts("malformed", "user@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1:x", "127.0.0.1:70000"),
    **_hosts("malformed", "127.0.0.1/", "127.0.0.1#evil.example", "127.0.0.1?", "::1", "[::1", "*"),
    **_hosts("malformed", "127.0.0.1 evil.example", "127.0.0.1,evil.example", "127.0.0.1\nevil.example"),
    **_hosts("malformed", "http://127.0.0.1", "127。0。0。1"),
}
PROXIES = {
    **_forwarded(Forwarded="for=192.0.2.1", X_Forwarded_For="192.0.2.1", X_Forwarded_Host="car.example"),
    **_forwarded(X_Forwarded_Proto="https", X_Forwarded_Port="443", X_Real_IP="192.0.2.1", Via="1.1 tunnel"),
    **_forwarded(CF_Connecting_IP="192.0.2.1", True_Client_IP="192.0.2.1", X_Client_IP="192.0.2.1"),
    **_forwarded(
        X_Original_Host="car.example", Fly_Client_IP="192.0.2.1", X_Envoy_External_Address="192.0.2.1"
    ),
    **_forwarded(
        Client_IP="192.0.2.1", Tailscale_User_Login="mia", Max_Forwards="9", Proxy_Connection="close"
    ),
    **_forwarded(X_Request_ID="1", Traceparent="00-1-1-01", Nobody_Has_Heard_Of_It="1"),
    "a proxy that writes underlines": Shape("own", {"X_Forwarded_For": "192.0.2.1"}, local=False),
    "a proxy that says it is here": Shape("own", {"X-Forwarded-For": "127.0.0.1"}, local=False),
    "a proxy in small letters": Shape("own", {"x-forwarded-for": "::1"}, local=False),
    "a proxy that says nothing": Shape("own", {"Forwarded": ""}, local=False),
    "a proxy that names us to an evil name": Shape(
        "wrong_host", {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1"}
    ),
    "a foreign page through a proxy": Shape("foreign", {"Origin": EVIL, "X-Forwarded-For": "192.0.2.1"}),
}
CREDENTIALS = {
    "a paired phone": Shape("own", {"Cookie": "<cookie>"}, paired=True),
    "a paired phone on the car's own page": Shape(
        "own", {"Cookie": "<cookie>", "Origin": "http://<host>", "Sec-Fetch-Site": "same-origin"}, paired=True
    ),
    "a paired phone through a tunnel": Shape(
        "own", {"Cookie": "<cookie>", "X-Forwarded-For": "192.0.2.1"}, local=False, paired=True
    ),
    "a paired phone on a foreign page": Shape(
        "foreign", {"Cookie": "<cookie>", "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, paired=True
    ),
    "a paired phone in a sandboxed frame": Shape(
        "foreign", {"Cookie": "<cookie>", "Origin": "null"}, paired=True
    ),
    "a paired phone that follows a link": Shape(
        "link", {"Cookie": "<cookie>", "Sec-Fetch-Site": "cross-site"}, paired=True
    ),
    "a paired phone under a rebound name": Shape(
        "wrong_host", {"Cookie": "<cookie>", "Host": "evil.example", "Origin": EVIL}, paired=True
    ),
    "a script with its token": Shape("own", {"Authorization": "Bearer <token>"}, paired=True),
    "a script with its token, small": Shape("own", {"Authorization": "bearer  <token> "}, paired=True),
    "a script with its token and our Origin": Shape(
        "own", {"Authorization": "Bearer <token>", "Origin": "http://<host>"}, paired=True
    ),
    "a script with its token and a foreign Origin": Shape(
        "foreign", {"Authorization": "Bearer <token>", "Origin": EVIL}, paired=True
    ),
    "a token under a rebound name": Shape(
        "wrong_host", {"Authorization": "Bearer <token>", "Host": "evil.example"}, paired=True
    ),
    "a token in the wrong scheme": Shape("own", {"Authorization": "Basic <token>"}),
    "a token cut short": Shape("own", {"Authorization": "Bearer <cut token>"}),
    "a token with more behind it": Shape("own", {"Authorization": "Bearer <token>x"}),
    "an empty token": Shape("own", {"Authorization": "Bearer "}),
    "a wrong token beside a good cookie": Shape("own", {"Authorization": "Bearer x", "Cookie": "<cookie>"}),
    "a cookie under another name": Shape("own", {"Cookie": "picar_x=<token>; picar_session=<token>"}),
    "a cookie cut short": Shape("own", {"Cookie": "<cut cookie>"}),
    "a cookie that is none": Shape("own", {"Cookie": ';;=;,"=x'}),
}
SHAPES = PAGES | NAMES | PROXIES | CREDENTIALS


def expected(shape: Shape, door: Door, pairing: str) -> tuple[int, str]:
    """Return the status and the error code that this shape of request must get at this door.

    Args:
        shape: of the request.
        door: what it asks for.
        pairing: of the car: on, local or off.
    """
    if shape.page in ("wrong_host", "malformed"):
        return 421, "wrong_host"
    followed_a_link = shape.page == "link" and door.public and door.method == "GET"
    if (shape.page == "foreign" and not door.any_origin) or (shape.page == "link" and not followed_a_link):
        return 403, "foreign_origin"
    invited = shape.paired or pairing == "off" or (pairing == "local" and shape.local)
    if not door.public and not invited:
        return 401, "not_paired"
    return door.inside, {400: "bad_request", 404: "not_found"}.get(door.inside, "")
