"""The way to a car: its address, the token, the CA, and a WebSocket. Only this file of the client uses Tornado."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, _RequestProxy
from tornado.httputil import HTTPHeaders
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import DefaultLoopResolver, Resolver, is_valid_ip
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketProtocol13,
)

from picar.client.session import CarError
from picar.options import ADDRESS

CONNECT_S = 10.0
ANSWER_S = 3.0  # of a request over HTTP
HTTP_PORT, HTTPS_PORT = 8000, 8443
_FIN = 0x80  # RFC 6455 §5.2
_MASKED = 0x80  # by a client only
_PACKET_BYTES, _NEVER = 65536, 1 << 40
_TURN_S = 0.05
_SHUT_DOWN = 1001  # RFC 6455 §7.4.1
_MOST_REQUESTS = 1000  # at a time: cars that hang must not delay others
_MOST_BYTES = 1 << 20  # of an answer: a car may be any program of this network
_ENDS = {  # by the code with which the car closes a connection; docs/protocol.md
    4401: ("not_paired", "The car does not know this program's token any more."),
    4408: ("too_many", "The car has too many viewers, and sends this program no more pictures."),
}
CLOSED = "The car has closed the connection."
_REMEDY = "Start picar there, or correct the address."


class Connection:
    """An open WebSocket of a car."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._stream = socket.protocol.stream if socket.protocol else None
        if self._stream is not None:
            self._stream.set_nodelay(True)

    @property
    def end(self) -> CarError:
        """The error for the end of the connection."""
        return CarError(*_ENDS.get(self._socket.close_code or 0, ("closed", CLOSED)))

    @property
    def was_shut_down(self) -> bool:
        """Whether the car has closed the connection because its server ended in order."""
        return self._socket.close_code == _SHUT_DOWN

    async def send(self, text: str) -> None:
        """Send a message; after the end it is dropped."""
        with contextlib.suppress(WebSocketClosedError):  # then the end is reported to `receive`
            await self._socket.write_message(text)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame of `frame_of` without waiting, past Tornado's buffer if that is empty; after the end it is dropped."""
        stream, sent = self._stream, 0
        if stream is None or stream.closed():
            return
        with contextlib.suppress(StreamClosedError, OSError):
            if type(stream) is IOStream and not stream.writing():  # not over TLS
                with contextlib.suppress(BlockingIOError):
                    sent = stream.socket.send(frame)
            if sent < len(frame):
                stream.write(frame[sent:])

    def hang_up(self) -> None:
        """Close at once: the loop may end before the car's answer."""
        self._socket.close()
        if self._stream is not None:
            self._stream.close()


def frame_of(text: str) -> bytes:
    """Return a short text as a frame of a client (RFC 6455 §5.2), for many connections."""
    mask = os.urandom(4)
    return bytes(
        (0x81, 0x80 | len(text), *mask, *(byte ^ mask[at % 4] for at, byte in enumerate(text.encode())))
    )


class Turns:
    """Reads many connections together, at most each `_TURN_S`: a wake-up of the process costs more than a message."""

    def __init__(self) -> None:
        self._streams = selectors.DefaultSelector()

    def add(self, stream: IOStream) -> None:
        """Read this stream from now on, instead of its event loop."""
        fd = stream.socket.fileno()
        stream.io_loop.update_handler(fd, IOLoop.ERROR)
        self._streams.register(fd, selectors.EVENT_READ, stream)
        self._listen()

    def remove(self, fd: int) -> None:
        """Forget a stream that has been closed."""
        self._streams.unregister(fd)
        if not self._streams.get_map():
            self._pause()

    def _pause(self) -> None:
        IOLoop.current().remove_handler(self._streams)

    def _listen(self) -> None:
        if self._streams.get_map():
            self._pause()
            IOLoop.current().add_handler(self._streams, self._read, IOLoop.READ)

    def _read(self, *_: object) -> None:
        self._pause()
        IOLoop.current().call_later(_TURN_S, self._listen)
        for key, _events in self._streams.select(0):
            if not key.data.closed():
                key.data._handle_events(key.fd, IOLoop.READ)


