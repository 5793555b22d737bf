"""The real product for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.product import Product


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    """Start a car with mock pins; afterwards its pins must be low and its log free of tracebacks."""
    async with Product() as product:
        yield product
        await product.terminate()
        assert product.is_low()
        assert "Traceback" not in product.log()
