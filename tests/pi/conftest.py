"""Tests on an emulated Raspberry Pi run when they are asked for by name: `scripts/test --pi`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator.needs import Lacking
from tests.pi.car import Car, emulated_car
from tests.pi.outcome import heading, outcomes


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if outcomes:
        terminalreporter.section("the emulated Pi")
        for line in (*heading(), *map(str, outcomes)):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def car() -> Iterator[Car]:
    """One emulated Pi for all of these tests, with this checkout installed by scripts/install."""
    try:
        with emulated_car() as car:
            yield car
    except Lacking as lacking:
        pytest.fail(str(lacking))
