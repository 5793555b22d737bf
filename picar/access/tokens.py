"""Signed texts that give access: credentials of paired phones, and invitations in QR codes.

An invitation is bound to a round, which ends at each revocation and with each new PIN, and to this boot of the
machine: it is timed by the monotonic clock, since a Raspberry Pi without network starts with a wrong date.

Law: nothing is taken for signed that this car's secret did not sign, for the purpose it was signed for.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4); Linux only
PIN_DIGITS = 6
_PIN_CHARACTERS = 200  # more is no PIN
_MAC_BYTES = 16  # 128 bits: short enough for a QR code that a phone reads at once


@dataclass(frozen=True, slots=True)
class Invitation:
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
    """Return the six digits of a typed or pasted PIN, or None.

    Digits of any script count as theirs (Unicode's property Nd, also full-width). Blanks, dashes, and characters that
    show nothing do not count.
    """
    shown = [c for c in unicodedata.normalize("NFKC", text[:_PIN_CHARACTERS]) if not _separates(c)]
    if len(shown) != PIN_DIGITS or len(text) > _PIN_CHARACTERS or not all(c.isdecimal() for c in shown):
        return None
    return "".join(str(unicodedata.decimal(c)) for c in shown)


def _separates(character: str) -> bool:
    return character.isspace() or character == "\u2212" or unicodedata.category(character) in ("Pd", "Cf")


def new_id() -> str:
    """Return a name that nobody can guess, of letters and digits."""
    return secrets.token_hex(8)


def credential(secret: str, session: str) -> str:
    """Return what a paired phone or script shows: `SESSION.SIGNATURE`."""
    return f"{session}.{_mac(secret, 'session', session)}"


def session_of(secret: str, text: str) -> str | None:
    """Return the session that a credential names, None where its signature is wrong."""
    session, _, mac = text.partition(".")
    return session if _same(mac, _mac(secret, "session", session)) else None


def invitation(secret: str, round_id: str, by: str, expires_at: float) -> str:
    """Return the token of a QR code, good until `expires_at` (seconds, CLOCK_MONOTONIC).

    It is `END.BY.SIGNATURE`, END in milliseconds, so that the next one by the same phone is another one.
    """
    end = str(int(expires_at * 1000))
    return f"{end}.{by}.{_mac(secret, 'invitation', round_id, _boot(), end, by)}"


def read_invitation(secret: str, round_id: str, text: str, now: float) -> Invitation | None:
    """Return the invitation if it is genuine, of this round and boot, and not expired; else None."""
    end, _, rest = text.partition(".")
    by, _, mac = rest.partition(".")
    genuine = _same(mac, _mac(secret, "invitation", round_id, _boot(), end, by))
    return Invitation(by, mac) if genuine and now * 1000 < int(end) else None


def _mac(secret: str, *what: str) -> str:
    digest = hmac.digest(secret.encode(), "\0".join(what).encode(errors="surrogatepass"), "sha256")[
        :_MAC_BYTES
    ]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
