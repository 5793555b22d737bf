"""`scripts/bench --pins lgpio ...`: what each backend adds to `mock`, measured with the vendor libraries faked."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

from tests.bench.rounds import GAP_S, Paced, Plan, paced_block
from tests.bench.server import Server, stop_all

CPU = "cpu_s_per_1000"
MEMORY = "rss_mib"


async def compare(
    names: list[str], rounds: int, plan: Plan, folder: Path
) -> list[dict[str, dict[str, float]]]:
    """Drive a car of each backend at a human's rate, block by block. Returns the figures of each round."""
    return [
        await _round(names, plan, folder / str(number), random.Random(number)) for number in range(rounds)
    ]


async def _round(
    names: list[str], plan: Plan, folder: Path, rng: random.Random
) -> dict[str, dict[str, float]]:
    servers: dict[str, Server] = {}
    try:
        for name in rng.sample(names, len(names)):
            (folder / name).mkdir(parents=True)
            servers[name] = Server("picar", folder / name, pins=name)
        paced = {name: Paced() for name in names}
        for _ in range(plan.blocks):
            for name in rng.sample(names, len(names)):
                await paced_block(servers[name], paced[name], plan.commands, GAP_S, rng)
        return {name: paced[name].figures() | servers[name].memory() for name in names}
    finally:
        stop_all(list(servers.values()))


def table(names: list[str], rounds: list[dict[str, dict[str, float]]]) -> str:
    """Return the report for people: medians, and of ratios to `mock` in the same round."""
    lines = [
        f"picar bench: backends, medians of {len(rounds)} interleaved rounds; the vendor libraries are fakes",
        f"{'':<12}{'CPU s per 1,000 commands':>26}{'x mock':>9}{'resident MiB':>15}",
    ]
    for name in names:
        cpu = statistics.median(r[name][CPU] for r in rounds)
        ratio = statistics.median(r[name][CPU] / r["mock"][CPU] for r in rounds)
        memory = statistics.median(r[name][MEMORY] for r in rounds)
        lines.append(f"{name:<12}{cpu:>26.3f}{ratio:>9.2f}{memory:>15.1f}")
    return "\n".join(lines)
