"""The battery meters that picar reads: their addresses and ranges, and the checks of the section `[battery]`.

Sources: the data sheets TI SBOS448 (INA219), SBOS547 (INA226) and SBAS444 (ADS1115), Maxim 19-6171 (MAX17048).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from picar.config import BatteryConfig, Config
from picar.wires import wires_of

FULL_CELL_V = {"li-ion": 4.2, "nimh": 1.5, "alkaline": 1.6}


class Meter(NamedTuple):
    """One chip: its addresses, the default first, and the highest voltage at its input."""

    addresses: range
    most_v: float


METERS = {
    "ina219": Meter(range(0x40, 0x50), 26.0),
    "ina226": Meter(range(0x40, 0x50), 36.0),
    "ads1115": Meter(range(0x48, 0x4C), 3.3),  # its supply; the highest value that it reads is 4.096 V
    "max17048": Meter(range(0x36, 0x37), 5.0),
}


def address_of(battery: BatteryConfig) -> int:
    """Return the I2C address of the meter."""
    return battery.address or METERS[battery.source].addresses.start


def problems(config: Config) -> Iterator[str]:
    """Return the problems of the section `[battery]`."""
    battery = config.battery
    if battery.source == "none":
        if battery.shutdown:
            yield "[battery] shutdown = true has no use without a meter. Set source, or delete the option."
        return
    yield from (f"[battery] {problem}" for problem in _of_battery(battery))
    yield from (f"[battery] {problem}" for problem in _of_bus(config, battery))


def _of_battery(battery: BatteryConfig) -> Iterable[str]:
    if battery.chemistry == "power-bank":
        yield (
            'chemistry = "power-bank": its 5 V do not show its charge. Set source = "none"; picar still shows low voltage of the '
            "Pi."
        )
        return
    if battery.source == "max17048" and (battery.cells > 1 or battery.divider != 1.0):
        yield 'source = "max17048" measures one cell, without a divider. Set cells = 1 and divider = 1.'
        return
    cells, most_v = battery.cells, METERS[battery.source].most_v
    full_v = cells * FULL_CELL_V[battery.chemistry]
    if full_v / battery.divider > most_v:
        yield (
            f"divider = {battery.divider:g}: {cells} cells reach {full_v:.1f} V, and the {battery.source} takes {most_v:g} V at "
            f"most. Wire a divider of at least {full_v / most_v:.2f}, and set it here; docs/battery.md."
        )
    if battery.channel and battery.source != "ads1115":
        yield f"channel = {battery.channel} is for the ads1115. Delete the option."
    if battery.shutdown and battery.chemistry != "li-ion":
        yield f'shutdown = true is for chemistry = "li-ion": a low voltage does not destroy {battery.chemistry} cells. Delete it.'
    if battery.shutdown and not cells:
        yield "shutdown = true needs the number of cells. Set cells."


def _of_bus(config: Config, battery: BatteryConfig) -> Iterable[str]:
    addresses, address = METERS[battery.source].addresses, address_of(battery)
    if address not in addresses:
        yield (
            f"address = 0x{address:02x} is no address of the {battery.source}, which has 0x{addresses[0]:02x} to "
            f"0x{addresses[-1]:02x}. Change it, or delete it for 0x{addresses[0]:02x}."
        )
    wires = wires_of(config)
    if wires.chip and wires.chip.bus == battery.bus:
        if wires.chip.address == address:
            yield f"address = 0x{address:02x} is that of the PCA9685. Give one of the two another address."
        if wires.keeps_driving:
            yield (
                f"bus = {battery.bus} is the bus of the PCA9685, and OE has no wire: a meter on this bus could delay a stop. "
                "Wire OE and set oe under [board], or use another bus."
            )
    sda = 2 * battery.bus  # of bus 0 and 1
    for each in dict.fromkeys((*wires.terminals, *wires.extras, *wires.servos, *wires.inputs)):
        if battery.bus < 2 and each.pin in (sda, sda + 1):
            yield (
                f"bus = {battery.bus} is on GPIO {sda} and {sda + 1}, but [{each.section}] {each.key} = {each.pin}. "
                "Use another pin there."
            )
