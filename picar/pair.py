"""`picar pair`, and what `serve` says about pairing: PIN, address, QR code; who is paired, and tokens for scripts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from picar import config
from picar.access.names import NAME_CHARACTERS, look_alike, tidy_name
from picar.access.places import resting, running
from picar.access.store import EVERYBODY, AccessStore
from picar.config import Config
from picar.errors import AccessError
from picar.flight import folder_in_memory
from picar.motor import pins
from picar.web import addresses
from picar.web.gate import Pairing

_OFF = (
    "Pairing is off: whoever reaches the car may drive it. That is for a car on its own hotspot;\n"
    'elsewhere write pairing = "on" under [access] in its configuration.'
)


_SILENT = (
    "No running picar has left word here. If it does not run, start it: scripts/run, or sudo systemctl start picar.\n"
    "If it does, and on another port than that: picar pair --port N"
)


def pairing_of(settings: Config) -> Pairing:
    """Return whom to ask for the PIN: what is configured, else everyone on a Pi, and all but itself elsewhere."""
    chosen = settings.access.pairing
    if chosen == "auto":
        return "on" if pins.raspberry_pi_model() else "local"
    return chosen


def greeting(store: AccessStore, pairing: Pairing, host: str, port: int) -> Iterator[str]:
    """Yield what `serve` and `pair` print for those who want to drive: each address, the PIN, a QR code for a phone."""
    present = addresses.interfaces()
    for address in addresses.reachable(host, present):
        yield f"  open   {addresses.url(address, port)}"
    phone = addresses.for_a_phone(host, present)
    if pairing == "off":
        yield f"\n{_OFF}"
    elif pairing == "on" or phone:
        yield f"  PIN    {store.pin}"
    if phone is None:
        yield f"\n{_no_phone(host, present)}\n"
        return
    url = addresses.url(phone, port)
    if pairing == "off":
        yield f"\nOn a phone in the same network, scan this or type {url}\n"
        yield from _qr(url)
    else:
        yield f"\nOn a phone in the same network, scan this, or type {url} and then the PIN\n"
        yield from _qr(addresses.pairing_link(url, store.invitation(time.monotonic())))
        yield "The QR code is good for 10 minutes; a new one: picar pair\n"


def _no_phone(host: str, present: addresses.Present) -> str:
    if addresses.for_a_phone(addresses.EVERYWHERE, present):
        fix = f'set host to "{addresses.EVERYWHERE}" (--host, or [server] in the configuration)'
        return f"No phone can reach the car at {host}. For a phone, {fix}."
    return "This machine has no address that a phone can reach. For a phone, join a network."


def run(options: argparse.Namespace) -> Iterator[str]:
    """Yield what `picar pair` prints.

    Raises:
        AccessError: the list cannot be read or written, or nobody has that name.
    """
    serving = running(folder_in_memory())
    store = _open(Path(serving.state) if serving else resting())
    if options.list:
        yield from _list(store)
    elif options.revoke is not None:
        yield _revoke(store, options.revoke)
    elif options.token is not None:
        yield _token(store, options.token)
    elif options.new_pin:
        yield f"The new PIN is {store.new_pin()}. Who is paired stays so; to remove them too: picar pair --revoke all"
    elif serving:
        yield from greeting(store, serving.pairing, serving.host, serving.port)
    else:
        flags = {("server", "port"): options.port}
        settings = config.load(config.find_file(options.config), flags=flags)
        yield from greeting(store, pairing_of(settings), settings.server.host, settings.server.port)
        yield _SILENT


def _open(folder: Path) -> AccessStore:
    try:
        return AccessStore(folder)
    except AccessError as error:
        if "ermission" in str(error):
            raise AccessError(
                f"The PIN of this machine's car is in {folder}, which is not yours to read. Use sudo: sudo picar pair"
            ) from None
        raise


def _list(store: AccessStore) -> Iterator[str]:
    if not store.paired:
        yield "Nobody is paired."
    for one in store.paired:
        yield f"  {one.kind:<7} {one.name}"


def _revoke(store: AccessStore, name: str) -> str:
    count = store.revoke(None if name == EVERYBODY else name)
    if not count and name != EVERYBODY:
        raise AccessError(f"Nobody named {name!r} is paired. See: picar pair --list")
    return f"Removed: {count}. Whoever of them is connected is sent home within a second."


def _token(store: AccessStore, name: str) -> str:
    if not name or name != tidy_name(name):
        raise AccessError(
            f"{name!r} is no name for a script. A name has 1 to {NAME_CHARACTERS} printable characters."
        )
    if any(look_alike(one.name) == look_alike(name) for one in store.paired):
        raise AccessError(
            f"There is one named {name!r} already. Take another name, or: picar pair --revoke {name!r}"
        )
    return store.credential(store.pair(name, "script"))


def _qr(text: str) -> Iterator[str]:
    for line in addresses.qr_code(text):
        yield "  " + line
    yield ""
