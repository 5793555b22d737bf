"""The access file of the state directory: the PIN, the secret, the paired phones and scripts, the owner's speed cap.

The server and `picar pair` both read and write it. A pairing or a request of the owner writes it; driving never does.

Laws:
- Only its owner can read it, from its first byte.
- It is replaced in one step: a power cut leaves the old file or the new one.
- A change by another process takes effect at the next access.
- A file of another car (`car` or `secret` differs) is unreadable after the first reading.
- An unreadable file is renamed, never deleted, and only by a process that starts a server or writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from picar.access import tokens
from picar.access.content import (
    BY_PIN,
    BY_TERMINAL,
    Content,
    Kind,
    Newcomers,
    Paired,
    family_of,
    name_of,
    without,
)
from picar.access.guests import Guests
from picar.access.names import look_alike, unused
from picar.errors import AccessError, TooManyPaired
from picar.files import check_writable, read_small, replace, set_aside
from picar.program import command

log = logging.getLogger(__name__)

FILE = "access.json"
INVITATION_S = 600.0
INVITED_BY_ONE = 10  # phones by one invitation
EVERYBODY = "all"  # for `picar pair --revoke`; no entry has this name
MOST_PAIRED = 100  # a bound for memory and for a mistake, not for a family
FIXES = {  # by the number of an OSError
    errno.EACCES: "Use sudo, or make it yours.",
    errno.EPERM: "Use sudo, or make it yours.",
    errno.ENOSPC: "Free some room on the disk.",
}
_LOST = "The car has a new PIN, all phones and scripts must be paired again, and no speed cap is set."
_LOCK_TRIES, _LOCK_PAUSE_S = 20, 0.005


class _Unreadable(AccessError):
    """The file exists and is not a list of paired phones."""


class AccessStore:
    """The access file, read and written by one process.

    Args:
        folder: the state directory.
        serving: whether a server starts: it renames and logs an unreadable file, and writes a new one.
        clock: seconds, monotonic.
        create: whether to make the folder and the file if they are missing.
        board: the fingerprint of this Raspberry Pi, empty on another machine. A server that starts keeps the first one.

    Raises:
        AccessError: it cannot be read, written or parsed, or is missing without `create`.
    """

    def __init__(
        self,
        folder: Path,
        serving: bool = False,
        clock: Callable[[], float] = time.monotonic,
        create: bool = True,
        board: str = "",
    ) -> None:
        self.path = folder / FILE
        self._board = board
        self._clock = clock
        self._newcomers = Newcomers()
        self._guests = Guests()
        self._seen: tuple[int, int, int] | None = None
        self._fault = ""  # of the file at the last reading
        self._content = Content.new()
        self._is_kept = False  # whether the content has been in the file
        if create:
            with self._explaining("written"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._read()
        except _Unreadable as error:
            if not serving:
                rest = "When picar starts, it renames this file and begins a new list."
                raise AccessError(f"{error} {rest}") from None
            with self._explaining("renamed"), locked(folder):
                self._mend(_LOST)
        if self._seen is None and not create:
            raise AccessError(f"There is no list of paired phones: {self.path} does not exist.")
        if self._seen is None:
            self._change(lambda content: content)
        if serving and board and not self._content.board:
            with contextlib.suppress(AccessError):  # the next start tries again
                self._change(lambda content: dataclasses.replace(content, board=board))

    def refresh(self) -> None:
        """Read the file again if another process has changed it; if it cannot be read, keep the content in memory."""
        with contextlib.suppress(AccessError):
            self._read()

    @property
    def car(self) -> str:
        """This car's own name for its cookie, random; the same on all copies of a card."""
        return self._content.car

    @property
    def is_moved(self) -> bool:
        """Whether the card was first used in another Pi: it was moved or copied."""
        return self._content.is_moved_to(self._board)

    @property
    def id(self) -> str:
        """The id of this car among others: 8 lower-case letters and digits; in another Pi it is another one."""
        return self._content.id_in(self._board)

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
        """All paired phones and scripts, the oldest first."""
        self.refresh()
        return self._content.paired

    @property
    def strange(self) -> list[str]:
        """The names of unknown entries, which give no access."""
        self.refresh()
        return list(filter(None, map(name_of, self._content.strange)))

    @property
    def guests(self) -> Guests:
        """The guests whose time is not over."""
        self.refresh()
        return self._guests.at(self._content.round, self._clock())

    @property
    def next_end(self) -> float:
        """The earliest end of a guest's time, in monotonic seconds; infinite without guests."""
        return self._guests.next_end

    def who(self, credential: str, purpose: tokens.Purpose = "session") -> Paired | None:
        """Return the phone or script of this credential, or `None` if no entry matches."""
        self.refresh()
        session = tokens.session_of(self._content.secret, credential, purpose)
        garage = self._garage_of(credential) if session is None and purpose == "session" else None
        present = (*self._content.paired, *self._waiting(), *self.guests.admitted)
        return next((one for one in present if one.id == (garage if one.kind == "garage" else session)), None)

    def has_issued(self, credential: str) -> bool:
        """Return whether this car has made this credential, also if it was revoked: then it is not a guess."""
        return (
            tokens.session_of(self._content.secret, credential) or self._garage_of(credential)
        ) is not None

    def _garage_of(self, credential: str) -> str | None:
        return tokens.session_of(self._content.secret, credential, "garage", self.id)

    def credential(self, paired: Paired, purpose: tokens.Purpose = "session") -> str:
        """Return the credential of this phone or program; that of a garage ends if the card moves to another Pi."""
        if paired.kind == "garage":
            return tokens.credential(self._content.secret, paired.id, "garage", self.id)
        return tokens.credential(self._content.secret, paired.id, purpose)

    def is_pin(self, text: str) -> bool:
        """Return whether this is the PIN, in a time independent of its correct digits."""
        return hmac.compare_digest(text.encode(errors="surrogatepass"), self.pin.encode())

    def invitation(self, now: float, by: str = BY_TERMINAL) -> str:
        """Return a token for a QR code.

        Args:
            now: seconds, monotonic; the token lives 10 minutes.
            by: `id` of the inviting phone, or one of the words in `content.py`.
        """
        self.refresh()
        return tokens.invitation(self._content.secret, self._content.round, by, now + INVITATION_S)

    def invited(self, text: str, now: float) -> tokens.Invitation | None:
        """Return the invitation of a token; `None` if it is void, expired or used up."""
        self.refresh()
        found = tokens.read_invitation(self._content.secret, self._content.round, text, now)
        phones = (*self._content.paired, *self._waiting())
        used = sum(one.invitation == found.tag for one in phones) if found else 0
        return found if used < INVITED_BY_ONE else None

    def let_in(self, name: str, by: str, invitation: str = "") -> Paired:
        """Add a phone as a newcomer, and return it; `keep` writes it to the file. A second phone of a name gets a number.

        Args:
            name: a tidy name.
            by: `id` of the inviting phone, or one of the words in `content.py`.
            invitation: the tag of the invitation.

        Raises:
            AccessError: too many are paired, or the file could not be written.
        """
        self.refresh()
        with self._explaining("written"):
            check_writable(self.path.parent)
        _check_room(self._content)
        waiting = self._waiting()
        if len(waiting) + len(self._content.paired) >= MOST_PAIRED:
            self._newcomers.remove(waiting.pop(0).id)
        new = Paired(tokens.new_id(), name, "phone", by, invitation)
        one = _named((*self._content.paired, *waiting, *self.guests.admitted), new)
        self._newcomers.add(one, self._content.round, self._clock())
        return one

    def keep(self, session: str) -> None:
        """Write a newcomer to the file; for an entry of the file, do nothing.

        Raises:
            AccessError: too many are paired, or the file cannot be written.
        """
        newcomer = next((one for one in self._waiting() if one.id == session), None)
        if newcomer:
            expected = self._content.round  # a revocation ends it
            self._change(lambda content: _with(content, newcomer) if content.round == expected else content)
            self._newcomers.remove(session)

    def own(self, session: str) -> None:
        """Note that a paired phone has entered the PIN.

        Raises:
            AccessError: too many are paired, or the file cannot be written.
        """
        self.keep(session)

        def own(content: Content) -> Content:
            paired = (
                dataclasses.replace(one, by=BY_PIN) if one.id == session else one for one in content.paired
            )
            return dataclasses.replace(content, paired=tuple(paired))

        self._change(own)

    def _waiting(self) -> list[Paired]:
        return self._newcomers.present(self._content.round, self._clock())

    def pair(self, name: str, kind: Kind = "phone", by: str = BY_TERMINAL) -> Paired:
        """Add a phone or a program to the file, and return it; a second one of the same name gets a number.

        Raises:
            AccessError: too many are paired, or the file cannot be written.
        """
        new = Paired(tokens.new_id(), name, kind, by)
        return self._change(lambda content: _with(content, new)).paired[-1]

    def revoke(self, name: str | None, with_invited: bool = False) -> tuple[list[str], list[str]]:
        """Remove the entries of a name, and end all invitations and all newcomers.

        A name that is not in the list may be that of a newcomer, which only the server's memory holds.

        Args:
            name: the exact name, else a name that looks the same; all entries if `None`.
            with_invited: also remove all phones that they invited, directly or through others.

        Returns:
            The removed names, and the names of invited phones that remain.
        """
        named = self._named(name)
        removed: list[str] = []
        left: list[str] = []

        def remove(content: Content) -> Content:
            first = {one.id for one in content.paired if name is None or one.name in named}
            family = family_of(content.paired, first)
            gone = family if with_invited else first
            strange = [one for one in content.strange if name is None or name_of(one) in named]
            removed.extend(one.name for one in content.paired if one.id in gone)
            removed.extend(filter(None, map(name_of, strange)))
            left.extend(one.name for one in content.paired if one.id in family - gone)
            return dataclasses.replace(
                content,
                round=tokens.new_id(),
                paired=without(content.paired, gone),
                strange=tuple(one for one in content.strange if one not in strange),
            )

        self._change(remove)
        return removed, left

    def _named(self, name: str | None) -> set[str]:
        """Return the matching names of the list: the exact name, else the names that look the same."""
        names = {one.name for one in self.paired} | set(self.strange)
        if name is None or name in names:
            return {name} if name else set()
        return {other for other in names if look_alike(other) == look_alike(name)}

    def new_pin(self) -> str:
        """Make a new PIN and return it. It ends all invitations; paired phones and scripts stay paired."""
        return self._change(
            lambda content: dataclasses.replace(content, pin=tokens.new_pin(), round=tokens.new_id())
        ).pin

    def new_identity(self) -> str:
        """Make PIN, secret and id new, and return the PIN: nothing stays paired. Only the owner's speed cap is kept.

        No server may run: it takes the new file for that of another car.
        """
        new = dataclasses.replace(Content.new(), board=self._board or self._content.board)
        return self._change(lambda content: dataclasses.replace(new, speed_cap=content.speed_cap)).pin

    def set_speed_cap(self, speed: float) -> None:
        """Keep the owner's cap, a share of `max_speed` in [0.05, 1]; an unchanged cap is not written again."""
        if speed != self.speed_cap:
            self._change(lambda content: dataclasses.replace(content, speed_cap=speed))

    def _change(self, change: Callable[[Content], Content]) -> Content:
        """Read, change and replace the file, under the lock."""
        with self._explaining("written"), locked(self.path.parent):
            with contextlib.suppress(AccessError):  # the content in memory stays valid
                self._mend("All that picar knew is in a new file.")
            changed = change(self._content)
            replace(self.path, _checked(changed), 0o600)
            self._content, self._is_kept = changed, True
            self.refresh()
        return self._content

    def _mend(self, consequence: str) -> None:
        """Read the file under the lock; rename and log an unreadable file."""
        try:
            self._read()
        except _Unreadable as error:
            other = set_aside(self.path)
            self._seen, self._fault = None, ""
            log.warning("%s Its new name is %s. %s", error, other.name, consequence)

    def _read(self) -> None:
        """Read the file if it exists and has changed."""
        with self._explaining("read"), contextlib.suppress(FileNotFoundError):
            found = self.path.lstat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._seen:
                self._fault = self._parse()
                self._seen = stamp  # not before: a reading that failed for a moment is repeated
            if self._fault:
                raise _Unreadable(f"{self.path} cannot be read as the list of paired phones: {self._fault}.")

    def _parse(self) -> str:
        """Take the content of the file, else return a description of the fault."""
        try:
            found = Content.parse(read_small(self.path))
        except ValueError as error:
            return str(error)
        ours = self._content
        if self._is_kept and (found.car, found.secret) != (ours.car, ours.secret):
            return "it is the list of another car"
        self._content, self._is_kept = found, True
        return ""

    @contextlib.contextmanager
    def _explaining(self, verb: str) -> Iterator[None]:
        """Translate an OSError into a sentence with a fix."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.EISDIR:
                raise AccessError(
                    f"{error.filename} is a folder, and picar writes a file of this name. Rename the folder."
                ) from None
            fix = FIXES.get(error.errno or 0, "Name another folder in $STATE_DIRECTORY.")
            raise AccessError(f"{self.path} cannot be {verb} ({error.strerror}). {fix}") from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other writers; the kernel drops the lock of a process that ends."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_S)  # the other process writes a kilobyte
        else:
            raise AccessError("Another picar is writing the list of paired phones. Try again.")
        yield
    finally:
        os.close(fd)


def _checked(content: Content) -> str:
    """Return the text of a content, if it can be read again."""
    try:
        text = content.text()
        Content.parse(text)
    except (ValueError, RecursionError) as error:
        raise AccessError(
            f"The list of paired phones cannot be written: {error}. Remove what picar does not know from {FILE}."
        ) from None
    return text


def _with(content: Content, new: Paired) -> Content:
    _check_room(content)
    return dataclasses.replace(content, paired=(*content.paired, _named(content.paired, new)))


def _named(others: tuple[Paired, ...], new: Paired) -> Paired:
    """Return a new entry, with a number if another name looks the same."""
    used = {EVERYBODY, *(look_alike(one.name) for one in others)}
    return dataclasses.replace(new, name=unused(new.name, used))


def _check_room(content: Content) -> None:
    if len(content.paired) >= MOST_PAIRED:
        fix = f"Remove some: {command('pair --list')}, then {command('pair --revoke NAME')}."
        raise TooManyPaired(f"{MOST_PAIRED} phones are paired, and that is the most. {fix}")
