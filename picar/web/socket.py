"""`/ws`: one browser or script, as a client of the hub."""

from __future__ import annotations

import asyncio
import logging
import secrets
from http import HTTPStatus
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from picar.core.protocol import MAX_BYTES, SUBPROTOCOL
from picar.web.base import Base, Refused
from picar.web.clients import Client
from picar.web.hub import Hub
from picar.web.pages import SESSION_COOKIE

log = logging.getLogger(__name__)


class DriveSocket(Base, WebSocketHandler):
    """A `Wire` of the hub."""

    def initialize(self, hub: Hub) -> None:
        """Take the hub to talk to."""
        self._hub = hub
        self._client: Client | None = None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands; what does not ask for a WebSocket is told so."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(
                HTTPStatus.UPGRADE_REQUIRED,
                "not_websocket",
                "This address speaks WebSocket only; the page is at /.",
            )
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002 - Tornado's signature
        """Leave it to `prepare`, which has checked already."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Speak picar.v1 to those who ask for it."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def open(self, *_args: Any, **_kwargs: Any) -> None:
        """Join."""
        self.set_nodelay(True)  # else Nagle holds a second small message for 40 ms
        session = self.get_cookie(SESSION_COOKIE) or secrets.token_urlsafe(16)
        self._client = self._hub.join(session, self)

    def on_message(self, message: str | bytes) -> None:
        """Hand a message on."""
        if self._client is None:
            return
        if (
            len(message) * 4 > MAX_BYTES
            and len(message.encode() if isinstance(message, str) else message) > MAX_BYTES
        ):
            self.close(1009, f"a message has at most {MAX_BYTES} bytes")
            return
        self._hub.receive(self._client, message)

    def on_close(self) -> None:
        """Leave."""
        client, self._client = self._client, None
        if client is not None:
            self._hub.leave(client)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, and listen no longer."""
        super().close(code, reason)
        self.on_close()

    def send(self, text: str) -> bool:
        """Send, unless what was sent before is still on its way. Returns whether it was sent."""
        connection = self.ws_connection
        stream = getattr(connection, "stream", None)
        if connection is None or connection.is_closing() or stream is None or stream.writing():
            return False
        try:
            self.write_message(text).add_done_callback(_forget)
        except WebSocketClosedError:
            return False
        return True


def _forget(sent: asyncio.Future[None]) -> None:
    """Take note of a failed write, so that nobody warns of it: `on_close` says what matters."""
    if not sent.cancelled() and not isinstance(
        sent.exception(), WebSocketClosedError | StreamClosedError | None
    ):
        log.warning("a state could not be sent: %s", sent.exception())
