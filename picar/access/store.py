"""The state directory's one file: the PIN, the secret, who is paired, the owner's speed cap.

The server and `picar pair` both read and write it. It is written when somebody pairs or an owner asks, never
while driving.

Laws:
- Readable by its owner alone, from its first byte.
- Replaced in one step: a power cut leaves the old one or the new one.
- What another process wrote counts from the next look on.
- Keys and entries that this version does not know are kept, and let nobody in.
- A file that cannot be understood is renamed, never deleted, and only by a server that starts or writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hmac
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from picar.access import tokens
from picar.access.names import is_printable, look_alike, unused
from picar.core.shaping import LEAST_SPEED
from picar.errors import AccessError, TooManyPaired
from picar.files import read_small, replace, set_aside
from picar.program import command

log = logging.getLogger(__name__)

FILE = "access.json"
VERSION = 1  # of the file; a reader of another version finds the keys that it knows where they were
INVITATION_S = 600.0
EVERYBODY = "all"  # for `picar pair --revoke`, so nobody is named so
MOST_PAIRED = 100  # a bound for memory and for a mistake, not for a family
_LOCK_TRIES, _LOCK_PAUSE_S = 20, 0.005
_KINDS = ("phone", "script")


class _Unreadable(AccessError):
    """The file is there, and is no list of the paired."""


@dataclass(frozen=True, slots=True)
class Paired:
    """One phone or script. `id` is secret enough to be a session, `name` is for people and unique."""

    id: str
    name: str
    kind: Literal["phone", "script"]
    more: Mapping[str, Any] = field(default_factory=dict, compare=False)  # of another version

    @classmethod
    def parse(cls, entry: Any) -> Paired | None:
        """Return an entry of the file, None for one of another version or of no sense: it lets nobody in."""
        if not isinstance(entry, dict):
            return None
        more = dict(entry)
        one = cls(more.pop("id", None), more.pop("name", None), more.pop("kind", None), more)
        named = isinstance(one.name, str) and is_printable(one.name)
        return one if _is_word(one.id) and named and one.kind in _KINDS else None

    def entry(self) -> dict[str, Any]:
        """Return what `parse` reads."""
        return {"id": self.id, "name": self.name, "kind": self.kind, **self.more}


@dataclass(frozen=True, slots=True)
class _Content:
    """What the file holds; `strange` are entries and `more` are keys of another version."""

    car: str
    secret: str
    pin: str
    speed_cap: float = 1.0
    paired: tuple[Paired, ...] = ()
    strange: tuple[Any, ...] = ()
    version: int = VERSION
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls) -> _Content:
        return cls(car=tokens.new_id()[:8], secret=tokens.new_secret(), pin=tokens.new_pin())

    @classmethod
    def parse(cls, text: str) -> _Content:
        """Read it; raises ValueError, whose message says what it is instead."""
        try:
            more = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON" if text.strip() else "it is empty") from None
        if not isinstance(more, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004
        words = {name: more.pop(name, None) for name in ("car", "secret", "pin")}
        cap, entries, version = more.pop("speed_cap", 1.0), more.pop("paired", None), more.pop("version", 1)
        good = {
            **{name: _is_word(word) for name, word in words.items()},
            "speed_cap": type(cap) in (int, float) and 0.0 < cap <= 1.0,
            "paired": isinstance(entries, list),
            "version": type(version) is int,
        }
        if wrong := [name for name, is_good in good.items() if not is_good]:
            raise ValueError(f"it has no good {' and '.join(wrong)}")
        parsed = [(entry, Paired.parse(entry)) for entry in entries]
        return cls(
            **words,
            speed_cap=max(LEAST_SPEED, cap),  # an older file may hold less
            paired=tuple(one for _, one in parsed if one),
            strange=tuple(entry for entry, one in parsed if one is None),
            version=max(version, VERSION),
            more=more,
        )

    def text(self) -> str:
        """Return what `parse` reads."""
        members = {name: getattr(self, name) for name in ("version", "car", "secret", "pin", "speed_cap")}
        entries = [*(one.entry() for one in self.paired), *self.strange]
        return json.dumps({**members, "paired": entries, **self.more}, indent=1)


def _name_of(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else None


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.isascii() and word.isalnum()


class AccessStore:
    """The file, as one process sees it.

    Args:
        folder: the state directory; made, with the file, when it is not there.
        serving: whether a server starts: it renames a file that cannot be understood, says so, and begins a new one.

    Raises:
        AccessError: it cannot be read, written or understood.
    """

    def __init__(self, folder: Path, serving: bool = False) -> None:
        self.path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._fault = ""  # of the file that was seen
        self._content = _Content.new()
        with self._telling("written"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._read()
        except _Unreadable as error:
            if not serving:
                raise AccessError(
                    f"{error} When picar starts, it renames this file and begins a new list."
                ) from None
            self._set_aside(
                error,
                "The car has a new PIN, all phones and scripts must be paired again, and no speed cap is set.",
            )
        if self._seen is None:
            self._change(lambda content: content)

    def refresh(self) -> None:
        """Take what another process wrote; where that cannot be read, what was known before is still good."""
        with contextlib.suppress(AccessError):
            self._read()

    @property
    def car(self) -> str:
        """This car's own name for its cookie, random."""
        return self._content.car

    @property
    def pin(self) -> str:
        """The six digits."""
        self.refresh()
        return self._content.pin

    @property
    def speed_cap(self) -> float:
        """The owner's cap, a share of `max_speed` in [0.05, 1]."""
        self.refresh()
        return self._content.speed_cap

    @property
    def paired(self) -> tuple[Paired, ...]:
        """Everyone who is paired, the oldest first."""
        self.refresh()
        return self._content.paired

    def who(self, credential: str) -> Paired | None:
        """Return whose credential this is, None where it is nobody's."""
        self.refresh()
        session = tokens.session_of(self._content.secret, credential)
        return next((one for one in self._content.paired if one.id == session), None)

    def credential(self, paired: Paired) -> str:
        """Return what this phone or script shows to be let in."""
        return tokens.credential(self._content.secret, paired.id)

    def is_pin(self, text: str) -> bool:
        """Tell whether this is the PIN, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(text.encode(errors="surrogatepass"), self.pin.encode())

    def invitation(self, now: float) -> str:
        """Return a token for a QR code; it lives 10 minutes and serves any number of phones."""
        pin = self.pin
        return tokens.invitation(self._content.secret, pin, now + INVITATION_S)

    def is_invitation(self, text: str, now: float) -> bool:
        """Tell whether this is the token of a QR code that is still good."""
        pin = self.pin
        return tokens.is_invitation(self._content.secret, pin, text, now)

    def pair(self, name: str, kind: Literal["phone", "script"] = "phone") -> Paired:
        """Let a phone or a script in, and return it; a second one of the same name gets a number.

        Raises:
            AccessError: too many are paired, or the file cannot be written.
        """

        def add(content: _Content) -> _Content:
            if len(content.paired) >= MOST_PAIRED:
                raise TooManyPaired(
                    f"{MOST_PAIRED} phones are paired, and that is the most. Remove some: "
                    f"{command('pair --list')}, then {command('pair --revoke NAME')}."
                )
            new = Paired(
                tokens.new_id(),
                unused(name, {EVERYBODY, *(look_alike(one.name) for one in content.paired)}),
                kind,
            )
            return dataclasses.replace(content, paired=(*content.paired, new))

        return self._change(add).paired[-1]

    def revoke(self, name: str | None) -> int:
        """Let those of this name (None: everybody) in no more. Returns how many there were."""
        before = len(self.paired)

        def remove(content: _Content) -> _Content:
            left = tuple(one for one in content.paired if name is not None and one.name != name)
            strange = tuple(one for one in content.strange if name is not None and _name_of(one) != name)
            return dataclasses.replace(content, paired=left, strange=strange)

        return before - len(self._change(remove).paired)

    def new_pin(self) -> str:
        """Make a new PIN, which ends all invitations; who is paired stays so. Returns it."""
        return self._change(lambda content: dataclasses.replace(content, pin=tokens.new_pin())).pin

    def set_speed_cap(self, speed: float) -> None:
        """Keep the owner's cap, a share of `max_speed` in [0.05, 1]; what is kept already is not written again."""
        if speed != self.speed_cap:
            self._change(lambda content: dataclasses.replace(content, speed_cap=speed))

    def _change(self, change: Callable[[_Content], _Content]) -> _Content:
        """Read, change and replace the file, with nobody else in between."""
        with self._telling("written"), _locked(self.path.parent):
            try:
                self._read()
            except _Unreadable as error:
                self._set_aside(error, "All that picar knew is in a new file.")
            except AccessError:
                pass  # what was known before is still good
            replace(self.path, change(self._content).text(), 0o600)
            self.refresh()
        return self._content

    def _set_aside(self, error: AccessError, rest: str) -> None:
        with self._telling("renamed"):
            other = set_aside(self.path)
        self._seen = None
        log.warning("%s Its new name is %s. %s", error, other.name, rest)

    def _read(self) -> None:
        """Read the file if it is there and another one than before."""
        try:
            found = self.path.lstat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._seen:
                self._fault = self._parse()
                self._seen = stamp  # not before: what could not be read for a moment is read the next time
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._problem("read", error) from None
        if self._fault:
            raise _Unreadable(f"{self.path} is no list of paired phones: {self._fault}.")

    def _parse(self) -> str:
        """Take what the file says, else return what it is instead."""
        try:
            self._content = _Content.parse(read_small(self.path))
        except ValueError as error:
            return str(error)
        return ""

    @contextlib.contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._problem(what, error) from None

    def _problem(self, what: str, error: OSError) -> AccessError:
        if error.errno in (errno.EACCES, errno.EPERM):
            why = "Use sudo, or make it yours."
        elif error.errno == errno.ENOSPC:
            why = "Free some room on the disk."
        else:
            why = "Name another folder in $STATE_DIRECTORY."
        return AccessError(f"{self.path} cannot be {what} ({error.strerror}). {why}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing; the kernel drops this lock with its owner."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_S)  # the other one writes a kilobyte
        else:
            raise AccessError("Another picar is writing the list of paired phones. Try again.")
        yield
    finally:
        os.close(fd)
