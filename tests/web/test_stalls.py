"""A guest whose link stalls for 2 s: commands that were stuck turn no wheel. tests/peers has the same with roslib."""

from __future__ import annotations

import pytest

from tests.support.product import Product
from tests.support.stalls import CASES, ON, Case, plain_page, stale_seconds
from tests.support.together import at_once

pytestmark = pytest.mark.slow


@at_once(CASES)
async def test_stuck_commands_turn_no_wheel(case: Case) -> None:
    async with Product(config=ON) as car:
        assert await stale_seconds(case, 2.0, car, plain_page) == 0.0
