"""The files of a Mosquitto broker for many cars: settings, rules, passwords, certificate, and one section [mqtt] for each car.

Laws:
- A password, a CA and a file that was changed by hand are kept, so that a car can be added at any time.
- A file with a password or a private key is readable by its owner alone, from its first byte.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from picar.config import Config
from picar.errors import FileError, UsageError
from picar.files import read_small, replace
from picar.network import addresses, tls

PORT = 8883
PASSWORD_BYTES = 18  # 24 characters
CONF, ACL, PASSWORDS, CA = "mosquitto.conf", "acl", "passwd", "ca.crt"
LEAF = f"{tls.FOLDER}/{tls.LEAF}"
ON_BROKER = "/etc/mosquitto/picar"
CAR_PASSWORD, CAR_CA = "/etc/picar/mqtt-password", "/etc/picar/mqtt-ca.crt"
GARAGE, HOME_ASSISTANT = "garage", "homeassistant"
_ID = re.compile(r"[a-z0-9]{8}", re.ASCII)
# Mosquitto's format of a password: PBKDF2-HMAC-SHA512. A random password needs no more rounds.
_HASH, _ROUNDS, _SALT_BYTES = "$7$", 101, 12

_CONF = f"""# A broker for cars with picar. Made by `picar garage broker-files`; docs/mqtt.md.
listener {PORT}
certfile {ON_BROKER}/{tls.LEAF}
keyfile {ON_BROKER}/{tls.LEAF}
tls_version tlsv1.2
allow_anonymous false
password_file {ON_BROKER}/{PASSWORDS}
acl_file {ON_BROKER}/{ACL}
persistence true
autosave_interval 60
max_inflight_messages 0
max_queued_messages 20000
max_queued_bytes 16777216
max_packet_size 8192
set_tcp_nodelay true
max_keepalive 60
"""
_ACL = f"""# Rules of the topics. Made by `picar garage broker-files`; docs/mqtt.md.
# A car: %u is its user name, which is its id. Mosquitto's warning about lines without %u is harmless: they are for every user.
pattern readwrite picar/%u/online
pattern write picar/%u/info
pattern write picar/%u/state
pattern write picar/%u/event
pattern write picar/%u/result
pattern write {HOME_ASSISTANT}/device/picar_%u/config
pattern read picar/%u/cmd/+
pattern read picar/%u/lesson
pattern read picar/all/cmd/+
pattern read picar/all/lesson
pattern read {HOME_ASSISTANT}/status

user {HOME_ASSISTANT}
topic read #
topic write picar/+/cmd/stop
topic write picar/+/cmd/cap
topic write {HOME_ASSISTANT}/status

user {GARAGE}
topic readwrite #
"""
_CAR = f"""
# The broker of car {{car}}: docs/mqtt.md has the commands that copy these lines, the password and the CA to the car.
[mqtt]
url = "{{url}}"
password_file = "{CAR_PASSWORD}"
ca = "{CAR_CA}"
"""


class Made(NamedTuple):
    """The result: users with a new password, users and files that were kept, the broker's URL, and the certificate."""

    new: list[str]
    kept: list[str]
    changed: list[str]
    url: str
    certificate: tls.Leaf


def make(folder: Path, cars: Iterable[str], hosts: Iterable[str]) -> Made:
    """Make the files of a broker, or add cars to them.

    Args:
        folder: a new folder, an empty one, or one that this function has made.
        cars: ids of cars.
        hosts: names and addresses of the broker's machine, the best first; empty for the known ones, else this machine's.

    Raises:
        UsageError: an id or a name is not possible.
        FileError: the folder holds other files, or cannot be written.
        TlsError: the certificate cannot be made.
    """
    cars, hosts = list(dict.fromkeys(cars)), [host.lower() for host in hosts]
    _check(cars, hosts)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(folder)
        certificate = _certify(folder / tls.FOLDER, hosts)
        url = f"mqtts://{_in_url(certificate.names[0])}:{PORT}"
        new, kept = _give_passwords(folder, [*cars, GARAGE, HOME_ASSISTANT])
        texts = {CONF: _CONF, ACL: _ACL, CA: _public(folder / tls.FOLDER)}
        texts |= {f"{car}.toml": _CAR.format(car=car, url=url) for car in cars}
        changed = [name for name, text in texts.items() if not _is_written(folder / name, text)]
    except FileError:
        raise
    except (OSError, ValueError) as error:
        place = getattr(error, "filename", None) or folder / PASSWORDS
        raise FileError(f"{place} cannot be used: {getattr(error, 'strerror', None) or error}.") from None
    return Made(new, kept, changed, url, certificate)


def hashed(password: str, salt: bytes) -> str:
    """Return a password as Mosquitto 2 keeps it (mosquitto_passwd(1))."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"{_HASH}{_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _check(cars: list[str], hosts: list[str]) -> None:
    for car in cars:
        if not _ID.fullmatch(car):
            fix = "An id has 8 lower-case letters and digits; http://CAR/api/v1/session of each car has it."
            raise UsageError(f"{car} is not the id of a car. {fix}")
    for host in hosts:
        if not addresses.is_local(host):
            why = f"a private address or a name in .{', .'.join(addresses.LOCAL_ZONES)}"
            raise UsageError(f"{host} is not possible: the certificate of the broker needs {why}.")


def _check_folder(folder: Path) -> None:
    others = {one.name for one in folder.iterdir()} - {tls.FOLDER}  # which an attempt without openssl leaves
    if others and not (folder / tls.FOLDER / tls.CA).exists():
        raise FileError(f"{folder} holds other files. Name a new folder.")


def _certify(folder: Path, hosts: list[str]) -> tls.Leaf:
    """Make the CA once, and the broker's certificate when it is due or gets another name."""
    known = tls.leaf(folder)
    names = [*hosts, *known.names] if known else hosts or tls.names_of(Config())
    tls.ensure(folder, list(dict.fromkeys(names)), tls.today(folder))
    certificate = tls.leaf(folder)
    if certificate is None:
        raise FileError(f"{folder / tls.LEAF} cannot be read. Use the user who made it, or a new folder.")
    return certificate


def _give_passwords(folder: Path, users: list[str]) -> tuple[list[str], list[str]]:
    """Give a password to each user without one; returns the users with a new one, and the others of these."""
    file = folder / PASSWORDS
    lines = read_small(file).splitlines() if file.exists() else []
    hashes = dict(line.split(":", 1) for line in lines if ":" in line)
    new = [user for user in users if user not in hashes or not _password_of(folder, user).exists()]
    passwords = {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in new}
    hashes |= {user: hashed(text, secrets.token_bytes(_SALT_BYTES)) for user, text in passwords.items()}
    replace(file, "".join(f"{user}:{text}\n" for user, text in hashes.items()), 0o600)
    for user, text in passwords.items():
        replace(_password_of(folder, user), f"{text}\n", 0o600)
    return new, [user for user in hashes if user not in new]


def _password_of(folder: Path, user: str) -> Path:
    return folder / f"{user}.password"


def _public(folder: Path) -> str:
    """Return the certificate of the CA without its key, PEM."""
    certificate = tls.ca_certificate(folder)
    if certificate is None:
        raise FileError(f"{folder / tls.CA} cannot be read. Use the user who made it, or a new folder.")
    return ssl.DER_cert_to_PEM_cert(certificate)


def _is_written(file: Path, text: str) -> bool:
    """Write a file unless it exists; returns whether it has this text."""
    if file.exists():
        return file.read_text(encoding="utf-8", errors="replace") == text
    replace(file, text, 0o644)
    return True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
