"""rosbridge v2 (RobotWebTools/rosbridge_suite, ROSBRIDGE_PROTOCOL.md): pages and programs of ROS drive and watch the car.

Supported:
- `advertise`, `unadvertise`, `publish` of /cmd_vel (Twist) and /cmd_vel_stamped (TwistStamped), told apart by the key `twist`
- `subscribe` with `throttle_rate`, `unsubscribe`; the topics are those of `rostopics.py`
- `call_service` of `SERVICES`
- `set_level`, `set_status_level`; names with or without a leading /, types with or without /msg/

Not supported, answered with a `status`:
- `fragment`, `png`, `auth`, `advertise_service`, `service_response`, actions; binary messages; compression; parameters
- Lichtblick's and Foxglove's players for rosbridge: they ask for `cbor-raw`

Laws:
- A command is a share of full stick: the car has no wheel encoders. The header of a TwistStamped is ignored.
- /picar/stop stops the car for every client, at any rate.
- A topic has no queue: while a message is on its way, the next one is dropped. The answer to a service is not dropped.
- A status of one code is sent at most once a second, because roslibpy logs a traceback for each.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

from picar.car.seat import STRIKES, View
from picar.config import RosbridgeConfig
from picar.core import protocol
from picar.core.link import RateCap
from picar.core.protocol import Hello
from picar.core.shaping import Sticks
from picar.web.bridges.guest import SENTENCES, GuestDriver
from picar.web.bridges.rostopics import (
    ALIASES,
    CAMERA,
    COMMANDS,
    ODOM,
    STATE,
    TF,
    TOPICS,
    full_text,
    image,
    message_of,
    stamp,
    topics_of,
)
from picar.web.bridges.socket import ForeignSocket
from picar.web.websocket import text_frame

Message = dict[str, Any]

NODE = "/picar"
LEVELS = ("info", "warning", "error", "none")
MOVING_S, RESTING_S, SLOW_S = 0.05, 0.2, 1.0  # between two messages of a topic
EARLY_S = 0.01  # a message may come so much early
STATUS_S = 1.0
MAX_SUBSCRIPTIONS = 64  # of one client
_SENTENCES = {**SENTENCES, "settling": "The connection is too new; commands count after half a second."}


class RosSocket(ForeignSocket):
    """The `Bridge` of one client."""

    config: RosbridgeConfig
    _guest: GuestDriver | None = None
    _view: View  # the newest, from the moment the guest has its seat
    _timer: asyncio.TimerHandle | None = None
    _level = "error"
    _strikes = 0

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Take a seat."""
        assert self.visitor is not None
        super().open(*args, **kwargs)
        self._rate = RateCap()
        # topic -> id of the subscription -> throttle in s
        self._wanted: dict[str, dict[str | int | None, float]] = {}
        self._sent_at: dict[str, float] = {}
        self._reported_at: dict[str, float] = {}
        if self._stream is not None:
            self._guest = GuestDriver(self.hub, self.visitor, self)

    def on_close(self) -> None:
        """Give up the seat."""
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.leave()
        if self._timer is not None:
            self._timer.cancel()
        super().on_close()

    def on_pong(self, data: bytes) -> None:
        """Take a pong."""
        if self._guest is not None:
            self._guest.pong(data)

    def hello(self, hello: Hello) -> None:
        """Do nothing: rosbridge has no greeting."""

    def show(self, view: View) -> bool:
        """Take a state. Returns whether the client reads."""
        self._view = view
        if self._is_due(STATE, 0.0):
            return self._publish(STATE, view.encoded(_state_frame))
        stream = self._open_stream()
        return stream is not None and not stream.writing()

    def refuse(self, code: str, sentence: str | None = None) -> None:
        """Report a refused command."""
        self._report("error", f"{code}: {sentence or _SENTENCES[code]}", code)

    def receive(self, message: str | bytes) -> None:
        """Act on a message."""
        if self._guest is None:
            return
        try:
            read = json.loads(message) if isinstance(message, str) else {}
            op = read["op"]
        except (ValueError, TypeError, KeyError, RecursionError):
            op = None
        if not isinstance(op, str):
            self._strike()
            return
        self._strikes = 0
        if op == "call_service" and _name(read.get("service")) == "/picar/stop":
            self._guest.stop()
            self._respond(read, {"success": True, "message": "the car is stopped"})
        elif not self._rate.allows(self.hub.now()):
            self.refuse("too_fast")
        elif op in _OPERATIONS:
            _OPERATIONS[op](self, read)
        else:
            self._report("error", f"unknown operation: {op[:40]}", "operation", read)

    # Operations

    def _advertise(self, message: Message) -> None:
        if _name(message.get("topic")) not in COMMANDS:
            self._report("error", f"{message['op']}: this car takes /cmd_vel alone", message["op"], message)

    def _command(self, message: Message) -> None:
        """Take a Twist."""
        if _name(message.get("topic")) not in COMMANDS:
            self._advertise(message)
            return
        assert self._guest is not None
        try:
            sticks = sticks_of(message.get("msg"), self.config)
        except ValueError as error:
            self._report("error", f"publish: {error}", "bad_value", message)
            return
        self._guest.command(sticks)

    def _subscribe(self, message: Message) -> None:
        topic, throttle_ms = _name(message.get("topic")), message.get("throttle_rate", 0)
        if message.get("compression", "none") != "none":
            self._report(
                "warning", "no compression here; /foxglove has binary messages", "compression", message
            )
        known = topic in TOPICS or topic in ALIASES  # leo_ui subscribes to topics that no car has
        if not known or sum(map(len, self._wanted.values())) >= MAX_SUBSCRIPTIONS:
            return
        is_valid = type(throttle_ms) in (int, float) and 0 < throttle_ms < 1e6
        throttle_s = throttle_ms / 1000 if is_valid else 0.0
        self._wanted.setdefault(topic, {})[_echoed(message, "id").get("id")] = throttle_s
        if topic == CAMERA and not self.watch_camera(True):
            self._report("error", "subscribe: the car already has its most viewers", "too_many")
        if self._timer is None:
            self._tick()

    def _unsubscribe(self, message: Message) -> None:
        topic, key = _name(message.get("topic")), _echoed(message, "id").get("id")
        for name, subscriptions in list(self._wanted.items()):
            if key is not None:
                subscriptions.pop(key, None)
            elif name == topic:
                subscriptions.clear()
            if not subscriptions:
                del self._wanted[name]
        if CAMERA not in self._wanted:
            self.watch_camera(False)

    def _set_level(self, message: Message) -> None:
        if message.get("level") in LEVELS:
            self._level = message["level"]

    def _call(self, message: Message) -> None:
        service, arguments = _name(message.get("service")), message.get("args")
        if service == "/picar/reset":
            self._reset(message)
            return
        values = self._answers(arguments if isinstance(arguments, dict) else {}).get(service)
        if values is None:
            self._respond(message, f"no such service: {service[:80]}", result=False)
        else:
            self._respond(message, values)

    def _reset(self, message: Message) -> None:
        def done(refusal: str | None) -> None:
            sentence = _SENTENCES[refusal] if refusal else "the car may drive"
            self._respond(message, {"success": refusal is None, "message": sentence})

        assert self._guest is not None
        self._guest.reset(done)

    # Services

    def _answers(self, arguments: Message) -> dict[str, Message]:
        """Return the answers of the services that only describe the car, by name."""
        topics = topics_of(self._view.state, has_camera=self.pictures is not None)
        names, types = list(topics), list(topics.values())
        listed = {"topics": names, "types": types}
        topic, kind = _name(arguments.get("topic")), _kind(arguments.get("type"))
        published = [name for name in names if name not in COMMANDS]
        answers: dict[str, Message] = {
            "topics": listed,
            "topics_and_raw_types": {**listed, "typedefs_full_text": [*map(full_text, types)]},
            "topics_for_type": {"topics": [name for name, its in topics.items() if its == kind]},
            "topic_type": {"type": topics.get(topic, "")},
            "publishers": {"publishers": [NODE] * (topic in published)},
            "subscribers": {"subscribers": [NODE] * (topic in COMMANDS)},
            "nodes": {"nodes": [NODE]},
            "node_details": {"subscribing": [*COMMANDS], "publishing": published, "services": [*SERVICES]},
            "services": {"services": [*SERVICES]},
            "service_type": {"type": SERVICES.get(_name(arguments.get("service")), "")},
            "get_time": {"time": stamp()},
            "get_ros_version": {"version": 2, "distro": ""},
            "get_param_names": {"names": []},
        }
        return {f"/rosapi/{name}": answer for name, answer in answers.items()}

    # Topics

    def _tick(self) -> None:
        """Publish what is due."""
        status = self.hub.channel.status
        pace_s = MOVING_S if status.moving else RESTING_S
        state = self._view.state._replace(pose=status.pose)
        for topic in self._wanted:
            if self._is_due(topic, pace_s if topic in (ODOM, TF) else SLOW_S):
                built = message_of(topic, state)
                if built is not None:
                    self._publish(topic, publication(topic, built))
        again = asyncio.get_running_loop().call_later
        self._timer = again(pace_s, self._tick) if self._wanted else None

    def _is_due(self, topic: str, period_s: float) -> bool:
        subscriptions = self._wanted.get(topic)
        if not subscriptions:
            return False
        period_s = max(period_s, min(subscriptions.values()))
        return self.hub.now() - self._sent_at.get(topic, -math.inf) >= period_s - EARLY_S

    def _publish(self, topic: str, frame: bytes) -> bool:
        sent = self._send(frame)
        if sent:
            self._sent_at[topic] = self.hub.now()
        return sent

    def picture(self, jpeg: bytes) -> bytes | None:
        """Return the frame of a picture, None if none is due."""
        if not self._is_due(CAMERA, 0.0):
            return None
        self._sent_at[CAMERA] = self.hub.now()
        return publication(CAMERA, image(jpeg))

    # Answers

    def _respond(self, message: Message, values: Any, *, result: bool = True) -> None:
        known = _echoed(message, "id", "service")
        self.answer(json.dumps({"op": "service_response", **known, "values": values, "result": result}))

    def _strike(self) -> None:
        self._report("error", "this is not a rosbridge message: a JSON object with the key op", "bad_message")
        self._strikes += 1
        if self._strikes >= STRIKES:
            self.close(1008, "three unreadable messages in a row")

    def _report(self, level: str, text: str, code: str, message: Message | None = None) -> None:
        """Send a status, at most one a second for each code."""
        now, known = self.hub.now(), _echoed(message or {}, "id")
        is_early = now - self._reported_at.get(code, -math.inf) < STATUS_S
        if not is_early and LEVELS.index(level) >= LEVELS.index(self._level):
            self._reported_at[code] = now
            self.answer(json.dumps({"op": "status", "level": level, "msg": text, **known}))


