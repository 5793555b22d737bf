"""Battery meters on i2c-stub, and the lines of a distance sensor on gpio-sim: the kernel's own calls.

The stub keeps words and measures nothing, so a test writes the word that a meter would have. This kernel refuses requests for
edges; tests/obstacle has them with a fake descriptor.
"""

from __future__ import annotations

import pytest

from picar.config import BatteryConfig, MeterName
from picar.errors import BackendError
from picar.motor.ranging.lines import INPUT, OUTPUT, PULL_DOWN, PULL_UP, Line
from picar.sensors.battery import volts_now
from picar.system.i2c import Bus
from tests.gpio_sim.test_i2c_stub import DEVICE
from tests.gpio_sim.test_lgpio import SYSFS
from tests.support.client import Client
from tests.support.product import Product

pytestmark = [
    pytest.mark.gpio_sim,
    pytest.mark.skipif(
        not (SYSFS.exists() and DEVICE.exists()), reason="no i2c-stub; to run this: scripts/test --gpio-sim"
    ),
]
TRIGGER, ECHO, SWITCH = 16, 20, 21
_WRITE, _WORD_DATA = 0, 3  # <linux/i2c.h>


def put_word(address: int, register: int, high: int, low: int) -> None:
    """Give a register the two bytes that a meter sends."""
    bus = Bus(0)
    bus._call(address, _WRITE, register, _WORD_DATA, high, low)
    bus.close()


@pytest.mark.parametrize(
    ("source", "address", "register", "word", "volts"),
    [
        ("ina219", 0x40, 0x02, (0x5D, 0x98), 11.98),  # the example of the data sheet
        ("ina226", 0x40, 0x02, (0x25, 0x70), 11.98),  # so is this
        ("ads1115", 0x48, 0x00, (0x60, 0x00), 3.07),
        ("max17048", 0x36, 0x02, (0xC0, 0x00), 3.84),
    ],
)
def test_a_meter_is_read(
    source: MeterName, address: int, register: int, word: tuple[int, int], volts: float
) -> None:
    put_word(address, register, *word)
    bus = Bus(0)
    assert volts_now(bus, BatteryConfig(source=source, bus=0)) == volts
    bus.close()


def test_a_meter_that_is_missing_is_a_sentence() -> None:
    bus = Bus(0)
    with pytest.raises(BackendError, match="No device answers at 0x41"):
        volts_now(bus, BatteryConfig(source="ina219", bus=0, address=0x41))
    bus.close()


async def test_a_car_shows_the_voltage_of_its_battery() -> None:
    put_word(0x40, 0x02, 0x5D, 0x98)
    config = '[battery]\nsource = "ina219"\nbus = 0\ncells = 3\n'
    async with Product(config=config) as product, Client(product.url) as phone:
        await phone.until(lambda state: state["host"].get("battery_v") == 11.98)


def test_the_line_of_a_trigger_is_an_output_that_begins_low() -> None:
    line, value = Line.claim(TRIGGER, OUTPUT), SYSFS / f"sim_gpio{TRIGGER}/value"
    for level in (0, 1, 0):
        line.set(level)
        assert int(value.read_text()) == level


@pytest.mark.parametrize(("pin", "pull", "level"), [(ECHO, PULL_DOWN, 0), (SWITCH, PULL_UP, 1)])
def test_an_input_has_its_pull_until_something_drives_it(pin: int, pull: int, level: int) -> None:
    line, outside = Line.claim(pin, INPUT | pull), SYSFS / f"sim_gpio{pin}/pull"
    assert line.level() == level
    for word, driven in (("pull-up", 1), ("pull-down", 0)):
        outside.write_text(word)
        assert line.level() == driven


def test_a_line_that_another_claim_has_is_a_sentence() -> None:
    held = Line.claim(12, OUTPUT)
    with pytest.raises(BackendError, match="GPIO 12 is in use by another program"):
        Line.claim(12, INPUT)
    assert held.fileno() >= 0
