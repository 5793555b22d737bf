"""`scripts/bench`: run the rounds, print the table, judge."""

from __future__ import annotations

import argparse
import asyncio
import compileall
import json
import random
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench import backends, lighthouse
from tests.bench.measure import go_first
from tests.bench.page import PageCost, find_browser, page_cost
from tests.bench.report import as_json, checks, machine, table
from tests.bench.rounds import BEFORE, CARS, QUICK, Plan, Round, run_round
from tests.bench.server import Server
from tests.bench.spectators import report as spectators
from tests.bench.spectators import run
from tests.bench.video import report as video
from tests.bench.video import run as video_run
from tests.support.chromium import ADVICE
from tests.support.header import REAL
from tests.support.product import Product


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many interleaved rounds (5)")
    parser.add_argument(
        "--quick", action="store_true", help="one short round: shows that it works, judges nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here too")
    parser.add_argument(
        "--pins",
        nargs="+",
        choices=REAL,
        metavar="NAME",
        help="measure what these backends add to mock instead",
    )
    parser.add_argument(
        "--spectators",
        nargs="?",
        type=numbers,
        const=(),
        metavar="N,N",
        help="measure what so many spectators cost the driver instead (10,100,1000)",
    )
    parser.add_argument(
        "--page", action="store_true", help="measure the page instead: weight, opening, latency, frames, heap"
    )
    parser.add_argument(
        "--lighthouse", action="store_true", help="run Lighthouse on the page instead; needs npx"
    )
    parser.add_argument(
        "--video",
        action="store_true",
        help="measure what live video costs the driver instead; needs root and Chromium",
    )
    parser.add_argument(
        "--against",
        type=checkout,
        metavar="FOLDER",
        help="measure another checkout's car in the same rounds, as 'picar before'",
    )
    args = parser.parse_args(argv)
    if args.pins and args.spectators is not None:
        parser.error("--pins and --spectators are two measurements; take one at a time")
    return args


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of spectators, each once, rising."""
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = (0,)
    if found[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers from 1, like 10,100,1000")
    return found


def checkout(text: str) -> Path:
    """Return the folder of another checkout."""
    folder = Path(text).resolve()
    if not (folder / "picar" / "__main__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no checkout of picar")
    return folder


async def measure(
    rounds: int, plan: Plan, base: Path, cars: Mapping[str, Path]
) -> tuple[list[Round], PageCost, bool]:
    """Run all rounds, each with fresh servers and a fresh folder; tell too whether they went first."""
    page = await visit(base / "page")
    first = go_first()
    done = []
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}")
        done.append(await run_round(plan, base / str(number), random.Random(number), cars))
    tell("")
    return done, page, first


async def visit(folder: Path) -> PageCost:
    """Weigh the page of a car of its own."""
    server = Server("picar", folder)
    try:
        return await page_cost(server.url)
    finally:
        server.stop()


async def page_figures() -> bool:
    """Print what the page costs. Returns whether every bound is kept."""
    from tests.bench.feel import measure as feel  # Playwright is not everywhere

    browser = find_browser()
    if browser is None:
        print("scripts/bench --page needs Chromium: apt-get install chromium, or set PICAR_CHROMIUM.")
        return False
    async with Product(pins="sim", config="[access]\npairing = 'off'\n") as car:
        lines = (await feel(car.url, browser)).lines()
    for what, figure, kept in lines:
        print(f"{'ok  ' if kept else 'MISS'} {figure:>8}  {what}")
    return all(kept for _, _, kept in lines)


async def lighthouse_figures(folder: Path) -> bool:
    """Print what Lighthouse finds. Returns whether every bound is kept."""
    browser = find_browser()
    if browser is None:
        print(f"scripts/bench --lighthouse: {ADVICE}")
        return False
    reports = []
    async with Product(pins="sim") as car:
        for number in range(1, lighthouse.RUNS + 1):
            tell(f"run {number} of {lighthouse.RUNS}")
            try:
                reports.append(await lighthouse.run(f"http://localhost:{car.port}/", browser, folder))
            except (RuntimeError, TimeoutError) as error:
                print(f"scripts/bench --lighthouse: {error or 'Lighthouse did not end in time.'}")
                return False
    tell("")
    shown = lighthouse.lines(reports)
    for line, kept in shown:
        print(f"{'ok  ' if kept else 'MISS'} {line}")
    return all(kept for _, kept in shown)


def tell(where: str) -> None:
    """Show how far it is, on one line, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r{where:<40}", end="", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Return 0, or 1 when a bound was missed in a full run."""
    args = arguments(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: the servers are ended first
    if not Path("/proc/self/smaps_rollup").exists():
        print("scripts/bench reads /proc and needs Linux.", file=sys.stderr)
        return 1
    memory = Path("/dev/shm")  # noqa: S108  # a trace on a disk would measure the disk
    with tempfile.TemporaryDirectory(prefix="picar-bench-", dir=memory if memory.is_dir() else None) as base:
        if args.lighthouse:
            return 0 if asyncio.run(lighthouse_figures(Path(base))) else 1
        if args.page:
            return 0 if asyncio.run(page_figures()) else 1
        count, plan = (1, QUICK) if args.quick else (args.rounds, Plan())
        if args.pins:
            names = ["mock", *args.pins]
            go_first()
            print(backends.table(names, asyncio.run(backends.compare(names, count, plan, Path(base)))))
            return 0
        if args.video:
            return filmed(args, Path(base))
        if args.spectators is not None:
            return watched(args, Path(base))
        cars = CARS | ({BEFORE: args.against} if args.against else {})
        for root in cars.values():  # else the first round would measure the compiler too
            compileall.compile_dir(root / "picar", quiet=2)
        rounds, page, first = asyncio.run(measure(count, plan, Path(base), cars))
    where = f"{machine()}, {priority(first)}"
    print(table(where, rounds, page))
    write(args.json, as_json(where, rounds, page))
    if args.quick:
        print("One short round: a missed bound says little. Run scripts/bench on an idle machine.")
        return 0
    return 0 if all(check.kept for check in checks(rounds, page)) else 1


def watched(args: argparse.Namespace, base: Path) -> int:
    """Measure with spectators. Return 0, or 1 when a bound was missed in a full run."""
    where = f"{machine()}, {priority(go_first())}"
    count, commands = (1, run.QUICK_COMMANDS) if args.quick else (args.rounds, run.COMMANDS)
    counts = args.spectators or (run.QUICK_COUNTS if args.quick else run.COUNTS)
    try:
        rounds = asyncio.run(run.run(counts, count, commands, base, tell))
    except (RuntimeError, TimeoutError) as error:  # a server that did not start, or took not all of them
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    print(spectators.table(where, rounds))
    write(args.json, spectators.as_json(where, rounds))
    return 0 if args.quick or all(check.kept for check in spectators.checks(rounds)) else 1


def filmed(args: argparse.Namespace, base: Path) -> int:
    """Measure with live video. Return 0, or 1 when a bound was missed in a full run."""
    count, plan = (1, video_run.QUICK) if args.quick else (args.rounds, video_run.Plan())
    rounds, left_out = asyncio.run(video_run.run(count, plan, base, tell))
    print(video.table(machine(), rounds, left_out))
    write(args.json, video.as_json(machine(), rounds, left_out))
    return 0 if args.quick or all(check.kept for check in video.checks(rounds)) else 1


def priority(first: bool) -> str:
    return "real-time priority" if first else "normal priority: root would get less noise"


def write(file: Path | None, report: dict[str, Any]) -> None:
    if file:
        file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
