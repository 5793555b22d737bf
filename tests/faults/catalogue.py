"""Every fault: its name, its bound, and what it does to a car at full throttle.

A fault calls `rig.hit()` at the moment it strikes, returns when it has done all it does, and leaves the judging to others.
The bounds are those of the ladder in docs/safety.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import os
import resource
import signal
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from picar.web.clients import TICK_S
from tests.faults import page
from tests.faults.driver import Driver
from tests.faults.odd import FEW_DESCRIPTORS, HOUR_S, HUNG_S
from tests.faults.rig import Rig

LINK_S = 0.5 + 0.05  # from the last command that was sent before the fault
DEATH_S = 0.05  # from the fault
STUCK_S = 0.5 + 0.1
GUESSES, GUESS_BYTES = 100, 80  # 5 s of them, delivered about as fast as the car sends states
LONGER_S = 1.5  # than any bound of a link
SILENT_PAD_S = 4.0 + LINK_S  # from the gamepad's last report
BOTH_DEAD_S = 1.0  # the ladder says "time to start Python"; a pins-low that took longer would be broken

Since = Literal["command", "fault"]
Act = Callable[[Rig], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `bound_s` counts from the last command before the fault, or from the fault itself. None: the car is at rest already
    and must never move. `oddity` is a patch of `odd.py`; `full_disk` puts the trace onto /dev/full,
    `hanging_disk` onto a disk that can be frozen; `browser` needs Chromium;
    `may_stop_early`: what is done before it counts as struck may stop the car already.
    """

    name: str
    what: str
    act: Act
    bound_s: float | None = LINK_S
    since: Since = "command"
    oddity: str = ""
    full_disk: bool = False
    hanging_disk: bool = False
    browser: bool = False
    may_stop_early: bool = False


async def link_cut(rig: Rig) -> None:
    rig.hit()
    rig.link.cut()


async def link_half_open(rig: Rig) -> None:
    rig.hit()
    rig.link.half_open()


async def stall_and_burst(rig: Rig) -> None:
    rig.hit()
    rig.link.stall()
    await asyncio.sleep(5.0)
    rig.link.flush()


async def stall_in_rearm(rig: Rig) -> None:
    rig.hit()
    rig.link.stall()
    await rig.until_low()
    await asyncio.sleep(rig.rng.uniform(0.0, 0.8))  # a fresh command would still move it: `rearm_s` is 1 s
    await rig.driver.let_go(zero=False)
    rig.link.flush()


async def slow_and_cut(rig: Rig) -> None:
    rig.link.delay(0.12)
    await asyncio.sleep(0.5)
    rig.hit()
    rig.link.cut()  # what is under way still arrives


async def replayed(rig: Rig) -> None:
    tape = await rig.link.record(0.2)
    await rig.driver.let_go()
    await rig.until_low()
    rig.hit()
    for _ in range(16):  # while the ticks in it are fresh, and when they are old
        rig.link.replay(tape)
        await asyncio.sleep(0.1)


