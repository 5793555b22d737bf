"""Run faults one after the other, in random order, and judge each run."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import leaks
from tests.faults.catalogue import LINK_S, Fault
from tests.faults.jitter import Jitter
from tests.faults.judge import judge
from tests.faults.rig import Deadline, Disturbed, Rig, driving

ATTEMPTS = 4  # a noisy run is repeated up to three times
OBSERVE_S = 1.0  # after the pins went low and the fault is over
PATIENCE_S = 5.0
EVIDENCE_CHARACTERS = 10_000


@dataclass(slots=True)
class Run:
    """The result of one run. `seconds` is None if the pins were never low; `wrong` lists failures that no noise excuses;
    `evidence` holds the log of a failure or of a traceback; `others` the seconds of each `Deadline`.
    """

    fault: str
    jumpers: bool
    attempt: int
    seconds: float | None = None
    jitter_s: float = 0.0
    noisy: bool = False
    wrong: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    log_bytes: int = 0
    traceback: bool = False
    evidence: str = ""
    others: dict[str, float] = field(default_factory=dict)


class Campaign:
    """Runs faults and remembers every run, also the noisy ones.

    Args:
        jitter: measures the machine.
        seed: for the order, and for the moment of each fault.
        observe_s: how long the pins are watched after all is over.
        tell: called with the name of each run as it begins.
    """

    def __init__(
        self,
        jitter: Jitter,
        seed: int,
        observe_s: float = OBSERVE_S,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._jitter, self._seed, self._observe_s, self._tell = jitter, seed, observe_s, tell
        self._descriptors = 0
        self._others: set[int] = set()
        self._begun = 0
        self.runs: list[Run] = []

    async def run(self, faults: Sequence[Fault], runs: int) -> None:
        """Run each fault so many times; the L298N in both wirings by turns."""
        self._others = leaks.children()  # not of a run: what measures the jitter, a browser of other tests
        plan = [
            (fault, n, not fault.board and (k + n) % 2 == 1)
            for k, fault in enumerate(faults)
            for n in range(runs)
        ]
        random.Random(self._seed).shuffle(plan)
        for done, (fault, n, jumpers) in enumerate(plan):
            self._tell(f"run {done + 1} of {len(plan)}: {fault.name}")
            for attempt in range(ATTEMPTS):
                run = await self._once(fault, jumpers, n, attempt)
                self.runs.append(run)
                if not run.noisy:
                    break

    async def _once(self, fault: Fault, jumpers: bool, number: int, attempt: int) -> Run:
        run = Run(fault.name, jumpers, attempt)
        self._begun += 1
        mark = f"{os.getpid()}-{self._begun}"
        rng = random.Random(f"{self._seed} {fault.name} {number} {attempt}")
        said = io.StringIO()  # the log, which `Product` prints when something is wrong
        try:
            with contextlib.redirect_stdout(said):
                await self._try(fault, run, rng, mark)
        except leaks.Leaked as leak:
            run.leaked.append(str(leak))
        except Disturbed as disturbance:
            self._blame(disturbance, run)
        except Exception as error:  # a run that fails is a result too
            run.wrong.append(f"{type(error).__name__}: {error}")
        if run.wrong or run.leaked:
            run.evidence += said.getvalue()[:EVIDENCE_CHARACTERS]
        await self._look_for_leaks(run, mark)
        return run

    async def _try(self, fault: Fault, run: Run, rng: random.Random, mark: str) -> None:
        async with driving(fault, run.jumpers, rng, mark) as rig:
            await fault.act(rig)
            await self._measure(fault, rig, run)
            log = rig.car.log()
            run.log_bytes, run.traceback = len(log), "Traceback" in log
            run.evidence = log[:EVIDENCE_CHARACTERS] if run.traceback else ""

    async def _measure(self, fault: Fault, rig: Rig, run: Run) -> None:
        await rig.until_low()
        await asyncio.sleep(self._observe_s)
        writes = await rig.writes()
        verdict = judge(writes, rig.watched, rig.hit_at)
        rose = verdict.rose
        moved = rig.drives(writes)
        rose += tuple(write for write in moved.again if write not in rose)
        if verdict.low_at is not None and fault.bound_s is not None:
            since = rig.last_command(verdict.low_at) if fault.since == "command" else rig.hit_at
            run.seconds = verdict.low_at - since
            run.jitter_s = self._jitter.worst(since, verdict.low_at)
            run.noisy = run.jitter_s > fault.bound_s / 2
            # On a starved machine a command on its way may re-arm a failsafe; by its own deadline all is low for good.
            rose = tuple(write for write in rose if write.t > since + fault.bound_s)
        if fault.bound_s is not None and not verdict.drove and not fault.may_stop_early:
            run.noisy = True  # the machine was so late that the car stood already: this measured nothing
            if run.attempt == ATTEMPTS - 1:
                run.wrong.append("it did not drive when the fault struck")
        if rose:
            run.wrong.append(f"{len(rose)} pins rose, first {rose[0].pin} at {rose[0].t - rig.hit_at:.3f} s")
        if other := moved.other:
            run.wrong.append(f"driven otherwise by GPIO {other[0].pin} at {other[0].t - rig.hit_at:.3f} s")
        for deadline in rig.deadlines:
            self._judge_deadline(deadline, run)

    def _judge_deadline(self, deadline: Deadline, run: Run) -> None:
        took_s, jitter_s = deadline.until - deadline.since, self._jitter.worst(deadline.since, deadline.until)
        run.others[deadline.what] = took_s
        if jitter_s > deadline.bound_s / 2:
            run.noisy = True
        elif took_s > deadline.bound_s:
            run.wrong.append(f"{deadline.what} after {took_s:.3f} s, not {deadline.bound_s:g} s")

    def _blame(self, disturbance: Disturbed, run: Run) -> None:
        """Judge a disturbance before the fault: by the jitter since then, as a stop on a link is judged."""
        run.jitter_s = self._jitter.worst(disturbance.since, time.monotonic())
        run.noisy = run.jitter_s > LINK_S / 2
        if not run.noisy or run.attempt == ATTEMPTS - 1:
            run.wrong.append(f"Disturbed: {disturbance}")

    async def _look_for_leaks(self, run: Run, mark: str) -> None:
        """Wait a little for processes and files that are about to go, and note those that stay."""
        give_up_at = time.monotonic() + PATIENCE_S
        left = self._left(mark)
        while left and time.monotonic() < give_up_at:
            await asyncio.sleep(0.02)
            left = self._left(mark)
        run.leaked += left
        leaks.kill(leaks.marked(mark))
        self._descriptors = leaks.descriptors(os.getpid())

    def _left(self, mark: str) -> list[str]:
        here = leaks.descriptors(os.getpid())
        found = [f"process {pid}" for pid in leaks.marked(mark)]
        found += [f"child {pid}" for pid in leaks.children() - self._others]
        found += [f"file {name}" for name in leaks.files(Path(tempfile.gettempdir()))]
        if self._descriptors and here > self._descriptors:
            found.append(f"{here - self._descriptors} descriptors of the campaign")
        return found
