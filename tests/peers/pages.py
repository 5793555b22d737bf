"""Pages of other people: a server for a folder of them, and a page that drives with roslib, in Node and in Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, StaticFileHandler

from tests.peers.tools import HERE, node
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser
    from playwright.async_api import Page as Tab

CLOCK_READINGS = 20


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; yields the origin of its pages."""
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([(r"/(.*)", StaticFileHandler, {"path": str(folder)})]))
    server.add_sockets(sockets)
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.stop()


async def crash(tab: Tab) -> None:
    """End a tab's process: its page says no goodbye."""
    from playwright.async_api import Error

    with contextlib.suppress(Error):
        await tab.goto("chrome://crash")


class RoslibPage:
    """A page that drives with roslib; a `Page` of tests.support.stalls, but for what its subclasses add."""

    def __init__(self) -> None:
        self.published_at: list[float] = []
        self.connections = 0

    async def open(self) -> None:
        """Wait for its connection."""
        await until(lambda: self.connections, "roslib connects")

    def take(self, step: str, at: float) -> None:
        """Record a step of the page; `at` is monotonic, in s."""
        self.connections += step == "connected"
        if step == "published":
            self.published_at.append(at)


class NodePage(RoslibPage):
    """In Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def press(self) -> None:
        """Publish full throttle 20 times a second."""
        await self._write("press")

    async def release(self) -> None:
        """Publish zero once, and no more."""
        await self._write("release")

    async def die(self) -> None:
        """End without a word."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _write(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            if line.startswith(b'{"step"'):
                said = json.loads(line)
                self.take(said["step"], said["at"])


class ChromiumPage(RoslibPage):
    """In a tab of Chromium."""

    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self._tab = tab
        self._clock = 0.0  # the monotonic time of the page's zero

    async def load(self, url: str) -> None:
        """Load it."""
        await self._tab.expose_function("told", lambda step, at: self.take(step, self._clock + at))
        await self._tab.goto(url)
        for _ in range(
            CLOCK_READINGS
        ):  # the page reads its clock after `before`: the largest difference is the nearest
            before = time.monotonic()
            self._clock = max(self._clock, before - await self._tab.evaluate("performance.now() / 1000"))

    async def press(self) -> None:
        """Publish full throttle 20 times a second."""
        await self._tab.evaluate("hand.press()")

    async def release(self) -> None:
        """Publish zero once, and no more."""
        await self._tab.evaluate("hand.release()")

    async def die(self) -> None:
        """End without a word."""
        if not self._tab.is_closed():
            await crash(self._tab)


@contextlib.asynccontextmanager
async def in_node(package: str, url: str) -> AsyncIterator[NodePage]:
    """Give a page in Node that drives at a URL, and end it."""
    process = await asyncio.create_subprocess_exec(
        *(node(), str(HERE / "page.mjs"), package, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    page = NodePage(process)
    try:
        yield page
    finally:
        await page.die()


@contextlib.asynccontextmanager
async def in_chromium(browser: Browser, origin: str, package: str, url: str) -> AsyncIterator[ChromiumPage]:
    """Give a page in Chromium that drives at a URL, and end it; `origin` serves this folder."""
    context = await browser.new_context()
    page = ChromiumPage(await context.new_page())
    try:
        await page.load(f"{origin}/page.html?{urlencode({'package': package, 'url': url})}")
        yield page
    finally:
        await context.close()