class _Socket(WebSocketClientConnection):
    """A WebSocket whose frames `_Frames` reads."""

    turns: Turns | None = None

    def get_websocket_protocol(self) -> WebSocketProtocol13:
        """Return the protocol."""
        protocol = _Frames(self, mask_outgoing=True, params=self.params)
        protocol.turns = self.turns
        return protocol


class _Frames(WebSocketProtocol13):
    """Reads whole frames, in the call in which they arrive: Tornado's coroutine takes three reads for each, and a garage gets 300 a second.

    Cars send each message in one frame (RFC 6455 §5.2); a part of a message ends the connection.
    """

    turns: Turns | None = None

    async def _receive_frame_loop(self) -> None:
        if type(self.stream) is not IOStream:  # over TLS
            await super()._receive_frame_loop()
            return
        ended = self.stream.read_bytes(_NEVER)  # keeps the socket in the event loop
        fd = self.stream.socket.fileno()
        self.stream._handle_read = self._read  # type: ignore[method-assign]
        self._arrived = bytearray(self.stream._consume(self.stream._read_buffer_size))
        if self.turns:
            self.turns.add(self.stream)
        self._take()
        with contextlib.suppress(StreamClosedError):
            await ended
        if self.turns:
            self.turns.remove(fd)
        self._abort()
        self.handler.on_ws_connection_close(self.close_code, self.close_reason)

    def _read(self) -> None:
        try:
            packet = self.stream.socket.recv(_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        self._arrived += packet
        self._take()
        if not packet or self.client_terminated:
            self.stream.close()

    def _take(self) -> None:
        """Handle all whole frames."""
        frames = self._arrived
        while len(frames) > 1 and not self.client_terminated:
            more = {126: 2, 127: 8}.get(frames[1], 0)  # bytes of the size
            size = int.from_bytes(frames[2 : 2 + more]) if more else frames[1]
            end = 2 + more + size
            if not frames[0] & _FIN or frames[1] & _MASKED or size > self.params.max_message_size:
                self._abort()
            elif len(frames) < max(end, 2 + more):
                return
            else:
                data = bytes(frames[2 + more : end])
                kind = frames[0] & ~_FIN
                del frames[:end]
                try:
                    self._handle_message(kind, data)
                except ValueError:  # of a ping or a close that is malformed
                    self._abort()


class _Resolver(Resolver):
    """Looks up a name once, and a number not at all: lookups share few threads, and each may take seconds."""

    def initialize(self) -> None:
        self._lookups, self._known = DefaultLoopResolver(), dict[tuple[str, int], list[tuple[int, Any]]]()

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """Return families and addresses."""
        if is_valid_ip(host):
            return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]
        if (host, port) not in self._known:
            self._known[host, port] = await self._lookups.resolve(host, port, family)
        return self._known[host, port]

    def forget(self, url: str) -> None:
        """Look up the name in this URL again."""
        parts = urlsplit(url)
        self._known.pop((parts.hostname or "", parts.port or 0), None)


