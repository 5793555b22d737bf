"""The server's end of a real motor process: commands and their answers, its refusal to start, its clean end."""

from __future__ import annotations

import asyncio
import select
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from picar.core.drive import Reason
from picar.core.shaping import NEUTRAL, Sticks
from picar.errors import BackendError
from tests.motor.channel_rig import Rig, alive, rig, trace
from tests.motor.rig import AHEAD, DEADLINE_S, Trace, wait_until
from tests.support.descriptors import open_descriptors
from tests.support.header import FakeHeader
from tests.support.waiting import until

__all__ = ["rig", "trace"]


def test_after_the_start_the_pins_are_claimed_and_low(rig: Rig) -> None:
    assert (rig.statuses[0].n, rig.statuses[0].state) == (0, "disarmed")
    assert rig.trace.low()
    assert rig.channel.ready
    assert rig.channel.fresh()
    assert rig.channel.silence_s < DEADLINE_S


def test_every_kind_of_command_comes_through_and_is_numbered(rig: Rig) -> None:
    now = time.monotonic
    numbers = [
        rig.drive(NEUTRAL, 10.0),
        rig.drive(AHEAD, 10.0),
        rig.ask(rig.channel.limit, 0.5, now() + 10.0),
        rig.channel.release(Reason.RELEASED),
        rig.channel.stop(),
    ]
    assert numbers == [1, 2, 3, 4, 5]
    status = rig.answer(5)
    assert (status.state, status.speed_limit) == ("stopped", 0.5)
    n = rig.ask(rig.channel.reset, now(), now() + 10.0)
    assert rig.answer(n).state == "disarmed"
    refused = rig.drive(AHEAD, 10.0)
    assert rig.answer(refused).refused[-1][0] == refused


def test_a_clean_close_is_no_death(trace: Trace) -> None:
    before = open_descriptors()
    rig = Rig(trace)
    rig.start()
    rig.at_full_speed()
    rig.channel.close()
    assert not alive(rig.channel.pid)
    assert rig.trace.low()
    assert (rig.lows, rig.deaths) == ([], 0)
    rig.channel.close()
    rig.channel.read()
    rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert open_descriptors() == before


def test_a_channel_that_was_never_started_may_be_closed(trace: Trace) -> None:
    rig = Rig(trace)
    assert rig.channel.pid is None
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([], 0)


