"""`picar mqtt`: the process that connects the car with an MQTT broker; `--check` tests the connection and the broker's rules."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from picar import configfile
from picar.access.locations import running
from picar.config import Config
from picar.errors import AccessError, UsageError, missing
from picar.files import folder_in_memory, read_small
from picar.network import addresses
from picar.program import command
from picar.system import memory

if TYPE_CHECKING:
    from picar.fleet.car import Here

_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd.service(8)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the car's configuration; default as for serve")
    parser.add_argument("--check", action="store_true", help="try each part once, and print what is wrong")


def run(options: argparse.Namespace) -> int:
    """Connect the car with the MQTT broker of the section [mqtt]."""
    settings = configfile.load(configfile.find_file(options.config))
    if not settings.mqtt.url:
        fix = 'Write the broker into picar.toml, under [mqtt]: url = "mqtts://broker.lan"'
        raise UsageError(f"There is no broker: [mqtt] url is empty. {fix}")
    try:
        from picar.fleet import check, mqtt
    except ModuleNotFoundError as error:
        if error.name not in ("aiomqtt", "paho"):
            raise
        raise missing("aiomqtt") from None
    from picar import log

    def find() -> Here:
        return _find(settings)

    if options.check:
        return asyncio.run(check.check(settings.mqtt, find, print))
    log.to_stderr()

    async def live() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        await mqtt.Bridge(settings, find, _SYNCHRONISED.exists).run()

    with contextlib.suppress(asyncio.CancelledError):  # of a signal
        memory.run(live())
    return 0


def _find(settings: Config) -> Here:
    """Return the place of the server that runs on this machine; raises AccessError."""
    from picar.access.bridge import token_file
    from picar.client.connection import Place
    from picar.fleet.car import Here

    serving = running(folder_in_memory())
    if serving is None:
        raise AccessError(f"No running picar was found. Start it: {command('serve')}")
    try:
        token = read_small(token_file())
    except (OSError, ValueError):
        token = ""
    if not token.strip():
        unit = " sudo systemctl restart picar" if Path(serving.state).is_relative_to("/var") else ""
        fix = f"Restart picar with this configuration.{unit}"
        raise AccessError(f"The car has no token for the bridge. {fix}")
    place = Place(addresses.url(addresses.loopback_of(serving.host), serving.port), token, None)
    here = addresses.reachable(serving.host, addresses.interfaces())
    urls = [addresses.url(one, serving.port) for one in here if not addresses.is_loopback(one)]
    https = settings.tls.port if settings.tls.mode != "off" else None
    return Here(place, tuple(urls), https)
