"""Which backend is taken: what was asked for, a simulated car on a laptop, and never a lie on a Pi."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.config import L298NConfig
from picar.errors import BackendError
from picar.motor import pins
from picar.motor.pins.mock import MockPins
from picar.motor.pins.sim import SimPins

PI = "Raspberry Pi 5 Model B Rev 1.0"


@pytest.mark.parametrize("name", ["sim", "mock", "lgpio", "gpiozero", "rpigpio"])
@pytest.mark.parametrize("model", [None, PI])
def test_what_was_asked_for_is_taken(name: str, model: str | None) -> None:
    assert pins.choose(name, model) == name


def test_where_there_is_no_pi_the_car_is_simulated() -> None:
    assert pins.choose("auto", None) == "sim"


def test_on_a_pi_nothing_is_simulated_unless_asked_for() -> None:
    with pytest.raises(BackendError, match=rf"This is a {PI}.*--pins sim"):
        pins.choose("auto", PI)


def test_a_backend_opens_its_pins() -> None:
    assert type(pins.backend("mock")(L298NConfig())) is MockPins
    assert type(pins.backend("sim")(L298NConfig())) is SimPins


@pytest.mark.parametrize("name", ["lgpio", "trace", "", "../mock"])
def test_a_backend_that_is_not_there_is_said_with_those_that_are(name: str) -> None:
    with pytest.raises(BackendError, match=r"Use one of: sim, mock\."):
        pins.backend(name)


@pytest.mark.parametrize(
    ("content", "model"),
    [
        (b"Raspberry Pi 4 Model B Rev 1.4\0", "Raspberry Pi 4 Model B Rev 1.4"),
        (b"Raspberry Pi Zero 2 W Rev 1.0\0\n", "Raspberry Pi Zero 2 W Rev 1.0"),
        (b"Orange Pi Zero\0", None),
        (b"\xff\xfe\0", None),
        (b"", None),
    ],
)
def test_a_pi_is_known_by_its_model(tmp_path: Path, content: bytes, model: str | None) -> None:
    file = tmp_path / "model"
    file.write_bytes(content)
    assert pins.raspberry_pi_model(file) == model


def test_a_machine_that_does_not_say_its_model_is_no_pi(tmp_path: Path) -> None:
    assert pins.raspberry_pi_model(tmp_path / "none") is None
