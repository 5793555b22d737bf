"""Which backend is taken: what was asked for, a simulated car on a laptop, and never a lie on a Pi."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from picar.errors import BackendError, may_use
from picar.motor import pins
from picar.motor.pins.mock import MockPins
from picar.motor.pins.sim import SimPins
from picar.raspberrypi import raspberry_pi_model
from tests.motor.boards import wired
from tests.support.header import ADVICE, FAKED, REAL, FakeHeader

PI = "Raspberry Pi 5 Model B Rev 1.0"
NO_LGPIO = "its library is not installed. Install it: sudo apt install python3-lgpio"
NO_RPIGPIO = "its library is not installed. Install it: sudo apt install python3-rpi-lgpio"


@pytest.fixture
def fake(install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    return install_fake("lgpio")


@pytest.mark.parametrize("name", ["sim", "mock", *REAL])
@pytest.mark.parametrize("model", [None, PI])
def test_what_was_asked_for_is_taken(fake: FakeHeader, name: str, model: str | None) -> None:
    assert pins.choose(name, model) == name
    assert not fake.board.calls(), "a pin was touched"


def test_where_there_is_no_pi_the_car_is_simulated() -> None:
    assert pins.choose("auto", None) == "sim"


def test_on_a_pi_lgpio_comes_first(fake: FakeHeader) -> None:
    assert pins.choose("auto", PI) == "lgpio"


def test_on_a_pi_without_lgpio_rpigpio_is_taken(fake: FakeHeader) -> None:
    fake.board.tell("lgpio", "missing")
    assert pins.choose("auto", PI) == "rpigpio"


@pytest.mark.parametrize("name", FAKED)
def test_a_device_without_permission_says_which_group_to_join(
    install_fake: Callable[[str], FakeHeader], name: str
) -> None:
    fake = install_fake(name)
    fake.board.tell("lgpio", "no-access")
    if name == "rpigpio":
        fake.board.tell("rpigpio", "no-access")
    with pytest.raises(BackendError, match=rf"^--pins \w+: [Nn]o .*{re.escape(ADVICE)}"):
        pins.choose(fake.name, PI)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (("lgpio", "missing"), f"lgpio: {NO_LGPIO}"),
        (
            ("lgpio", "empty"),
            "is empty. Remove it (pip uninstall lgpio), then: sudo apt install python3-lgpio",
        ),
        (("chips", "0:gpio-brcmstb"), "lgpio: no GPIO chip of a Raspberry Pi is here"),
        (("rpigpio", "missing"), f"rpigpio: {NO_RPIGPIO}"),
        (("rpigpio", "no-pi"), "rpigpio: This module can only be run on a Raspberry Pi!"),
        (
            ("rpigpio", "pi5"),
            "RPi.GPIO does not know this model. Replace it: sudo apt remove python3-rpi.gpio",
        ),
        (
            ("rpigpio", "no-access"),
            f"No access to /dev/mem.  Try running as root. {ADVICE}",
        ),
    ],
)
def test_when_none_works_each_says_why(fake: FakeHeader, told: tuple[str, str], sentence: str) -> None:
    fake.board.tell("lgpio", "missing")
    fake.board.tell("rpigpio", "missing")
    if told[0] == "chips":
        fake.board.tell("lgpio")
    fake.board.tell(*told)
    with pytest.raises(BackendError) as refused:
        pins.choose("auto", PI)
    first, lgpio, rpigpio, last = str(refused.value).splitlines()
    assert first == f"This is a {PI}, and no GPIO library can be used:"
    assert sentence in (rpigpio if told[0] == "rpigpio" else lgpio)
    assert "--pins sim" in last


@pytest.mark.parametrize(("system", "seen"), [("true", True), ("false", False)])
def test_a_venv_that_does_not_see_apt_says_how(
    fake: FakeHeader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, seen: bool
) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"include-system-site-packages = {system}\n")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    fake.board.tell("lgpio", "missing")
    with pytest.raises(BackendError) as refused:
        pins.choose("lgpio", PI)
    sentence, hint = (
        f"--pins lgpio: {NO_LGPIO}",
        ", and let this Python see it: python3 -m venv --system-site-packages",
    )
    assert str(refused.value).startswith(sentence)
    assert (hint in str(refused.value)) is not seen


def test_a_backend_opens_its_pins() -> None:
    assert type(pins.backend("mock")(wired())) is MockPins
    assert type(pins.backend("sim")(wired())) is SimPins


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
    assert raspberry_pi_model(file) == model


def test_a_machine_that_does_not_say_its_model_is_no_pi(tmp_path: Path) -> None:
    assert raspberry_pi_model(tmp_path / "none") is None


@pytest.mark.parametrize(("user", "advice"), [(1000, "sudo usermod -aG gpio $USER"), (0, "DeviceAllow=")])
def test_root_is_not_told_to_join_a_group(monkeypatch: pytest.MonkeyPatch, user: int, advice: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert advice in may_use("gpio")
    assert ("usermod" in may_use("gpio")) == (user != 0)
