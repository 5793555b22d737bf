"""From runs to a table, a JSON report and a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.measure import Spread
from tests.faults.campaign import Run
from tests.faults.catalogue import Fault

LOUD_BYTES = 20_000  # of log in a run of some seconds
NAME, WHAT = 31, 114  # the widths of two columns


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of one fault. A noisy run counts as noisy, and its time only where no quiet one followed."""

    fault: Fault
    runs: tuple[Run, ...]

    @property
    def judged(self) -> list[Run]:
        """The last attempt of each run."""
        return [
            run
            for run, after in zip(self.runs, (*self.runs[1:], None), strict=False)
            if not (after and after.attempt)
        ]

    @property
    def times(self) -> Spread | None:
        """Seconds to low."""
        seconds = [run.seconds for run in self.judged if run.seconds is not None]
        return Spread.of(seconds) if seconds else None

    @property
    def verdict(self) -> str:
        """`kept`, or the failure."""
        if not self.runs:
            return "not tried"
        wrong = [run for run in self.runs if run.wrong]
        if wrong:
            return f"WRONG in {len(wrong)}"
        if any(run.leaked for run in self.runs):
            return "LEAKED"
        if self.fault.bound_s is None:
            return "only its switch" if self.fault.only_switch else "no pin rose"
        return "kept" if self.times and self.times.max <= self.fault.bound_s else "MISSED"

    @property
    def good(self) -> bool:
        return self.verdict in ("kept", "no pin rose", "only its switch")


def rows(faults: Sequence[Fault], runs: Sequence[Run]) -> list[Row]:
    """Return one row for each fault, in the order of the catalogue."""
    return [Row(fault, tuple(run for run in runs if run.fault == fault.name)) for fault in faults]


def table(done: Sequence[Row]) -> str:
    """Return the report for people."""
    lines = [f"{'fault':<{NAME}}{'':<{WHAT}}{'runs':>5}{'p50':>8}{'max':>8}{'bound':>8}{'noisy':>7}  verdict"]
    lines += [_line(row) for row in done]
    runs = [run for row in done for run in row.runs]
    leaked = [f"{run.fault}: {what}" for run in runs for what in run.leaked]
    lines += [
        "",
        "ms from the last command before the fault, or from the fault itself, as the catalogue says",
    ]
    lines.append(
        f"left behind, in {len(runs)} runs: {'; '.join(leaked) or 'no process, no descriptor, no file'}"
    )
    lines += [f"{run.fault}{_wiring(run)}: {wrong}" for run in runs for wrong in run.wrong]
    lines += _remarks(runs)
    return "\n".join(lines)


def as_json(where: str, seed: int, done: Sequence[Row]) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "machine": where,
        "seed": seed,
        "good": all(row.good for row in done),
        "faults": [
            {
                "name": row.fault.name,
                "what": row.fault.what,
                "runs": len(row.judged),
                "seconds": dataclasses.asdict(row.times) if row.times else None,
                "bound_s": row.fault.bound_s,
                "since": row.fault.since,
                "noisy": sum(run.noisy for run in row.runs),
                "verdict": row.verdict,
            }
            for row in done
        ],
        "runs": [dataclasses.asdict(run) for row in done for run in row.runs],
    }


def _line(row: Row) -> str:
    times, bound = row.times, row.fault.bound_s
    cells = [f"{t * 1000:.1f}" for t in (times.p50, times.max)] if times else ["-"] * 2
    limit = "-" if bound is None else f"{bound * 1000:.0f}"
    noisy = sum(run.noisy for run in row.runs)
    figures = "".join(f"{cell:>8}" for cell in (*cells, limit))
    return f"{row.fault.name:<{NAME}}{row.fault.what:<{WHAT}}{len(row.judged):>5}{figures}{noisy:>7}  {row.verdict}"


def _remarks(runs: Sequence[Run]) -> list[str]:
    """Name what is no danger, and still not as it should be."""
    loud = sorted({run.fault for run in runs if run.log_bytes > LOUD_BYTES})
    raised = sorted({run.fault for run in runs if run.traceback})
    lines = [f"more than {LOUD_BYTES // 1000} kB of log in a run: {', '.join(loud)}"] if loud else []
    return lines + ([f"a traceback in the log: {', '.join(raised)}"] if raised else [])


def _wiring(run: Run) -> str:
    if "/" in run.fault:  # another board, named by the fault
        return ""
    return ", jumpers" if run.jumpers else ", enable pins"
