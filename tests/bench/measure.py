"""Read what the machine knows: processor time and memory of processes, pin traces, and its own jitter."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CPUCLOCK_SCHED = 2  # include/linux/posix-timers.h: a process's clock id is (~pid << 3) | 2


@dataclass(frozen=True, slots=True)
class Spread:
    """The usual three of a set of times, in seconds."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Spread:
        """Return the spread of at least one time."""
        ordered = sorted(times)
        return cls(
            p50=statistics.median(ordered), p99=ordered[round(0.99 * (len(ordered) - 1))], max=ordered[-1]
        )


@dataclass(frozen=True, slots=True)
class Write:
    """One line of a pin trace."""

    t: float
    pin: int
    op: str
    value: float


class Trace:
    """A pin trace that is being written by somebody else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def mark(self) -> int:
        """Return where the trace ends now."""
        return self.path.stat().st_size

    def since(self, mark: int, until: int | None = None) -> list[Write]:
        """Return the whole lines written after a mark, or between two."""
        with self.path.open("rb") as file:
            file.seek(mark)
            lines = file.read(-1 if until is None else until - mark).split(b"\n")[:-1]
        return [Write(**json.loads(line)) for line in lines]


def climbed(
    count: int, start: float, writes: Sequence[Write], top: float | None = None
) -> list[float | None]:
    """Return when a pin took each of `count` equal steps up, from `start` to `top`.

    A step that was passed over, because a newer command came before it was applied, was taken with the newer.

    Args:
        count: of steps.
        start: the level before the first.
        writes: of this pin alone.
        top: the level of the last step; by default the highest in the trace.

    Returns:
        Times, or None for steps that were never taken.
    """
    if top is None:
        top = max((write.value for write in writes), default=start)
    times: list[float | None] = []
    rest = iter(writes)
    write = next(rest, None)
    for step in range(1, count + 1):
        level = start + (top - start) * (step - 0.4) / count
        while write is not None and (write.value < level or top == start):
            write = next(rest, None)
        times.append(write.t if write else None)
    return times


def cpu_s(pids: Sequence[int]) -> float:
    """Return the processor time of processes so far, user and system, in seconds; Linux."""
    return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in pids)


def wake_ups(pid: int) -> int:
    """Return how often the threads of a process have woken up so far; Linux.

    A thread that waits for a message or a timer gives up its core: the kernel counts one voluntary context switch, and
    each such wait ends with one wake-up. A thread that loses its core to other work is counted elsewhere
    (`nonvoluntary_ctxt_switches`), so a busy machine does not add to this number. The count of a thread that ends is
    lost with it; neither process of the car ends threads while it drives.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(_number(task / "status", "voluntary_ctxt_switches:") for task in tasks)


def go_first() -> bool:
    """Put this process, and all it starts from now on, before the machine's other work; tell whether it may.

    Two processes are held up by neighbours twice as often as one, which says nothing about either.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def family(pid: int) -> list[int]:
    """Return a process and all it has started that still runs; Linux."""
    children = [
        int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in family(child))]


def memory_mib(pid: int) -> tuple[float, float]:
    """Return a process's memory in MiB: resident (VmRSS), and its fair share of shared pages (Pss); Linux."""
    resident = _number(Path(f"/proc/{pid}/status"), "VmRSS:")
    return resident / 1024, _number(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024


def _number(file: Path, key: str) -> int:
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(key))


def jitter(seconds: float) -> Spread:
    """Sleep 1 ms again and again and return how late the machine wakes us."""
    late: list[float] = []
    end = time.monotonic() + seconds
    while (before := time.monotonic()) < end:
        time.sleep(0.001)
        late.append(time.monotonic() - before - 0.001)
    return Spread.of(late)
