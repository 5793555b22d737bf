"""`scripts/faults`: run the campaign, print the table, judge."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.report import machine
from tests.faults import bridges, brokers, disk, page
from tests.faults.campaign import OBSERVE_S, Campaign, Run
from tests.faults.catalogue import BOARD_FAULTS, FAULTS, FLEET_FAULTS, HAT_FAULTS, HORN_FAULTS, Fault
from tests.faults.jitter import Jitter
from tests.faults.report import NAME, as_json, rows, table
from tests.support.ros import BRIDGES

EVERY = (*FAULTS, *HORN_FAULTS, *FLEET_FAULTS, *BOARD_FAULTS, *HAT_FAULTS)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    names = [fault.name for fault in EVERY]
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="how often each fault is tried (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run here too")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="try these faults alone")
    parser.add_argument(
        "--boards", action="store_true", help="try cars with other boards, not with the L298N"
    )
    parser.add_argument("--list", action="store_true", help="name all faults, and try none")
    parser.add_argument("--seed", type=int, help="repeat the order and the moments of an earlier campaign")
    parser.add_argument(
        "--observe",
        type=float,
        default=OBSERVE_S,
        metavar="S",
        help="watch the pins so long after it all (1)",
    )
    return parser.parse_args(argv)


async def measure(faults: Sequence[Fault], runs: int, seed: int, observe_s: float) -> list[Run]:
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM):  # the car is ended first, and what was measured is shown
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    async with Jitter() as jitter:
        campaign = Campaign(jitter, seed, observe_s, tell)
        try:
            await campaign.run(faults, runs)
        except asyncio.CancelledError:
            pass
        finally:
            tell("")
        return campaign.runs


def tell(where: str) -> None:
    """Show how far it is, on one line, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r{where:<60}", end="\r" if not where else "", file=sys.stderr, flush=True)


def chosen(only: Sequence[str] | None, boards: bool) -> list[Fault]:
    """Return the faults that are named, or else all of the default board or of the other boards."""
    if only:
        return [fault for fault in EVERY if fault.name in only]
    return [*((*BOARD_FAULTS, *HAT_FAULTS) if boards else (*FAULTS, *HORN_FAULTS, *FLEET_FAULTS))]


def possible(faults: Sequence[Fault]) -> list[Fault]:
    """Return those that can be tried here; say of the others why not."""
    left_out = {
        fault.name: (
            (fault.hanging_disk or fault.records == "disk" or fault.broker == brokers.FULL)
            and disk.obstacle()
        )
        or (fault.browser and page.obstacle())
        or (fault.broker and brokers.obstacle())
        or (fault.name.startswith("bridge-leaks") and bridges.no_limit())
        or (fault.rosbridge and not BRIDGES and "there is no picar/web/bridges")
        for fault in faults
    }
    for name, why in left_out.items():
        if why:
            print(f"{name} is left out: {why}")
    return [fault for fault in faults if not left_out[fault.name]]


def main(argv: list[str] | None = None) -> int:
    """Return 0, or 1 when a bound was missed, a pin rose, or something was left behind."""
    args = arguments(argv)
    if args.list:
        print("\n".join(f"{fault.name:<{NAME}}{fault.what}" for fault in EVERY))
        return 0
    if sys.platform != "linux":
        print("scripts/faults reads /proc and needs Linux.", file=sys.stderr)
        return 1
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # By nohup, for the campaign alone: its cars would inherit that, but they inherit no handler.
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    seed = secrets.randbelow(1_000_000) if args.seed is None else args.seed
    faults = possible(chosen(args.only, args.boards))
    where = f"picar faults: {args.runs} runs each, seed {seed}, {machine()}"
    print(where, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="picar-faults-", dir="/dev/shm") as base:  # no disk to wait for
        tempfile.tempdir = base
        runs = asyncio.run(measure(faults, args.runs, seed, args.observe))
    done = rows(faults, runs)
    print(table(done))
    print(f"{len(runs)} runs in {time.monotonic() - began:.0f} s")
    if args.json:
        args.json.write_text(json.dumps(as_json(where, seed, done), indent=2) + "\n")
    return 0 if all(row.good for row in done) else 1


if __name__ == "__main__":
    sys.exit(main())
