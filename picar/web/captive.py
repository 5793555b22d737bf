"""Answers to phones that check the internet while they are in the car's own WiFi, so that they stay in it.

The car answers as the internet would, not as a portal: a portal's browser has no tabs, and closes when it likes.

Laws:
- Only GET and HEAD, only a Host that the Host rule refuses, and only a connection to the hotspot's address.
- No answer depends on the car or the visitor, sets a cookie, or has a body over 200 bytes.
"""

from __future__ import annotations

import logging
import socket
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPServerRequest

from picar.config import HotspotConfig
from picar.network import wifi
from picar.network.addresses import EVERYWHERE
from picar.web.allowed_hosts import split_host
from picar.web.handler import Handler

log = logging.getLogger(__name__)

PORT = 80  # phones ask on no other
_IP_FREEBIND = 15  # linux/in.h: the address comes and goes with the hotspot
_GOOGLE = dict.fromkeys(("/generate_204", "/gen_204"), "")
_APPLE = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
_FIREFOX = '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
_DEBIAN = dict.fromkeys(("/check_network_status.txt", "/nm"), "NetworkManager is online\n")
PROBES: dict[str, dict[str, str]] = {
    "connectivitycheck.gstatic.com": _GOOGLE,
    "clients3.google.com": _GOOGLE,
    "connectivitycheck.android.com": _GOOGLE,
    "captive.apple.com": {"/": _APPLE, "/hotspot-detect.html": _APPLE},
    "www.msftconnecttest.com": {"/connecttest.txt": "Microsoft Connect Test"},
    "www.msftncsi.com": {"/ncsi.txt": "Microsoft NCSI"},
    "detectportal.firefox.com": {"/success.txt": "success\n", "/canonical.html": _FIREFOX},
    "nmcheck.gnome.org": _DEBIAN,
    "network-test.debian.org": _DEBIAN,
}


class Probe(Handler):
    """Any address, under a name that is not the car's."""

    public = True
    address: str

    async def prepare(self) -> None:
        """Wait for its turn; there is nothing to admit to."""
        await self.wait_for_turn()

    def get(self) -> None:
        """Answer a check; send everything else to the car's page."""
        name, _ = split_host(self.request.host) or ("", 0)
        body = PROBES.get(name, {}).get(self.request.path)
        if body is None:
            self.redirect(f"http://{self.address}/")
            return
        self.set_status(HTTPStatus.OK if body else HTTPStatus.NO_CONTENT)
        self.set_header("Content-Type", "text/html" if body.startswith("<") else "text/plain")
        self.finish(body or None)

    head = get


def applies(request: HTTPServerRequest, address: str) -> bool:
    """Return whether this request may be a check: its method, the car's own address on its connection, and the hotspot's service."""
    connection: Any = request.connection
    try:
        here: str = connection.stream.socket.getsockname()[0]
    except (AttributeError, OSError):  # it is closed already
        return False
    asks = request.method in ("GET", "HEAD") and here.removeprefix("::ffff:") == address
    return asks and wifi.has_watcher()


def listen(hotspot: HotspotConfig, host: str, port: int) -> list[socket.socket]:
    """Return the socket for phones in the car's own WiFi; empty without a setup, or if the server has that address already."""
    address = wifi.address_of(hotspot)
    is_set_up = wifi.UNIT.exists() or wifi.has_watcher()
    if not is_set_up or (port == PORT and host in (EVERYWHERE, "0.0.0.0", address)):
        return []
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        found.bind((address, PORT))
        found.listen()
    except OSError as error:
        found.close()
        why = f"{error.strerror}; use port {port}"
        log.warning("no page at http://%s/ in the car's own WiFi: %s", address, why)
        return []
    return [found]
