"""A fixture for the modules whose `house` is a car with paired phones."""

from __future__ import annotations

import pytest

from tests.support.household import Household


@pytest.fixture(scope="module")
async def mia(house: Household) -> dict[str, str]:
    """Return the headers of a paired phone."""
    return await house.phone("Mia")
