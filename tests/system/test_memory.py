"""A program whose event loop has no memory: it ends at once, with one line and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from picar.errors import OUT_OF_MEMORY

PROGRAM = """
import asyncio, mmap, resource, selectors, sys
from picar.system import memory

class Owner:
    def __del__(self):
        raise MemoryError

async def serve():
    asyncio.get_running_loop().call_soon(exhaust)
    Owner()
    try:
        await asyncio.Event().wait()
    finally:
        print("an orderly end")

def exhaust():
    used = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    selectors.EpollSelector.select = fail

def fail(*_):
    selectors.EpollSelector.select = select
    if words:
        raise SystemError(words)
    bytearray(2 << 20)

select = selectors.EpollSelector.select
words = sys.argv[1]
memory.run(serve())
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def ended(words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", PROGRAM, words]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["", "error return without exception set"])
def test_a_loop_without_memory_ends_the_program_at_once(words: str) -> None:
    done = ended(words)
    assert (done.stdout, done.stderr, done.returncode) == ("", f"picar: {OUT_OF_MEMORY}\n", 1)


def test_another_error_of_the_interpreter_keeps_its_traceback_and_an_orderly_end() -> None:
    done = ended("bad argument to internal function")
    assert "SystemError: bad argument" in done.stderr
    assert (done.stdout, done.returncode) == ("an orderly end\n", 1)
