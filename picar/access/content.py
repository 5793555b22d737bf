"""The list of paired phones and scripts, as values: the content of `access.json`, and newcomers that are not in it yet.

`store.py` reads and writes the file.

Law: unknown keys and entries are kept, and give no access.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, get_args

from picar.access import tokens
from picar.access.names import is_printable
from picar.core.shaping import LEAST_SPEED
from picar.files import SMALL_BYTES, check_depth
from picar.values import Value

LEAST_SECRET = 32  # characters; `tokens.new_secret` makes 64
WAIT_S = 60.0  # for the cookie of a newcomer
VERSION = 1  # of the file; a later version keeps the keys of this one in their places
BY_PIN, BY_TERMINAL, BY_UNPAIRED = "PIN", "terminal", "unpaired"  # values of `by` without a paired phone

# A view token sees the picture, and nothing else; a garage sees the car, stops it and sets lessons.
ListedKind = Literal["phone", "script", "view", "garage"]
Kind = ListedKind | Literal["guest"]  # a guest is in memory only, see `guests.py`

_ID = re.compile(rf"[a-z0-9]{{{tokens.ID_CHARACTERS}}}")


class Paired(Value):
    """One phone or script. `id` is unguessable and serves as the session; `name` is for people and unique.

    `by` is the `id` of the inviting phone, or one of the words above; "" in files of older versions. `invitation` is
    the tag of its invitation.
    """

    id: str
    name: str
    kind: Kind
    by: str = ""
    invitation: str = ""
    more: Mapping[str, Any] = field(default_factory=dict, compare=False)  # of another version

    @classmethod
    def parse(cls, entry: Any) -> Paired | None:
        """Return an entry of the file; `None` for an unknown or malformed entry, which gives no access."""
        if not isinstance(entry, dict):
            return None
        more = dict(entry)
        texts = {name: more.pop(name, "") for name in ("id", "name", "kind", "by", "invitation")}
        if not all(isinstance(text, str) and is_printable(text) for text in texts.values()):
            return None
        known = _is_word(texts["id"]) and texts["kind"] in get_args(ListedKind)
        return cls(**texts, more=more) if known else None

    def entry(self) -> dict[str, Any]:
        """Return the entry in the form that `parse` accepts."""
        origin = {"by": self.by, "invitation": self.invitation}
        given = {name: value for name, value in origin.items() if value}
        return {"id": self.id, "name": self.name, "kind": self.kind, **given, **self.more}


class Content(Value):
    """The content of the file.

    `board` is the fingerprint of the Pi in which the card was first used, empty if it is not known.
    `round` changes at each revocation and with each new PIN: invitations of an earlier round are void. `strange` are entries and `more` are
    keys of another version.
    """

    car: str
    secret: str
    pin: str
    round: str = "0"
    board: str = ""
    speed_cap: float = 1.0
    paired: tuple[Paired, ...] = ()
    strange: tuple[Any, ...] = ()
    version: int = VERSION
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls) -> Content:
        """Return the content for a new car."""
        car = tokens.new_id()[: tokens.ID_CHARACTERS]
        return cls(car=car, secret=tokens.new_secret(), pin=tokens.new_pin())

    def is_moved_to(self, board: str) -> bool:
        """Return whether this Pi is another one than the first; an empty fingerprint is no Pi."""
        return "" not in (board, self.board) and board != self.board

    def id_in(self, board: str) -> str:
        """Return the id of the car in this Pi. Topics use the words "all" and "garage", which have another length."""
        if self.is_moved_to(board):
            return tokens.derived_id(self.secret, board)
        return self.car if _ID.fullmatch(self.car) else tokens.derived_id(self.secret, "")

    @classmethod
    def parse(cls, text: str) -> Content:
        """Parse the file; raises ValueError with a message that describes the fault."""
        try:
            more = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("it is not JSON" if text.strip() else "it is empty") from None
        if not isinstance(more, dict):
            raise ValueError("it is not a JSON object")  # noqa: TRY004
        check_depth(more)
        words = {name: more.pop(name, None) for name in ("car", "secret", "pin")}
        words["round"] = more.pop("round", "0")
        board = more.pop("board", "")
        cap, entries, version = more.pop("speed_cap", 1.0), more.pop("paired", None), more.pop("version", 1)
        good = {
            **{name: _is_word(word) for name, word in words.items()},
            "secret": _is_word(words["secret"]) and len(words["secret"]) >= LEAST_SECRET,
            "pin": _is_word(words["pin"]) and words["pin"] == tokens.as_pin(words["pin"]),
            "speed_cap": type(cap) in (int, float) and 0.0 < cap <= 1.0,
            "paired": isinstance(entries, list),
            "version": type(version) is int,
        }
        if wrong := [name for name, is_good in good.items() if not is_good]:
            raise ValueError(f"its {' and '.join(wrong)} cannot be right")
        parsed = [(entry, Paired.parse(entry)) for entry in entries]
        content = cls(
            **words,
            board=board if _is_word(board) else "",  # a wrong one is no reason to lose the list
            speed_cap=max(LEAST_SPEED, cap),  # an older file may hold less
            paired=tuple(one for _, one in parsed if one),
            strange=tuple(entry for entry, one in parsed if one is None),
            version=max(version, VERSION),
            more=more,
        )
        if len(content._compact()) > SMALL_BYTES:
            raise ValueError(f"it would be larger than {SMALL_BYTES // 1024} kB when it is written")
        return content

    def text(self) -> str:
        """Return the file in the form that `parse` accepts, indented if the file then stays small."""
        text = json.dumps(self._members(), indent=1)
        return text if len(text) <= SMALL_BYTES else self._compact()

    def _compact(self) -> str:
        return json.dumps(self._members(), separators=(",", ":"))

    def _members(self) -> dict[str, Any]:
        members = {
            name: getattr(self, name) for name in ("version", "car", "secret", "pin", "round", "speed_cap")
        }
        entries = [*(one.entry() for one in self.paired), *self.strange]
        if self.board:
            members["board"] = self.board
        return {**members, "paired": entries, **self.more}


class Newcomers:
    """Phones that paired and have not returned their cookie yet; time is an argument, in monotonic seconds.

    A newcomer is kept in memory for at most a minute, and written to the file when its credential first returns. So a
    browser without cookies leaves no entry in the list. A restart of the server loses newcomers; they pair again.
    """

    def __init__(self) -> None:
        self._expected: dict[str, tuple[Paired, str, float]] = {}  # by id: entry, round, expiry

    def add(self, one: Paired, round_id: str, now: float) -> None:
        """Add a newcomer."""
        self._expected[one.id] = one, round_id, now + WAIT_S

    def present(self, round_id: str, now: float) -> list[Paired]:
        """Return the newcomers of this round that have not expired, the oldest first; drop the others."""
        self._expected = {
            session: (one, theirs, until)
            for session, (one, theirs, until) in self._expected.items()
            if theirs == round_id and now < until
        }
        return [one for one, _, _ in self._expected.values()]

    def remove(self, session: str) -> None:
        """Remove a newcomer, if present."""
        self._expected.pop(session, None)


def name_of(entry: Any) -> str:
    """Return the name in an unknown entry, or ""."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def family_of(paired: tuple[Paired, ...], ids: set[str]) -> set[str]:
    """Return these ids and the ids of all phones that they invited, directly or through others."""
    family, before = set(ids), -1
    while len(family) > before:
        before = len(family)
        family |= {one.id for one in paired if one.by in family}
    return family


def without(paired: tuple[Paired, ...], gone: set[str]) -> tuple[Paired, ...]:
    """Return the remaining entries; guests of a removed phone pass to the inviter of that phone."""
    inviter = {one.id: one.by for one in paired}

    def heir(by: str) -> str:
        for _ in paired:  # bounded: a file edited by hand may hold a cycle
            if by in gone and inviter.get(by) in inviter:
                by = inviter[by]
        return by

    return tuple(dataclasses.replace(one, by=heir(one.by)) for one in paired if one.id not in gone)


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.isascii() and word.isalnum()
