"""`scripts/bench`: run the rounds, print the table, judge."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench import backends
from tests.bench.measure import go_first
from tests.bench.page import PageCost, page_cost
from tests.bench.report import as_json, checks, machine, table
from tests.bench.rounds import QUICK, Plan, Round, run_round
from tests.bench.server import Server
from tests.support.header import REAL


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
    return parser.parse_args(argv)


async def measure(rounds: int, plan: Plan, base: Path) -> tuple[list[Round], PageCost, str]:
    """Run all rounds, each with fresh servers and a fresh folder."""
    page = await visit(base / "page")
    first = go_first()
    done = []
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}")
        done.append(await run_round(plan, base / str(number), random.Random(number)))
    tell("")
    return done, page, "real-time priority" if first else "normal priority: root would get less noise"


async def visit(folder: Path) -> PageCost:
    """Weigh the page of a car of its own."""
    server = Server("picar", folder)
    try:
        return await page_cost(server.url)
    finally:
        server.stop()


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
        count, plan = (1, QUICK) if args.quick else (args.rounds, Plan())
        if args.pins:
            names = ["mock", *args.pins]
            go_first()
            print(backends.table(names, asyncio.run(backends.compare(names, count, plan, Path(base)))))
            return 0
        rounds, page, priority = asyncio.run(measure(count, plan, Path(base)))
    where = f"{machine()}, {priority}"
    print(table(where, rounds, page))
    if args.json:
        args.json.write_text(json.dumps(as_json(where, rounds, page), indent=2) + "\n")
    return 0 if args.quick or all(check.kept for check in checks(rounds, page)) else 1


if __name__ == "__main__":
    sys.exit(main())
