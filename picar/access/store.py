"""The state directory's one file: the PIN, the secret, who is paired, the owner's speed cap.

The server and `picar pair` both read and write it. It is written when somebody pairs or an owner asks, never
while driving.

Laws:
- Readable by its owner alone, from its first byte.
- Replaced in one step: a power cut leaves the old one or the new one.
- What another process wrote counts from the next look on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from picar.access import tokens
from picar.errors import AccessError, TooManyPaired
from picar.firstfile import hold_the_name

FILE = "access.json"
INVITATION_S = 600.0
NAME_CHARACTERS = 40
EVERYBODY = "all"  # for `picar pair --revoke`, so nobody is named so
MOST_PAIRED = 100  # a bound for memory and for a mistake, not for a family
_LOCK_TRIES, _LOCK_PAUSE_S = 20, 0.005


@dataclass(frozen=True, slots=True)
class Paired:
    """One phone or script. `id` is secret enough to be a session, `name` is for people and unique."""

    id: str
    name: str
    kind: Literal["phone", "script"]


@dataclass(frozen=True, slots=True)
class _Content:
    """What the file holds."""

    car: str
    secret: str
    pin: str
    speed_cap: float = 1.0
    paired: tuple[Paired, ...] = ()

    @classmethod
    def new(cls) -> _Content:
        return cls(car=tokens.new_id()[:8], secret=tokens.new_secret(), pin=tokens.new_pin())

    @classmethod
    def parse(cls, text: str) -> _Content:
        """Read it; raises ValueError, KeyError or TypeError where it is not ours."""
        fields: dict[str, Any] = json.loads(text)
        paired = tuple(Paired(**one) for one in fields.pop("paired"))
        content = cls(**fields, paired=paired)
        words = (content.car, content.secret, content.pin, *(one.id for one in paired))
        good = (
            all(isinstance(word, str) and word.isascii() and word.isalnum() for word in words)
            and all(isinstance(one.name, str) and one.name.isprintable() for one in paired)
            and all(one.kind in ("phone", "script") for one in paired)
            and type(content.speed_cap) in (int, float)
            and 0.0 < content.speed_cap <= 1.0
        )
        if not good:
            raise ValueError
        return content


class AccessStore:
    """The file, as one process sees it.

    Args:
        folder: the state directory; made, with the file, when it is not there.

    Raises:
        AccessError: it cannot be read, written or understood.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._content = _Content.new()
        with self._telling("written"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._read()
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
        """The owner's cap, a share of `max_speed` in (0, 1]."""
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
                    f"{MOST_PAIRED} phones are paired, and that is the most. Remove some: picar pair --list, then picar pair --revoke NAME."
                )
            new = Paired(
                tokens.new_id(), _unused(name, {EVERYBODY, *(one.name for one in content.paired)}), kind
            )
            return dataclasses.replace(content, paired=(*content.paired, new))

        return self._change(add).paired[-1]

    def revoke(self, name: str | None) -> int:
        """Let those of this name (None: everybody) in no more. Returns how many there were."""
        before = len(self.paired)

        def remove(content: _Content) -> _Content:
            left = tuple(one for one in content.paired if name is not None and one.name != name)
            return dataclasses.replace(content, paired=left)

        return before - len(self._change(remove).paired)

    def new_pin(self) -> str:
        """Make a new PIN, which ends all invitations; who is paired stays so. Returns it."""
        return self._change(lambda content: dataclasses.replace(content, pin=tokens.new_pin())).pin

    def set_speed_cap(self, speed: float) -> None:
        """Keep the owner's cap, a share of `max_speed` in (0, 1]; what is kept already is not written again."""
        if speed != self.speed_cap:
            self._change(lambda content: dataclasses.replace(content, speed_cap=speed))

    def _change(self, change: Callable[[_Content], _Content]) -> _Content:
        """Read, change and replace the file, with nobody else in between."""
        with self._telling("written"), _locked(self.path.parent):
            self.refresh()
            content = change(self._content)
            new = self.path.with_suffix(".new")
            new.unlink(missing_ok=True)
            # No fsync: it may take a second on an SD card, and somebody drives. A file system that replaces in order
            # (ext4, and all that a Raspberry Pi starts from) leaves the old file or the new one.
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123
                if os.geteuid() == 0:  # sudo picar pair: it stays the service's own
                    owner = self.path.parent.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                json.dump(dataclasses.asdict(content), file, indent=1)
            hold_the_name(self.path, 0o600)
            new.replace(self.path)
            self.refresh()
        return self._content

    def _read(self) -> None:
        """Read the file if it is there and another one than before."""
        try:
            found = self.path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._seen:
                return
            text = self.path.read_text(encoding="utf-8")
            self._seen = stamp  # not before: what could not be read for a moment is read the next time
            self._content = _Content.parse(text)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._problem("read", error) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise AccessError(
                f"{self.path} is damaged. Remove it, then start picar and pair the phones again: rm {self.path}"
            ) from None

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


def tidy_name(name: str) -> str:
    """Return a name without line breaks, control characters and surplus spaces, and not too long; it may be empty."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:NAME_CHARACTERS].strip()


def _unused(name: str, used: set[str]) -> str:
    """Return the name, with a number where it is used already."""
    number, unused = 1, name
    while unused in used:
        number += 1
        unused = f"{name} {number}"
    return unused
