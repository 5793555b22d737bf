"""The server's end of the camera, with real processes: it never waits, and every fault has an end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from picar.camera import handle as handle_module
from picar.camera.frames import MAX_BYTES, Frame
from picar.camera.handle import CameraHandle, Condition, order_of
from picar.camera.sources import Order
from picar.config import CameraConfig
from tests.camera.orders import order
from tests.support.waiting import until

pytestmark = pytest.mark.slow

ORDER = order("test")


class Rig:
    """A handle, what it showed, and the longest time that one of its calls took."""

    def __init__(self, oddity: str | None, first: Order = ORDER) -> None:
        command = [sys.executable, "-m", "tests.camera.odd_camera", oddity] if oddity else None
        self.longest_call_s = 0.0
        self.handle = CameraHandle(first, self, command=command)
        self.pictures: list[Frame] = []
        self.conditions: list[Condition] = []
        self.pids: list[int] = []
        self.handle.on_picture = self.pictures.append
        self.handle.on_condition = self.conditions.append

    def add_reader(self, fd: int, callback: Callable[[], None], /) -> None:
        assert self.pid is not None
        self.pids.append(self.pid)
        asyncio.get_running_loop().add_reader(fd, self._timed, callback)

    def remove_reader(self, fd: int, /) -> None:
        asyncio.get_running_loop().remove_reader(fd)

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay, self._timed, callback)

    def _timed(self, callback: Callable[[], None]) -> None:
        began = time.monotonic()
        callback()
        self.longest_call_s = max(self.longest_call_s, time.monotonic() - began)

    @property
    def pid(self) -> int | None:
        process = self.handle._process
        return process.popen.pid if process else None

    def kill(self, number: signal.Signals) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)

    async def until_live(self) -> None:
        count = len(self.pictures)
        await until(lambda: len(self.pictures) > count + 2, f"pictures; {self.handle.condition}")
        assert self.handle.condition.state == "live"

    async def until_code(self, code: str | None) -> Condition:
        await until(lambda: self.handle.condition.code == code, f"{code}; {self.handle.condition}")
        return self.handle.condition

    def alive(self) -> list[int]:
        """Return the processes that have not ended; the one that ends now is a zombie until the next tick."""
        return [pid for pid in self.pids if _state(pid) not in ("", "Z")]


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    return ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let faults be judged sooner than in the product."""
    for name, value in {"FROZEN_S": 0.5, "LINGER_S": 0.3, "END_S": 0.3, "STUCK_S": 0.5}.items():
        monkeypatch.setattr(handle_module, name, value)
    monkeypatch.setattr(handle_module, "PAUSES_S", (0.05, 0.1, 0.2, 0.3, 0.4))


@pytest.fixture
async def rigs() -> AsyncIterator[list[Rig]]:
    """Close every handle; no process may be left."""
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.handle.close()
        await until(lambda rig=rig: not rig.alive(), "the end of its processes")  # type: ignore[misc]
        if rig.handle._dying:
            rig.handle._dying.popen.wait()  # the test process lives on, unlike the server


@pytest.fixture
async def rig(rigs: list[Rig], request: pytest.FixtureRequest) -> Rig:
    rigs.append(Rig(getattr(request, "param", "steady")))
    return rigs[0]


