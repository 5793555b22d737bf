"""The meter of the battery: whether it answers, and whether its voltage fits the configured cells."""

from __future__ import annotations

from collections.abc import Iterator

from picar.config import BatteryConfig
from picar.core.battery import CHEMISTRIES, charge_percent
from picar.doctor.machine import Finding, Machine
from picar.doctor.pins import probe
from picar.meters import address_of


def examine(machine: Machine, battery: BatteryConfig) -> Iterator[Finding]:
    """Read the meter once, in a process of its own. A car with a faulty meter can drive."""
    if battery.source == "none":
        return
    what = (battery.source, battery.bus, address_of(battery), battery.channel, battery.divider)
    why, out = probe(machine, "battery", *map(str, what))
    if why:
        message, _, fix = why.partition(". ")
        yield Finding("battery", "warning", message.rstrip("."), fix)
        return
    if not battery.cells:
        yield Finding("battery", "ok", f"{out} V")
        return
    chemistry, cell_v = CHEMISTRIES[battery.chemistry], float(out) / battery.cells
    least, most = chemistry.plausible
    if least <= cell_v <= most:
        percent = charge_percent(chemistry, cell_v)
        yield Finding("battery", "ok", f"{out} V, about {percent} % if the car has stood for a while")
    else:
        message = f"{out} V is {cell_v:.2f} V a cell, which no {battery.chemistry} cell has"
        fix = "measure the battery with a multimeter, and correct divider or cells under [battery]"
        yield Finding("battery", "warning", message, fix)
