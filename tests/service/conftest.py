"""Tests that boot a systemd run when they are asked for by name: `-m systemd`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.installed import Service
from tests.service.machine import Machine, missing


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    if lack := missing():
        pytest.fail(lack)
    with Machine() as machine:
        yield Service(machine)
    assert not machine.path("/").exists(), (
        "it runs on, and its picar in the same control group as the next one's"
    )