def sticks_of(message: Any, config: RosbridgeConfig) -> Sticks:
    """Return the sticks of a Twist or a TwistStamped. ROS turns left for a positive angular.z.

    Raises:
        ValueError: it is neither, or a number in it is not finite.
    """
    twist = message["twist"] if isinstance(message, dict) and "twist" in message else message
    speed = _number(twist, "linear", "x", config.max_linear)
    turn = _number(twist, "angular", "z", config.max_angular)
    return Sticks(speed, -turn)


def _number(twist: Any, vector: str, axis: str, full: float) -> float:
    """Return one number of a Twist as a share of `full` in [-1, 1]; one that is missing is 0."""
    numbers = twist.get(vector, {}) if isinstance(twist, dict) else None
    value: Any = numbers.get(axis, 0) if isinstance(numbers, dict) else None
    if type(value) not in (int, float) or not -math.inf < value < math.inf:  # which NaN is not
        raise ValueError(f"{vector}.{axis} must be a finite number")
    return float(max(-full, min(full, value))) / full  # an integer may be too large for a float


def publication(topic: str, message: Message) -> bytes:
    """Return the frame that publishes a message."""
    return text_frame(json.dumps({"op": "publish", "topic": topic, "msg": message}, separators=(",", ":")))


def _state_frame(view: View) -> bytes:
    return publication(STATE, {"data": protocol.state(view.state, view.you, view.waiting)})


