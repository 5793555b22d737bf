"""Host and Origin headers that belong to this car: the defence against DNS rebinding and foreign pages.

A rebinding attack makes a browser resolve evil.example to the car's address; the Host header still contains
evil.example. An attacker's name is never an IP address, nor this machine's name in a local zone.

Laws: an unknown name is refused; a header that cannot be parsed is refused.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable

from picar.network.addresses import DEFAULT_PORTS
from picar.network.addresses import LOCAL_ZONES as LOCAL_ZONES

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_SHOWN_CHARACTERS = 100  # of an Origin or a Host, in a sentence


class AllowedHosts:
    """Decides whether a Host header names this car.

    Args:
        machine: returns the machine's present host name. Avahi may have appended "-2" to it on the network.
        configured: further names, from the option `allowed_hosts`.
    """

    def __init__(self, machine: Callable[[], str], configured: Iterable[str]) -> None:
        self._machine = machine
        self._machines: dict[str, re.Pattern[str]] = {}
        self._names = {"localhost"} | {ascii_name(name) for name in configured}

    def allows(self, host: str) -> bool:
        """Return whether this Host header, with or without a port, is one of the car's."""
        parts = split_host(host)
        if parts is None:
            return False
        name = parts[0]
        return is_ip(name) or name in self._names or self._is_machine(name)

    def _is_machine(self, name: str) -> bool:
        """Compare with all names that the machine has had: a page under an old name must still stop the car."""
        present = self._machine()  # one system call, under 1 µs
        if present not in self._machines:
            self._machines[present] = _names_of(present)
        return any(names.fullmatch(name) for names in self._machines.values())


def _names_of(machine: str) -> re.Pattern[str]:
    """Return a pattern of the names that a machine of this host name has on a home network."""
    full = ascii_name(machine)
    label = re.escape(full.split(".")[0]) or "(?!)"  # no name, no match
    zones = "|".join(re.escape(zone) for zone in LOCAL_ZONES)
    return re.compile(rf"{label}(-\d+)?(\.({zones}))?|{re.escape(full) or '(?!)'}", re.ASCII)


def ascii_name(name: str) -> str:
    """Return a host name as browsers send it: lower case, non-ASCII labels in Punycode (RFC 3492, 5891)."""
    labels = unicodedata.normalize("NFKC", name.lower()).rstrip(".").split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in labels
    )


def split_host(host: str, default_port: int = 80) -> tuple[str, int] | None:
    """Return (name, port), the name in lower case without brackets and trailing dot; None if not valid."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else default_port
    name = match["name"].lower().strip("[]").removesuffix(".")
    return (name, port) if name and port < 65536 else None


def same_origin(origin: str, host: str, secure: bool = False) -> bool:
    """Return whether an Origin header is the page served under this Host header.

    A request over https is from a page over https; a request over http may be from either, behind a proxy with https.
    """
    scheme, separator, netloc = origin.partition("://")
    default_port = DEFAULT_PORTS.get(scheme.lower())
    if not separator or default_port is None or (secure and scheme.lower() != "https"):
        return False
    ours = split_host(host, default_port)
    return ours is not None and split_host(netloc, default_port) == ours


def is_ip(name: str) -> bool:
    """Return whether a name is an IP address, without brackets."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def wrong_host(host: str) -> str:
    """Return the sentence for a Host header that is refused."""
    parts = split_host(host)
    if parts is None:
        return "The Host header of this request is not a valid host name. Open the car by its IP address."
    return (
        f'This car does not answer to the name {parts[0]}. Open it by its IP address, or add allowed_hosts = ["{parts[0]}"] '
        "under [server] in picar.toml and start picar again."
    )


def foreign_origin(origin: str | None, host: str) -> str:
    """Return the sentence for a request of another page."""
    shown = "another site" if origin is None else origin[:_SHOWN_CHARACTERS] or "(nowhere)"
    return (
        f"This request is from a page at {shown}, and reached the car as {host[:_SHOWN_CHARACTERS]}. Open the car's own page. "
        "A proxy in front of the car must pass on the Host header with its port; docs/access.md has the lines."
    )
