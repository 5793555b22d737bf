"""The meters of a battery, on a fake bus: their registers, and a meter that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.config import BatteryConfig
from picar.errors import BackendError
from picar.meters import METERS, address_of
from picar.sensors.battery import FAILURES, RETRY_S, UNREAD, BatteryReader, volts_now
from picar.system.i2c import Bus
from tests.fakes.i2c_chip import I2cBus

on = pytest.mark.parametrize


@pytest.fixture
def wires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> I2cBus:
    bus = I2cBus(tmp_path)
    bus.install(monkeypatch.setattr)
    return bus


def configured(source: str, **more: object) -> BatteryConfig:
    return BatteryConfig(source=source, **more)  # type: ignore[arg-type]


# 11.98 V is the example in the data sheets of the INA219 and the INA226; the others follow from the size of a step.
@on(
    ("source", "register", "word", "volts"),
    [
        ("ina219", 0x02, 0x5D98, 11.98),
        ("ina219", 0x02, 0x5D9A, 11.98),  # with its flag for a finished measurement
        ("ina226", 0x02, 0x2570, 11.98),
        ("ads1115", 0x00, 0x4000, 2.05),
        ("ads1115", 0x00, 0xFFFE, 0.0),
        ("max17048", 0x02, 0xA410, 3.28),
    ],
)
def test_a_word_of_the_data_sheet(wires: I2cBus, source: str, register: int, word: int, volts: float) -> None:
    battery = configured(source)
    meter = wires.meter(METERS[source].addresses[0])
    meter.measure(source, 0.0)
    meter.write(register, [word >> 8, word & 0xFF])
    assert volts_now(Bus(1), battery) == volts


@on("source", sorted(METERS))
def test_the_divider_counts_and_only_an_ads1115_is_written(wires: I2cBus, source: str) -> None:
    battery = configured(source, divider=2.0, address=0)
    wires.meter(address_of(battery)).measure(source, 2.0)
    assert volts_now(Bus(1), battery) == pytest.approx(4.0, abs=0.01)
    writes = [t.values for t in wires.transactions if t.op == "write"]
    assert writes == ([(0xC3, 0x83)] if source == "ads1115" else [])


@on(("channel", "high"), [(0, 0xC3), (1, 0xD3), (2, 0xE3), (3, 0xF3)])
def test_the_channel_of_an_ads1115(wires: I2cBus, channel: int, high: int) -> None:
    wires.meter(0x49).measure("ads1115", 1.0)
    volts_now(Bus(1), configured("ads1115", address=0x49, channel=channel))
    assert wires.transactions[0].values == (high, 0x83)


def test_a_meter_that_fails_keeps_its_value_twice_then_is_unknown_and_is_tried_every_thirty_seconds(
    wires: I2cBus, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    reader = BatteryReader(configured("ina219"), lambda: now[0])
    meter = wires.meter(0x40)
    meter.measure("ina219", 7.4)
    good = reader.read()
    assert good.volts == 7.4
    meter.disconnect()
    assert [reader.read() for _ in range(FAILURES - 1)] == [good] * (FAILURES - 1)
    assert reader.read() is UNREAD
    meter.measure("ina219", 7.2)
    tried = len(wires.transactions)
    now[0] += RETRY_S - 0.1
    assert reader.read() is UNREAD
    assert len(wires.transactions) == tried
    meter.disconnect()
    now[0] += 0.1
    assert reader.read() is UNREAD
    meter.measure("ina219", 7.2)
    now[0] += RETRY_S
    assert reader.read().volts == 7.2
    assert [record.message.partition(" No device")[0] for record in caplog.records] == [
        "the battery is unknown; the car drives on."
    ]


def test_a_machine_without_i2c_names_the_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    I2cBus(tmp_path, 1).install(monkeypatch.setattr)
    with pytest.raises(BackendError, match=r"Set bus under \[battery\]"):
        Bus(3, "battery")
    assert BatteryReader(configured("ina219", bus=3)).read() is UNREAD
