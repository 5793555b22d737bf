"""The topics of rosbridge: their types, the definitions of these, and the messages, made of a state of the car.

Sources: ros2/common_interfaces, ros2/rcl_interfaces, ros2/geometry2 (the files .msg). Types have the spelling of ROS 2.
Laws: an unknown number is null; a stamp is the date of this machine, for information only.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

from picar.core.drive import State
from picar.core.protocol import CarState

Message = dict[str, Any]

COMMANDS = {"/cmd_vel": "geometry_msgs/msg/Twist", "/cmd_vel_stamped": "geometry_msgs/msg/TwistStamped"}
BATTERY, ODOM, TF, DIAGNOSTICS = "/battery_state", "/odom", "/tf", "/diagnostics"
STATE, CAMERA, ROSOUT = "/picar/state", "/camera/image/compressed", "/rosout"
ALIASES = ("/battery", "/firmware/battery_averaged")  # of leo_ui, not listed
TOPICS = {
    BATTERY: "sensor_msgs/msg/BatteryState",
    ODOM: "nav_msgs/msg/Odometry",
    TF: "tf2_msgs/msg/TFMessage",
    DIAGNOSTICS: "diagnostic_msgs/msg/DiagnosticArray",
    STATE: "std_msgs/msg/String",
    CAMERA: "sensor_msgs/msg/CompressedImage",
    ROSOUT: "rcl_interfaces/msg/Log",  # never published: tools know ROS 2 by it
}
HOT_C = 80.0
_OK, _WARN, _ERROR = 0, 1, 2  # the levels of diagnostic_msgs/msg/DiagnosticStatus
# The fields of each type; a type of another package has its package in front.
_FIELDS = {
    "builtin_interfaces/msg/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/msg/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/msg/String": "string data",
    "geometry_msgs/msg/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/msg/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/msg/Twist": "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular",
    "geometry_msgs/msg/TwistStamped": "std_msgs/Header header\ngeometry_msgs/Twist twist",
    "geometry_msgs/msg/TwistWithCovariance": "geometry_msgs/Twist twist\nfloat64[36] covariance",
    "geometry_msgs/msg/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/msg/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance",
    "geometry_msgs/msg/Transform": "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation",
    "geometry_msgs/msg/TransformStamped": (
        "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/Transform transform"
    ),
    "nav_msgs/msg/Odometry": (
        "std_msgs/Header header\nstring child_frame_id\n"
        "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist"
    ),
    "tf2_msgs/msg/TFMessage": "geometry_msgs/TransformStamped[] transforms",
    "diagnostic_msgs/msg/KeyValue": "string key\nstring value",
    "diagnostic_msgs/msg/DiagnosticStatus": (
        "byte OK=0\nbyte WARN=1\nbyte ERROR=2\nbyte STALE=3\n"
        "byte level\nstring name\nstring message\nstring hardware_id\ndiagnostic_msgs/KeyValue[] values"
    ),
    "diagnostic_msgs/msg/DiagnosticArray": (
        "std_msgs/Header header\ndiagnostic_msgs/DiagnosticStatus[] status"
    ),
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data",
    "sensor_msgs/msg/BatteryState": (
        "std_msgs/Header header\nfloat32 voltage\nfloat32 temperature\nfloat32 current\nfloat32 charge\n"
        "float32 capacity\nfloat32 design_capacity\nfloat32 percentage\nuint8 power_supply_status\n"
        "uint8 power_supply_health\nuint8 power_supply_technology\nbool present\nfloat32[] cell_voltage\n"
        "float32[] cell_temperature\nstring location\nstring serial_number"
    ),
    "rcl_interfaces/msg/Log": (
        "byte DEBUG=10\nbyte INFO=20\nbyte WARN=30\nbyte ERROR=40\nbyte FATAL=50\nbuiltin_interfaces/Time stamp\n"
        "uint8 level\nstring name\nstring msg\nstring file\nstring function\nuint32 line"
    ),
}
_OF_A_PACKAGE = re.compile(r"^(\w+)/(\w+)", re.MULTILINE)


def topics_of(state: CarState, *, has_camera: bool) -> dict[str, str]:
    """Return the types of the topics that a car in this state has, by name."""
    absent = set() if has_camera else {CAMERA}
    absent |= set() if state.pose else _OF_POSE.keys()
    absent |= set() if state.host.get("battery_v") is not None else _OF_VOLTS.keys()
    return COMMANDS | {name: kind for name, kind in TOPICS.items() if name not in absent}


def message_of(topic: str, state: CarState) -> Message | None:
    """Return the message of a topic; None for a topic without one now, and for one that is made elsewhere."""
    volts = state.host.get("battery_v")
    if topic == DIAGNOSTICS:
        return _diagnostics(state)
    if topic in _OF_POSE and state.pose:
        return _OF_POSE[topic](*state.pose)
    return _OF_VOLTS[topic](volts) if topic in _OF_VOLTS and volts is not None else None


@functools.cache
def full_text(kind: str) -> str:
    """Return the definition of a type, and those of the types in it, as `rosbag` and rosapi write them."""
    first, *others = dict.fromkeys(_with_parts(kind))
    parts = [f"MSG: {other.replace('/msg/', '/')}\n{_FIELDS[other]}\n" for other in others]
    return f"{'=' * 80}\n".join([f"{_FIELDS[first]}\n", *parts])


def _with_parts(kind: str) -> Iterator[str]:
    yield kind
    for package, name in _OF_A_PACKAGE.findall(_FIELDS[kind]):
        yield from _with_parts(f"{package}/msg/{name}")


def stamp() -> Message:
    """Return the date of this machine."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return {"sec": seconds, "nanosec": nanoseconds}


