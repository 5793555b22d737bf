"""`picar garage`: many cars. `broker-files` makes the files of an MQTT broker for them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from picar.program import command


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    about = _broker_files.__doc__
    files = actions.add_parser("broker-files", help=about, description=about)
    files.add_argument("folder", metavar="DIR", type=Path, help="a new folder, or the one of last time")
    files.add_argument("--car", metavar="ID", action="append", default=[], help="a car; may be repeated")
    about = "name or address of the broker's machine; may be repeated, the best first; default: this machine"
    files.add_argument("--host", metavar="NAME", action="append", default=[], help=about)


def run(options: argparse.Namespace) -> int:
    """Prepare many cars: broker-files."""
    print(*_broker_files(options), sep="\n")
    return 0


def _broker_files(options: argparse.Namespace) -> Iterator[str]:
    """Make the files of a Mosquitto broker, and one ID.toml for each car; cars can be added later."""
    from picar.fleet import broker
    from picar.network import tls

    made = broker.make(options.folder, options.car, options.host)
    folder, names = shlex.quote(str(options.folder)), ", ".join(made.certificate.names)
    yield f"The files of the broker are in {folder}:"
    yield f"  broker       {made.url}"
    yield f"  certificate  for {names}, valid to {tls.date_of(made.certificate.end)}"
    yield f"  new          {', '.join(made.new) or '-'}"
    yield f"  unchanged    {', '.join(made.kept) or '-'}"
    for name in made.changed:
        yield f"{name} differs from picar's and was kept. To get picar's, move {name} away and repeat the command."
    yield "The folder holds passwords and the key of the CA. Keep it, because later cars need it, and show it to no one."
    yield from _steps_on_the_broker(folder)
    if options.car:
        yield from _steps_on_a_car(folder)
    else:
        again = command(f"garage broker-files {folder} --car ID")
        yield "\nAdd each car by its id, which http://CAR/api/v1/session shows:"
        yield f"  {again}"


def _steps_on_the_broker(folder: str) -> Iterator[str]:
    from picar.fleet.broker import ACL, CONF, LEAF, ON_BROKER, PASSWORDS

    yield "\nOn the machine of the broker (copy the folder there first, if this is another machine):"
    yield "  sudo apt install mosquitto"
    yield f"  cd {folder}"
    yield f"  sudo install -d -o mosquitto -g mosquitto -m 700 {ON_BROKER}"
    yield f"  sudo install -o mosquitto -g mosquitto -m 600 {ACL} {PASSWORDS} {LEAF} {ON_BROKER}"
    yield f"  sudo install -m 644 {CONF} /etc/mosquitto/conf.d/picar.conf"
    yield "  sudo systemctl restart mosquitto"


def _steps_on_a_car(folder: str) -> Iterator[str]:
    from picar.fleet.broker import CA, CAR_CA, CAR_PASSWORD

    yield f"\nFor each car, copy ID.toml, ID.password and {CA} from {folder} to it, and there, with its id for ID:"
    yield f"  sudo install -o picar -m 600 ID.password {CAR_PASSWORD}"
    yield f"  sudo install -m 644 {CA} {CAR_CA}"
    yield "  cat ID.toml | sudo tee -a /etc/picar/picar.toml"
    yield "  rm ID.password"
    yield "Then, in the folder of picar on the car:"
    yield "  sudo scripts/install --mqtt"
    yield "  sudo -u picar picar mqtt --check"
