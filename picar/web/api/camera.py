"""The picture over HTTP, for programs: one JPEG, or a stream of JPEGs (Home Assistant, OctoPrint, VLC, OpenCV, curl).

Most of these programs know HTTP's Basic authentication alone, so a view token is accepted as its password, here only. Such
a token sees the picture, and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from http import HTTPStatus
from typing import NoReturn

from tornado.iostream import StreamClosedError

from picar.access.tokens import PinGuard
from picar.access.visitor import Visitor
from picar.camera.frames import Frame
from picar.core.video import MOST_FPS
from picar.web.api.access import check_guesses
from picar.web.auth import Gate, password
from picar.web.handler import Handler, Refused, Route, bad_request
from picar.web.pictures import Pictures
from picar.web.request_heads import HeadStream
from picar.web.video import open_pictures, too_many
from picar.web.viewer import Viewer

FRESH_S = 0.5  # age of a snapshot
WAIT_S = 5.0  # for a camera that must be started
DEAF_S = 5.0  # without a byte taken
LOOK_S = 1.0  # between two looks whether the client is still there, while no picture comes
SEND_BYTES = 32 * 1024
KNOWN_WRONG = 32  # wrong passwords that are not counted again
_PART = b"--picar\r\nContent-Type: image/jpeg\r\n\r\n"
_NO_PICTURE = "The camera has sent no picture yet. Try again."


class PictureHandler(Handler):
    """A handler that also admits view tokens, as the password of Basic authentication with any user name."""

    authentication = 'Basic realm="picar"'
    guest = True
    pictures: Pictures | None
    guard: PinGuard
    wrong: deque[int]  # hashes of the newest wrong passwords

    def admit(self, gate: Gate) -> Visitor | None:
        """Return the visitor, also for a view token, or None for a stranger."""
        return super().admit(gate) or gate.viewer(self.request)

    def refuse_stranger(self) -> NoReturn:
        """Refuse a stranger. A wrong password counts as a wrong PIN, unless this car has made it: then it was revoked.

        It counts once: a program that polls with an old password does not guess.
        """
        gate: Gate = self.settings["gate"]
        guess = password(self.request)
        if guess and not gate.store.has_issued(guess) and hash(guess) not in self.wrong:
            check_guesses(self.guard)
            self.guard.wrong(time.monotonic())
            self.wrong.append(hash(guess))
        if advice := gate.advice(self.request):
            raise Refused(HTTPStatus.UNAUTHORIZED, "not_paired", advice, WWW_Authenticate=self.authentication)
        super().refuse_stranger()


class Snapshot(PictureHandler):
    """`GET /snapshot.jpg`: a picture not older than half a second; starts the camera if need be."""

    async def get(self) -> None:
        """Send it."""
        pictures = open_pictures(self.pictures, self.get_query_argument("camera", "0"))
        picture = await pictures.newest(FRESH_S, WAIT_S)
        if picture is None:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "no_picture", pictures.fault or _NO_PICTURE, Retry_After="2"
            )
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Picar-Seq", str(picture.seq))
        self.set_header("X-Picar-Age-Ms", str(round(pictures.age_s(picture) * 1000)))
        self.write(pictures.upright(picture))

    head = get

    def compute_etag(self) -> str | None:
        """Send no ETag: no picture is the same as another."""
        return None


class Stream(PictureHandler):
    """`GET /stream.mjpg`: pictures without end, each in one part of a multipart answer. It is the `Screen` of its viewer.

    The head of the next part goes out with the picture before it: a browser shows a picture when the next head arrives.
    """

    _stream: HeadStream | None = None
    _next: asyncio.Future[Frame | None] | None = None

    async def get(self) -> None:
        """Send pictures until the client leaves, or takes no byte for some seconds."""
        pictures = self._pictures()
        fps = self._fps(pictures)
        assert self.visitor is not None
        self._send_head()
        viewer = Viewer(self.visitor, self, None, fps, answers=False)
        pictures.join(viewer)
        try:
            self.write(_PART)
            await self.flush()
            while picture := await self._next_picture(pictures, viewer):
                self.write(pictures.upright(picture) + b"\r\n" + _PART)
                if not await self._flushed():
                    break
        except StreamClosedError:
            pass
        finally:
            pictures.leave(viewer)
        self._end()

    def head(self) -> None:
        """Send the head of the answer."""
        self._pictures()
        self._describe()

    def on_connection_close(self) -> None:
        """End the wait for a picture."""
        self._wake(None)

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:  # noqa: ARG002 - a `Screen`
        """Take a picture if the last one was sent."""
        return self._wake(picture)

    def tell(self, text: str) -> bool:  # noqa: ARG002 - a `Screen`
        """Do nothing: a stream has no texts."""
        return True

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - a `Screen`
        """End the stream."""
        self._end()

    def drop(self) -> None:
        """End the stream."""
        self._end()

    def _pictures(self) -> Pictures:
        pictures = open_pictures(self.pictures, self.get_query_argument("camera", "0"))
        if not pictures.has_room(None):
            raise too_many(pictures)
        return pictures

    def _fps(self, pictures: Pictures) -> int:
        text = self.get_query_argument("fps", str(pictures.config.spectator_fps))
        if not (text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= MOST_FPS):
            raise bad_request(f"fps is a whole number from 1 to {MOST_FPS}")
        return int(text)

    def _describe(self) -> None:
        self.set_header("Content-Type", "multipart/x-mixed-replace;boundary=picar")
        self.set_header("Cache-Control", "no-store")

    def _send_head(self) -> None:
        self._describe()
        stream: HeadStream = getattr(self.request.connection, "stream")  # noqa: B009 - unknown to Tornado's types
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self._stream = stream

    async def _next_picture(self, pictures: Pictures, viewer: Viewer) -> Frame | None:
        """Wait for the next picture. Returns None after the end of the connection."""
        if self._stream is None or self._stream.closed():
            return None
        waiting: asyncio.Future[Frame | None]
        waiting = self._next = asyncio.get_running_loop().create_future()
        pictures.seen(viewer, viewer.pacing.newest)  # it has left this process, so the next one may follow
        while not (await asyncio.wait([waiting], timeout=LOOK_S))[0]:
            if self._stream.has_left():
                return None
        return waiting.result()

    def _wake(self, picture: Frame | None) -> bool:
        waiting, self._next = self._next, None
        if waiting is None or waiting.done():
            return False
        waiting.set_result(picture)
        return True

    async def _flushed(self) -> bool:
        """Send the written bytes. Returns False if the client takes no byte for `DEAF_S`."""
        flushing = asyncio.ensure_future(self.flush())
        unsent = None
        while not (await asyncio.wait([flushing], timeout=DEAF_S))[0]:
            left = len(self._stream._write_buffer) if self._stream else 0
            if left == unsent:
                flushing.cancel()
                return False
            unsent = left
        await flushing
        return True

    def _end(self) -> None:
        """Close the connection: a stream has no end that a client could wait for."""
        stream, self._stream = self._stream, None
        self._wake(None)
        if stream is not None:
            stream.close()


def routes(pictures: Pictures | None, guard: PinGuard) -> list[Route]:
    """Return the routes of the picture; `pictures` is None for a car without a camera."""
    parts = {"pictures": pictures, "guard": guard, "wrong": deque[int](maxlen=KNOWN_WRONG)}
    return [(r"/snapshot\.jpg", Snapshot, parts), (r"/stream\.mjpg", Stream, parts)]