async def late_reset(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.stop()
    await rig.driver.until(lambda s: s["state"] == "stopped")
    rig.hit()
    rig.link.delay(0.25)
    await rig.driver.ask("reset")
    await rig.stop()
    await rig.driver.drive(0.0)
    rig.driver.press()


async def late_take(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.driver.send(type="release")
    await rig.driver.until(lambda s: s["you"] == "spectator")
    rig.link.delay(0.2)
    await rig.driver.ask("take")
    await rig.stop()
    rig.hit()
    await rig.driver.drive(0.0)
    rig.driver.press()


async def guessed_ticks(rig: Rig) -> None:
    """The client sends seconds of commands ahead, with ticks that it counts up, and no more; a queue delivers them slowly."""
    await rig.driver.let_go(zero=False)
    tick, seq = rig.driver.state["tick"], rig.driver.seq
    throttle, steering = rig.driver.heading
    copies = rig.rng.choice((1, 4))  # 10 or 40 kB
    rig.link.queue(copies * GUESS_BYTES / TICK_S)
    rig.hit()
    for n in range(GUESSES * copies):
        guess = tick + 1 + n // copies
        await rig.driver.send(type="drive", seq=seq + 1 + n, tick=guess, throttle=throttle, steering=steering)
    await rig.link.drained()


async def page_hung(rig: Rig) -> None:
    await rig.driver.let_go(zero=False)
    rig.hit()
    for _ in range(20):
        rig.driver.ping()
        await asyncio.sleep(0.05)


async def pad_out_of_reach(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.driver.send(type="release")
    await rig.driver.until(lambda s: s["driver"] is None and not any(s["applied"].values()))
    async with page.gamepad(rig.link.url) as open_page:
        await page.hold(open_page, rig.driver.heading)
        await rig.driver.until_full()
        await asyncio.sleep(rig.rng.uniform(0.05, 0.15))
        rig.hit()
        await page.fall_silent(open_page)
        await rig.until_low()


async def jog_half_open(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.until_low()
    side = rig.rng.choice(("left", "right"))
    rig.driver.hold_jog(side, 0.4)
    await rig.driver.until(lambda s: s["applied"][side] == 0.4)
    await asyncio.sleep(rig.rng.uniform(0.05, 0.15))
    rig.hit()
    rig.link.half_open()


async def client_killed(rig: Rig) -> None:
    await rig.driver.let_go()
    await rig.driver.send(type="release")
    await rig.driver.until(lambda s: s["driver"] is None and not any(s["applied"].values()))
    phone = await rig.helper("-m", "tests.faults.driver", rig.link.url, *map(str, rig.driver.heading))
    await rig.driver.until_full()
    await asyncio.sleep(rig.rng.uniform(0.05, 0.15))
    rig.hit()
    phone.kill()
    said, _ = await phone.communicate()
    rig.sent_at = [float(line) for line in said.split()]


async def clean_close(rig: Rig) -> None:
    await rig.driver.let_go(zero=False)
    rig.hit()
    rig.driver.close()


async def flooded(rig: Rig) -> None:
    flood = await rig.helper("-m", "tests.faults.flooder", rig.car.url)
    assert flood.stdout is not None
    await flood.stdout.readline()
    await asyncio.sleep(0.5)
    rig.hit()
    rig.link.cut()


async def big_heads(rig: Rig) -> None:
    before = len(rig.driver.states)
    strangers = await rig.helper("-m", "tests.faults.strangers", str(rig.car.port))
    assert strangers.stdout is not None
    await strangers.stdout.readline()  # one round of each kind is over
    await asyncio.sleep(rig.rng.uniform(0.0, 1.0))
    seen = {state["state"] for state in rig.driver.states[before:]}
    assert seen == {"armed"}, f"strangers disturbed the driver: {seen}"
    rig.hit()
    rig.link.cut()


async def server_hung(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGUSR1)
    await asyncio.sleep(HUNG_S + 0.1)


async def server_stopped(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGSTOP)
    await asyncio.sleep(HUNG_S)
    rig.signal(rig.server, signal.SIGCONT)


async def server_killed(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)


async def no_descriptors(rig: Rig) -> None:
    limit = _first_free_descriptor(rig.server_pid)
    resource.prlimit(rig.server_pid, resource.RLIMIT_NOFILE, (limit, limit))
    await _strangers(rig, 10, b"GET / HTTP/1.1\r\n")
    await rig.until_logged("out of resources")
    rig.hit()
    rig.link.cut()


async def crowded_no_motor(rig: Rig) -> None:
    await _strangers(rig, FEW_DESCRIPTORS, b"GET / HTTP/1.1\r\n")
    await rig.until_logged("too many connections")
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)


async def no_memory(rig: Rig) -> None:
    size = _virtual_bytes(rig.server_pid)
    resource.prlimit(rig.server_pid, resource.RLIMIT_AS, (size, size))
    request = b"GET /healthz HTTP/1.1\r\nX-Long: " + bytes(60_000)
    await _strangers(rig, 200, request)
    await rig.until_logged("out of memory")
    rig.hit()
    rig.link.cut()


async def motor_killed(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)


async def motor_stopped(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.motor, signal.SIGSTOP)


async def motor_stopped_and_cut(rig: Rig) -> None:
    await motor_stopped(rig)
    rig.link.cut()


async def motor_paused(rig: Rig) -> None:
    await motor_stopped(rig)
    await asyncio.sleep(2.0)
    rig.signal(rig.motor, signal.SIGCONT)


async def both_killed(rig: Rig) -> None:
    rig.signal(rig.server, signal.SIGSTOP)  # else it would help between the two
    rig.hit()
    rig.signal(rig.motor, signal.SIGKILL)
    rig.signal(rig.server, signal.SIGKILL)
    command = ["-m", "picar", "pins-low", "--pins", "mock", "--config", str(rig.car.folder / "picar.toml")]
    done = await rig.helper(*command, "--pin-trace", str(rig.car.trace_file))
    await done.communicate()


async def terminated(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGTERM)


async def interrupted(rig: Rig) -> None:
    rig.hit()
    os.killpg(rig.server_pid, signal.SIGINT)


async def hung_up(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGHUP)


async def clock_stepped(rig: Rig) -> None:
    rig.signal(rig.server, signal.SIGUSR1)
    rig.signal(rig.motor, signal.SIGUSR1)
    await asyncio.sleep(0.5)
    stepped_s = await asyncio.to_thread(_seconds_ahead, rig.car.url)
    assert abs(stepped_s) > HOUR_S / 2, "the clock was not stepped"
    rig.hit()
    rig.link.cut()


async def pin_raises(rig: Rig) -> None:
    await link_cut(rig)
    await rig.until_logged("the pin does not answer")


async def trace_frozen(rig: Rig) -> None:
    with rig.frozen():
        await asyncio.sleep(rig.rng.uniform(0.0, 0.3))
        rig.hit()
        rig.link.cut()
        await asyncio.sleep(LONGER_S)
        rig.signal(rig.server, signal.SIGKILL)
        rig.signal(rig.motor, signal.SIGKILL)
        await rig.until_ended("the server", rig.server)
        await rig.until_ended("the motor process", rig.motor)


async def trace_frozen_no_motor(rig: Rig) -> None:
    with rig.frozen():
        await asyncio.sleep(rig.rng.uniform(0.0, 0.3))
        rig.hit()
        rig.signal(rig.motor, signal.SIGKILL)
        await rig.until_ended("the motor process", rig.motor)
        await rig.until_ended("the server", rig.server)


async def restarted(rig: Rig) -> None:
    rig.hit()
    rig.signal(rig.server, signal.SIGKILL)
    await asyncio.sleep(rig.rng.uniform(0.0, 0.1))
    await rig.car.start()
    async with Driver(rig.link.url) as same:  # without the wheel: the new car must not move for it
        await same.drive(0.0)
        same.press()
        await asyncio.sleep(0.5)


def _seconds_ahead(url: str) -> float:
    """Return how far the server's wall clock is ahead of ours."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=20) as answer:  # noqa: S310
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


def _virtual_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def _first_free_descriptor(pid: int) -> int:
    used = {int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return next(n for n in range(len(used) + 1) if n not in used)


async def _strangers(rig: Rig, count: int, say: bytes) -> None:
    """Connect, say something, and stay until the run is over, or as long as the server does."""
    with contextlib.suppress(OSError):
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", rig.car.port)
            rig.strangers.append(writer)
            writer.write(say)


FAULTS = (
    Fault("link-cut", "the link is cut, without a FIN", link_cut),
    Fault("half-open", "the driver's end closes, and the car is not told", link_half_open),
    Fault("stall-burst", "the link stalls for 5 s, then delivers it all in one burst", stall_and_burst),
    Fault("stall-rearm", "the link stalls just until a fresh command would do", stall_in_rearm),
    Fault("slow-cut", "a link that takes 0.24 s to and fro is cut", slow_and_cut),
    Fault("replay", "full throttle is delivered again after a zero", replayed, None),
    Fault("late-reset", "a reset arrives after a newer stop", late_reset, None),
    Fault("late-take", "a take arrives after a newer stop", late_take, None),
    Fault(
        "guessed-ticks", "5 s of commands with guessed ticks are under way, and no more come", guessed_ticks
    ),
    Fault("page-hung", "the page hangs: sends nothing, answers pings", page_hung),
    Fault(
        "pad-out-of-reach",
        "the gamepad falls silent with its stick held, in Chromium",
        pad_out_of_reach,
        SILENT_PAD_S,
        "fault",
        browser=True,
    ),
    Fault("jog-half-open", "one motor is jogged, and its client vanishes", jog_half_open),
    Fault("client-killed", "the client is killed (SIGKILL)", client_killed),
    Fault("clean-close", "the driver's connection is closed", clean_close, DEATH_S, "fault"),
    Fault("flood", "another client floods, and the driver's link is cut", flooded),
    Fault(
        "big-heads",
        "32 strangers send the costliest heads, and the link is cut",
        big_heads,
    ),
    Fault("loop-blocked", "server: its event loop is blocked for 2 s", server_hung, oddity="blocks"),
    Fault("gil-held", "server: a C call holds the GIL for 2 s", server_hung, oddity="gil"),
    Fault("server-stopped", "server: SIGSTOP, SIGCONT after 2 s", server_stopped),
    Fault("server-killed", "server: SIGKILL", server_killed, DEATH_S, "fault"),
    Fault("no-fds", "server: out of descriptors, and the link is cut", no_descriptors),
    Fault(
        "crowded",
        "server: strangers take all descriptors, and the motor process is killed",
        crowded_no_motor,
        DEATH_S,
        "fault",
        oddity="needy",
    ),
    Fault("no-memory", "server: out of memory, and the link is cut", no_memory, may_stop_early=True),
    Fault("motor-killed", "motor process: SIGKILL", motor_killed, DEATH_S, "fault"),
    Fault("motor-stopped", "motor process: SIGSTOP for good", motor_stopped, STUCK_S, "fault"),
    Fault(
        "motor-stopped-cut",
        "motor process: SIGSTOP, and the link is cut",
        motor_stopped_and_cut,
        STUCK_S,
        "fault",
    ),
    Fault("motor-paused", "motor process: SIGSTOP, SIGCONT after 2 s", motor_paused, STUCK_S, "fault"),
    Fault("both-killed", "both: SIGKILL, then `picar pins-low`", both_killed, BOTH_DEAD_S, "fault"),
    Fault("sigterm", "SIGTERM", terminated, DEATH_S, "fault"),
    Fault("sigint", "SIGINT to the process group", interrupted, DEATH_S, "fault"),
    Fault("sighup", "SIGHUP", hung_up, DEATH_S, "fault"),
    Fault(
        "clock-forward",
        "the wall clock steps an hour forward, then the link is cut",
        clock_stepped,
        oddity="forward",
    ),
    Fault(
        "clock-back", "the wall clock steps an hour back, then the link is cut", clock_stepped, oddity="back"
    ),
    Fault("pin-raises", "the link is cut, and a pin raises when it shall go low", pin_raises, oddity="stuck"),
    Fault("trace-full", "the trace is on a full disk, and the link is cut", link_cut, full_disk=True),
    Fault(
        "trace-frozen",
        "the trace is on a disk that hangs, and the link is cut",
        trace_frozen,
        hanging_disk=True,
    ),
    Fault(
        "trace-frozen-dead",
        "the trace is on a disk that hangs; motor process: SIGKILL",
        trace_frozen_no_motor,
        DEATH_S,
        "fault",
        hanging_disk=True,
    ),
    Fault("restart", "server: SIGKILL, and started again within 100 ms", restarted, DEATH_S, "fault"),
)
