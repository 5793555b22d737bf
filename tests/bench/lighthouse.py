"""`scripts/bench --lighthouse`: Lighthouse 12 on the page of a simulated car: mobile, throttled, the median of five runs.

npx fetches Lighthouse. It is a tool of development and no part of the CI.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = ("npx", "--yes", "lighthouse@12")
RUNS = 5
RUN_S = 300.0
CHROMIUM = "--chrome-flags=--headless=new --no-sandbox --disable-gpu"
CATEGORIES = ("performance", "accessibility", "best-practices")
CLS = "cumulative-layout-shift"
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100}
MOST = {CLS: 0.02}
SHOWN = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")  # in ms
FAILS_BELOW = 0.9  # of an audit's score; Lighthouse shows those in amber and red


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found: its figures, and the audits that failed."""

    figures: dict[str, float]
    failed: frozenset[str]


def read(text: str) -> Report:
    """Read Lighthouse's JSON."""
    found: dict[str, Any] = json.loads(text)
    audits = found["audits"]
    figures = {name: 100 * found["categories"][name]["score"] for name in CATEGORIES}
    figures |= {name: audits[name]["numericValue"] for name in (*MOST, *SHOWN)}
    scores = {name: audit["score"] for name, audit in audits.items() if audit["score"] is not None}
    failed = (name for name, score in scores.items() if score < FAILS_BELOW)
    return Report(figures, frozenset(failed))


async def run(url: str, browser: str, folder: Path) -> Report:
    """Run Lighthouse once.

    Raises:
        RuntimeError: it is not there, or it failed.
    """
    file = folder / "report.json"
    options = (
        f"--only-categories={','.join(CATEGORIES)}",
        "--output=json",
        f"--output-path={file}",
        "--quiet",
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            url,
            CHROMIUM,
            *options,
            env=os.environ | {"CHROME_PATH": browser},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise RuntimeError("it needs npx: apt-get install npm") from None
    async with asyncio.timeout(RUN_S):
        _, stderr = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"lighthouse failed: {stderr.decode(errors='replace').strip()[-500:]}")
    return read(file.read_text(encoding="utf-8"))


def lines(reports: list[Report]) -> list[tuple[str, bool]]:
    """Return a line for each figure, with whether it keeps its bound, and one for each audit that failed."""
    shown = []
    for name in reports[0].figures:
        value = statistics.median(report.figures[name] for report in reports)
        kept = value >= LEAST.get(name, value) and value <= MOST.get(name, value)
        bound = (
            f", at least {LEAST[name]}"
            if name in LEAST
            else f", at most {MOST[name]}"
            if name in MOST
            else ""
        )
        shown.append((f"{value:>9.4g}  {name}{bound}{' (ms)' if name in SHOWN else ''}", kept))
    failed = frozenset[str]().union(*(report.failed for report in reports))
    return [*shown, *((f"{'':>9}  audit: {name}", True) for name in sorted(failed))]