def test_a_cut_makes_the_pins_low_and_the_end_that_follows_is_no_death(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.channel.cut()
    wait_until(rig.trace.low, "every pin low")
    select.select([rig.channel.fileno()], [], [], DEADLINE_S)
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    assert (rig.lows, rig.deaths) == ([], 0)


def test_after_a_clean_end_its_silence_is_no_death(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    for seconds in (0.6, 3.0, 60.0):
        rig.clock.overslept_s = seconds
        rig.channel.check()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert not rig.channel.fresh()


def test_a_command_after_the_cut_goes_nowhere(rig: Rig) -> None:
    rig.at_full_speed()
    rig.channel.cut()
    rig.drive(AHEAD, 60.0)
    rig.channel.stop()
    rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
    assert rig.trace.low()
    assert rig.deaths == 0


def test_the_end_of_file_comes_though_another_child_lives(rig: Rig) -> None:
    with subprocess.Popen(["sleep", "60"], close_fds=False) as other:
        rig.channel.cut()
        rig.pump(lambda: not alive(rig.channel.pid), "its clean end")
        other.kill()
    assert rig.deaths == 0


def test_a_flood_never_blocks_and_is_answered_in_its_order(rig: Rig) -> None:
    rig.kill(signal.SIGSTOP)
    count = 40_000  # more than the pipe takes
    deadline = time.monotonic() + 60.0
    for n in range(count - 1):
        rig.ask(rig.channel.drive, Sticks((-1.0) ** n, 0.0), deadline)
    rig.channel.stop()
    rig.kill(signal.SIGCONT)
    # On a busy machine the flood alone takes longer than the silence that the channel allows.
    give_up_at = time.monotonic() + DEADLINE_S
    while rig.statuses[-1].n == 0:
        assert time.monotonic() < give_up_at, "the first answer"
        rig.channel.read()
    status = rig.answer(count)
    assert status.state == "stopped"
    answers = [status.n for status in rig.statuses]
    assert answers == sorted(answers)
    refused = [n for status in rig.statuses for n, _ in status.refused]  # but those that did not fit the pipe
    assert refused == sorted(set(refused))
    assert [n for n, _ in rig.settled] == list(range(1, count)), "each once, in its order"
    assert [n for n, refusal in rig.settled if refusal] == refused
    assert rig.deaths == 0


def test_a_backend_without_its_library_is_an_error_with_its_sentence(
    trace: Trace, install_fake: Callable[[str], FakeHeader]
) -> None:
    install_fake("lgpio").board.tell("lgpio", "missing")
    before = open_descriptors()
    rig = Rig(trace, backend="lgpio")
    with pytest.raises(BackendError, match="its library is not installed"):
        rig.start()
    assert (rig.lows, rig.deaths) == ([], 0)
    assert not alive(rig.channel.pid)
    assert open_descriptors() == before


def test_the_folder_it_is_started_in_cannot_change_what_is_started(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("picar", "json", "select"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a trap')\n")
    monkeypatch.chdir(tmp_path)
    rig = Rig(trace)
    rig.start()
    rig.channel.close()
    assert (rig.lows, rig.deaths) == ([], 0)


@pytest.fixture
async def pumped(rig: Rig) -> AsyncIterator[Rig]:
    """A started motor process that the event loop reads and watches, as the server's does."""
    loop = asyncio.get_running_loop()
    rig.at_full_speed()
    loop.add_reader(rig.channel.fileno(), rig.channel.read)

    async def pulse() -> None:
        while True:
            await asyncio.sleep(0.06)
            rig.channel.read()

    pulsing = asyncio.create_task(pulse())
    yield rig
    pulsing.cancel()
    loop.remove_reader(rig.channel.fileno())


def test_news_ring_the_bell_and_a_beat_does_not(rig: Rig) -> None:
    def rings(seconds: float) -> bool:
        return bool(select.select([rig.channel], [], [], seconds)[0])

    def has_rung() -> int:
        assert rings(DEADLINE_S)
        rig.channel.read()
        return rig.channel.status.n

    rig.at_full_speed()
    rig.channel.read()
    assert not rings(0.3), "beats alone"
    n = rig.drive(AHEAD, 60.0)
    assert not rings(0.3), "a command that is followed"
    rig.channel.read()
    assert rig.channel.status.n == n
    refused = rig.drive(AHEAD, -1.0)
    assert has_rung() == refused
    stop = rig.channel.stop()
    assert has_rung() == stop


async def test_an_answer_is_awaited_and_its_command_is_settled_by_then(pumped: Rig) -> None:
    n = pumped.drive(NEUTRAL, 10.0)
    assert await pumped.channel.answer(n, DEADLINE_S)
    assert pumped.channel.status.n >= n
    assert pumped.settled[-1:] == [(n, None)]
    assert await pumped.channel.answer(n, 0.0), "an answer that is here already needs no time"
    stop = pumped.channel.stop()
    assert await pumped.channel.answer(stop, DEADLINE_S)
    assert pumped.channel.status.state == "stopped"
    refused = pumped.drive(AHEAD, 10.0)
    assert await pumped.channel.answer(refused, DEADLINE_S)
    assert pumped.settled[-1:] == [(refused, "stopped")]


async def test_a_status_is_passed_on_after_the_commands_that_it_answers(pumped: Rig) -> None:
    order: list[object] = []
    pumped.channel.attach(lambda _before, status: order.append(status.n), lambda _why: None)
    n = pumped.channel.sent + 1
    pumped.channel.drive(NEUTRAL, time.monotonic() + 10.0, lambda _refusal: order.append("settled"))
    assert await pumped.channel.answer(n, DEADLINE_S)
    before = [status for status in order[: order.index("settled")] if isinstance(status, int)]
    assert all(status < n for status in before)
    assert order[order.index("settled") + 1] == n


async def test_a_standstill_is_awaited_through_ramp_and_brake(pumped: Rig) -> None:
    assert not pumped.channel.stands_still
    assert not await pumped.channel.standstill(0.05)
    pumped.channel.stop()
    assert await pumped.channel.standstill(DEADLINE_S)
    assert pumped.channel.stands_still
    assert pumped.trace.low()


async def test_only_a_driver_s_command_is_a_reason_not_to_stand_still(pumped: Rig) -> None:
    pumped.channel.stop()
    assert await pumped.channel.standstill(DEADLINE_S)
    pumped.kill(signal.SIGSTOP)
    for _ in range(100):
        pumped.channel.stop()
        pumped.channel.release(Reason.RELEASED)
        pumped.channel.cap(0.5, 0.5)
    assert pumped.channel.stands_still
    n = pumped.drive(NEUTRAL, 10.0)
    assert not pumped.channel.stands_still
    pumped.kill(signal.SIGCONT)
    assert await pumped.channel.answer(n, DEADLINE_S)
    assert pumped.channel.stands_still


async def test_a_waiter_that_gives_up_or_is_cancelled_leaves_nothing_behind(pumped: Rig) -> None:
    never = pumped.channel.sent + 1000
    began = time.monotonic()
    assert not await pumped.channel.answer(never, 0.2)
    assert time.monotonic() - began >= 0.2
    waiters = [asyncio.create_task(pumped.channel.answer(never, 60.0)) for _ in range(50)]
    await asyncio.sleep(0)
    for waiter in waiters[:25]:
        waiter.cancel()
    # An answer that comes meanwhile lets them all wait anew.

    def waiting() -> asyncio.Future[None] | None:
        change = pumped.channel._change
        return change if change is not None and len(change._callbacks or []) == 25 else None

    change = await until(waiting, "25 waiters")
    assert change is not None
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert not change._callbacks
    assert await pumped.channel.answer(pumped.channel.stop(), DEADLINE_S), (
        "the others still get their answers"
    )


@pytest.mark.parametrize("how", ["death", "close"])
async def test_the_end_of_the_motor_process_releases_all_waiters(pumped: Rig, how: str) -> None:
    never = pumped.channel.sent + 1000
    waiters = [asyncio.create_task(pumped.channel.answer(never, 60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    if how == "death":
        pumped.kill(signal.SIGKILL)
    else:
        pumped.channel.cut()
    assert await asyncio.wait_for(asyncio.gather(*waiters), DEADLINE_S) == [False] * 3
    assert not await pumped.channel.answer(never, 60.0), "and nobody waits for a dead process"


def test_a_hang_with_an_open_command_is_called_silence(trace: Trace) -> None:
    channel = Rig(trace).channel
    channel.status, channel.sent = channel.status._replace(n=1, moving=True), 2
    channel._heard_at = channel._waiting_since = 10.0
    assert channel._end_of_patience() == (10.5, "motor process silent for 0.5 s while driving")
