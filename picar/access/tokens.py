"""Secrets that give access: the PIN, credentials of paired phones, and invitations in QR codes.

An invitation is bound to a round, which ends at each revocation and with each new PIN, and to this boot of the
machine: it is timed by the monotonic clock, since a Raspberry Pi without network starts with a wrong date.

Law: a signature is valid only for this car's secret and for the purpose of the signed text.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import unicodedata
from typing import Literal

from picar.files import boot_id
from picar.values import Value

PIN_DIGITS = 6
ID_CHARACTERS = 8
TRIES, PAUSE_S = 10, 60.0  # wrong PINs until no PIN is checked, and for how long
_PIN_CHARACTERS = 200  # longer texts are refused unread
_MAC_BYTES = 16  # 128 bits: short enough for a QR code that a phone reads at once

# A credential is for http, for https, or for finding the entry of a phone that pairs again: the last one gives no access.
# The one of a garage is for one id of the car.
Purpose = Literal["session", "secure session", "same phone", "garage"]


class Invitation(Value):
    """The content of an invitation: the inviter, and a tag that is unique to this invitation."""

    by: str
    tag: str


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_hex(32)


def new_pin() -> str:
    """Return six random digits."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


def as_pin(text: str) -> str | None:
    """Return the six digits of a typed or pasted PIN, or `None`.

    Digits of every script count (Unicode's property Nd, also full-width). Blanks, dashes and invisible characters are
    skipped.
    """
    shown = [c for c in unicodedata.normalize("NFKC", text[:_PIN_CHARACTERS]) if not _separates(c)]
    if len(shown) != PIN_DIGITS or len(text) > _PIN_CHARACTERS or not all(c.isdecimal() for c in shown):
        return None
    return "".join(str(unicodedata.decimal(c)) for c in shown)


def _separates(character: str) -> bool:
    return character.isspace() or character == "\u2212" or unicodedata.category(character) in ("Pd", "Cf")


class PinGuard:
    """Limits wrong PINs of all clients together; time is an argument, in monotonic seconds.

    A limit for each address stops no attacker, since addresses are cheap on a LAN. With ten guesses a minute, a PIN of
    six digits lasts for weeks. Paired clients send no PIN, so a stranger who guesses cannot keep a family from driving.
    """

    def __init__(self) -> None:
        self._wrong = 0
        self._closed_until = 0.0

    def wait_s(self, now: float) -> float:
        """Return the time until the next PIN is checked; 0 if it is checked now."""
        return max(0.0, self._closed_until - now)

    def wrong(self, now: float) -> None:
        """Count a wrong PIN."""
        self._wrong += 1
        if self._wrong >= TRIES:
            self._wrong, self._closed_until = 0, now + PAUSE_S

    def right(self) -> None:
        """Forget the wrong PINs before a right one: the owner mistyped."""
        self._wrong = 0


def new_id() -> str:
    """Return an unguessable name of letters and digits."""
    return secrets.token_hex(8)


def derived_id(secret: str, board: str) -> str:
    """Return the id of a car in another Pi than its first one: the same at each return to that Pi."""
    return hmac.digest(secret.encode(), f"id\0{board}".encode(), "sha256").hex()[:ID_CHARACTERS]


def fingerprint(text: str) -> str:
    """Return a short hash of a public text, in hex digits."""
    return hmac.digest(b"picar", text.encode(), "sha256").hex()[:16]


def credential(secret: str, session: str, purpose: Purpose = "session", *names: str) -> str:
    """Return the credential of a paired phone or program: `SESSION.SIGNATURE`. `names` are further signed texts."""
    return f"{session}.{_mac(secret, purpose, session, *names)}"


def session_of(secret: str, text: str, purpose: Purpose = "session", *names: str) -> str | None:
    """Return the session of a credential, or `None` if the signature is wrong or for another purpose."""
    session, _, mac = text.partition(".")
    return session if is_same(mac, _mac(secret, purpose, session, *names)) else None


def invitation(secret: str, round_id: str, by: str, expires_at: float) -> str:
    """Return the token of a QR code, good until `expires_at` (seconds, CLOCK_MONOTONIC).

    It is `END.BY.SIGNATURE`, END in milliseconds, so that two invitations by one phone differ.
    """
    end = str(int(expires_at * 1000))
    return f"{end}.{by}.{_mac(secret, 'invitation', round_id, boot_id(), end, by)}"


def read_invitation(secret: str, round_id: str, text: str, now: float) -> Invitation | None:
    """Return the invitation if it is genuine, of this round and boot, and not expired; else `None`."""
    end, _, rest = text.partition(".")
    by, _, mac = rest.partition(".")
    genuine = is_same(mac, _mac(secret, "invitation", round_id, boot_id(), end, by))
    return Invitation(by, mac) if genuine and now * 1000 < int(end) else None


def _mac(secret: str, *parts: str) -> str:
    text = "\0".join(parts).encode(errors="surrogatepass")
    digest = hmac.digest(secret.encode(), text, "sha256")
    return base64.urlsafe_b64encode(digest[:_MAC_BYTES]).rstrip(b"=").decode()


def is_same(given: str, wanted: str) -> bool:
    """Return whether two secrets are equal, in a time independent of their equal characters."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())
