"""The application: the table of all handlers, and the forms of a request that are made uniform before the lookup.

Laws:
- A request target in absolute form counts as its path, and its authority replaces the Host header (RFC 9112 §3.2.2):
  the check of the Host then checks the authority. Where the two differed, the request counts as forwarded, hence never
  as one from this machine itself.
- No body is parsed as a form: the car takes JSON, and Tornado would parse the forms of many strangers in one turn.
- A method that Tornado does not know is handled as OPTIONS, which no handler takes: it passes the same checks, and waits
  for the same turn, before the 405.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

from picar.car.hub import Hub
from picar.config import ServerConfig
from picar.journal.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.web import api, site, websocket
from picar.web.allowed_hosts import AllowedHosts
from picar.web.auth import Gate
from picar.web.connection_limits import ConnectionLimits
from picar.web.fairness import FairQueues
from picar.web.handler import SeldomLog

SOCKET_BYTES = 64 * 1024  # Tornado cuts the line above this; `DriveSocket` closes properly far below
PING_S = 20.0  # housekeeping: finds dead sockets; safety does not hang on it

_ABSOLUTE_FORM = re.compile(r"https?://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


class CarApplication(Application):
    """Tornado's table of handlers, with the laws above."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return the handler of a request."""
        setattr(request, "_parse_body", lambda: None)  # noqa: B010 - a method to mypy
        if request.method not in RequestHandler.SUPPORTED_METHODS:
            request.method = "OPTIONS"
        target = _ABSOLUTE_FORM.fullmatch(request.uri or "")
        if target:
            if request.host.lower() != target["authority"].lower():
                request.headers["Forwarded"] = "host=another"
            request.headers["Host"] = request.host = target["authority"]
            rest = target["rest"]
            request.uri = rest if rest.startswith("/") else f"/{rest}"
            request.path = request.uri.partition("?")[0]
        return super().find_handler(request, **kwargs)


def application(
    hub: Hub,
    channel: Channel,
    config: ServerConfig,
    flight: FlightRecorder,
    gate: Gate,
    limits: ConnectionLimits,
    port: int,
) -> CarApplication:
    """Return the application: the page, the WebSocket, and the routes of `api`."""
    return CarApplication(
        [
            *site.routes(),
            (r"/ws", websocket.DriveSocket, {"hub": hub, "limits": limits}),
            *api.routes(hub, channel, config, flight, gate, port),
        ],
        default_handler_class=site.NotFound,
        allowed_hosts=AllowedHosts(socket.gethostname, config.allowed_hosts),
        gate=gate,
        turns=FairQueues(),
        seldom_log=SeldomLog(),
        websocket_max_message_size=SOCKET_BYTES,
        websocket_ping_interval=PING_S,
        transforms=[site.Packing],
    )