class Place:
    """The address of a car, with token and CA; arguments and errors are those of `AsyncCar`."""

    def __init__(self, address: str, token: str | None, ca: str | None) -> None:
        self.url = page_of(address)
        self._headers = _access(os.environ.get("PICAR_TOKEN", "") if token is None else token)
        self._tls = _trust(ca) if self.url.startswith("https") else None

    async def connect(
        self,
        path: str,
        subprotocol: str,
        receive: Callable[[str | bytes | None], None],
        turns: Turns | None = None,
    ) -> Connection:
        """Open a WebSocket. `receive` gets each message, and None at the end; `turns` reads it together with others.

        Raises:
            CarError: no car answers, the car refuses this program, or it does not speak this protocol.
        """
        request = HTTPRequest(
            f"{self.url}/{path}".replace("http", "ws", 1),
            headers=HTTPHeaders(self._headers),
            ssl_options=self._tls,
            connect_timeout=CONNECT_S,
            request_timeout=CONNECT_S,
        )
        try:
            opening = _Socket(
                _RequestProxy(request, HTTPRequest._DEFAULTS),  # type: ignore[arg-type]
                on_message_callback=receive,
                subprotocols=[subprotocol],
                resolver=_http().resolver,
            )
            opening.turns = turns
            opened = await opening.connect_future
        except (HTTPClientError, WebSocketError, OSError, UnicodeError) as error:
            raise _refused(self.url, error) from None
        connection = Connection(opened)
        if opened.selected_subprotocol != subprotocol:
            connection.hang_up()
            sentence = f"The program at {self.url} does not speak {subprotocol}: it is no car, or its picar is another version."
            raise CarError("no_car", sentence)
        return connection

    async def ask(self, method: str, path: str, **members: Any) -> dict[str, Any]:
        """Send a request over HTTP with these members as JSON, and return the answer's.

        Raises:
            CarError: no car answers, or it refuses; the code is the car's.
        """
        request = HTTPRequest(
            f"{self.url}/{path}",
            method,
            headers=self._headers | {"Content-Type": "application/json"},
            body=None if method == "GET" else json.dumps(members),
            ssl_options=self._tls,
            connect_timeout=ANSWER_S,
            request_timeout=ANSWER_S,
            follow_redirects=False,  # no car sends one
            decompress_response=False,  # to many times `_MOST_BYTES`
        )
        try:
            answer = json.loads((await _http().fetch(request)).body)
        except (HTTPClientError, OSError, ValueError, RecursionError) as error:
            # ValueError and RecursionError: the answer is no JSON, or the host is no name of a machine.
            raise _refused(self.url, error, ANSWER_S) from None
        if not isinstance(answer, dict):
            raise CarError("no_car", f"The page at {self.url} is not that of a car.")
        return answer


def _http() -> SimpleAsyncHTTPClient:
    """Return the client of this event loop."""
    return SimpleAsyncHTTPClient(max_clients=_MOST_REQUESTS, max_body_size=_MOST_BYTES, resolver=_Resolver())


def page_of(address: str) -> str:
    """Return the address of the page, without a slash at its end.

    Raises:
        CarError: `bad_address`.
    """
    found = ADDRESS.fullmatch(address)
    if not found or int(found[3] or 0) > 65535:
        sentence = (
            f"{address!r} is not the address of a car. Write a name like blitz.local or blitz.local:8000."
        )
        raise CarError("bad_address", sentence)
    scheme = found[1] or "http"
    return f"{scheme}://{found[2]}:{found[3] or (HTTPS_PORT if scheme == 'https' else HTTP_PORT)}"


def _access(token: str) -> dict[str, str]:
    """Return the headers that show this token."""
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise CarError("bad_token", "The token is damaged. Copy it again from: picar pair --token NAME")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _trust(ca: str | None) -> ssl.SSLContext:
    """Return the context of https; the file of a CA is PEM, or DER as the car hands it out."""
    context = ssl.create_default_context()
    try:
        if ca is not None:
            data = Path(ca).read_bytes()
            context.load_verify_locations(cadata=data.decode("ascii") if b"-----BEGIN" in data else data)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds no certificate"
        raise CarError("bad_ca", f"{ca} is not the file of a CA: {why}.") from None
    return context


def _refused(url: str, error: Exception, timeout_s: float = CONNECT_S) -> CarError:
    """Return the error of a handshake, or of a connection that did not get so far."""
    if isinstance(resolver := _http().resolver, _Resolver):  # that of a client which picar has made
        resolver.forget(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        sentence = (
            f"The certificate of {url} is not trusted: {error.verify_message}. Give the car's CA as ca=FILE."
        )
        return CarError("not_trusted", sentence)
    if isinstance(error, HTTPTimeoutError):
        return CarError("no_answer", f"No car answers at {url} in {timeout_s:.0f} s. {_REMEDY}")
    if isinstance(error, OSError):
        return CarError("no_answer", f"No car answers at {url}: {error.strerror or error}. {_REMEDY}")
    if isinstance(error, UnicodeError):
        return CarError("no_answer", f"No car answers at {url}: this is not the name of a machine.")
    response = getattr(error, "response", None)
    try:
        body = json.loads(response.body if response else b"")["error"]
        return CarError(str(body["code"]), str(body["message"]))
    except (ValueError, KeyError, TypeError):
        return CarError("no_car", f"The page at {url} is not that of a car: {error}.")
