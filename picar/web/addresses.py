"""Under which addresses this machine can be reached, found without sending a packet."""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::")
_SIOCGIFADDR = 0xC0206921 if sys.platform == "darwin" else 0x8915
_WIFI = re.compile(r"wl|ap\d|uap")
_NOT_FOR_PHONES = re.compile(r"lo|docker|br-|veth|virbr|vmnet|tun|tap|utun|wg|zt|tailscale|lxc")


def interfaces() -> dict[str, str]:
    """Return the IPv4 address of each network interface that has one."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(s.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found[name] = socket.inet_ntoa(answer[20:24])
    return found


def reachable(host: str, present: dict[str, str]) -> list[str]:
    """Return the addresses at which a server bound to `host` answers, the phone's first.

    Args:
        host: what the server listens on.
        present: from `interfaces`.
    """
    if host not in _EVERYWHERE:
        return [host]
    ranked = sorted(present.items(), key=lambda item: _rank(item[0]))
    return [*(a for _, a in ranked if a != LOOPBACK), LOOPBACK]


def for_a_phone(host: str, present: dict[str, str]) -> str | None:
    """Return the one address to show to a phone: WiFi first, never loopback or a container's network."""
    good = [a for name, a in sorted(present.items(), key=lambda item: _rank(item[0])) if _rank(name) < 2]
    if host in _EVERYWHERE:
        return good[0] if good else None
    return None if _is_loopback(host) else host


def url(address: str, port: int) -> str:
    """Return the page's URL at an address; port 80 needs no saying."""
    name = f"[{address}]" if ":" in address else address
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


def qr_code(text: str) -> Iterable[str]:
    """Yield the lines of a QR code in half blocks, light on dark, as terminals are."""
    import segno

    rows = [
        [bool(cell) for cell in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)
    ]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield "".join(blocks[pair] for pair in zip(upper, lower, strict=True))


def pairing_link(url: str, token: str) -> str:
    """Return what a pairing QR code holds. The token is in the fragment, which no server, log or link preview gets."""
    return f"{url}/#pair={token}"


def qr_image(text: str) -> str:
    """Return a QR code as an image in a data: URI, dark on light, for a page."""
    import segno

    return str(segno.make(text, error="l", micro=False).svg_data_uri(scale=4, border=4, light="#fff"))


def _rank(interface: str) -> int:
    if _NOT_FOR_PHONES.match(interface):
        return 2
    return 0 if _WIFI.match(interface) else 1


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
