"""Print how the obstacle stop does: `python -m tests.obstacle [RUNS]`."""

from __future__ import annotations

import sys

from tests.obstacle.approach import Run, to_corner, to_wall


def shown(what: str, runs: list[Run]) -> str:
    """Return a line of the table."""
    touched = sum(run.gap_m <= 0.001 for run in runs)
    gaps = sorted(run.gap_m for run in runs)
    return f"| {what} | {len(runs)} | {touched} ({touched / len(runs):.1%}) | {gaps[0]:.2f} | {gaps[len(gaps) // 2]:.2f} |"


def main(count: int) -> None:
    """Run all approaches."""
    print("| approach | runs | contacts | least gap in m | median gap in m |\n|---|---|---|---|---|")
    for least, most in ((0, 30), (30, 45), (45, 60), (60, 75)):
        runs = [to_wall(seed, most, least) for seed in range(count)]
        print(shown(f"flat wall, {least}° to {most}° from the normal", runs), flush=True)
    print(shown("corner of a box", [to_corner(seed) for seed in range(count)]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
