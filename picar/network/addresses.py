"""Addresses at which this machine can be reached, found without sending a packet, and URLs of them."""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

LOCAL_ZONES = ("local", "lan", "internal", "home.arpa", "fritz.box")
LOCAL_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            *(
                "10.0.0.0/8",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "169.254.0.0/16",
                "100.64.0.0/10",
                "127.0.0.0/8",
            ),
            *("fc00::/7", "fe80::/10"),
        ),
    )
)
_LOCAL_NAME = re.compile(rf"([a-z0-9-]+\.)+({'|'.join(map(re.escape, LOCAL_ZONES))})", re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}
EVERYWHERE = "all"  # as `host`: every address of this machine, IPv4 and IPv6
_SIOCGIFADDR = 0xC0206921 if sys.platform == "darwin" else 0x8915
_IPV6 = Path("/proc/net/if_inet6")  # Linux only
_GLOBAL = "00"  # scope of an address that other machines reach, unique local ones included
_TEMPORARY, _DUPLICATE, _DEPRECATED, _TENTATIVE = 0x01, 0x08, 0x20, 0x40  # linux/if_addr.h
_WIFI = re.compile(r"wl|ap\d|uap")
_NOT_FOR_PHONES = re.compile(r"lo|docker|br-|veth|virbr|vmnet|tun|tap|utun|wg|zt|tailscale|lxc|clat")

Present = Sequence[tuple[str, str]]
Door = tuple[int, str]  # the port and the scheme of an address for phones


def interfaces() -> Present:
    """Return (network interface, address) for each address of this machine that others can reach, and for 127.0.0.1."""
    return [*_ipv4(), *_ipv6()]


def _ipv4() -> Iterator[tuple[str, str]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(s.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            yield name, socket.inet_ntoa(answer[20:24])


def _ipv6() -> list[tuple[str, str]]:
    """Return global and unique local addresses; temporary ones (RFC 8981), which change daily, come last."""
    try:
        lines = _IPV6.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = []
    for digits, _, _, scope, flags, name in (line.split() for line in lines):
        unusable = int(flags, 16) & (_DUPLICATE | _DEPRECATED | _TENTATIVE)
        if scope == _GLOBAL and not unusable:
            address = str(ipaddress.IPv6Address(bytes.fromhex(digits)))
            found.append((bool(int(flags, 16) & _TEMPORARY), address, name))
    return [(name, address) for _, address, name in sorted(found)]


def reachable(host: str, present: Present) -> list[str]:
    """Return the addresses at which a server bound to `host` answers, the phone's first.

    Args:
        host: the server's configured address.
        present: from `interfaces`.
    """
    versions = _versions(host)
    if not versions:
        return [host]
    found = [a for _, a in _ranked(versions, present) if not is_loopback(a)]
    return [*found, "127.0.0.1" if 4 in versions else "::1"]


def for_a_phone(host: str, present: Present) -> str | None:
    """Return the one address to show to a phone: IPv4 before IPv6, WiFi first, never loopback or a container's network."""
    versions = _versions(host)
    if not versions:
        return None if host == "localhost" or is_loopback(host) else host
    good = (a for name, a in _ranked(versions, present) if not _NOT_FOR_PHONES.match(name))
    return next(good, None)


def url(address: str, port: int, scheme: str = "http") -> str:
    """Return the page's URL at an address, without the default port of its scheme."""
    name = f"[{address}]" if ":" in address else address
    return f"{scheme}://{name}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{name}:{port}"


def pairing_link(url: str, token: str) -> str:
    """Return the text of a pairing QR code. The token is in the fragment, which no server, log or link preview receives."""
    return f"{url}/#pair={token}"


def is_local(name: str) -> bool:
    """Return whether a name is in a local zone, or an address is a private one: the car's own CA can sign for these alone."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return bool(_LOCAL_NAME.fullmatch(name))
    # A zone (RFC 4007) may be any text.
    return "%" not in name and any(address in network for network in LOCAL_NETWORKS)


def _versions(host: str) -> set[int]:
    """Return the IP versions of a server at every address; empty for a server at one address."""
    if host == EVERYWHERE:
        return {4, 6}
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return set()
    return {address.version} if address.is_unspecified else set()


def _ranked(versions: set[int], present: Present) -> list[tuple[str, str]]:
    def rank(item: tuple[str, str]) -> tuple[bool, bool, bool, bool]:
        name, address = item[0], ipaddress.ip_address(item[1])
        unlikely = bool(_NOT_FOR_PHONES.match(name))
        return unlikely, address.is_link_local, address.version == 6, not _WIFI.match(name)

    return sorted((one for one in present if ipaddress.ip_address(one[1]).version in versions), key=rank)


def loopback_of(host: str) -> str:
    """Return the address at which this machine itself reaches a server bound to `host`."""
    return {EVERYWHERE: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def is_loopback(address: str) -> bool:
    """Return whether this is a loopback address, also as IPv4 in IPv6; False for a host name."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