def _name(value: Any) -> str:
    """Return the full name of a topic or a service; empty if it is not a name."""
    return f"/{value.removeprefix('/')}" if isinstance(value, str) else ""


def _kind(value: Any) -> str:
    """Return the name of a type in the spelling of ROS 2; empty if it is not a name."""
    package, _, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    return f"{package}/msg/{name.removeprefix('msg/')}" if name else ""


def _echoed(message: Message, *keys: str) -> Message:
    """Return those members of a message that go into its answer: texts and whole numbers."""
    return {key: message[key] for key in keys if type(message.get(key)) in (str, int)}


SERVICES = {
    "/picar/stop": "std_srvs/srv/Trigger",
    "/picar/reset": "std_srvs/srv/Trigger",
    "/rosapi/topics": "rosapi_msgs/srv/Topics",
    "/rosapi/topics_and_raw_types": "rosapi_msgs/srv/TopicsAndRawTypes",
    "/rosapi/topics_for_type": "rosapi_msgs/srv/TopicsForType",
    "/rosapi/topic_type": "rosapi_msgs/srv/TopicType",
    "/rosapi/publishers": "rosapi_msgs/srv/Publishers",
    "/rosapi/subscribers": "rosapi_msgs/srv/Subscribers",
    "/rosapi/nodes": "rosapi_msgs/srv/Nodes",
    "/rosapi/node_details": "rosapi_msgs/srv/NodeDetails",
    "/rosapi/services": "rosapi_msgs/srv/Services",
    "/rosapi/service_type": "rosapi_msgs/srv/ServiceType",
    "/rosapi/get_time": "rosapi_msgs/srv/GetTime",
    "/rosapi/get_ros_version": "rosapi_msgs/srv/GetROSVersion",
    "/rosapi/get_param_names": "rosapi_msgs/srv/GetParamNames",
}
_OPERATIONS: dict[str, Callable[[RosSocket, Message], None]] = {
    "advertise": RosSocket._advertise,
    "unadvertise": RosSocket._advertise,
    "publish": RosSocket._command,
    "subscribe": RosSocket._subscribe,
    "unsubscribe": RosSocket._unsubscribe,
    "call_service": RosSocket._call,
    "set_level": RosSocket._set_level,
    "set_status_level": RosSocket._set_level,
}