def image(jpeg: bytes) -> Message:
    """Return a picture as a sensor_msgs/msg/CompressedImage."""
    return {"header": _header("camera"), "format": "jpeg", "data": base64.b64encode(jpeg).decode()}


def _header(frame: str) -> Message:
    return {"stamp": stamp(), "frame_id": frame}


def _vector(x: float = 0.0, y: float = 0.0) -> Message:
    return {"x": x, "y": y, "z": 0.0}


def _turned(heading: float) -> Message:
    return {"x": 0.0, "y": 0.0, "z": math.sin(heading / 2), "w": math.cos(heading / 2)}


def _odometry(x: float, y: float, heading: float) -> Message:
    place = {"position": _vector(x, y), "orientation": _turned(heading)}
    speed = {"linear": _vector(), "angular": _vector()}  # unknown
    unknown = [0.0] * 36
    return {
        "header": _header("odom"),
        "child_frame_id": "base_link",
        "pose": {"pose": place, "covariance": unknown},
        "twist": {"twist": speed, "covariance": unknown},
    }


def _transforms(x: float, y: float, heading: float) -> Message:
    transform = {"translation": _vector(x, y), "rotation": _turned(heading)}
    stamped = {"header": _header("odom"), "child_frame_id": "base_link", "transform": transform}
    return {"transforms": [stamped]}


def _battery(volts: float) -> Message:
    unknown = ("temperature", "current", "charge", "capacity", "design_capacity", "percentage")
    kinds = ("power_supply_status", "power_supply_health", "power_supply_technology")
    return {
        "header": _header(""),
        "voltage": volts,
        **dict.fromkeys(unknown),
        **dict.fromkeys(kinds, 0),
        "present": True,
        "cell_voltage": [],
        "cell_temperature": [],
        "location": "",
        "serial_number": "",
    }


def _volts(volts: float) -> Message:
    return {"data": volts}


def _diagnostics(state: CarState) -> Message:
    car = {"state": str(state.state), "reason": state.reason, "driver": state.driver}
    facts = {name: state.host.get(name) for name in ("temperature_c", "under_voltage", "wifi_dbm")}
    level = {State.FAILSAFE: _WARN, State.STOPPED: _ERROR}.get(State(state.state), _OK)
    is_hot = (facts["temperature_c"] or 0.0) >= HOT_C
    problems = ["low voltage"] * bool(facts["under_voltage"]) + ["hot"] * is_hot
    return {
        "header": _header(""),
        "status": [
            _diagnosis(level, "car", str(state.state), car),
            _diagnosis(_ERROR if problems else _OK, "host", ", ".join(problems) or "ok", facts),
        ],
    }


def _diagnosis(level: int, name: str, message: str, values: Message) -> Message:
    texts = [{"key": key, "value": "" if value is None else _text(value)} for key, value in values.items()]
    return {"level": level, "name": name, "message": message, "hardware_id": "picar", "values": texts}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_OF_POSE = {ODOM: _odometry, TF: _transforms}
_OF_VOLTS = {BATTERY: _battery, **dict.fromkeys(ALIASES, _volts)}
