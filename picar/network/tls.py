"""The car's certificates: a CA of its own, limited to local names and addresses, and the server's certificate.

The command `openssl` makes them, which takes a second on a small Pi. So the server makes them before it listens, and later in
a child process: `python -m picar.network.tls`, with the arguments of `ensure` as a JSON array.

Laws:
- The CA can sign only for `LOCAL_ZONES` and `LOCAL_NETWORKS`; no other name or address gets into a certificate.
- A private key is readable by its owner alone, from its first byte, and is replaced in one step with its certificate.
- The dates of the CA are fixed: a machine without a clock must not make a CA of the future.
- An untrusted clock can make today later, never earlier than a date that is known to be past.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from picar import __released__
from picar.config import Config
from picar.errors import TlsError
from picar.files import boot_id, read_small, replace
from picar.network import addresses
from picar.network.addresses import LOCAL_NETWORKS, LOCAL_ZONES, is_local

DAY_S = 24 * 3600.0
LIFE_S, PAST_S = 792 * DAY_S, 30 * DAY_S  # Apple accepts at most 825 days
HEARD_S, UNKNOWN_S = 400 * DAY_S, 700 * DAY_S
PHONE_S = 15 * 60.0  # a man in the middle could exchange the CA, so it is not served for ever
RELEASED = datetime.fromisoformat(__released__).replace(tzinfo=UTC).timestamp()
FOLDER, CA, LEAF, _PHONE = "tls", "ca.pem", "leaf.pem", "phone"  # below the state directory
_SYNCHRONIZED, _RTC = Path("/run/systemd/timesync/synchronized"), Path("/sys/class/rtc/rtc0/since_epoch")
_LOCAL = [f"DNS:{zone}" for zone in LOCAL_ZONES] + [f"IP:{net.with_netmask}" for net in LOCAL_NETWORKS]
# `openssl ca` takes dates; `openssl x509 -req` takes them from OpenSSL 3.4 on.
_CONFIG = f"""[ca]
default_ca=d
[d]
database=index.txt
new_certs_dir=.
rand_serial=yes
default_md=sha256
policy=p
email_in_dn=no
[p]
commonName=supplied
[req]
distinguished_name=req
[ca.pem]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
nameConstraints=critical,{",".join(f"permitted;{one}" for one in _LOCAL)}
[leaf.pem]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName="""


class Leaf(NamedTuple):
    """The contents of the server's certificate; times in Unix seconds."""

    names: list[str]
    start: float
    end: float

    def is_due(self, names: Iterable[str], today: float) -> bool:
        """Return whether another certificate is needed: for a new name, or at another date, or in the last third of its life."""
        return not set(names) <= set(self.names) or not self.start <= today < self.end - LIFE_S / 3


def local_names(hosts: Iterable[str]) -> list[str]:
    """Return names in lower case; raises TlsError, `name_not_allowed`, if one is outside of the CA's zones and networks."""
    names = [host.lower() for host in hosts]
    for name in names:
        if not is_local(name):
            why = f"the car's CA can sign only for private addresses and names in .{', .'.join(LOCAL_ZONES)}"
            fix = "Choose another name, or use a certificate from elsewhere: picar tls use CERT KEY"
            raise TlsError("name_not_allowed", f"{name} is not possible: {why}. {fix}")
    return names


def names_of(settings: Config) -> list[str]:
    """Return the names and addresses for the certificate.

    They are the name of this machine, its private addresses, the one in the car's own WiFi, and `[tls] hosts`.

    Raises:
        TlsError: `name_not_allowed`, one of the hosts is outside.
    """
    label = re.sub(r"[^a-z0-9-]", "", socket.gethostname().split(".")[0].lower())[:40] or "picar"
    present = [address for _, address in addresses.interfaces()]
    here = filter(is_local, [*present, settings.hotspot.address.partition("/")[0]])
    return list(dict.fromkeys([f"{label}.local", *here, *local_names(settings.tls.hosts)]))


def clock_is_trusted() -> bool:
    """Return whether the network or a clock with a battery has set this machine's clock.

    A Pi 5 has a clock, which needs a battery of its own: without one, it begins in 1970 after each power cut.
    """
    try:
        return _SYNCHRONIZED.exists() or int(_RTC.read_text(encoding="ascii")) >= RELEASED
    except (OSError, ValueError):
        return False


def today(state: Path, heard: float = 0.0) -> float:
    """Return the date in Unix seconds.

    Args:
        state: the state directory; its newest file is a bound.
        heard: the newest date of a paired phone.

    Raises:
        TlsError: `clock_unknown`, the clock is not trusted, and far later than everything that is known.
    """
    system = time.time()
    if clock_is_trusted():
        return max(system, RELEASED)
    known = max(RELEASED, heard, *(file.stat().st_mtime for file in state.rglob("*") if file.is_file()))
    if system - known > UNKNOWN_S:
        fix = "Connect it to the Internet once, or set it: sudo date -s YYYY-MM-DD"
        raise TlsError(
            "clock_unknown", f"The clock shows {date_of(system)}, and nothing confirms that. {fix}"
        )
    return max(system, known)


