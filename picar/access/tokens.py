"""The signed texts that let somebody in: credentials of paired phones, and invitations in QR codes.

An invitation is bound to the PIN and to this boot of the machine: a new PIN ends it, and it is timed by the
monotonic clock, since a Raspberry Pi without network starts with a wrong date.

Law: nothing is taken for signed that this car's secret did not sign, for the purpose it was signed for.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4); Linux only
_MAC_BYTES = 16  # 128 bits: short enough for a QR code that a phone reads at once


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_hex(32)


def new_pin() -> str:
    """Return six random digits."""
    return f"{secrets.randbelow(10**6):06d}"


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


def invitation(secret: str, pin: str, expires_at: float) -> str:
    """Return the token of a QR code, good until `expires_at` (seconds, CLOCK_MONOTONIC)."""
    end = str(int(expires_at))
    return f"{end}.{_mac(secret, 'invitation', pin, _boot(), end)}"


def is_invitation(secret: str, pin: str, text: str, now: float) -> bool:
    """Tell whether this is an invitation of this car, of this boot, and still good."""
    end, _, mac = text.partition(".")
    genuine = _same(mac, _mac(secret, "invitation", pin, _boot(), end))
    return genuine and now < int(end)


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
