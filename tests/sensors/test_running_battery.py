"""The running car with a battery meter: levels, the countdown to switching off, and a meter that fails or hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from picar.core.limits import LOW_SPEED
from picar.sensors.watch import PERIOD_S, STALE_S
from tests.fakes.i2c_chip import BatteryMeter, I2cBus
from tests.faults.hats import HATS, Devices
from tests.motor.kinds_rig import text_of
from tests.support.client import Client
from tests.support.household import Household
from tests.support.logind import FakeLogind
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CONFIG = '[motors]\nmin_duty = 0.0\n[battery]\nsource = "ina219"\ncells = 2\n'
# picar as the service, with shorter times of the battery.
_PICAR = """
import sys
from picar.core import battery
from picar.sensors import watch
from picar.web.api import power
watch.PERIOD_S = 0.2
battery.MEAN_S, battery.HOLD_S, battery.REST_S = 1.0, (0.0, 0.0, 1.0), 0.5
battery.EMPTY_S, battery.COUNTDOWN_S = 2.0, 3.0
power.runs_as_service = lambda: {is_service}
from picar.__main__ import main
sys.exit(main())
"""
PICAR, BY_HAND = ("-c", _PICAR.format(is_service=True)), ("-c", _PICAR.format(is_service=False))


@pytest.fixture
def wires(tmp_path: Path) -> I2cBus:
    folder = tmp_path / "bus"
    folder.mkdir()
    bus = I2cBus(folder)
    bus.meter(0x40).measure("ina219", 7.9)
    return bus


@pytest.fixture
def meter(wires: I2cBus) -> BatteryMeter:
    return wires.meter(0x40)


@pytest.fixture
def logind(tmp_path: Path) -> FakeLogind:
    return FakeLogind(tmp_path / "bin")


def car_with(
    wires: I2cBus,
    config: str = CONFIG,
    program: tuple[str, ...] = PICAR,
    path: Mapping[str, str] | None = None,
) -> Household:
    fakes = str(Path(__file__).parents[1] / "fakes")
    root = str(Path(__file__).parents[2])
    return Household(
        config=config, program=program, env={**wires.env, "PYTHONPATH": f"{fakes}:{root}", **(path or {})}
    )


@pytest.fixture
async def car(wires: I2cBus) -> AsyncIterator[Household]:
    async with car_with(wires) as product:
        yield product
        assert await product.terminate() == 0
        assert product.is_low()
        assert "Traceback" not in product.log()


async def drive(phone: Client) -> None:
    await phone.take()
    phone.hold(1.0)
    await phone.until(lambda s: s["applied"]["left"] > 0.9)


async def test_a_state_has_voltage_and_charge(car: Household, meter: BatteryMeter) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        state = await phone.until(lambda s: s["host"]["battery_percent"] == 80)
        assert state["host"]["battery_v"] == 7.9
        good = {"level": "ok", "plausible": True, "at_rest": True, "off_in_s": None, "may_stay": True}
        assert state["battery"] == good
        await drive(phone)
        state = await phone.until(lambda s: not s["battery"]["at_rest"])
        assert state["host"]["battery_percent"] == 80
        meter.measure("ina219", 12.0)
        await phone.until(lambda s: not s["battery"]["plausible"])
        assert "check divider and cells" in car.log()
        assert phone.state["state"] == "armed", "nothing else happens"


async def test_an_empty_battery_warns_makes_the_car_slow_and_stops_it(
    car: Household, meter: BatteryMeter
) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        await drive(phone)
        meter.measure("ina219", 6.9)
        await phone.until(lambda s: s["battery"]["level"] == "warn")
        assert phone.state["host"]["power_cap"] == 1.0
        meter.measure("ina219", 6.6)
        state = await phone.until(lambda s: s["speed_limit"] == LOW_SPEED)
        assert (state["battery"]["level"], state["host"]["power_cap"]) == ("slow", LOW_SPEED)
        await phone.until(lambda s: 0.0 < s["applied"]["left"] <= LOW_SPEED)
        meter.measure("ina219", 6.2)
        await phone.until(lambda s: s["battery"]["level"] == "stop" and s["state"] == "disarmed")
        assert phone.state["reason"] == "battery"
        await phone.until_error("battery_low")
        await car.until_low()
        assert phone.state["you"] == "driver", "it keeps the wheel"
        await phone.let_go()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await phone.ask("reset")
        await phone.until(lambda s: s["state"] == "disarmed")
        meter.measure("ina219", 8.0)
        await phone.until(lambda s: s["battery"]["level"] == "ok" and s["speed_limit"] == 1.0)
        await drive(phone)
    for line in ("charge it soon", "drives slowly", "does not drive", "good again"):
        assert car.log().count(line) == 1


@pytest.mark.parametrize("fault", ["hangs", "held", "gone"])
async def test_a_meter_that_fails_or_hangs_disturbs_no_driver_no_deadline_and_no_stop(
    car: Household, wires: I2cBus, meter: BatteryMeter, fault: str
) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        await phone.until(lambda s: s["host"]["battery_v"] == 7.9 and s["host"]["uptime_s"] is not None)
        await drive(phone)
        begin = len(phone.states)
        if fault == "hangs":
            wires.hang()
        elif fault == "held":
            wires.hold()
        else:
            meter.disconnect()
        await phone.until(lambda s: s["host"]["battery_v"] is None)
        uptime_s = phone.state["host"]["uptime_s"]
        await phone.until(lambda s: s["host"]["uptime_s"] not in (None, uptime_s))  # it goes on
        meanwhile = phone.states[begin:]
        assert {(s["state"], s["link"]["stale"]) for s in meanwhile} == {("armed", 0)}
        assert all(s["applied"]["left"] == 1.0 for s in meanwhile[1:])
        assert len(meanwhile) > (STALE_S if fault == "hangs" else PERIOD_S) / 0.05 / 2
        await phone.let_go(zero=False)
        await phone.until(lambda s: s["reason"] == "commands_stale")
        await car.until_low()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
    assert await car.terminate() == 0, "the end waits for no meter"


async def test_the_countdown_is_put_off_once_and_then_the_machine_is_switched_off(
    wires: I2cBus, meter: BatteryMeter, logind: FakeLogind
) -> None:
    meter.measure("ina219", 5.8)
    async with car_with(wires, f"{CONFIG}shutdown = true\n", path=logind.path) as car:
        async with car.client(await car.phone("Mia")) as phone:
            await phone.until(lambda s: s["battery"]["off_in_s"] is not None)
            assert 0 <= phone.state["battery"]["off_in_s"] <= 3
            await phone.ask("stay_on")
            await phone.until_error("not_driver")
            await phone.ask("take")
            await phone.until(lambda s: s["you"] == "driver" and s["battery"]["off_in_s"] is not None)
            await phone.ask("stay_on")
            await phone.until(lambda s: s["battery"]["off_in_s"] is None and not s["battery"]["may_stay"])
            assert logind.calls() == []
            await phone.until(lambda s: s["battery"]["off_in_s"] is not None)
            await phone.ask("stay_on")
            await phone.until_error("bad_value")
            await phone.until(lambda s: s["state"] == "stopped")
        await until(lambda: logind.calls() == ["CanPowerOff", "PowerOff b false"], "logind")
        assert car.is_low()
        assert await car.terminate() == 0


async def test_a_car_that_no_client_watches_is_switched_off_too(
    wires: I2cBus, meter: BatteryMeter, logind: FakeLogind
) -> None:
    meter.measure("ina219", 5.8)
    logind.answers(do="echo 'Call failed: Operation inhibited by \"apt\"' >&2; exit 1")
    async with car_with(wires, f"{CONFIG}shutdown = true\n", path=logind.path) as car:
        await until(lambda: logind.calls().count("PowerOff b false") == 2, "a second try")
        assert 'the machine stays on: systemd refuses: Operation inhibited by "apt".' in car.log()
        assert await car.terminate() == 0


async def test_a_picar_that_is_started_by_hand_switches_nothing_off_and_says_so(
    wires: I2cBus, meter: BatteryMeter, logind: FakeLogind
) -> None:
    meter.measure("ina219", 5.8)
    config = f"{CONFIG}shutdown = true\n"
    async with car_with(wires, config, BY_HAND, path=logind.path) as car:
        assert "[battery] shutdown has no effect" in car.log()
        async with car.client(await car.phone("Mia")) as phone:
            await phone.until(lambda s: s["battery"]["level"] == "stop")
            await phone.hears(30)
            assert phone.state["battery"]["off_in_s"] is None
        assert await car.terminate() == 0


async def test_a_hat_with_oe_and_a_meter_that_fails_on_its_bus_drives_and_stops(tmp_path: Path) -> None:
    folder, toy = tmp_path / "hat", HATS["hat-oe"]
    folder.mkdir()
    devices = Devices(folder, toy)
    chip, meter = devices.bus.chip(), devices.bus.meter(0x41)
    meter.measure("ina219", 7.4)
    battery = '\n[battery]\nsource = "ina219"\naddress = 0x41\ncells = 2\n'
    async with Product(devices.header.name, config=text_of(toy) + battery, env=devices.env) as car:
        async with Client(car.url) as phone:
            await phone.until(lambda s: s["host"]["battery_v"] == 7.4)
            await drive(phone)
            meter.disconnect()
            begin = len(phone.states)
            await phone.until(lambda s: s["host"]["battery_v"] is None)
            assert {(s["state"], s["link"]["stale"]) for s in phone.states[begin:]} == {("armed", 0)}
            assert any(chip.duties)
            await phone.send(type="stop")
            await until(lambda: not any(chip.duties), "the channels are off")
        assert await car.terminate() == 0


async def test_without_a_meter_there_is_no_battery_and_no_bus_is_opened(wires: I2cBus) -> None:
    async with car_with(wires, "") as car:
        async with car.client(await car.phone("Mia")) as phone:
            await phone.until(lambda s: s["host"]["uptime_s"] is not None)
            assert "battery" not in phone.state
            assert phone.state["host"]["battery_v"] is None
            await phone.take()
            await phone.ask("stay_on")
            await phone.until_error("bad_value")
        assert wires.transactions == []
        assert await car.terminate() == 0
