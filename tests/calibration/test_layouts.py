"""The calibration of a car with `[board]`: its values by name, its file, and the file of another car."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.calibration.store import CurrentCalibration, Overlay
from picar.calibration.values import Calibration, names_of, option_of, places_of, pulse_names
from picar.config import Config
from picar.configfile import as_toml, load
from picar.errors import ConfigError
from picar.layouts import LAYOUTS
from tests.motor.escs import esc_car
from tests.motor.kinds_rig import CARS, Car, Form, car, text_of
from tests.support.client import Client
from tests.support.household import Household

LAYOUT_CARS = {layout: car(Form("tb6612", standby=True), layout) for layout in LAYOUTS}
FOUR, STEERED, SIDES = LAYOUT_CARS["four"], LAYOUT_CARS["steer-motor"], LAYOUT_CARS["sides"]
OF_L298N = Config()
FOUND = Calibration(LAYOUTS["four"].motors, True, (False, True, False, True), (0.6, 0.7, 0.8, 0.9), 0.4)
STEERED_FOUND = Calibration(LAYOUTS["steer-motor"].motors, False, (True, False), (1.0, 0.6), 0.3)
DOOR = "/api/v1/calibration"


ends = st.tuples(st.integers(500, 949), st.integers(1000, 2000), st.integers(2051, 2500))


def calibrations(toy: Car) -> st.SearchStrategy[Calibration]:
    motors = toy.layout.motors
    count = len(motors)
    names = [f"steering_{place}_us" for place in ("left", "center", "right")]
    servo = st.tuples(ends, st.booleans()).map(
        lambda drawn: dict(zip(names, drawn[0] if drawn[1] else reversed(drawn[0]), strict=True))
    )
    pulses = servo if toy.layout.servo else st.just(dict[str, int]())
    flags = st.tuples(*[st.booleans()] * count)
    trims = st.tuples(*[st.sampled_from([0.5, 1.0]) | st.floats(0.5, 1.0)] * count)
    return st.builds(Calibration, st.just(motors), st.booleans(), flags, trims, st.floats(0.0, 0.8), pulses)


cars = st.sampled_from(CARS)


@given(cars.flatmap(lambda toy: st.tuples(st.just(toy), calibrations(toy))))
def test_the_values_go_into_the_configuration_and_come_out_again(found: tuple[Car, Calibration]) -> None:
    toy, calibration = found
    config = calibration.applied_to(toy.config)
    assert Calibration.of(config) == calibration
    assert Calibration.named(calibration.motors, calibration.values) == calibration
    assert Calibration.received(*json.loads(json.dumps(calibration))) == calibration
    assert sorted(calibration.values) == sorted([*names_of(toy.layout.motors), *pulse_names(toy.config)])
    changed = [
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(toy.config, field.name)
    ]
    assert {*changed} <= (
        {"motors", "board", "motor", "steering"} if toy.config.board else {"motors", "l298n", "left", "right"}
    )


@given(cars.flatmap(lambda toy: st.tuples(st.just(toy), calibrations(toy))))
def test_a_kept_calibration_is_read_again_and_is_a_good_configuration(
    tmp_path_factory: pytest.TempPathFactory, found: tuple[Car, Calibration]
) -> None:
    toy, calibration = found
    overlay = Overlay(tmp_path_factory.getbasetemp(), "lgpio", toy.config)
    overlay.path.unlink(missing_ok=True)
    overlay.keep(calibration)
    assert overlay.read() == calibration
    assert tomllib.loads(overlay.path.read_text()) == tomllib.loads(calibration.toml(toy.config))


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_value_has_a_section_of_the_car_and_a_range(name: str) -> None:
    toy = LAYOUT_CARS[name]
    places = places_of(toy.config)
    assert places["swap"] == ("board", "swap")
    assert places["min_duty"] == ("motors", "min_duty")
    for motor in toy.layout.motors:
        assert places[f"{motor}_invert"] == (f"motor.{motor}", "invert")
        assert places[f"{motor}_trim"] == (f"motor.{motor}", "trim")
        assert (option_of(f"{motor}_trim").lo, option_of(f"{motor}_trim").hi) == (0.5, 1.0)
    assert len(places) == 2 + 2 * len(toy.layout.motors) + 3 * toy.layout.servo
    assert places_of(OF_L298N)["left_trim"] == ("left", "trim")
    assert places_of(OF_L298N)["swap"] == ("l298n", "swap")


def test_the_lines_for_the_configuration_say_the_same(tmp_path: Path) -> None:
    tables = tomllib.loads(FOUND.toml(FOUR.config))
    assert tables["motor"]["rear_left"] == {"invert": True, "trim": 0.7}
    assert tables["board"] == {"swap": True}
    file = tmp_path / "picar.toml"
    file.write_text(as_toml(FOUND.applied_to(FOUR.config)))
    assert Calibration.of(load(file, {})) == FOUND


def test_keys_of_another_version_change_nothing_and_are_kept(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "lgpio", FOUR.config)
    text = "version = 2\n" + FOUND.toml(FOUR.config)
    text = text.replace("[motor.rear_left]", "[motor.rear_left]\ncurve.a = 0.5")
    text += "[motor.middle]\ninvert = true\n[board.more]\nx = 1\n[sensor]\n"
    overlay.path.write_text(text)
    assert overlay.read() == FOUND
    other = FOUND._replace(swap=False, trims=(1.0,) * 4)
    overlay.keep(other)
    assert overlay.read() == other
    expected = tomllib.loads(text)
    for motor in other.motors:
        expected["motor"][motor] |= tomllib.loads(other.toml(FOUR.config))["motor"][motor]
    expected["board"]["swap"] = False
    assert tomllib.loads(overlay.path.read_text()) == expected


ESC_CAR = esc_car()
FILES = {
    "[l298n]": (OF_L298N, Calibration.of(OF_L298N)),
    **{name: (toy.config, Calibration.of(toy.config)) for name, toy in LAYOUT_CARS.items()},
    "esc": (ESC_CAR, Calibration.of(ESC_CAR)),
}


@pytest.mark.parametrize(
    ("car", "without"),
    [("[l298n]", set()), ("sides", set()), ("steer-servo", {("board", "swap")}),
     ("esc", {("board", "swap"), ("motors", "min_duty")})],
)  # fmt: skip
def test_the_lines_for_picar_toml_have_only_values_that_the_car_uses(
    car: str, without: set[tuple[str, str]], tmp_path: Path
) -> None:
    config, calibration = FILES[car]
    tables = tomllib.loads(Overlay(tmp_path, "lgpio", config).toml(calibration))
    for section, key in places_of(config).values():
        table: Any = tables
        for part in section.split("."):
            table = table.get(part, {})
        assert (key in table) == ((section, key) not in without)


@pytest.mark.parametrize("ours", FILES)
@pytest.mark.parametrize("theirs", FILES)
def test_the_file_of_another_layout_is_renamed_and_never_followed(
    ours: str, theirs: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, calibration = FILES[theirs]
    Overlay(tmp_path, "lgpio", config).keep(calibration._replace(min_duty=0.7))
    overlay = Overlay(tmp_path, "lgpio", FILES[ours][0])
    if ours == theirs:
        assert overlay.start() == calibration._replace(min_duty=0.7)
        return
    text = overlay.path.read_text()
    assert overlay.read() is None
    assert "is the calibration of a car with another board or layout" in overlay.of_another_car()
    assert overlay.start() is None
    assert "The car follows picar.toml: see that the wheels turn as they should" in caplog.text
    assert (tmp_path / "calibration.toml.unreadable-1").read_text() == text
    assert not overlay.path.exists()
    overlay.keep(FILES[ours][1])
    assert overlay.start() == FILES[ours][1]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("motor.rear_left", "trim", "0.1"), ("motor.rear_right", "invert", "1"), ("board", "swap", '"yes"')],
)
def test_a_value_out_of_its_range_names_its_section(
    tmp_path: Path, section: str, key: str, value: str
) -> None:
    overlay = Overlay(tmp_path, "lgpio", FOUR.config)
    tables = FOUND.toml(FOUR.config).split("\n\n")
    lines = [
        "\n".join(f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in table.splitlines())
        if table.startswith(f"[{section}]")
        else table
        for table in tables
    ]
    overlay.path.write_text("\n\n".join(lines))
    with pytest.raises(ConfigError, match=rf"\[{section}\] {key} is not "):
        overlay.read()


@pytest.mark.parametrize(
    "text", ["motor = 1\n", "[motor]\nrear_left = 1\n", "[motor.rear_left]\n[[motor.x]]\n"]
)
def test_what_came_into_the_file_meanwhile_does_not_spoil_the_next_calibration(
    tmp_path: Path, text: str
) -> None:
    overlay = Overlay(tmp_path, "lgpio", FOUR.config)
    overlay.path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read as a calibration"):
        overlay.read()
    overlay.keep(FOUND)
    assert overlay.read() == FOUND


@pytest.mark.parametrize("swap", [False, True])
def test_the_trims_by_channel_follow_the_swap(swap: bool) -> None:
    calibration = FOUND._replace(swap=swap)
    wired = dict(zip(calibration.motors, calibration.wired_trims, strict=True))
    for motor, trim in zip(calibration.motors, calibration.trims, strict=True):
        assert wired[LAYOUTS["four"].partner_of(motor) if swap else motor] == trim
    assert calibration.is_faster_than(calibration) is False
    for place in range(4):
        trims = list(calibration.trims)
        trims[place] += 0.05
        assert calibration._replace(trims=tuple(trims)).is_faster_than(calibration)
    assert calibration._replace(min_duty=0.41).is_faster_than(calibration)


def test_the_calibration_in_force_is_told_by_motor(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "mock", STEERED.config)
    current = CurrentCalibration(Calibration.of(STEERED.config), overlay, None)
    assert current.change(STEERED_FOUND) is None
    told = current.snapshot()
    assert told["calibration"] == STEERED_FOUND.values
    assert told["calibration"] == {
        "swap": False,
        "drive_invert": True,
        "steer_invert": False,
        "drive_trim": 1.0,
        "steer_trim": 0.6,
        "min_duty": 0.3,
    }
    assert tomllib.loads(str(told["toml"]))["motor"]["steer"] == {"invert": False, "trim": 0.6}


async def test_four_motors_are_calibrated_over_the_protocol_kept_and_taken_back() -> None:
    async with Household(pairing="off", config=text_of(FOUR)) as house:
        async with house.client({}) as phone:
            await phone.take()
            await phone.ask("calibrate", **Calibration.of(OF_L298N).values)
            await phone.until_error("bad_value")
            assert "front_left, rear_left, front_right, rear_right" in str(phone.errors[-1])
            await phone.ask("calibrate", **FOUND.values)
            await _until_told(house, phone, FOUND)
        file = str(house.folder / "picar.toml")
        lines = (await house.cli("check-config", file, PICAR_MOTORS__BACKEND="mock")).out.splitlines()
        assert sum("# calibrated on the page: " in line for line in lines) == len(FOUND.values)
        await house.terminate()
        await house.start()
        async with house.client({}) as phone:
            await _until_told(house, phone, FOUND)
            await phone.take()
            await phone.ask("uncalibrate")
            await _until_told(house, phone, Calibration.of(FOUR.config))
        await house.terminate()
        assert "Traceback" not in house.log()


async def _until_told(house: Household, phone: Client, calibration: Calibration) -> None:
    for _ in range(200):
        if (await house.ask("GET", DOOR)).json["calibration"] == calibration.values:
            return
        await phone.hears(1)
    raise AssertionError("not calibrated")
