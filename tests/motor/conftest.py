"""GPIO libraries without a Pi."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picar.motor.pins import library
from tests.fakes.board import Board
from tests.support.header import FAKES, FakeHeader

_FAKED = (
    "lgpio",
    "RPi",
    "tests.fakes.rpi_lgpio",
    "picar.motor.pins.lgpio",
    "picar.motor.pins.gpiozero",
    "picar.motor.pins.rpigpio",
)


@pytest.fixture
def install_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], FakeHeader]]:
    """Let this process import the fakes, on a board of its own; returns the header under a backend."""

    def install(name: str) -> FakeHeader:
        header = FakeHeader(name, tmp_path)
        for variable, value in header.env.items():
            monkeypatch.setenv(variable, value)
        return header

    monkeypatch.syspath_prepend(FAKES)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(library, "label", library.label)  # put back what the fake lgpio replaces
    _forget()
    yield install
    _forget()
    Board.release_all()


def _forget() -> None:
    for module in [name for name in sys.modules if name.startswith(_FAKED)]:
        del sys.modules[module]
