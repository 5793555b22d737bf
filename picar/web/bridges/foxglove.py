"""Foxglove WebSocket (foxglove/ws-protocol, docs/spec.md): Foxglove and Lichtblick show the car's data live.

Supported:
- the subprotocols `SUBPROTOCOLS`; `serverInfo`, `advertise`, `subscribe`, `unsubscribe`, data as JSON, `status`
- the channels of `CHANNELS`, with the schemas of Foxglove where it has one

Not supported, answered with a `status`:
- everything that drives or changes the car: `clientPublish`, services, parameters; also the connection graph and assets

Laws:
- No message of a client becomes a command: this file sends nothing to the hub.
- A channel has one subscription, the newest: the work for one client is bounded.
- Nothing is queued: while a message is on its way, the next state or picture is dropped.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from picar.access.content import Kind
from picar.car.seat import Seat, View
from picar.core import protocol
from picar.core.drive import State
from picar.core.guest import GuestLink
from picar.core.link import RateCap
from picar.core.protocol import Hello
from picar.web.bridges.socket import ForeignSocket
from picar.web.websocket import BINARY, frame

Message = dict[str, Any]

SUBPROTOCOLS = ("foxglove.sdk.v1", "foxglove.websocket.v1")
DATA = 1  # the binary opcode of a message on a channel
WARNING, ERROR = 1, 2  # levels of a `status`
MOST_ID = 2**32 - 1
_LOG_LEVELS = {State.FAILSAFE: 3, State.STOPPED: 4}  # of foxglove.Log: 2 is INFO, 3 WARNING, 4 ERROR


class Channel(NamedTuple):
    """One channel: the name and the properties of its schema, and the builder of its message from a state.

    The builder returns None if there is no message; a channel without a builder is filled elsewhere.
    """

    schema: str
    properties: Message
    build: Callable[[View], Message | None] | None = None


def _object(**properties: Message) -> Message:
    return {"type": "object", "properties": properties}


_NUMBER, _TEXT, _INTEGER = {"type": "number"}, {"type": "string"}, {"type": "integer"}
_TIME = _object(sec=_INTEGER, nsec=_INTEGER)
_VECTOR = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER)
_QUATERNION = _object(x=_NUMBER, y=_NUMBER, z=_NUMBER, w=_NUMBER)
_NUMBERS = {"type": "object", "additionalProperties": _NUMBER}


def _now() -> Message:
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return {"sec": seconds, "nsec": nanoseconds}


def _state(view: View) -> Message:
    return protocol.state_fields(view.state, view.you, view.waiting)


def _command(view: View) -> Message:
    return dict(view.state.wanted._asdict())


def _wheels(view: View) -> Message:
    state = view.state
    return {
        name: dict(zip(state.speeds, values, strict=True))
        for name, values in (("applied", state.applied), ("target", state.target))
    }


def _place(view: View) -> tuple[Message, Message] | None:
    """Return the position and the orientation of the car, None if they are unknown."""
    if view.state.pose is None:
        return None
    x, y, heading = view.state.pose
    turned = {"x": 0.0, "y": 0.0, "z": math.sin(heading / 2), "w": math.cos(heading / 2)}
    return {"x": x, "y": y, "z": 0.0}, turned


def _pose(view: View) -> Message | None:
    place = _place(view)
    return place and {
        "timestamp": _now(),
        "frame_id": "odom",
        "pose": {"position": place[0], "orientation": place[1]},
    }


def _transform(view: View) -> Message | None:
    place = _place(view)
    frames = {"timestamp": _now(), "parent_frame_id": "odom", "child_frame_id": "base_link"}
    return place and {**frames, "translation": place[0], "rotation": place[1]}


def _log(view: View) -> Message:
    state = view.state
    text = f"{state.state} ({state.reason or 'driver'}); driver: {state.driver or 'nobody'}"
    level = _LOG_LEVELS.get(State(state.state), 2)
    return {"timestamp": _now(), "level": level, "message": text, "name": "picar", "file": "", "line": 0}


_POSE = _object(position=_VECTOR, orientation=_QUATERNION)
_FRAMES = {"timestamp": _TIME, "parent_frame_id": _TEXT, "child_frame_id": _TEXT}
_PICTURE = {"timestamp": _TIME, "frame_id": _TEXT, "format": _TEXT}
_ENTRY = {"level": _INTEGER, "message": _TEXT, "name": _TEXT, "file": _TEXT, "line": _INTEGER}
CHANNELS = {
    "/picar/state": Channel("picar.State", {}, _state),
    "/picar/cmd": Channel("picar.Command", {"throttle": _NUMBER, "steering": _NUMBER}, _command),
    "/picar/wheels": Channel("picar.Wheels", {"applied": _NUMBERS, "target": _NUMBERS}, _wheels),
    "/pose": Channel("foxglove.PoseInFrame", {"timestamp": _TIME, "frame_id": _TEXT, "pose": _POSE}, _pose),
    "/tf": Channel(
        "foxglove.FrameTransform", {**_FRAMES, "translation": _VECTOR, "rotation": _QUATERNION}, _transform
    ),
    "/camera": Channel(
        "foxglove.CompressedImage", {**_PICTURE, "data": {"type": "string", "contentEncoding": "base64"}}
    ),
    "/log": Channel("foxglove.Log", {"timestamp": _TIME, **_ENTRY}, _log),
}
NAMES = dict(enumerate(CHANNELS))  # by the id of the channel


class FoxgloveSocket(ForeignSocket):
    """The `Peer` of one client, which only watches."""

    token_kind: Kind = "view"  # noqa: S105 - of a token in the URL
    _seat: Seat | None = None
    _logged: Any = None
    _waits = False  # a state waits for a picture: no other picture goes first

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return the first offered protocol of `SUBPROTOCOLS`."""
        return next((one for one in subprotocols if one in SUBPROTOCOLS), None)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Take a seat, unless the client speaks another protocol."""
        assert self.visitor is not None
        super().open(*args, **kwargs)
        self._rate = RateCap()
        self._wanted: dict[str, int] = {}  # name of the channel -> id of the subscription
        if self.selected_subprotocol is None:
            self.close(1002, f"the subprotocol must be {' or '.join(SUBPROTOCOLS)}")
        elif self._stream is not None:
            link = GuestLink(self.hub.config.session.command_timeout_s, lambda: -math.inf)
            self._seat = self.hub.seat(self.visitor, self, link)

    def on_close(self) -> None:
        """Give up the seat."""
        if self._seat is not None:
            self._seat.leave()
        super().on_close()

    def hello(self, hello: Hello) -> None:
        """Send the facts about this car, and its channels."""
        facts = {"capabilities": [], "supportedEncodings": ["json"], "sessionId": hello.client}
        self._tell("serverInfo", name=hello.car["name"], metadata={"picar": hello.car["version"]}, **facts)
        absent = {"/camera"} if self.pictures is None else set()
        absent |= {"/pose", "/tf"} if self.hub.channel.status.pose is None else set()
        channels = [_advertised(key) for key, name in NAMES.items() if name not in absent]
        self._tell("advertise", channels=channels)

    def show(self, view: View) -> bool:
        """Send a state on the channels that are subscribed. Returns whether the client reads."""
        stream = self._open_stream()
        self._waits = stream is not None and stream.writing()
        if stream is None or self._waits:
            return False
        news = (view.state.state, view.state.reason, view.state.driver)
        frames = []
        for name, key in self._wanted.items():
            build = CHANNELS[name].build
            if build and (name != "/log" or news != self._logged) and (message := build(view)):
                frames.append(_data(key, message))
        if frames:
            stream.send(b"".join(frames))
        self._logged = news
        return True

    def refuse(self, code: str, sentence: str | None = None) -> None:
        """Do nothing: this client has sent no command."""

    def receive(self, message: str | bytes) -> None:
        """Act on a message."""
        if not self._rate.allows(self.hub.now()):
            self._tell("status", level=WARNING, message="too many messages")
            return
        try:
            read: Message = json.loads(message) if isinstance(message, str) else {"op": "binary messages"}
            op = read["op"]
            if op == "subscribe":
                self._subscribe({NAMES[one["channelId"]]: one["id"] for one in read["subscriptions"]})
            elif op == "unsubscribe":
                gone = set(read["subscriptionIds"])
                self._wanted = {name: key for name, key in self._wanted.items() if key not in gone}
            else:
                text = f"this car is view only and has no {op[:40]}"
                self._tell("status", level=WARNING, message=text)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            self._tell("status", level=ERROR, message="this message cannot be understood")
        if not self.watch_camera("/camera" in self._wanted):
            self._tell("status", level=ERROR, message="the camera already has its most viewers")

    def _subscribe(self, wanted: dict[str, Any]) -> None:
        if not all(type(key) is int and 0 <= key <= MOST_ID for key in wanted.values()):
            raise ValueError
        self._wanted |= wanted
        if "/log" in wanted:
            self._logged = None

    def picture(self, jpeg: bytes) -> bytes | None:
        """Return the frame of a picture, None while a state waits."""
        key = self._wanted.get("/camera")
        if self._waits or key is None:
            return None
        picture = {"timestamp": _now(), "frame_id": "camera", "format": "jpeg"}
        return _data(key, {**picture, "data": base64.b64encode(jpeg).decode()})

    def _tell(self, op: str, **members: Any) -> None:
        self.answer(json.dumps({"op": op, **members}))


def _advertised(key: int) -> Message:
    name = NAMES[key]
    channel = CHANNELS[name]
    schema = {"title": channel.schema, "type": "object", "properties": channel.properties}
    known = {"encoding": "json", "schemaName": channel.schema, "schemaEncoding": "jsonschema"}
    return {"id": key, "topic": name, **known, "schema": json.dumps(schema)}


def _data(subscription: int, message: Message) -> bytes:
    """Return the frame of a message on a channel."""
    head = struct.pack("<BIQ", DATA, subscription, time.time_ns())
    return frame(BINARY, head + json.dumps(message, separators=(",", ":")).encode())
