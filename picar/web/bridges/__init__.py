"""Foreign protocols, one file each; every one is off by default, and a car loads only those that are on.

docs/clients.md describes them for their users.
"""

from __future__ import annotations

import dataclasses
import logging
import socket
from collections.abc import Callable, Container
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher

from picar.car.hub import Hub
from picar.config import Config, ServerConfig
from picar.errors import ServeError
from picar.web import site
from picar.web.connection_limits import ConnectionLimits
from picar.web.handler import Route
from picar.web.pictures import Pictures

log = logging.getLogger(__name__)


class AtPorts(Matcher):
    """Matches every request at these TCP ports, with any path."""

    def __init__(self, ports: Container[int]) -> None:
        self._ports = ports

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return no arguments for a request at one of the ports, None for any other."""
        connection: Any = request.connection
        try:
            return {} if connection.stream.socket.getsockname()[1] in self._ports else None
        except (AttributeError, OSError):  # it is closed already
            return None


class Bridges:
    """The foreign protocols of one car, and the sockets of their own ports.

    Args:
        settings: the configuration; at least one protocol is on.
        listen: opens listening sockets.
    """

    def __init__(self, settings: Config, listen: Callable[[ServerConfig], list[socket.socket]]) -> None:
        self._settings = settings
        self.sockets: list[socket.socket] = []  # empty if rosbridge has no own port, or if that is in use
        rosbridge = settings.rosbridge
        if rosbridge.enabled and rosbridge.port:
            try:
                self.sockets = listen(dataclasses.replace(settings.server, port=rosbridge.port))
            except ServeError as error:
                reason = getattr(error.__context__, "strerror", None) or error
                log.warning(
                    "rosbridge is at /rosbridge only: port %d cannot be opened (%s). Set another port in [rosbridge].",
                    rosbridge.port,
                    reason,
                )

    def routes(self, hub: Hub, limits: ConnectionLimits, pictures: Pictures | None, port: int) -> list[Route]:
        """Return the routes, those of the bridges' own ports first.

        Args:
            hub: of the car.
            limits: the connections.
            pictures: of the camera, None without one.
            port: the TCP port of the page over http.
        """
        routes: list[Route] = []
        settings = self._settings
        shared = {"hub": hub, "limits": limits, "pictures": pictures, "port": port}
        if settings.rosbridge.enabled:
            from picar.web.bridges.rosbridge import RosSocket

            parts = shared | {"config": settings.rosbridge}
            own = AtPorts({one.getsockname()[1] for one in self.sockets})
            routes += [(where, RosSocket, parts) for where in (own, r"/rosbridge")]
        if settings.classic.enabled:
            from picar.web.bridges.classic import ClassicPage

            parts = {"hub": hub, "config": settings.classic, "clients": {}}
            routes += [(path, ClassicPage, more | parts) for path, _, more in site.routes() if path == "/"]
        if settings.foxglove.enabled:
            from picar.web.bridges.foxglove import FoxgloveSocket

            routes.append((r"/foxglove", FoxgloveSocket, shared | {"config": settings.foxglove}))
        return routes
