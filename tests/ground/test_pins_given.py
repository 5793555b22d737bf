"""How a motor pin may be given: its number, its name or its place on the header; and which terminals are."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.config import L298NConfig
from picar.configfile import load
from picar.errors import ConfigError
from picar.options import options_of, toml
from picar.raspberrypi import PINS

ALL_SIX: dict[str, int | str] = {**L298NConfig().wired()}


def wiring_of(folder: Path, **terminals: int | str) -> L298NConfig:
    return load(file_with(folder, **terminals), {}).l298n


def file_with(folder: Path, **terminals: int | str) -> Path:
    file = folder / "picar.toml"
    lines = [f"{terminal} = {toml(value)}" for terminal, value in terminals.items()]
    file.write_text("\n".join(["[l298n]", *lines]), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["GPIO12", "gpio12", "GPIO 12", "BCM12", "BOARD32", "board 32", "J8:32"])
def test_a_pin_may_be_given_by_its_name(tmp_path: Path, name: str) -> None:
    assert wiring_of(tmp_path, **{**ALL_SIX, "ena": name}).ena == 12
    assert load(None, {"PICAR_L298N__ENA": name}).l298n.ena == 12


def test_every_place_on_the_header_is_its_gpio() -> None:
    check = options_of(L298NConfig)["in1"].check
    gpios = [place for place in PINS if place.bcm is not None]
    assert [check(f"BOARD{place.number}") for place in gpios] == [place.bcm for place in gpios]
    assert len(gpios) == 28


@pytest.mark.parametrize(
    "name", ["BOARD1", "BOARD0", "BOARD41", "GPIO28", "J8:6", "12", "GPIO", "WPI26", "GPIO\u0661"]
)
def test_a_name_that_is_no_gpio_of_the_header_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wiring_of(tmp_path, ena=name)
    (problem,) = caught.value.problems
    assert "a BCM pin number of the 40-pin header, 0 to 27" in problem


@pytest.mark.parametrize(("place", "name"), [(32, "GPIO 12"), (40, "GPIO 21"), (39, "GND")])
def test_a_place_given_as_a_number_is_refused_with_its_gpio(tmp_path: Path, place: int, name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"Pin {place} of the header is {name}; .* write each like \"BOARD{place}\""
    ):
        wiring_of(tmp_path, ena=place)


def test_a_number_in_quotes_is_refused_with_the_form_that_works(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Write it without quotes"):
        wiring_of(tmp_path, ena="12")
    with pytest.raises(ConfigError, match='"GPIO12" or "BOARD32"'):
        wiring_of(tmp_path, ena="pin 12")


def test_terminals_that_are_not_given_are_warned_of_with_the_pins_that_picar_drives(tmp_path: Path) -> None:
    (warning,) = load(file_with(tmp_path, ena="jumper", enb="jumper", in1=17, in3=27), {}).warnings
    assert "in2 = 24, in4 = 22" in warning
    assert "Name all six" in warning


@pytest.mark.parametrize(
    "terminals", [{}, ALL_SIX, {**ALL_SIX, "ena": "jumper"}], ids=["none", "all", "a jumper"]
)
def test_a_wiring_that_is_whole_or_all_default_is_not_warned_of(
    tmp_path: Path, terminals: dict[str, int | str]
) -> None:
    assert load(file_with(tmp_path, **terminals), {}).warnings == ()


def test_one_pin_may_go_to_both_enables(tmp_path: Path) -> None:
    wiring = wiring_of(tmp_path, **{**ALL_SIX, "enb": ALL_SIX["ena"]})
    assert wiring.ena == wiring.enb == ALL_SIX["ena"]
