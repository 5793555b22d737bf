"""The stall matrix with a real roslib behind a relay that stalls for 5 s. Run it with `-s` to see the figures."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

from tests.peers.pages import in_chromium, in_node, served
from tests.peers.tools import HERE, node, npm
from tests.support.product import Product
from tests.support.stalls import CASES, ON, Case, Page, stale_seconds

if TYPE_CHECKING:
    from playwright.async_api import Browser

PACKAGES = ("roslib2", "roslib1")
STALL_S = 5.0
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
pytestmark = pytest.mark.peers


async def judge(
    case: Case, config: str, place: str, page_of: Callable[[str, str], AbstractAsyncContextManager[Page]]
) -> None:
    """Run a case with each package at the same time."""

    async def one(package: str) -> float:
        async with Product(config=config) as car:
            return await stale_seconds(
                case, STALL_S, car, lambda url: page_of(package, url.replace("http", "ws", 1) + "/rosbridge")
            )

    async with asyncio.TaskGroup() as group:
        runs = {package: group.create_task(one(package)) for package in PACKAGES}
    stale_s = {package: run.result() for package, run in runs.items()}
    for package, seconds in stale_s.items():
        print(
            f"{place}, {package}, {case.name}: an enable pin was high on stale commands for {seconds:.3f} s"
        )
    assert stale_s == dict.fromkeys(PACKAGES, 0.0)


@EVERY_CASE
async def test_stuck_commands_of_roslib_turn_no_wheel(case: Case) -> None:
    npm(*PACKAGES)
    node()
    await judge(case, ON, "Node", in_node)


@EVERY_CASE
async def test_stuck_commands_of_roslib_in_a_browser_turn_no_wheel(case: Case, browser: Browser) -> None:
    npm(*PACKAGES)
    with served(HERE) as origin:
        config = f'{ON}allowed_origins = ["{origin}"]\n'
        await judge(case, config, "Chromium", functools.partial(in_chromium, browser, origin))
