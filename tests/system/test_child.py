"""A child process: its whole output arrives, the event loop continues, and every failure has an end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from picar.system import child
from picar.web.handler import Refused, drawn
from tests.support.waiting import until

PYTHON = [sys.executable, "-c"]


async def test_an_answer_longer_than_a_pipe_arrives_whole() -> None:
    program = "import sys; sys.stdout.write(sys.stdin.read() * 200_000); sys.stderr.write('!' * 200_000); sys.exit(3)"
    ended = await child.run([*PYTHON, program], 60.0, "é")
    assert (ended.code, ended.out.decode(), ended.err) == (3, "é" * 200_000, b"!" * 200_000)


async def test_a_child_that_reads_nothing_is_no_failure() -> None:
    assert (await child.run([*PYTHON, "import sys; sys.stdin.close()"], 60.0, "question")).code == 0


async def test_a_child_that_does_not_end_is_killed() -> None:
    with pytest.raises(TimeoutError):
        await child.run([*PYTHON, "import time; print(flush=True); time.sleep(600)"], 0.3)


async def test_a_request_that_is_given_up_ends_its_child(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(600)"
    there = f"import os; os.chdir({str(tmp_path)!r}); {program}"
    task, pid = asyncio.create_task(child.run([*PYTHON, there], 60.0)), tmp_path / "pid"
    await until(lambda: pid.exists() and pid.read_text(), "the child")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_the_event_loop_continues_while_a_child_works() -> None:
    task = asyncio.create_task(child.run([*PYTHON, "import time; time.sleep(0.5)"], 60.0))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    assert (await task).code == 0


@pytest.mark.parametrize("module", ["picar.nothing", "picar.web.draw"])
async def test_a_module_that_fails_gives_no_answer(module: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await child.answer_of(module, "no JSON") is None
    assert f"{module} failed" in caplog.text


async def test_a_drawing_that_fails_is_a_refusal_with_a_reason() -> None:
    with pytest.raises(Refused) as refused:
        await drawn("nothing")
    assert (refused.value.status_code, refused.value.code) == (503, "not_drawn")
    assert refused.value.headers == {"Retry-After": "10"}
