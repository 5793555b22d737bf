"""`/ws/video`: the protocol picar-video.v1 over WebSocket. A connection is the screen of one viewer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tornado.websocket import WebSocketProtocol

from picar.camera.frames import Frame
from picar.car.hub import Hub
from picar.car.seat import Seat
from picar.core import video
from picar.core.link import RateCap
from picar.web.handler import Refused
from picar.web.pictures import Pictures
from picar.web.viewer import Viewer
from picar.web.websocket import BINARY, Socket, frame, text_frame

SEND_BYTES = 64 * 1024  # the kernel's buffer: one picture, and not several that are old when they arrive
STRIKES = 3  # unreadable messages in a row
_NO_CAMERA = "This car has no camera. Its configuration has one under [camera]."
_TOO_MANY = "The car already has {} viewers, the maximum. Close one, or try again later."


class VideoSocket(Socket):
    """The `Screen` of one viewer."""

    subprotocol = video.SUBPROTOCOL
    send_bytes = SEND_BYTES
    guest = True
    hub: Hub
    pictures: Pictures | None
    _viewer: Viewer | None = None
    _connection: WebSocketProtocol | None = None

    def check_room(self) -> None:
        """Refuse a handshake for a camera that does not exist (404), or for one viewer too many (503)."""
        pictures = open_pictures(self.pictures, self.get_query_argument("camera", "0"))
        if not pictures.has_room(self._seat()):
            raise too_many(pictures)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Join the viewers."""
        assert self.visitor is not None
        assert self.pictures is not None
        super().open(*args, **kwargs)
        self._rate, self._strikes, self._connection = RateCap(), 0, self.ws_connection
        self._viewer = Viewer(self.visitor, self, self._seat(), self.pictures.config.fps)
        self.pictures.join(self._viewer)

    def on_message(self, message: str | bytes) -> None:
        """Act on a message."""
        if self._viewer is None or self.pictures is None:
            return
        if len(message.encode() if isinstance(message, str) else message) > video.MAX_BYTES:
            self.close(1009, f"a message has at most {video.MAX_BYTES} bytes")
            return
        if not self._rate.allows(self.pictures.now()):
            return
        try:
            read = video.parse(message)
        except ValueError:
            self._strikes += 1
            if self._strikes >= STRIKES:
                self.close(1008, "three unreadable messages in a row")
            return
        self._strikes = 0
        self.pictures.take(self._viewer, read)

    def on_close(self) -> None:
        """Leave the viewers."""
        viewer, self._viewer = self._viewer, None
        if viewer is not None and self.pictures is not None:
            said_goodbye = bool(getattr(self._connection, "said_goodbye", False))
            self.pictures.leave(viewer, said_goodbye=said_goodbye)
        super().on_close()

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:
        """Send a picture, unless an earlier message is still in this process. Returns whether it was sent."""
        head = video.head(picture.level, age_s, picture.seq, trip_s, picture.width, picture.height)
        return self._send(frame(BINARY, head + picture.body))

    def tell(self, text: str) -> bool:
        """Send a text, unless an earlier message is still in this process. Returns whether it was sent."""
        return self._send(text_frame(text))

    def _seat(self) -> Seat | None:
        assert self.visitor is not None
        return self.hub.seat_of(self.get_query_argument("client", None), self.visitor)


def open_pictures(pictures: Pictures | None, camera: str) -> Pictures:
    """Return the pictures of this camera, a number.

    Raises:
        Refused: there is no such camera.
    """
    if pictures is None or camera != "0":
        raise Refused(HTTPStatus.NOT_FOUND, "no_camera", _NO_CAMERA)
    return pictures


def too_many(pictures: Pictures) -> Refused:
    """Return the 503 for one viewer more than the maximum."""
    sentence = _TOO_MANY.format(pictures.config.max_viewers)
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too_many", sentence, Retry_After="5")
