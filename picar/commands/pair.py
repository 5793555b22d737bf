"""`picar pair`: PIN, address and QR code (`serve` prints them too), the list of paired phones, tokens for scripts."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from picar import configfile
from picar.access.content import BY_PIN, BY_TERMINAL, BY_UNPAIRED, Kind, Paired
from picar.access.identity import board
from picar.access.locations import become_owner, resting, running, state_directory
from picar.access.names import NAME_BYTES, NAME_CHARACTERS, is_printable, look_alike, tidy_name
from picar.access.store import EVERYBODY, AccessStore
from picar.access.visitor import Pairing, pairing_of
from picar.config import Config
from picar.errors import AccessError, UsageError
from picar.files import folder_in_memory
from picar.network import addresses
from picar.program import command, program

_OFF = (
    "Pairing is off: every device that reaches the car may drive it. Use this only on the car's own hotspot;\n"
    'otherwise write pairing = "on" under [access] in its configuration.'
)
_ORIGINS = {
    BY_PIN: "  (with the PIN)",
    BY_TERMINAL: "  (from this machine's terminal)",
    BY_UNPAIRED: "  (invited without pairing)",
    "": "",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the car's configuration; default as for serve")
    parser.add_argument("--port", metavar="N", type=int, help="the car's port, if no running car is found")
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--token", metavar="NAME", help="make a token for a script, and print it")
    view = "with --token: for a program that shows the picture; such a token cannot drive"
    parser.add_argument("--view", action="store_true", help=view)
    doing.add_argument("--list", action="store_true", help="list the paired phones and scripts")
    doing.add_argument("--revoke", metavar="NAME", help="remove this phone or script; all: every one")
    invited = "with --revoke: also the phones that they invited, and so on"
    parser.add_argument("--with-invited", action="store_true", help=invited)
    doing.add_argument("--new-pin", action="store_true", help="make a new PIN; the paired ones stay paired")
    new = "make PIN, secret and id new, for a copied card: every phone and program must pair again"
    doing.add_argument("--new-identity", action="store_true", help=new)


def run(options: argparse.Namespace) -> int:
    """Show PIN and QR code for a new phone; or list, remove, and make tokens for scripts."""
    if options.with_invited and options.revoke is None:
        options.parser.error("--with-invited goes with --revoke NAME")
    if options.view and options.token is None:
        options.parser.error("--view goes with --token NAME")
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port {options.port}: a port is a number from 1 to 65535.")
    print(*lines(options), sep="\n")
    return 0


def greeting(
    store: AccessStore,
    pairing: Pairing,
    host: str,
    port: int,
    secure: int = 0,
    only: int = 0,
    *,
    in_journal: bool = False,
    again: str = "",
) -> Iterator[str]:
    """Yield the lines for new drivers: each address, the PIN, a QR code for a phone.

    Args:
        store: holds the PIN, and signs the QR code.
        pairing: the pairing mode.
        host: the server's configured address.
        port: its TCP port.
        secure: its port of https, 0 without it.
        only: the same if http does not drive; the QR code then leads there.
        in_journal: leave out PIN and QR code: a journal is kept, and sent with reports of faults.
        again: how to get a new QR code; the command `picar pair` if it is empty.
    """
    present = addresses.interfaces()
    for address in addresses.reachable(host, present):
        yield f"  open   {addresses.url(address, port)}"
        if secure and addresses.is_local(address):
            yield f"  open   {addresses.url(address, secure, 'https')}"
    phone = addresses.for_a_phone(host, present)
    if pairing == "off":
        yield f"\n{_OFF}"
    elif in_journal:
        yield f"  PIN    {command('pair')} (it shows the QR code too)"
    elif pairing == "on" or phone:
        yield f"  PIN    {store.pin}"
    if phone is None:
        yield f"\n{_no_phone(host, present)}\n"
    elif not in_journal:
        url = addresses.url(phone, only, "https") if only else addresses.url(phone, port)
        # Without a folder in memory, `picar pair` finds no running picar.
        again = again or f"a new one: {command('pair' if folder_in_memory() else f'pair --port {port}')}"
        yield from _for_a_phone(store, pairing, url, again)


def _for_a_phone(store: AccessStore, pairing: Pairing, url: str, again: str) -> Iterator[str]:
    asks = pairing != "off"
    drawn = drawing(addresses.pairing_link(url, store.invitation(time.monotonic())) if asks else url)
    scan = "scan this, or " if drawn else ""
    yield f"\nOn a phone on the same network, {scan}type {url}{' and then the PIN' if asks else ''}\n"
    yield from drawn
    if drawn and asks:
        yield f"The QR code is good for 10 minutes; {again}\n"


def _no_phone(host: str, present: addresses.Present) -> str:
    if addresses.for_a_phone(addresses.EVERYWHERE, present):
        fix = f'set host to "{addresses.EVERYWHERE}" (--host, or [server] in the configuration)'
        return f"No phone can reach the car at {host}. For a phone, {fix}."
    return "This machine has no address that a phone can reach. For a phone, join a network."


def lines(options: argparse.Namespace) -> Iterator[str]:
    """Yield the output of `picar pair`.

    Raises:
        AccessError: the list cannot be read or written, or has no such name.
    """
    serving = running(folder_in_memory())
    if serving and os.environ.get("STATE_DIRECTORY") and Path(serving.state) != state_directory():
        serving = None  # another list was asked for, like that of the garage page
    makes_new = options.new_pin or options.new_identity
    changes = options.list or makes_new or options.revoke is not None or options.token is not None
    # Before `become_owner`: the owner may not be able to read root's files, nor even the program's own.
    from picar.network import qr  # noqa: F401 - `drawing` needs it after that

    if serving and options.new_identity:
        raise AccessError("Stop picar first: sudo systemctl stop picar, or Ctrl-C. Nothing was changed.")
    settings = None if serving or changes else configfile.load(configfile.find_file(options.config))
    program()
    folder = Path(serving.state) if serving else resting()
    become_owner(folder)
    reads = options.list or options.revoke is not None
    store = _open(folder, create=not (serving or reads))
    if serving and not changes:
        https = serving.https
        yield from greeting(store, serving.pairing, serving.host, serving.port, https, https)
    elif settings:
        yield from _resting(store, settings, options.port)
    elif options.list:
        yield from _list(store)
    elif options.revoke is not None:
        yield from _revoke(store, options.revoke, options.with_invited)
    elif options.token is not None:
        yield _token(store, options.token, "view" if options.view else "script")
    elif options.new_identity:
        yield f"The new PIN is {store.new_identity()}, and the new id {store.id}."
        yield "No phone, script or garage is paired any more: all must pair again. The owner's speed cap is kept."
    else:
        everybody = command(f"pair --revoke {EVERYBODY}")
        yield f"The new PIN is {store.new_pin()}. Paired phones and scripts stay paired. To remove them too: {everybody}"


def _resting(store: AccessStore, settings: Config, port: int | None) -> Iterator[str]:
    """Yield the PIN of a car that was not found running; its address only with its port."""
    pairing = pairing_of(settings)
    if port is not None:
        yield from greeting(store, pairing, settings.server.host, port)
    else:
        yield f"\n{_OFF}" if pairing == "off" else f"  PIN    {store.pin}"
        yield f"\n{_not_found(store.path.parent)}"


def _not_found(folder: Path) -> str:
    start = command("serve") if folder == state_directory() else "sudo systemctl start picar"
    return (
        f"No running picar was found, so its address is not known. To start it: {start}\n"
        f"If it runs, name its port: {command('pair --port N')}"
    )


def _open(folder: Path, create: bool) -> AccessStore:
    try:
        return AccessStore(folder, create=create, board=board())
    except AccessError as error:
        if "ermission" not in str(error):
            raise
        place = f"The PIN of this machine's car is in {folder}, which only another user may read."
        raise AccessError(f"{place} Use sudo: {command('pair', sudo=True)}") from None


def _list(store: AccessStore) -> Iterator[str]:
    if not store.paired:
        yield "No phone or script is paired."
    for one in store.paired:
        yield f"  {one.kind:<7} {one.name}{_origin(store, one)}"
    for name in store.strange:
        yield f"  {'unknown':<7} {name if is_printable(name) else repr(name)}  (of another version of picar; gives no access)"


def _origin(store: AccessStore, one: Paired) -> str:
    """Return how an entry was paired, if the list records it."""
    if one.by in _ORIGINS:
        return _ORIGINS[one.by]
    inviters = [other.name for other in store.paired if other.id == one.by]
    return f"  (invited by {inviters[0] if inviters else 'a phone that was removed'})"


def _revoke(store: AccessStore, name: str, with_invited: bool) -> Iterator[str]:
    removed, invited = store.revoke(None if name == EVERYBODY else name, with_invited)
    if not removed and name != EVERYBODY:
        raise AccessError(
            f"The list has no {name!r}. All invitations have ended, and phones that paired within the last minute are "
            f"removed. See: {command('pair --list')}"
        )
    names = ", ".join(name if is_printable(name) else repr(name) for name in removed)
    yield f"Removed: {len(removed)}{f' ({names})' if names else ''}. Their connections close within a second."
    yield "All invitations have ended: earlier QR codes pair no phone."
    if invited:
        yield f"The phones that {name} invited are still paired. To remove them too:"
        yield from (f"  {command(f'pair --revoke {shlex.quote(one)}')}" for one in invited)
    yield f"A person with the PIN can pair again. To change the PIN too: {command('pair --new-pin')}"


def _token(store: AccessStore, name: str, kind: Kind) -> str:
    if not name or name != tidy_name(name):
        limits = f"1 to {NAME_CHARACTERS} printable characters, and at most {NAME_BYTES} bytes"
        raise AccessError(f"{name!r} cannot be the name of a script. A name has {limits}.")
    if any(look_alike(one.name) == look_alike(name) for one in store.paired):
        free = command(f"pair --revoke {shlex.quote(name)}")
        raise AccessError(
            f"The list has {name!r} already, or a name that looks the same. Take another name, or: {free}"
        )
    return store.credential(store.pair(name, kind))


def drawing(text: str) -> list[str]:
    """Return the lines of a QR code for this terminal; empty if it can show none."""
    from picar.network import qr

    try:
        "█▀▄".encode(sys.stdout.encoding or "ascii")
        lines = list(qr.qr_code(text))
    except UnicodeEncodeError:
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        import shutil

        columns = shutil.get_terminal_size().columns if colours else 0
        lines = qr.qr_code_in_colours(text, columns - 2)
    return ["  " + line for line in lines] + [""] * bool(lines)
