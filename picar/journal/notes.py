"""The hub's notes in the flight recorder, in which strangers cannot crowd out the driver.

Law: accepted sticks are always noted, because they come from the driver alone and at a capped rate. Of all other
messages, some per second are noted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

NOTED_CHARACTERS = 150  # of a message
ROOM, ROOM_PER_S = 50.0, 10.0  # notes; a minute of them is a quarter of the server's ring


class Notebook:
    """Writes notes as the members of a JSON object.

    Args:
        note: writes a note to the flight recorder.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self.record: Callable[[dict[str, Any]], None] | None = None  # of a recording
        self._room, self._at = ROOM, 0.0
        self._left_out = 0

    def event(self, name: str, value: str | float) -> None:
        """Note an event that no stranger can cause often, like a new driver."""
        self._write(f'"{name}":{json.dumps(value)}')

    def accepted(self, client: str, text: str | bytes | None, number: int, drives: bool, now: float) -> None:
        """Note a message and the number of the newest command; `drives`: whether the message was sticks."""
        members = f'"client":"{client}","got":{_quoted(text)},"n":{number}'
        if drives:
            self._note(members)
        else:
            self._if_room(members, now)

    def refused(self, client: str, text: str | bytes | None, code: str, now: float) -> None:
        """Note a message that was refused, with the code."""
        self._if_room(f'"client":"{client}","got":{_quoted(text)},"refused":"{code}"', now)

    def unreadable(self, client: str, code: str, now: float) -> None:
        """Note a message that cannot be read."""
        self._if_room(f'"client":"{client}","refused":"{code}"', now)

    def _if_room(self, members: str, now: float) -> None:
        self._room = min(ROOM, self._room + (now - self._at) * ROOM_PER_S)
        self._at = now
        if self._room < 1.0:
            self._left_out += 1
            return
        self._room -= 1.0
        if self._left_out:
            members += f',"left_out":{self._left_out}'
            self._left_out = 0
        self._write(members)

    def _write(self, members: str) -> None:
        """Write a note to the flight recorder and to a recording, which has accepted sticks from elsewhere."""
        self._note(members)
        if self.record:
            self.record(json.loads(f"{{{members}}}"))


def _quoted(text: str | bytes | None) -> str:
    """Return a message that is JSON, or null if it is long or would break the line."""
    if isinstance(text, str) and len(text) <= NOTED_CHARACTERS and text.isprintable():
        return text
    return "null"
