"""The client's side of picar.v1 without I/O: encode commands, decode the car's messages.

A session opens no connection and reads no clock. Its owner sends the returned texts, and passes on each text from the car
with the time at which it arrived.

Laws:
- `seq` rises by one with each drive, tank, jog and aux.
- A message carries the tick of the newest state, and cannot be made before the first state. `stop`, `release`, `deny` and
  `clock` have no tick.
- A text that is not a message of picar.v1 raises ProtocolError and changes nothing. Unknown keys and types are ignored.
"""

from __future__ import annotations

import json
from typing import Any

from picar.core.protocol import ProtocolError
from picar.errors import PicarError

_NUMBERED = {"drive", "tank", "jog", "aux"}
_WITHOUT_TICK = {"release", "deny", "stop", "clock"}
_NEEDED = {"hello": {"client", "command_timeout_s"}, "state": {"tick", "you"}, "error": {"code", "message"}}


class CarError(PicarError):
    """The car, or the way to it, refuses something: `code` is a stable word of docs/protocol.md, the text a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


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

    def receive(self, text: str | bytes, now: float) -> dict[str, Any] | CarError:
        """Take a message from the car that arrived at `now`.

        Returns:
            The message as a JSON object, or the refusal if it is an error.

        Raises:
            ProtocolError: `bad_message`.
        """
        message = read(text)
        if message["type"] == "hello":
            self.hello = message
        elif message["type"] == "state":
            self.state, self.state_at = message, now
        elif message["type"] == "error":
            return CarError(message["code"], message["message"])
        return message

    def message(self, kind: str, **values: Any) -> str:
        """Return a message to the car, completed by `seq` and `tick` where its type has them.

        Args:
            kind: a type of docs/protocol.md.
            values: its other keys; a `seq` of the caller's own counts.

        Raises:
            KeyError: the message needs a tick, and no state has arrived.
            ValueError: a number is not finite.
        """
        if kind not in _WITHOUT_TICK:
            values["tick"] = self.tick
        if kind not in _NUMBERED:
            return encode(kind, **values)
        values = {"seq": self.seq + 1} | values
        text = encode(kind, **values)
        self.seq = values["seq"]  # only now: a value that JSON cannot hold has raised
        return text


def encode(kind: str, **keys: Any) -> str:
    """Return a message of this type.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps({"type": kind, **keys}, allow_nan=False)


def read(text: str | bytes) -> dict[str, Any]:
    """Return a message from the car as a JSON object; raises ProtocolError."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("bad_message", "it is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("bad_message", "it is not a JSON object with a type")
    if missing := _NEEDED.get(message["type"], set()) - message.keys():
        raise ProtocolError("bad_message", f"{message['type']} lacks {', '.join(sorted(missing))}")
    return message
