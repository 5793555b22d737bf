"""What the hub notes in the flight recorder, without letting strangers crowd out the driver.

Law: sticks that were accepted are always noted, for they come from the driver alone and at a capped rate. Of all
other messages there is room for some a second.
"""

from __future__ import annotations

from collections.abc import Callable

NOTED_CHARACTERS = 150  # of a message
ROOM, ROOM_PER_S = 50.0, 10.0  # notes; a minute of them is a sixth of the server's ring


class Notebook:
    """Writes notes as the members of a JSON object.

    Args:
        note: writes one down.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._room, self._at = ROOM, 0.0
        self._left_out = 0

    def driver(self, client: str) -> None:
        """Note who has the wheel now, empty for nobody."""
        self._note(f'"driver":"{client}"')

    def state(self, state: str) -> None:
        """Note what the motor process said."""
        self._note(f'"state":"{state}"')

    def stop(self, number: int) -> None:
        """Note that a stop was sent on."""
        self._note(f'"stop":{number}')

    def power_cap(self, speed: float) -> None:
        """Note that a low voltage changed the speed cap."""
        self._note(f'"power_cap":{speed:g}')

    def accepted(self, client: str, text: str | bytes, number: int, drives: bool, now: float) -> None:
        """Note a message, and the newest command to the motor process; `drives`: it was sticks."""
        members = f'"client":"{client}","got":{_quoted(text)},"n":{number}'
        if drives:
            self._note(members)
        else:
            self._if_room(members, now)

    def refused(self, client: str, text: str | bytes, code: str, now: float) -> None:
        """Note a message that was refused, and why."""
        self._if_room(f'"client":"{client}","got":{_quoted(text)},"refused":"{code}"', now)

    def unreadable(self, client: str, code: str, now: float) -> None:
        """Note a message that is none."""
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
        self._note(members)


def _quoted(text: str | bytes) -> str:
    """Return a message, which was read as JSON, or null where it would be long, or spoil a line."""
    good = isinstance(text, str) and len(text) <= NOTED_CHARACTERS and text.isprintable()
    return str(text) if good else "null"
