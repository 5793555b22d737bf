"""The tutorials' way to drive: a page or a program sends `POST /` with k=w, and again for as long as a key is held.

Supported:
- the letters of `LETTERS`, in a form (application/x-www-form-urlencoded or multipart/form-data) or in the query of a POST
- the answer 200 with the letter as its body

Not supported:
- GET, which any link or picture can send; other letters; the tutorials' addresses for the camera and the servo
- the end of a stop: the car's own page has it

Laws:
- A POST drives for `LEASE_S` from its arrival at most; `core/posts.py` judges it. A refusal is a 409 with its code.
- A POST drives only if it is from this machine, or while a client of picar.v1 is connected, whose page shows the driver.
- The checks are those of every handler: a form of another page and a stranger are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPInputError, parse_body_arguments

from picar.access.visitor import Visitor
from picar.car.hub import Hub
from picar.car.seat import View
from picar.config import ClassicConfig
from picar.core.drive import State
from picar.core.posts import LEASE_S, Poster
from picar.core.protocol import Hello
from picar.core.shaping import Tank
from picar.web.auth import is_local
from picar.web.bridges.guest import SENTENCES, GuestSeat
from picar.web.handler import Refused, bad_request
from picar.web.site import Page

Key = tuple[str, str]  # the address of a client, and the session of a paired one

LETTERS = {
    "w": Tank(1.0, 1.0),
    "s": Tank(-1.0, -1.0),
    "a": Tank(0.0, 1.0),
    "d": Tank(1.0, 0.0),
    "q": Tank(-1.0, 0.0),
    "e": Tank(0.0, -1.0),
    "z": Tank(-1.0, 1.0),
    "x": Tank(1.0, -1.0),
}
MAX_CLIENTS = 16
_TOO_MANY = "The car already has its most clients of this kind. Try again in a minute."
_SENTENCES = {
    **SENTENCES,
    "too_fast": "Several requests came at once, as after a broken connection. Send one every 0.1 s.",
    "not_neutral": "Send nothing for half a second; then the car drives again.",
    "not_shown": "Open the car's page in a browser. Without it, only programs on the car's own machine may drive by POST.",
}


class PostDriver(GuestSeat):
    """The `Peer` of one client: its seat lasts from its first POST until it has been silent for a time.

    Args:
        hub: of the car.
        visitor: the admitted visitor.
        speed: the cap of the driver (`speed`).
        forget: called at the end.
    """

    def __init__(self, hub: Hub, visitor: Visitor, speed: float, forget: Callable[[], object]) -> None:
        self._forget = forget
        self._posts = Poster(hub.config.drive.deadband)
        self._refusal: str | None = None
        lease_s = min(LEASE_S, hub.config.session.command_timeout_s)
        super().__init__(hub, visitor, self, self._posts, lease_s, speed)

    async def drive(
        self, wanted: Tank, arrived_at: float, is_followed: Callable[[], bool], *, is_local: bool
    ) -> str | None:
        """Take a POST; `is_followed` tells whether another one waits behind it. Returns the code of a refusal."""
        self._newest = wanted  # also for those that wait: an older one must not follow a newer one
        wait_s = self._posts.arrive(arrived_at) - self._hub.now()
        if wait_s > 0.0:
            await asyncio.sleep(wait_s)
        if is_followed():
            self._posts.queue(self._hub.now())
        refusal = self._judge(is_local)
        self._drove = self.drives
        return refusal

    def _judge(self, is_local: bool) -> str | None:
        wanted, now = self._newest, self._hub.now()
        self._notice_loss()
        verdict = self._posts.judge(wanted, now)
        refusal = self._obstacle(is_local) or verdict.refusal
        if refusal is None and not self.drives and not self._take():
            refusal = "not_driver"
        if refusal is None:
            self._refusal = None
            self._send(wanted, neutral_first=verdict.neutral_first)
            refusal = self._refusal
        if refusal is None:
            self._posts.accept(wanted, now)
        elif refusal != "too_fast":
            self._posts.refuse()
        return refusal

    def _obstacle(self, is_local: bool) -> str | None:
        if self._hub.channel.status.state == State.STOPPED:
            return "stopped"
        if self._hub.lesson.holds:
            return "held"
        if self._seat.left or self._hub.driver not in (None, self._seat.id):
            return "not_driver"
        return None if is_local or self._hub.is_shown else "not_shown"

    def leave(self) -> None:
        """Give up the wheel and the seat."""
        self._forget()
        super().leave()

    def hello(self, hello: Hello) -> None:
        """Do nothing: there is no connection."""

    def show(self, view: View) -> bool:
        """Take a state; leave if the client is silent and has no wheel."""
        if view.you != "driver" and self._posts.is_gone(self._hub.now()):
            self._loop.call_soon(self.leave)
        return super().show(view)

    def refuse(self, code: str, sentence: str | None = None) -> None:  # noqa: ARG002 - a `Peer`
        """Keep the code of a refused command."""
        self._refusal = code

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - a `Peer`
        """Leave."""
        self.leave()

    def drop(self) -> None:
        """Leave."""
        self.leave()


class ClassicPage(Page):
    """`/`: GET is the page, and POST drives."""

    hub: Hub
    config: ClassicConfig
    clients: dict[Key, PostDriver]

    def initialize(self, **parts: Any) -> None:
        """Take the time at which the whole request has arrived; the page is public, and the POST is not."""
        super().initialize(**parts)
        self._arrived_at = self.hub.now()
        self.public = self.request.method != "POST"

    async def post(self) -> None:
        """Drive, and answer with the letter."""
        letter = self._letter()
        refusal = await self._driver().drive(
            LETTERS[letter], self._arrived_at, self._is_followed, is_local=is_local(self.request)
        )
        if refusal is not None:
            raise Refused(HTTPStatus.CONFLICT, refusal, _SENTENCES[refusal])
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(letter)

    def _is_followed(self) -> bool:
        """Return whether more has arrived on this connection: Tornado reads a request when the one before is answered."""
        connection: Any = self.request.connection
        stream = connection.stream
        if stream.closed() or stream._unread or stream._read_buffer_size or stream._decrypted():
            return not stream.closed()
        with contextlib.suppress(OSError):
            return bool(socket.socket.recv(stream.socket, 1, socket.MSG_PEEK))  # also of TLS
        return False

    def _letter(self) -> str:
        request = self.request
        try:
            parse_body_arguments(request.headers.get("Content-Type", ""), request.body, request.arguments, {})
        except HTTPInputError:
            raise bad_request("its form cannot be read") from None
        letter = request.arguments.get("k", [b""])[-1].decode("latin-1")
        if letter not in LETTERS:
            raise bad_request(f"k must be one of {', '.join(LETTERS)}")
        return letter

    def _driver(self) -> PostDriver:
        visitor = self.visitor
        assert visitor is not None
        key = (self.request.remote_ip or "", visitor.session if visitor.name is not None else "")
        if key not in self.clients:
            if len(self.clients) >= MAX_CLIENTS:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too_many", _TOO_MANY, Retry_After="60")
            forget = functools.partial(self.clients.pop, key, None)
            self.clients[key] = PostDriver(self.hub, visitor, self.config.speed, forget)
        return self.clients[key]
