"""Options and fixtures of the whole suite."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import pytest
from hypothesis import settings

from picar.raspberrypi import raspberry_pi_model
from tests.support.descriptors import open_descriptors
from tests.support.product import Product

settings.register_profile("patient", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("patient")
SPARE_DESCRIPTORS = 20  # of a module: what the session keeps, such as a browser and its cars
_ON_REQUEST = ("gpio_sim", "pi", "systemd", "vivid", "wifi")  # markers of tests that boot a machine
collect_ignore = [] if find_spec("playwright") else ["browser"]  # it has no wheel for 32-bit ARM


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-pins",
        action="store_true",
        help="run the conformance suite on this Raspberry Pi's own pins: motors unplugged, wheels off the ground",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that boot a machine, unless `-m` names their marker."""
    unnamed = set(_ON_REQUEST) - set(config.option.markexpr.split())
    left_out = [item for item in items if any(map(item.get_closest_marker, unnamed))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _no_state_of_the_developers_own() -> Iterator[None]:
    """Keep PINs and paired phones of this run in a folder of its own, for every picar that it starts."""
    with tempfile.TemporaryDirectory(prefix="picar-test-state-") as folder:
        os.environ["XDG_STATE_HOME"] = folder
        yield


@pytest.fixture(scope="module", autouse=True)
def _every_descriptor_is_closed() -> Iterator[None]:
    """Fail a module that leaves descriptors open: with 1,024 of them the process can open no more on most machines."""
    before = open_descriptors()
    yield
    if open_descriptors() > before + SPARE_DESCRIPTORS:
        gc.collect()
        left = open_descriptors() - before
        assert left <= SPARE_DESCRIPTORS, f"{left} descriptors are still open"


@asynccontextmanager
async def _car() -> AsyncIterator[Product]:
    async with Product() as product:
        yield product
        await product.terminate()
        assert product.is_low()
        assert "Traceback" not in product.log()


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    """Start a car with mock pins; afterwards its pins must be low and its log free of tracebacks."""
    async with _car() as product:
        yield product


@pytest.fixture(scope="module")
async def standing_car() -> AsyncIterator[Product]:
    """Start a car for all tests of a module that leave it as it was."""
    async with _car() as product:
        yield product


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--real-pins") and raspberry_pi_model() is None:
        raise pytest.UsageError("--real-pins drives the pins of a Raspberry Pi, and this is none.")
