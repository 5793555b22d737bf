"""The MQTT brokers of the campaign: a good one, and those with a fault of their own. Real Mosquittos."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from picar.fleet.broker import hashed
from picar.network import tls
from tests.faults.disk import Disk
from tests.support.mosquitto import Mosquitto

GOOD, FULL, PASSWORD, EXPIRED = "good", "full", "password", "expired"
SAVES = "persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n"
YEARS_S = 4 * 366 * tls.DAY_S


class Fleet(NamedTuple):
    """A broker, and the section [mqtt] of a car that shall use it."""

    broker: Mosquitto
    config: str


@contextlib.asynccontextmanager
async def broker_for(kind: str, folder: Path, disk: Disk | None) -> AsyncIterator[Fleet]:
    """Start a broker.

    Args:
        kind: `GOOD`; `FULL`, it saves each message onto `disk`; `PASSWORD`, it knows another one; `EXPIRED`, its certificate is too old.
        folder: for its files.
        disk: for `FULL`.
    """
    settings, scheme, config = "allow_anonymous true\n", "mqtt", ""
    if kind == FULL:
        assert disk
        settings += SAVES.format(disk.folder)
    if kind == PASSWORD:
        users, password = folder / "passwd", folder / "password"
        users.write_text(f"car:{hashed('right', b'salt')}\n")
        password.write_text("wrong")
        settings = f"allow_anonymous false\npassword_file {users}\n"
        config = f'user = "car"\npassword_file = "{password}"\n'
    if kind == EXPIRED:
        tls.ensure(folder / tls.FOLDER, ["127.0.0.1"], time.time() - YEARS_S)
        leaf, ca = folder / tls.FOLDER / tls.LEAF, folder / tls.FOLDER / tls.CA
        settings += f"listener {{port}} 127.0.0.1\ncertfile {leaf}\nkeyfile {leaf}\n"
        scheme, config = "mqtts", f'ca = "{ca}"\n'
    broker = Mosquitto(folder, settings)
    async with broker:
        yield Fleet(broker, f'[mqtt]\nurl = "{scheme}://127.0.0.1:{broker.port}"\n{config}')


@functools.cache
def obstacle() -> str:
    """Return why there is no broker here, empty where there is."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    if not shutil.which("mosquitto", path=path) or not importlib.util.find_spec("aiomqtt"):
        return "it needs Mosquitto and aiomqtt"
    return ""
