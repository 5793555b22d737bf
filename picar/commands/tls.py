"""`picar tls`: https with a CA of the car's own, or with a certificate from elsewhere. It writes [tls] of the configuration.

Each action is a function; root writes the configuration first, and then acts as the owner of the state directory.
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from picar import configfile
from picar.access.locations import become_owner, resting, running
from picar.errors import TlsError
from picar.files import folder_in_memory
from picar.network import addresses, tls
from picar.program import command

_CHANGED = "It takes effect at the next start: sudo systemctl restart picar (or start picar again by hand)."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = "the car's configuration; default as for serve"
    parser.add_argument("--config", metavar="FILE", help=about)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    parsers = {}
    for name, action in _ACTIONS.items():
        parsers[name] = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        parsers[name].add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=about)
    parsers["init"].add_argument("--host", metavar="NAME", action="append", help="a further name")
    parsers["init"].add_argument("--port", metavar="N", type=int, help="TCP port; default 8443")
    parsers["use"].add_argument("cert", type=Path, help="PEM file with the certificate and those above it")
    parsers["use"].add_argument("key", type=Path, help="PEM file with its key")


def run(options: argparse.Namespace) -> int:
    """Set up https: init, status, renew, phone, remove, use."""
    car = _Car(options)
    print(*_ACTIONS[options.action](car), sep="\n")
    return 0


class _Car:
    """The car of the command: its configuration, its state directory, and its server, if it runs."""

    def __init__(self, options: argparse.Namespace) -> None:
        import tempfile  # noqa: F401 - the owner of the state may not be able to read Python's files

        from picar.network import qr  # noqa: F401

        self.options = options
        found = configfile.find_file(options.config)
        self.path, settings = found or configfile.SYSTEM_FILE, configfile.load(found)
        self.server, self.tls, self.serving = settings.server, settings.tls, running(folder_in_memory())
        self.state = Path(self.serving.state) if self.serving else resting()
        self.folder = self.state / "tls"
        if options.action in ("renew", "phone") and self.tls.mode != "own":
            raise TlsError("no_ca", f"The car has no CA of its own. First: {command('tls init', sudo=True)}")

    def configure(self, **values: Any) -> None:
        """Write options of the section [tls]; raises FileError."""
        self.tls = configfile.write_options(self.path, "tls", values).tls

    def renew(self) -> Iterator[str]:
        """Make another certificate, and describe it."""
        become_owner(self.state)
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = (address for _, address in addresses.interfaces())
        names = tls.names_of(socket.gethostname(), present, self.tls.hosts)
        tls.ensure(self.folder, names, tls.today(self.state), renew=True)
        return self.status()

    def status(self) -> Iterator[str]:
        """Describe the certificate."""
        yield f"  mode     {self.tls.mode}" + f", port {self.tls.port}" * (self.tls.mode != "off")
        if self.tls.mode == "files":
            tls.context_of(Path(self.tls.cert), Path(self.tls.key))
            yield f"  files    {self.tls.cert}, {self.tls.key}"
        leaf, ca = tls.leaf(self.folder), tls.ca_certificate(self.folder)
        if self.tls.mode == "own" and leaf and ca:
            trusted = tls.clock_is_trusted()
            yield f"  names    {', '.join(leaf.names)}"
            yield f"  valid    {tls.date_of(leaf.start)} to {tls.date_of(leaf.end)}"
            yield f"  clock    {'is set' if trusted else 'was not set by the network; the dates allow for that'}"
            yield f"  SHA-256  {tls.fingerprint(ca)}"
        elif self.tls.mode == "own":
            yield "  There is no certificate yet: picar makes it at its start."


def _init(car: _Car) -> Iterator[str]:
    """Make the car's own CA and certificate, and switch https on."""
    hosts = tuple(car.options.host or car.tls.hosts)
    tls.names_of("", [], hosts)
    port = car.tls.port if car.options.port is None else car.options.port
    car.configure(mode="own", port=port, hosts=hosts)
    yield from car.renew()
    yield f"{_CHANGED} Then install the CA on each phone: {command('tls phone', sudo=True)}"


def _status(car: _Car) -> Iterator[str]:
    """Show the certificate, its dates, and the fingerprint of the CA."""
    become_owner(car.state)
    return car.status()


def _renew(car: _Car) -> Iterator[str]:
    """Make another certificate now; the phones keep their trust."""
    return car.renew()


def _phone(car: _Car) -> Iterator[str]:
    """Hand out the CA for 15 minutes: show the address and the QR code of the page with the steps."""
    from picar.commands.pair import drawing

    become_owner(car.state)
    ca = tls.ca_certificate(car.folder)
    if ca is None:
        raise TlsError("no_ca", f"There is no CA yet. Make it: {command('tls renew', sudo=True)}")
    tls.open_for_phones(car.folder, time.monotonic())
    port = car.serving.port if car.serving else car.server.port
    address = addresses.for_a_phone(car.server.host, addresses.interfaces())
    url = f"{addresses.url(address or '127.0.0.1', port)}/help/https"
    yield f"For 15 minutes the car hands out its CA. On the phone, scan this or open {url}\n"
    yield from drawing(url)
    yield "The page shows these digits too. Install the CA only if they are the same:"
    yield f"  SHA-256  {tls.fingerprint(ca)}"


def _remove(car: _Car) -> Iterator[str]:
    """Switch https off, and delete the CA and its certificate."""
    import shutil

    car.configure(mode="off")
    become_owner(car.state)
    shutil.rmtree(car.folder, ignore_errors=True)
    yield f"https is off, and the car's CA is deleted. Remove the CA from the phones too. {_CHANGED}"


def _use(car: _Car) -> Iterator[str]:
    """Use a certificate from elsewhere, for example of `tailscale cert`; changed files are read again."""
    cert, key = car.options.cert.absolute(), car.options.key.absolute()
    if os.geteuid() == 0 and car.state.exists():
        os.seteuid(car.state.stat().st_uid)  # the server could not read root's files
    try:
        tls.context_of(cert, key)
    finally:
        os.seteuid(os.getuid())
    car.configure(mode="files", cert=str(cert), key=str(key))
    yield from car.status()
    yield _CHANGED


_ACTIONS = {one.__name__[1:]: one for one in (_init, _status, _renew, _phone, _remove, _use)}
