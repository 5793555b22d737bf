"""The example that follows a line: with the real car and its simulated camera, judged by the car's pose on the track."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.camera.world import TRACK_M, TRACKS, spline
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import Product
from tests.support.waiting import heed_ctrl_c, until

pytestmark = pytest.mark.slow

PIPE = asyncio.subprocess.PIPE
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "follow_line.py"
OURS = os.environ | {"PYTHONPATH": str(ROOT)}
LINE = spline(TRACKS[0])  # at its fork the example takes the left branch
LONG = os.environ.get("PICAR_FUZZ") == "long"
METRES = 17.0 if LONG else 2.0  # one lap has 16.7 m; the fork is at 1.3 m
SLOWEST_M_S = 0.05  # a loaded machine: its pictures come late, and the car waits for them


@pytest.fixture
async def simulated() -> AsyncIterator[Product]:
    async with Product(pins="sim", config='[camera]\nsource = "sim"\n') as car:
        yield car
        await car.terminate()
        assert "Traceback" not in car.log()


@asynccontextmanager
async def following(car: Product) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        f"127.0.0.1:{car.port}",
        stdout=PIPE,
        stderr=PIPE,
        env=OURS,
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


class Judge:
    """Follows the car along the line: the way so far in m, and the largest distance from the line."""

    def __init__(self, watcher: Client) -> None:
        self._watcher = watcher
        self._at: int | None = None
        self.way_m = self.worst_m = 0.0

    def look(self) -> float:
        """Return the way so far."""
        pose = self._watcher.state["pose"]
        here = complex(pose["x"], pose["y"])
        near = range(len(LINE)) if self._at is None else range(self._at - 10, self._at + 11)
        at = min(near, key=lambda n: abs(LINE[n % len(LINE)] - here))
        if self._at is not None:
            ways = range(min(at, self._at), max(at, self._at))
            way_m = sum(abs(LINE[(n + 1) % len(LINE)] - LINE[n % len(LINE)]) for n in ways)
            self.way_m += way_m if at > self._at else -way_m
        self._at = at
        self.worst_m = max(self.worst_m, abs(LINE[at % len(LINE)] - here))
        return self.way_m


async def test_the_example_keeps_the_car_on_the_line_and_its_end_stops_the_car(simulated: Product) -> None:
    async with Client(simulated.url) as watcher, following(simulated) as program:
        judge = Judge(watcher)
        await until(lambda: judge.look() > METRES, "the car follows the line", METRES / SLOWEST_M_S)
        assert judge.worst_m < TRACK_M / 2, "the car left the road"
        program.send_signal(signal.SIGINT)
        await simulated.until_low()
        assert program.stderr is not None
        assert await program.stderr.read() == b""


async def test_the_car_stops_when_the_example_gets_no_picture(simulated: Product) -> None:
    async with Client(simulated.url) as watcher, following(simulated):
        await until(lambda: watcher.state["pose"]["x"] > 0.1, "the car drives")
        camera = simulated.camera_pid()
        assert camera is not None
        os.kill(camera, signal.SIGSTOP)
        await simulated.until_low()


async def lines(program: asyncio.subprocess.Process, words: str) -> None:
    """Wait until the example prints these words."""
    assert program.stdout is not None
    while words not in (line := (await program.stdout.readline()).decode()):
        assert line, f"the example ended without: {words}"


async def test_the_example_says_why_the_car_stands_and_ends_after_a_stop(simulated: Product) -> None:
    async with Client(simulated.url) as watcher, following(simulated) as program:
        await asyncio.wait_for(lines(program, "on the line"), 20)
        await watcher.send(type="stop")
        assert program.stderr is not None
        said = (await asyncio.wait_for(program.stderr.read(), 20)).decode()
        assert said.startswith("stopped: The car is stopped"), said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "arguments are required: car"),
        (["127.0.0.1:1"], "no_answer: No car answers at http://127.0.0.1:1: Connection refused."),
    ],
)
async def test_a_wrong_call_of_the_example_is_a_sentence(arguments: list[str], words: str) -> None:
    assert words in await said(*arguments)


async def test_a_wrong_token_is_refused_with_the_fix() -> None:
    async with Household(config='[camera]\nsource = "sim"\n') as house:
        answer = await said(f"127.0.0.1:{house.port}", "a-token-that-cannot-drive")
        assert answer.startswith("not_paired: ")


async def said(*arguments: str) -> str:
    """Run the example to its end, and return what it says about its error."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        *arguments,
        stderr=PIPE,
        env=OURS,
        preexec_fn=heed_ctrl_c,
    )
    text = (await asyncio.wait_for(program.communicate(), 20))[1].decode()
    assert program.returncode != 0
    assert "Traceback" not in text
    return text