def odd(oddity: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rig", [oddity], indirect=True)


async def test_without_a_viewer_there_is_no_process(rig: Rig) -> None:
    await asyncio.sleep(0.2)
    assert rig.pids == []
    assert rig.handle.condition == Condition("off")


async def test_the_first_viewer_starts_it_and_a_second_one_starts_no_other(rig: Rig) -> None:
    rig.handle.watch()
    assert rig.conditions == [Condition("starting")]
    rig.handle.watch()
    await rig.until_live()
    assert len(rig.pids) == 1
    assert rig.handle.condition == Condition("live", None, None, upright=False)
    assert rig.longest_call_s < 2.0


async def test_it_is_gone_some_seconds_after_the_last_viewer_and_comes_back_with_the_next(rig: Rig) -> None:
    rig.handle.watch()
    rig.handle.watch()
    await rig.until_live()
    rig.handle.unwatch()
    await asyncio.sleep(0.3)
    assert rig.handle.condition.state == "live"
    left_at = time.monotonic()
    rig.handle.unwatch()
    await until(lambda: not rig.alive(), "its end")
    assert 4.9 < time.monotonic() - left_at < 15.0
    assert rig.handle.condition == Condition("off")
    rig.handle.watch()
    await rig.until_live()
    assert len(rig.pids) == 2


async def test_a_viewer_who_comes_back_in_time_finds_the_same_process(rig: Rig, quick: None) -> None:
    rig.handle.watch()
    await rig.until_live()
    for _ in range(5):
        rig.handle.unwatch()
        await asyncio.sleep(0.1)
        rig.handle.watch()
    await asyncio.sleep(0.5)
    await rig.until_live()
    assert len(rig.pids) == 1


@odd("deaf")
async def test_a_process_that_ignores_end_of_file_and_sigterm_is_killed(rig: Rig, quick: None) -> None:
    rig.handle.watch()
    await rig.until_live()
    rig.kill(signal.SIGTERM)
    await rig.until_live()
    rig.handle.unwatch()
    await until(lambda: not rig.alive(), "its end")
    assert rig.handle.condition == Condition("off")


async def test_a_frozen_process_is_killed_and_started_again(
    rig: Rig, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    rig.handle.watch()
    await rig.until_live()
    rig.kill(signal.SIGSTOP)
    with caplog.at_level(logging.WARNING):
        frozen = await rig.until_code("frozen")
    assert frozen.state == "frozen"
    assert "no picture for 3 s" in str(frozen.message)
    await rig.until_code(None)
    await rig.until_live()
    assert len(rig.pids) == 2
    assert len(rig.alive()) == 1
    assert len(caplog.records) == 1
    assert rig.longest_call_s < 2.0


async def test_a_frozen_process_is_live_again_after_four_seconds(rig: Rig) -> None:
    rig.handle.watch()
    await rig.until_live()
    rig.kill(signal.SIGSTOP)
    stopped_at = time.monotonic()
    await rig.until_code("frozen")
    assert 2.5 < time.monotonic() - stopped_at < 15.0
    await rig.until_live()
    assert time.monotonic() - stopped_at < 25.0


@odd("silent")
async def test_a_process_without_a_first_picture_gets_more_time(
    rig: Rig, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handle_module.FIRST_PICTURE_S == 10.0
    monkeypatch.setattr(handle_module, "FIRST_PICTURE_S", 1.5)
    rig.handle.watch()
    began = time.monotonic()
    await rig.until_code("frozen")
    assert time.monotonic() - began > 1.4
    assert [condition.state for condition in rig.conditions] == ["starting", "frozen"]


@pytest.mark.parametrize(
    ("rig", "code", "words"),
    [
        ("garbage", "bad_stream", "no picture"),
        ("noise", "bad_stream", "no picture"),
        ("huge", "bad_stream", "no picture"),
        ("exit", "crashed", "(exit code 3)"),
        ("segv", "crashed", "(signal 11)"),
        ("oom", "out_of_memory", "more than 400 MB"),
    ],
    indirect=["rig"],
)
async def test_a_fault_is_told_once_and_it_is_started_again_and_again(
    rig: Rig, quick: None, code: str, words: str
) -> None:
    rig.handle.watch()
    fault = await rig.until_code(code)
    assert fault.state == "trouble"
    assert words in str(fault.message)
    await until(lambda: len(rig.pids) > 3, "it to be started again")
    assert len(rig.alive()) <= 1


@odd("trouble")
async def test_a_fault_that_needs_a_person_is_looked_at_every_ten_seconds(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.handle.watch()
    fault = await rig.until_code("missing")
    assert (fault.state, fault.message) == ("trouble", "No camera was found.")
    await asyncio.sleep(2.0)
    assert len(rig.pids) == 1
    assert len(caplog.records) == 1
    assert handle_module.PAUSES_S[-1] == 10.0


@odd("mute")
async def test_the_pauses_grow_until_a_picture_comes(rig: Rig, quick: None) -> None:
    rig.handle.watch()
    await until(lambda: len(rig.pids) > 2, "two starts")
    assert rig.handle._starts <= 1  # each process sent a picture first


async def test_a_system_that_starts_no_process_is_a_fault(rigs: list[Rig], quick: None) -> None:
    rig = Rig("steady")
    rig.handle._command = ["/nowhere/python"]
    rigs.append(rig)
    rig.handle.watch()
    fault = await rig.until_code("crashed")
    assert "No such file" in str(fault.message)
    await until(lambda: rig.handle._starts > 2, "it to try again")


async def test_a_process_that_cannot_be_killed_is_stuck_and_none_starts_beside_it(
    rig: Rig, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process in an uninterruptible sleep survives SIGKILL; here, SIGKILL is not sent."""
    rig.handle.watch()
    await rig.until_live()
    rig.kill(signal.SIGSTOP)
    assert rig.handle._process
    monkeypatch.setattr(rig.handle._process.popen, "kill", lambda: None)
    stuck = await rig.until_code("stuck")
    assert "restart the Pi" in str(stuck.message)
    await asyncio.sleep(1.0)
    assert len(rig.pids) == 1
    os.kill(rig.pids[0], signal.SIGKILL)
    await rig.until_live()
    assert len(rig.pids) == 2


@odd("big")
async def test_pictures_of_one_mebibyte_are_good(rig: Rig) -> None:
    rig.handle.watch()
    await rig.until_live()
    assert len(rig.pictures[-1].body) == MAX_BYTES
    assert rig.longest_call_s < 2.0


@odd("old")
async def test_old_pictures_are_passed_over(rig: Rig) -> None:
    rig.handle.watch()
    await until(lambda: rig.handle._silent_at - time.monotonic() < handle_module.FROZEN_S < 10, "a picture")
    assert (rig.pictures, rig.handle.condition.state) == ([], "starting")


@odd("future")
async def test_a_picture_from_the_future_is_from_now(rig: Rig) -> None:
    rig.handle.watch()
    await rig.until_live()
    assert all(picture.captured_ns <= time.monotonic_ns() for picture in rig.pictures)


@pytest.mark.parametrize("rig", ["flood", "deep"], indirect=True)
async def test_a_flood_of_tiny_frames_and_a_deep_notice_end_the_process(rig: Rig, quick: None) -> None:
    rig.handle.watch()
    await rig.until_code("bad_stream")


@odd("trouble")
async def test_a_fault_is_forgotten_some_time_after_the_last_viewer(rig: Rig, quick: None) -> None:
    rig.handle.watch()
    fault = await rig.until_code("missing")
    assert fault.needs_a_person
    rig.handle.unwatch()
    assert rig.handle.condition == fault
    await until(lambda: rig.handle.condition == Condition("off"), "the end of the fault")


async def test_of_pictures_that_come_together_the_newest_counts(rig: Rig) -> None:
    rig.handle.watch()
    await rig.until_live()
    time.sleep(0.5)  # noqa: ASYNC251 - the server hangs
    before = rig.pictures[-1].seq
    await rig.until_live()
    assert next(picture.seq for picture in rig.pictures if picture.seq > before) > before + 5


async def test_close_leaves_no_process_and_calls_nothing_any_more(rig: Rig) -> None:
    rig.handle.watch()
    await rig.until_live()
    rig.kill(signal.SIGSTOP)
    began = time.monotonic()
    rig.handle.close()
    assert time.monotonic() - began < 2.0
    count = len(rig.pictures)
    await until(lambda: not rig.alive(), "its end")
    await asyncio.sleep(0.3)
    assert len(rig.pictures) == count


async def test_an_order_reaches_the_process_and_those_after_it(rigs: list[Rig], quick: None) -> None:
    rig = Rig(None)
    rigs.append(rig)
    rig.handle.watch()
    await rig.until_live()
    assert (rig.pictures[-1].width, rig.pictures[-1].level) == (640, 0)
    rig.handle.order({"level": 5})
    await until(lambda: rig.pictures[-1].level == 5, "the new level")
    assert (rig.pictures[-1].width, rig.pictures[-1].height) == (240, 180)
    rig.kill(signal.SIGKILL)
    await rig.until_code("out_of_memory")
    await rig.until_code(None)
    assert rig.pictures[-1].level == 5


def test_the_order_of_a_configuration() -> None:
    assert order_of(CameraConfig(source="off"), "lgpio") is None
    assert (order_of(CameraConfig(), "sim") or {}).get("source") == "sim"
    real = order_of(CameraConfig(), "lgpio", "aarch64")
    assert real == order("auto")
    zero = order_of(CameraConfig(), "lgpio", "armv6l")
    assert zero
    assert (zero["size"], zero["fps"]) == ((320, 240), 15)
    chosen = order_of(CameraConfig(size="800x600", fps=10), "lgpio", "armv6l")
    assert chosen
    assert (chosen["size"], chosen["fps"]) == ((800, 600), 10)


def test_simulated_pins_without_pillow_have_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert order_of(CameraConfig(), "sim") is None
