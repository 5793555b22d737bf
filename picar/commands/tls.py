"""`picar tls`: https with a CA of the car's own, or with a certificate from elsewhere. It writes [tls] of the configuration.

Each action is a function that returns the lines to print; root writes the configuration first, and then acts as the owner of
the state directory.
"""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from picar import configfile
from picar.access.locations import Serving, become_owner, resting, running
from picar.config import Config
from picar.errors import TlsError
from picar.files import folder_in_memory
from picar.network import addresses, tls
from picar.program import command

_CHANGED = "It takes effect at the next start: sudo systemctl restart picar (or start picar again by hand)."


class _Car(NamedTuple):
    """The car of the command: its configuration and the file of that, its server if it runs, and its state directory."""

    settings: Config
    file: Path
    serving: Serving | None
    state: Path

    @property
    def folder(self) -> Path:
        """The folder of the certificates."""
        return self.state / tls.FOLDER

    def with_options(self, **values: Any) -> _Car:
        """Write options of the section [tls]; raises FileError."""
        return self._replace(settings=configfile.write_options(self.file, "tls", values))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = "the car's configuration; default as for serve"
    parser.add_argument("--config", metavar="FILE", help=about)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        one = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=about)
        if action is _init:
            one.add_argument("--host", metavar="NAME", action="append", help="another name of the car")
            one.add_argument("--port", metavar="N", type=int, help="TCP port; default 8443")
        if action is _use:
            one.add_argument("cert", type=Path, help="PEM file with the certificate and its chain")
            one.add_argument("key", type=Path, help="PEM file with its key")


def run(options: argparse.Namespace) -> int:
    """Set up https: init, status, renew, phone, remove, use."""
    import tempfile  # noqa: F401 - the owner of the state may not be able to read Python's files

    from picar.network import qr  # noqa: F401

    found, serving = configfile.find_file(options.config), running(folder_in_memory())
    state = Path(serving.state) if serving else resting()
    car = _Car(configfile.load(found), found or configfile.SYSTEM_FILE, serving, state)
    print(*_ACTIONS[options.action](car, options), sep="\n")
    return 0


def _init(car: _Car, options: argparse.Namespace) -> Iterator[str]:
    """Make the car's own CA and certificate, and switch https on."""
    hosts = tls.local_names(options.host or car.settings.tls.hosts)
    port = car.settings.tls.port if options.port is None else options.port
    yield from _renew(car.with_options(mode="own", port=port, hosts=hosts), options)
    yield f"{_CHANGED} Then install the CA on each phone: {_line('phone', options)}"


def _status(car: _Car, _options: argparse.Namespace) -> Iterator[str]:
    """Show the certificate, its dates, and the fingerprint of the CA."""
    become_owner(car.state)
    chosen, leaf, ca = car.settings.tls, tls.leaf(car.folder), tls.ca_certificate(car.folder)
    yield f"  mode     {chosen.mode}" + f", port {chosen.port}" * (chosen.mode != "off")
    if chosen.mode == "files":
        tls.load_certificate(Path(chosen.cert), Path(chosen.key))
        yield f"  files    {chosen.cert}, {chosen.key}"
    elif chosen.mode == "own" and leaf and ca:
        trusted = tls.clock_is_trusted()
        yield f"  names    {', '.join(leaf.names)}"
        yield f"  valid    {tls.date_of(leaf.start)} to {tls.date_of(leaf.end)}"
        yield f"  clock    {'is set' if trusted else 'was not set by the network; the dates allow for that'}"
        yield f"  SHA-256  {tls.fingerprint(ca)}"
    elif chosen.mode == "own":
        yield "  There is no certificate yet: picar makes it at its start."


def _renew(car: _Car, options: argparse.Namespace) -> Iterator[str]:
    """Make another certificate now; the phones keep their trust."""
    _check_own(car, options)
    become_owner(car.state)
    car.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    tls.ensure(car.folder, tls.names_of(car.settings), tls.today(car.state), renew=True)
    return _status(car, options)


def _phone(car: _Car, options: argparse.Namespace) -> Iterator[str]:
    """Hand out the CA for 15 minutes: show the address and the QR code of the page with the steps."""
    from picar.commands.pair import drawing

    _check_own(car, options)
    become_owner(car.state)
    ca = tls.ca_certificate(car.folder)
    if ca is None:
        raise TlsError("no_ca", f"There is no CA yet. Make it: {_line('renew', options)}")
    tls.open_for_phones(car.folder, time.monotonic())
    port = car.serving.port if car.serving else car.settings.server.port
    address = addresses.for_a_phone(car.settings.server.host, addresses.interfaces())
    url = f"{addresses.url(address or '127.0.0.1', port)}/help/https"
    yield f"For 15 minutes the car hands out its CA. On the phone, scan this or open {url}\n"
    yield from drawing(url)
    yield "The page shows these digits too. Install the CA only if they are the same:"
    yield f"  SHA-256  {tls.fingerprint(ca)}"


def _remove(car: _Car, _options: argparse.Namespace) -> Iterator[str]:
    """Switch https off, and delete the CA and its certificate."""
    import shutil

    car.with_options(mode="off")
    become_owner(car.state)
    shutil.rmtree(car.folder, ignore_errors=True)
    yield f"https is off, and the car's CA is deleted. Remove the CA from the phones too. {_CHANGED}"


def _use(car: _Car, options: argparse.Namespace) -> Iterator[str]:
    """Use a certificate from elsewhere, for example of `tailscale cert`; changed files are read again."""
    cert, key = options.cert.absolute(), options.key.absolute()
    if os.geteuid() == 0 and car.state.exists():
        os.seteuid(car.state.stat().st_uid)  # the server could not read root's files
    try:
        tls.load_certificate(cert, key)
    finally:
        os.seteuid(os.getuid())
    yield from _status(car.with_options(mode="files", cert=str(cert), key=str(key)), options)
    yield _CHANGED


def _check_own(car: _Car, options: argparse.Namespace) -> None:
    if car.settings.tls.mode != "own":
        raise TlsError("no_ca", f"The car has no CA of its own. First: {_line('init', options)}")


def _line(action: str, options: argparse.Namespace) -> str:
    """Return the command line of an action for this car; only the service's configuration needs root."""
    given = f" --config {shlex.quote(options.config)}" if options.config else ""
    return command(f"tls {action}{given}", sudo=not given)


_ACTIONS = {one.__name__[1:]: one for one in (_init, _status, _renew, _phone, _remove, _use)}
