"""The client's side of picar.v1 without I/O: encode commands, decode the car's messages.

A session opens no connection and reads no clock. Its owner sends the returned texts, and passes on each text from the car
with the time at which it arrived.

Laws:
- `seq` rises by one with each drive, tank and jog.
- A command carries the tick of the newest state, so there is no command before the first state. `stop`, `release` and
  `deny` carry no tick.
- A text that is not a message of picar.v1 raises ProtocolError and changes nothing. Unknown keys and types are ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from picar.core.protocol import ProtocolError

_NEEDED = {"hello": {"client", "command_timeout_s"}, "state": {"tick", "you"}, "error": {"code", "message"}}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error message: a stable code of docs/protocol.md, and its sentence."""

    code: str
    message: str


class Session:
    """One connection to a car, from its hello to its end.

    `hello` and `state` are the newest messages as JSON objects, empty before the first; `state_at` is when that state
    arrived; `seq` is the number of the newest command.
    """

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.state_at = float("-inf")
        self.seq = 0

    @property
    def ready(self) -> bool:
        """Whether hello and a first state have arrived."""
        return bool(self.hello and self.state)

    @property
    def tick(self) -> int:
        """The tick of the newest state."""
        return int(self.state["tick"])

    @property
    def drives(self) -> bool:
        """Whether this client had the wheel in the newest state."""
        return self.state.get("you") == "driver"

    def is_fresh(self, now: float) -> bool:
        """Return whether the car may still accept a command on the newest state; later it certainly refuses."""
        return self.ready and now - self.state_at < self.hello["command_timeout_s"]

    def receive(self, text: str | bytes, now: float) -> dict[str, Any] | Refusal:
        """Take a message from the car that arrived at `now`.

        Returns:
            The message as a JSON object, or the refusal if it is an error.

        Raises:
            ProtocolError: `bad_message`.
        """
        message = _read(text)
        if message["type"] == "hello":
            self.hello = message
        elif message["type"] == "state":
            self.state, self.state_at = message, now
        elif message["type"] == "error":
            return Refusal(message["code"], message["message"])
        return message

    def drive(self, throttle: float, steering: float = 0.0) -> str:
        """Return a command with both axes of one stick, each in [-1, 1]; right is positive."""
        return self._command("drive", throttle=throttle, steering=steering)

    def tank(self, left: float, right: float) -> str:
        """Return a command with one stick for each side, in [-1, 1]."""
        return self._command("tank", left=left, right=right)

    def jog(self, side: str, duty: float) -> str:
        """Return a command that turns one motor, `left` or `right`, by a duty in [-0.5, 0.5]."""
        return self._command("jog", side=side, duty=duty)

    def take(self) -> str:
        """Return a request for the wheel."""
        return encode("take", tick=self.tick)

    def release(self) -> str:
        """Return the end of driving, or of a request."""
        return encode("release")

    def grant(self, client: str) -> str:
        """Return the driver's consent to a client's request."""
        return encode("grant", client=client, tick=self.tick)

    def deny(self, client: str) -> str:
        """Return the driver's refusal of a client's request."""
        return encode("deny", client=client)

    def turn(self, for_s: int) -> str:
        """Return the length of all drivers' turns, set by the driver: 60, 120 or 300 s, or 0 for no turns."""
        return encode("turn", for_s=for_s, tick=self.tick)

    def stop(self) -> str:
        """Return the latched stop, which every client may send at any time."""
        return encode("stop")

    def reset(self) -> str:
        """Return the driver's end of the stop."""
        return encode("reset", tick=self.tick)

    def limit(self, speed: float) -> str:
        """Return the driver's speed limit, a share of `max_speed` from 0.05."""
        return encode("limit", speed=speed, tick=self.tick)

    def clock(self, unix_s: float) -> str:
        """Return the date, for the car's certificate."""
        return encode("clock", unix_s=unix_s)

    def calibrate(self, **values: float | bool) -> str:
        """Return a calibration, with every value of docs/protocol.md."""
        return encode("calibrate", tick=self.tick, **values)

    def uncalibrate(self) -> str:
        """Return the request for the calibration of the configuration."""
        return encode("uncalibrate", tick=self.tick)

    def _command(self, kind: str, **values: Any) -> str:
        text = encode(kind, seq=self.seq + 1, tick=self.tick, **values)
        self.seq += 1  # only now: a value that JSON cannot hold has raised
        return text


def encode(kind: str, **keys: Any) -> str:
    """Return a message of this type.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps({"type": kind, **keys}, allow_nan=False)


def _read(text: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("bad_message", "it is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("bad_message", "it is not a JSON object with a type")
    if missing := _NEEDED.get(message["type"], set()) - message.keys():
        raise ProtocolError("bad_message", f"{message['type']} lacks {', '.join(sorted(missing))}")
    return message
