"""The page, its files, and the HTTP interface. No GET changes anything."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from http import HTTPStatus
from pathlib import Path

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, StaticFileHandler, stream_request_body

from picar.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.web.assets import Packed
from picar.web.base import Base, Refused
from picar.web.gate import ANONYMOUS_COOKIE, cookie
from picar.web.hub import Hub

ANSWER_TIMEOUT_S = 0.5
_ANSWER_POLL_S = 0.005
_DESCRIPTION = Path(__file__).with_name("openapi.json")
_FLIGHT_SLICE = 200  # lines, a millisecond on a laptop


class Page(Base):
    """`GET /`: the page. Its cookie says only that two connections are the same browser."""

    public = same_for_all = True

    def initialize(self, templates: Path, packed: Packed) -> None:
        """Take the folder of the page."""
        self._file, self._packed = templates / "index.html", packed

    def get(self) -> None:
        """Send the page."""
        if not cookie(self.request, ANONYMOUS_COOKIE):
            self.set_cookie(ANONYMOUS_COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="Strict")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        if self._packed.offers(self.request, self._file):
            self.set_header("Content-Encoding", "gzip")
            self.write(self._packed.get(self._file))
        else:
            self.write(self._file.read_bytes())

    head = get


class Static(Base, StaticFileHandler):
    """`GET /static/…`: the page's files, revalidated at each visit so that an update never half arrives."""

    public = same_for_all = True

    def initialize(self, path: str, packed: Packed) -> None:  # type: ignore[override]
        """Take the folder."""
        super().initialize(path)
        self._packed = packed

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send a file, packed where that may be; the rest is Tornado's business."""
        if not self._packed.offers(self.request, Path(path)):
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        place = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        assert place is not None  # only a folder with a page of its own is none
        self.absolute_path = place
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            return
        self.set_header("Content-Encoding", "gzip")
        self.write(self._packed.get(Path(place)))

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Take a path that no file can have for one that is not there."""
        try:
            return super().validate_absolute_path(root, absolute_path)
        except ValueError:
            raise HTTPError(HTTPStatus.NOT_FOUND) from None

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002 - Tornado's signature
        """Have browsers ask again."""
        self.set_header("Cache-Control", "no-cache")


class Health(Base):
    """`GET /healthz`: 200 only while both processes are fresh."""

    public = True

    def initialize(self, channel: Channel) -> None:
        """Take the motor process to ask about."""
        self._channel = channel

    def get(self) -> None:
        """Say how the car is."""
        if not self._channel.fresh():
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "motor_silent",
                f"The motor process was last heard of {self._channel.silence_s:.1f} s ago.",
            )
        self.write(
            {"status": "ok", "motor": {"pid": self._channel.pid, "age_s": round(self._channel.silence_s, 3)}}
        )

    head = get


class State(Base):
    """`GET /api/v1/state`: the newest state."""

    def initialize(self, hub: Hub) -> None:
        """Take the hub to ask."""
        self._hub = hub

    def get(self) -> None:
        """Send the state."""
        self.write(self._hub.snapshot())

    head = get


@stream_request_body
class Stop(Base):
    """`POST /api/v1/stop`: the latched stop, as soon as the request's head is here, whatever its body is."""

    at_once = True

    def initialize(self, hub: Hub) -> None:
        """Take the hub to tell."""
        self._hub = hub

    async def prepare(self) -> None:
        """Stop the car."""
        await super().prepare()
        if self.request.method == "POST":
            self._number = self._hub.stop()

    def data_received(self, chunk: bytes) -> None:
        """Let the body pass unread."""

    async def post(self) -> None:
        """Answer when the motor process has."""
        await answer_of(self._hub, self._number)
        self.write(self._hub.snapshot())


async def answer_of(hub: Hub, number: int) -> None:
    """Wait until the motor process has handled this command.

    Raises:
        Refused: it takes longer than `ANSWER_TIMEOUT_S`.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + ANSWER_TIMEOUT_S
    while not hub.answered(number):
        if loop.time() > give_up_at:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "motor_silent", "The motor process has not answered yet."
            )
        await asyncio.sleep(_ANSWER_POLL_S)


class Flight(Base):
    """`GET /api/v1/flight`: what both processes did in the last minute, as JSON lines."""

    def initialize(self, flight: FlightRecorder) -> None:
        """Take the recorder to read."""
        self._flight = flight

    async def get(self) -> None:
        """Send the lines, in slices: the driver's messages go in between."""
        self.set_header("Content-Type", "application/jsonl; charset=utf-8")
        lines = self._flight.recent()
        while part := b"".join(itertools.islice(lines, _FLIGHT_SLICE)):
            self.write(part)
            try:
                await self.flush()
            except StreamClosedError:
                return
            await self.wait_for_turn()

    head = get


class Description(Base):
    """`GET /api/v1/openapi.json`: this interface, as OpenAPI 3.1."""

    public = True

    def get(self) -> None:
        """Send the file."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(_DESCRIPTION.read_bytes())

    head = get


class NotFound(Base):
    """Everything else."""

    public = True

    async def prepare(self) -> None:
        """Refuse, with 404 where the request target is a path."""
        await super().prepare()
        if self.request.path.startswith("/"):
            raise HTTPError(HTTPStatus.NOT_FOUND)
        if self.request.method == "OPTIONS":  # of the whole server (`*`); CONNECT arrives here too
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "bad_request",
            "The request target is no path. Ask for one, like /healthz.",
        )

    def allowed_methods(self) -> list[str]:
        """Return the methods that some address takes."""
        return ["GET", "HEAD", "POST"]
