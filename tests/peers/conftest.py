"""Chromium for the pages of other people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.support import chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start it once; skip without it."""
    playwright = pytest.importorskip(
        "playwright.async_api", reason="needs playwright: pip install -e '.[test]'"
    )
    path = chromium.find()
    if path is None:
        pytest.skip(chromium.ADVICE)
    async with playwright.async_playwright() as started:
        launched = await started.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield launched
        await launched.close()
