"""The facts of the machine in the state; a supply that gives way slows the car down, and the state says why."""

from __future__ import annotations

from pathlib import Path

from picar.telemetry import UNKNOWN
from tests.support.client import Client
from tests.support.product import EN_PINS, Product

ON_A_PI = """
import sys
from pathlib import Path
from picar import telemetry
tree = telemetry.Tree(Path({tree!r}))
telemetry.of_this_machine = lambda: telemetry.Telemetry(telemetry.Sampler(tree).sample, 0.05)
from picar.__main__ import main
sys.exit(main())
"""


def car_on(tree: Path) -> Product:
    return Product(config="[motors]\nmin_duty = 0.0\n", program=("-c", ON_A_PI.format(tree=str(tree))))


def alarm(tree: Path, low: bool) -> None:
    folder = tree / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text("rpi_volt\n")
    (folder / "in0_lcrit_alarm").write_text(f"{low:d}\n")


async def test_the_facts_of_this_machine_are_in_every_state(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.until(lambda s: s["host"]["uptime_s"] is not None and s["host"]["load"] is not None)
        assert phone.state["host"].keys() == UNKNOWN.keys()


async def test_low_voltage_halves_the_speed_of_a_car_that_drives_until_it_is_over(tmp_path: Path) -> None:
    alarm(tmp_path, low=False)
    async with car_on(tmp_path) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0 and s["host"]["under_voltage"] is False)
        alarm(tmp_path, low=True)
        await phone.until(lambda s: s["host"]["under_voltage"] and s["applied"]["left"] == 0.5)
        assert (phone.state["speed_limit"], phone.state["speed_cap"]) == (0.5, 1.0)
        writes = len(car.trace())
        await phone.hears(5)
        assert all(write["value"] <= 0.5 for write in car.trace()[writes:] if write["pin"] in EN_PINS)
        alarm(tmp_path, low=False)
        await phone.until(lambda s: not s["host"]["under_voltage"] and s["applied"]["left"] == 1.0)
        assert phone.state["host"]["under_voltage_since_boot"] is True
        assert "voltage: too low, half speed" in car.log()


async def test_low_voltage_lifts_no_lower_limit(tmp_path: Path) -> None:
    alarm(tmp_path, low=True)
    async with car_on(tmp_path) as car, Client(car.url) as phone:
        await phone.until(lambda s: s["speed_limit"] == 0.5)
        await phone.take()
        await phone.ask("limit", speed=0.3)
        await phone.until(lambda s: s["speed_limit"] == 0.3)
        assert (await car.terminate()) == 0
