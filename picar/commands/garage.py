"""`picar garage`: many cars at once. It serves the garage page; its actions work beside a running page and without one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picar import __version__, configfile
from picar.access.names import tidy_name
from picar.config import Config
from picar.core.lesson import DRIVE, HOLD, MODES, TEXT_BYTES, TEXT_CHARACTERS
from picar.core.shaping import LEAST_SPEED
from picar.errors import FileError, PicarError, missing
from picar.program import command

if TYPE_CHECKING:
    from picar.access.store import AccessStore
    from picar.access.visitor import Pairing
    from picar.garage.garage import Garage
    from picar.garage.orders import Stopped
    from picar.garage.store import GarageStore

LIST_S = 4.0  # a car that hangs is known after 3 s
_ONLY_SOME = "Only the cars in the readable part of the list, and at the broker, are stopped. Stop the others on their own pages."
_COLUMNS = ("number", "name", "id", "presence", "state", "driver", "lesson", "battery_percent", "url")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="TOML file with [garage] and [mqtt]; default as for serve")
    about = "a car that mDNS does not find; may be repeated"
    add("--car", metavar="URL", action="append", default=[], help=about)
    add("--no-mdns", action="store_true", help="look for no cars on the network")
    add("--host", help="address to listen on; default as for serve")
    add("--port", type=int, help="TCP port of the page; default 8100")
    add("--simulate", metavar="N", type=int, help="a class of N simulated cars on this machine")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, (_, about) in _ACTIONS.items():
        add = actions.add_parser(name, help=about, description=about).add_argument
        if name == "list":
            add("--json", action="store_true", help="print the cards as JSON")
        if name in MODES:
            cap = "highest speed, a share of max_speed like 0.6; default: as before"
            add("--cap", type=_share, help=cap)
            add("--text", default="", help="a sentence for the drivers, at most 80 characters")
        if name == "forget":
            add("car", metavar="CAR", help="its id or its name, as list shows it")
        if name == "adopt":
            add("url", metavar="URL", help="address of the car, like blitz.local")
            add("pin", metavar="PIN", help="its PIN; picar pair shows it on the car")
    about = _broker_files.__doc__ or ""
    files = actions.add_parser("broker-files", help=about, description=about)
    files.add_argument("folder", metavar="DIR", type=Path, help="a new folder, or the one of last time")
    files.add_argument("--car", metavar="ID", action="append", default=[], help="a car; may be repeated")
    about = "name or address of the broker's machine; may be repeated, the best first; default: this machine"
    files.add_argument("--host", metavar="NAME", action="append", default=[], help=about)


def run(options: argparse.Namespace) -> int:
    """Serve the garage page, which shows and stops many cars; or do one action."""
    if options.action == "broker-files":
        print(*_broker_files(options), sep="\n")
        return 0
    flags = {("server", "host"): options.host, ("garage", "port"): options.port}
    settings = configfile.load(configfile.find_file(options.config), flags=flags)
    cars = (*settings.garage.cars, *options.car)
    settings = settings.having("garage", cars=cars, mdns=settings.garage.mdns and not options.no_mdns)
    if options.action is None:
        return _serve(settings, options)
    return asyncio.run(_act(settings, options))


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if LEAST_SPEED <= (cap := float(text)) <= 1.0:
            return cap
    raise argparse.ArgumentTypeError(f"use a number from {LEAST_SPEED:g} to 1")


def _serve(settings: Config, options: argparse.Namespace) -> int:
    from picar.client import connection, discovery
    from picar.commands import pair
    from picar.garage.store import GarageStore, folder
    from picar.web.garage import serve

    end = "The cars drive on, and a hold stays."

    def greet(access: AccessStore, pairing: Pairing, port: int) -> None:
        print(f"picar garage {__version__}")
        again = "for a new one, use Add a phone on the page."
        print(*pair.greeting(access, pairing, settings.server.host, port, again=again), sep="\n")
        print(f"Ctrl-C ends the garage. {end}", flush=True)

    if options.simulate is not None:
        from picar.garage.simulate import Simulated

        end = "The simulated cars end too."
        with Simulated(options.simulate, settings.server.host) as simulated:
            print(simulated.sentence)
            return serve(settings.having("garage", cars=(), mdns=False), simulated.folder, greet)
    for address in settings.garage.cars:
        connection.page_of(address)  # raises for one that is malformed
    knows_cars = settings.garage.cars or settings.mqtt.url or GarageStore(folder()).cars
    if settings.garage.mdns and not (discovery.is_possible() or knows_cars):
        raise missing("zeroconf")
    return serve(settings, folder(), greet)


async def _act(settings: Config, options: argparse.Namespace) -> int:
    """Do an action with a garage that lives only for it."""
    from picar.garage.store import GarageStore, folder

    try:
        store = GarageStore(folder())
    except FileError as error:
        if options.action != "stop":
            raise
        return await _stop_anyway(settings, options, error)
    return await _act_with(store, settings, options)


async def _act_with(store: GarageStore, settings: Config, options: argparse.Namespace) -> int:
    from picar.garage.garage import Garage

    garage = Garage(settings, store, beside=True)
    living = asyncio.create_task(garage.run())
    code = 1
    try:
        code = await _ACTIONS[options.action][0](garage, options)
    finally:
        if sentence := await garage.saved():
            print(f"picar: {sentence}", file=sys.stderr)
            code = 1
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
    return code


async def _list(garage: Garage, options: argparse.Namespace) -> int:
    from picar.garage import orders

    def cards() -> list[dict[str, Any]]:
        return garage.cards.fields(time.monotonic())

    def is_known() -> bool:
        return not garage.mdns and all(card["paths"] or card["problem"] for card in cards())

    await orders.until(garage, is_known, LIST_S)
    found = sorted(cards(), key=lambda card: (card["number"] or 0, card["id"]))
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    if not found:
        raise PicarError(f"No car is adopted or found. Adopt each car: {command('garage adopt URL PIN')}")
    shown = ([card[name] for name in _COLUMNS] for card in found)
    rows = [_COLUMNS, *(["-" if one is None else str(one) for one in row] for row in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    for card in found:
        if card["problem"]:
            print(f"{card['name'] or card['id']}: {card['problem']['message']}")
    return 0


async def _stop(garage: Garage, _options: argparse.Namespace) -> int:
    from picar.garage import orders

    return _report_stop(await orders.stop(garage))


async def _stop_anyway(settings: Config, options: argparse.Namespace, error: FileError) -> int:
    """Stop cars although garage.json cannot be read; raises FileError if no car can be reached. Returns the exit code."""
    from picar.garage import orders
    from picar.garage.store import GarageStore, folder

    if stopped := await orders.ask(folder()):
        print(f"picar: {error} The garage that runs on this machine was asked instead.", file=sys.stderr)
        _report_stop(stopped)
        return 1
    store = GarageStore(folder(), damaged=True)
    if not (store.cars or settings.mqtt.url):
        raise FileError(f"No car was stopped: stop each car on its own page. {error}")
    print(f"picar: {_ONLY_SOME}", file=sys.stderr)
    await _act_with(store, settings, options)  # it reports the file too, since the hold cannot be saved
    return 1


async def _teach(garage: Garage, options: argparse.Namespace) -> int:
    from picar.garage import orders

    cap = garage.lesson.cap if options.cap is None else options.cap
    text = tidy_name(options.text, TEXT_CHARACTERS, TEXT_BYTES)
    garage.put_lesson(options.action, cap, text, garage.settings.garage.name)
    await orders.until(garage, lambda: not garage.untaught())
    done = "are held" if options.action == HOLD else "may drive"
    speed = f", with at most {cap:.0%} of their speed" if cap < 1.0 else ""
    late = orders.names(garage, garage.untaught())
    return _report(len(garage.cards.ours()), late, f"{done}{speed}")


async def _adopt(garage: Garage, options: argparse.Namespace) -> int:
    before = dict(garage.store.cars)
    car = await garage.adopt(options.url, options.pin)
    adopted = garage.store.cars[car]
    again = " already" if car in before and before[car].token == adopted.token else ""
    print(f"{adopted.name} ({car}) is adopted{again}.")
    return 0


async def _forget(garage: Garage, options: argparse.Namespace) -> int:
    cars = [car for car, one in garage.store.cars.items() if options.car in (car, one.name)]
    if len(cars) != 1:
        raise PicarError(f"{options.car} is not the id or the name of one car. See: {command('garage list')}")
    await garage.forget(cars[0])
    print(f"{options.car} is no longer in the garage.")
    return 0


_ACTIONS: dict[str, tuple[Callable[[Garage, argparse.Namespace], Awaitable[int]], str]] = {
    "list": (_list, "List the cars that are adopted or found."),
    "stop": (_stop, "Stop and hold all cars; exit code 1 if a car has not answered within 2 s."),
    HOLD: (_teach, "Hold all cars: they come to rest smoothly, and nobody can drive."),
    DRIVE: (_teach, "Let all cars drive again."),
    "adopt": (_adopt, "Pair the garage with a car by its PIN."),
    "forget": (_forget, "Remove a car. On the car, picar pair --revoke ends the garage's access."),
}


def _report_stop(found: Stopped) -> int:
    return _report(found.of, found.late, f"have stopped ({found.after_s:.1f} s)")


def _report(cars: int, late: list[str], done: str) -> int:
    """Print how many cars have answered, and the names of the others. Returns the exit code."""
    if not cars:
        raise PicarError(f"No car is adopted. Adopt each car: {command('garage adopt URL PIN')}")
    print(f"{cars - len(late)} of {cars} cars {done}.", flush=True)
    if late:
        print(f"picar: no answer from {', '.join(late)}. Look at these cars.", file=sys.stderr)
    return int(bool(late))


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
