"""What a first visit to the page costs: requests and bytes. By Chromium where there is one, else by reading."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# What HTML, CSS and JavaScript name: attributes, url(...), @import, import ... from, import(...), fetch(...).
REFERENCES = re.compile(
    r"""<(?:link|script|img|source|audio|video)\b[^>]*?\b(?:href|src)=["']([^"']+)"""
    r"""|url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)"""
    r"""|\b(?:import|from|import\(|fetch\()\s*["']([^"']+)["']"""
)
TEXT_TYPES = ("text/", "application/javascript", "application/manifest")


@dataclass(frozen=True, slots=True)
class PageCost:
    """The first visit, nothing cached."""

    requests: int
    bytes: int
    seen_by: str


def references(text: str) -> list[str]:
    """Return what a page, style sheet or script names, as written, without data and fragments."""
    found = (next(filter(None, match.groups())) for match in REFERENCES.finditer(text))
    return [ref for ref in found if not ref.startswith(("data:", "#", "blob:"))]


def crawl(url: str) -> dict[str, bytes]:
    """Fetch a page and all it names on the same server, to the end.

    Raises:
        urllib.error.HTTPError: the page names what is not there.
    """
    files: dict[str, bytes] = {}
    queue = [url]
    while queue:
        link = queue.pop(0)
        if link in files or urlsplit(link).netloc != urlsplit(url).netloc:
            continue
        with urllib.request.urlopen(link, timeout=20) as answer:  # noqa: S310  # our own server
            files[link] = answer.read()
            kind = answer.headers.get_content_type()
        if kind.startswith(TEXT_TYPES):
            queue += [urljoin(link, ref) for ref in references(files[link].decode())]
    return files


def find_browser() -> str | None:
    """Return the path of Chromium."""
    return os.environ.get("PICAR_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


async def page_cost(url: str) -> PageCost:
    """Visit the page once."""
    browser = find_browser()
    try:
        from playwright.async_api import Request, async_playwright
    except ImportError:
        browser = None
    if browser is None:
        files = crawl(url)
        return PageCost(len(files), sum(map(len, files.values())), "reading the page")
    done: list[Request] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = await chromium.new_page()
        page.on("requestfinished", lambda request: done.append(request))  # noqa: PLW0108  # it wants a function
        await page.goto(url, wait_until="load")
        await page.wait_for_timeout(1000)  # for files that scripts fetch after the load
        sizes = [await request.sizes() for request in done]
        await chromium.close()
    return PageCost(len(done), sum(size["responseBodySize"] for size in sizes), "Chromium")
