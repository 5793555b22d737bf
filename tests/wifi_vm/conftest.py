"""A fresh guest for each test; afterwards NetworkManager's files of the owner must be as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator import needs
from tests.wifi_vm import image
from tests.wifi_vm.house import OWN_FILES, House


@pytest.fixture(scope="session")
def disk() -> Path:
    """The guest's disk, made once."""
    try:
        needs.check_tools(image.TOOLS)
        return image.build()
    except needs.Lacking as lacking:
        pytest.skip(str(lacking))


@pytest.fixture
def house(disk: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """Boot the guest; after a failure, print its log."""
    failed = request.session.testsfailed
    with House(disk, tmp_path) as house:
        yield house
        if request.session.testsfailed > failed:
            print(house.log())


@pytest.fixture
def untouched(house: House) -> Iterator[Callable[..., None]]:
    """Return a function that starts the comparison; `more` are profiles that the test lets the car make."""
    before: dict[str, str] = {}
    allowed: set[str] = set(OWN_FILES)

    def start(*more: str) -> None:
        before.update(house.files())
        allowed.update(more)

    yield start
    assert before, "the comparison was not started"
    after = house.files()
    assert {name: value for name, value in after.items() if name in before} == before
    assert after.keys() - before.keys() <= allowed
