"""Home Assistant's core with its MQTT integration alone, without its web server; it runs in Home Assistant's Python.

The first line of standard input is the data of the integration. Then each line is a request: `["states"]`, or
`["call", DOMAIN, SERVICE, DATA]`. Each request has one line of answer, which begins with `ANSWER `.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from homeassistant import bootstrap, loader
from homeassistant.components.mqtt.const import CONFIG_ENTRY_MINOR_VERSION, CONFIG_ENTRY_VERSION
from homeassistant.config_entries import ConfigEntries, ConfigEntry
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry
from homeassistant.setup import async_setup_component


class Complaints(logging.Handler):
    """Keep the warnings of the MQTT integration."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage() + (repr(record.exc_info[1]) if record.exc_info else ""))


async def started(folder: str, data: dict[str, Any]) -> HomeAssistant:
    """Start the core, and connect it with the broker."""
    Path(folder, "configuration.yaml").write_text("{}\n")  # noqa: ASYNC240 - nothing else runs yet
    home = HomeAssistant(folder)
    home.config.skip_pip = True
    home.config_entries = ConfigEntries(home, {})
    loader.async_setup(home)
    await loader.async_get_custom_components(home)
    await bootstrap.async_load_base_functionality(home)
    assert await async_setup_component(home, "homeassistant", {})
    home.config.components |= {"http", "file_upload", "websocket_api"}  # its web server takes no part
    entry = ConfigEntry(
        data=data, discovery_keys=MappingProxyType({}), domain="mqtt", minor_version=CONFIG_ENTRY_MINOR_VERSION,
        options={}, source="user", subentries_data=(), title="MQTT", unique_id=None, version=CONFIG_ENTRY_VERSION,
    )  # fmt: skip
    await home.config_entries.async_add(entry)
    await home.async_start()
    return home


def states(home: HomeAssistant, complaints: list[str]) -> dict[str, Any]:
    """Return entities, devices and warnings."""
    devices = device_registry.async_get(home).devices.values()
    return {
        "version": __version__,
        "states": {one.entity_id: {"state": one.state, **one.attributes} for one in home.states.async_all()},
        "devices": [[one.name, one.configuration_url, one.sw_version] for one in devices],
        "complaints": complaints,
    }


async def main() -> None:
    complaints = Complaints()
    logging.getLogger("homeassistant.components.mqtt").addHandler(complaints)
    data = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory() as folder:
        home = await started(folder, data)
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            if request[0] == "call":
                await home.services.async_call(*request[1:], blocking=True)
            await home.async_block_till_done()
            print("ANSWER", json.dumps(states(home, complaints.lines), default=str), flush=True)
        await home.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