def ensure(folder: Path, names: list[str], date: float, renew: bool = False) -> None:
    """Make the CA and the certificate, if they are missing or due.

    Args:
        folder: for the files.
        names: from `names_of`.
        date: from `today`.
        renew: make another certificate in any case.

    Raises:
        TlsError: `no_openssl`, or openssl failed.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    label, ca = names[0].removesuffix(".local"), folder / CA
    if not ca.exists():
        _make(ca, f"picar {label} {secrets.token_hex(4)}", "", "20240101000000Z", "20440101000000Z")
    found = leaf(folder)
    if renew or found is None or found.is_due(names, date):
        new = Leaf(names, date - PAST_S, date - PAST_S + LIFE_S)
        alternative = ",".join(
            f"{'IP' if ':' in name or name[-1].isdigit() else 'DNS'}:{name}" for name in names
        )
        start, end = (f"{date_of(t).replace('-', '')}000000Z" for t in new[1:])
        _make(folder / LEAF, f"picar {label}", alternative, start, end, ca, json.dumps(new._asdict()))


def leaf(folder: Path) -> Leaf | None:
    """Return the server's certificate, from the first line of its file; None without a certificate."""
    try:
        found = Leaf(**json.loads(read_small(folder / LEAF).split("\n", 1)[0]))
        return Leaf([*map(str, found.names)], float(found.start), float(found.end))
    except (OSError, ValueError, TypeError, RecursionError, OverflowError):  # not a file of picar's
        return None


def ca_certificate(folder: Path) -> bytes | None:
    """Return the CA in DER (X.690), as phones install it; None without a CA."""
    try:
        _, begin, rest = read_small(folder / CA).partition(ssl.PEM_HEADER)
        return ssl.PEM_cert_to_DER_cert(begin + rest)
    except (OSError, ValueError):
        return None


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in groups of four digits, to compare by eye."""
    digits = hashlib.sha256(certificate).hexdigest().upper()
    return " ".join(digits[at : at + 4] for at in range(0, 64, 4))


def open_for_phones(folder: Path, now: float) -> None:
    """Have the running server hand out the CA for `PHONE_S`; `now` in seconds, monotonic."""
    replace(folder / _PHONE, f"{now + PHONE_S} {boot_id()}", 0o600)


def phones_until(folder: Path) -> float:
    """Return the monotonic time until which the CA may be handed out, 0 if it may not."""
    try:
        until, _, boot = read_small(folder / _PHONE).partition(" ")
        return float(until) if boot == boot_id() else 0.0
    except (OSError, ValueError):
        return 0.0


def load_certificate(cert: Path, key: Path, live: ssl.SSLContext | None = None) -> None:
    """Check a certificate, and load it into a server's context: a pair that does not match would spoil that.

    Raises:
        TlsError: `cert_unreadable` or `key_mismatch`.
    """
    try:
        for context in filter(None, (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), live)):
            context.load_cert_chain(cert, key, password="")  # without one, openssl asks on the terminal
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        if reason == "KEY_VALUES_MISMATCH":
            sentence = f"The key {key} does not belong to the certificate {cert}. Name the two that were made together."
            raise TlsError("key_mismatch", sentence) from None
        fix = "Both must be PEM without a password, and readable for the user of picar."
        sentence = f"The certificate {cert} or its key {key} cannot be read ({reason}). {fix}"
        raise TlsError("cert_unreadable", sentence) from None


def _make(
    file: Path, subject: str, names: str, start: str, end: str, ca: Path | None = None, line: str = ""
) -> None:
    """Write a new key with its certificate, signed by the CA or by itself, below a line that describes them."""
    import tempfile  # here, because a car at rest does not need it

    signer = f"-keyfile ../{ca.name} -cert ../{ca.name}" if ca else "-selfsign -keyfile key"
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        folder = Path(name)
        (folder / "config").write_text(f"{_CONFIG}{names or 'DNS:localhost'}\n", encoding="ascii")
        (folder / "index.txt").touch()
        _openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key")
        _openssl(folder, "req -new -config config -key key -out request -subj", f"/CN={subject}")
        dates = f"-startdate {start} -enddate {end} -extensions {file.name}"
        _openssl(folder, f"ca -batch -notext -config config {signer} {dates} -in request -out cert")
        parts = [line, *((folder / part).read_text(encoding="ascii").strip() for part in ("key", "cert"))]
        replace(file, "\n".join(filter(None, parts)) + "\n", 0o600)


def _openssl(folder: Path, arguments: str, *more: str) -> None:
    command = ["openssl", *arguments.split(), *more]
    try:
        done = subprocess.run(command, cwd=folder, umask=0o077, capture_output=True, check=False, timeout=60)
    except FileNotFoundError:
        fix = "Install it: sudo apt install openssl"
        raise TlsError("no_openssl", f"The command openssl is missing. {fix}") from None
    except subprocess.TimeoutExpired:
        raise TlsError("openssl_failed", "openssl takes too long. Try again.") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TlsError("openssl_failed", f"openssl {command[1]} failed: {last}")


def date_of(unix_s: float) -> str:
    """Return a day, like 2026-11-26."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")


if __name__ == "__main__":
    place, wanted, at = json.load(sys.stdin)
    try:
        ensure(Path(place), wanted, at)
    except (TlsError, OSError) as error:
        sys.exit(str(error))
