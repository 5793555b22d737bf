"""The table of facts about the machine that carries the car, and the reading of all of them.

To add a fact, write a function that reads it, and add one row to `FACTS`. The facts of the battery come from `battery.py` and
`core/battery.py`, and are unknown here. Tests compare the table with the schema in
`web/api/openapi.json`, the page's table `static/js/hud/bar.js`, and the documents.

Law: a value that is unknown or out of its range is `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import Any, TypeAlias

from picar.sensors.host import SINCE_BOOT, THROTTLED, Host, wifi_dbm
from picar.values import Value

Facts: TypeAlias = Mapping[str, Any]  # values by name, in the table's order; `None` for unknown


class Fact(Value):
    """One fact.

    Args:
        name: its key in the member `host` of a state.
        kind: bool, int or float.
        read: returns the value after `Host.refresh`.
        unit: as people read it; "" for yes or no.
        device_class: Home Assistant's, of a binary sensor for yes or no; "" without one.
        least: lowest valid value.
        most: highest valid value.
        warn: a warning from this value on.
        bad: worse than a warning from this value on.
        low: whether lower values are worse.
    """

    name: str
    kind: type[float]
    read: Callable[[Host], float | None]
    unit: str = ""
    device_class: str = ""
    least: float = -inf
    most: float = inf
    warn: float | None = None
    bad: float | None = None
    low: bool = False

    def value(self, host: Host) -> float | None:
        """Return the value, or `None` if it is unknown or out of range."""
        value = self.read(host)
        return value if value is not None and self.least <= value <= self.most else None


_EVER_THROTTLED = THROTTLED | THROTTLED << SINCE_BOOT
FACTS = (
    Fact("temperature_c", float, Host.temperature_c, "°C", "temperature", -40, 150, warn=70, bad=80),
    Fact("under_voltage", bool, lambda host: host.under_voltage, "", "problem", bad=True),
    Fact("under_voltage_seen", bool, Host.under_voltage_seen, "", "problem", warn=True),
    Fact("throttled", bool, lambda host: host.has(THROTTLED), "", "problem", bad=True),
    Fact("throttled_seen", bool, lambda host: host.has(_EVER_THROTTLED), "", "problem", warn=True),
    Fact("cpu_percent", int, Host.cpu_percent, "%", "", 0, 100, warn=90),
    Fact(
        "wifi_dbm", int, lambda host: wifi_dbm(host.files), "dBm", "signal_strength", -120, -1, -70, low=True
    ),
    Fact("uptime_s", int, Host.uptime_s, "s", "duration", 0),
    Fact("battery_v", float, lambda _host: None, "V", "voltage", 0),
    Fact("battery_percent", int, lambda _host: None, "%", "battery", 0, 100, warn=20, bad=10, low=True),
)
UNKNOWN: Facts = MappingProxyType(dict.fromkeys(fact.name for fact in FACTS))


def read_facts(host: Host) -> Facts:
    """Return the facts now; `cpu_percent` is the load since the last reading."""
    host.refresh()
    return {fact.name: fact.value(host) for fact in FACTS}
