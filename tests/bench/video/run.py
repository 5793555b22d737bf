"""The rounds of `scripts/bench --video`: commands beside viewers, the camera process, Chromium, and a narrow link."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Spread, cpu_s, go_first, jitter, memory_mib
from tests.bench.page import find_browser
from tests.bench.rounds import GAP_S, Paced, paced_block
from tests.bench.server import CONFIG, Server, stop_all
from tests.bench.video import narrow
from tests.bench.video.car import longest_gap
from tests.bench.video.viewers import Viewers, viewers
from tests.support.chromium import ADVICE
from tests.support.client import Client
from tests.support.viewer import Viewer
from tests.support.waiting import until

CAR = "tests.bench.video.car"
CAMERA = """
[access]
pairing = "off"
[camera]
source = "{}"
device = "{}"
spectator_fps = 30
"""
FIVE = 5
COMMANDS = {"none": (0, "steady"), "one": (1, "steady"), "five": (FIVE, "steady"), "eater": (FIVE, "eater")}
# Queue of the link, and whether pictures go over it.
DRIVES = {
    "bare fifo": ("pfifo", False),
    "fifo": ("pfifo", True),
    "bare marks": ("pfifo_fast", False),
    "marks": ("pfifo_fast", True),
}
VIEWED = ("picar", "bare", "silent")  # the car, and a bare socket with and without the viewers' answers
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes."""

    commands: int = 200
    settle_s: float = 1.0
    cpu_s: float = 1.5
    page_s: float = 3.0
    narrow_settle_s: float = 10.0
    narrow_s: float = 10.0


QUICK = Plan(commands=10, settle_s=0.2, cpu_s=0.2, page_s=0.5, narrow_settle_s=0.5, narrow_s=1.0)


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one round, by case."""

    jitter: Spread
    figures: Figures


async def run(
    rounds: int, plan: Plan, folder: Path, tell: Callable[[str], None]
) -> tuple[list[Round], list[str]]:
    """Run all rounds. Returns them, and a sentence for each part that this machine cannot measure."""
    browser, link = find_browser() is not None, narrow.why_not()
    left_out = [] if browser else [f"left out, the page and the simulated camera: {ADVICE}"]
    left_out += [f"left out, 1.5 Mbit/s: {link}"] if link else []
    done = []
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}")
        late, place, rng = jitter(0.3), folder / str(number), random.Random(number)
        with first():
            figures = await beside_viewers(plan, place, rng)
            figures["viewer"] = {
                name: await viewer_cpu(name, plan, place) for name in rng.sample(VIEWED, len(VIEWED))
            }
        if browser:
            figures |= await in_browser(plan, place, rng)
        if not link:
            figures |= await on_narrow_links(plan, place, browser=browser)
        done.append(Round(late, figures))
    tell("")
    return done, left_out


@contextlib.contextmanager
def first() -> Iterator[None]:
    """Put this process and what it starts before other work; afterwards with the others again."""
    may = go_first()
    try:
        yield
    finally:
        if may:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def car(
    folder: Path,
    source: str,
    device: str = "auto",
    config: str = "",
    *,
    pins: str = "mock",
    host: str = "127.0.0.1",
) -> Server:
    """Start a car with a camera."""
    config += CAMERA.format(source, device)
    return Server("picar", folder, module=CAR, config=config, pins=pins, host=host)


async def beside_viewers(plan: Plan, folder: Path, rng: random.Random) -> Figures:
    """Drive at a human's rate beside each number of viewers."""
    found = {}
    for case in rng.sample(list(COMMANDS), len(COMMANDS)):
        count, device = COMMANDS[case]
        server = car(folder / case, "test", device, CONFIG)
        try:
            async with viewers(server.url) as crowd:
                before, began = await crowd.watch(count), time.monotonic()
                await asyncio.sleep(plan.settle_s if count else 0.0)
                paced = Paced()
                await paced_block(server, paced, plan.commands, GAP_S, rng)
                seconds = time.monotonic() - began
                rates = [(b - a) / seconds for a, b in zip(before, await crowd.watch(count), strict=True)]
                found[case] = paced.figures() | ({"min_fps": min(rates)} if count else {})
                if camera := server.camera_pid():
                    found[case]["camera_mib"] = memory_mib(camera)[1]
        finally:
            server.stop()
    return found


async def viewer_cpu(name: str, plan: Plan, folder: Path) -> float:
    """Return the share of a core that a server needs for each viewer after the first."""
    place = folder / f"viewer-{name}"
    server = car(place, "test", "steady") if name == "picar" else Server("pictures", place)
    try:
        async with viewers(server.url, answer=name != "silent") as crowd:
            one = await _cpu_with(crowd, 1, server, plan)
            return (await _cpu_with(crowd, FIVE, server, plan) - one) / (FIVE - 1)
    finally:
        server.stop()


async def _cpu_with(crowd: Viewers, count: int, server: Server, plan: Plan) -> float:
    await crowd.watch(count)
    await asyncio.sleep(plan.settle_s)
    before, began = cpu_s(server.pids[:1]), time.monotonic()
    await asyncio.sleep(plan.cpu_s)
    return (cpu_s(server.pids[:1]) - before) / (time.monotonic() - began)


async def in_browser(plan: Plan, folder: Path, rng: random.Random) -> Figures:
    """Measure the simulated camera from its first picture to its end, and the age of the picture in Chromium."""
    from tests.bench.video.browser import IMG, PAGE, ages, chromium, figures, first_picture_s

    with first():  # a gap of the loop is the server's own
        server = car(folder / "sim", "sim", pins="sim")
    try:
        found = {"sim": await life_of_camera(server, plan)}
        async with chromium() as browser:
            found["sim"]["first_picture_s"] = await first_picture_s(browser, server.url)
            server.stop()
            server = car(folder / "card", "test", "card")
            for name, selector in rng.sample([("page", PAGE), ("img", IMG)], 2):
                found[name] = figures(await ages(browser, server.url, selector, plan.settle_s, plan.page_s))
    finally:
        server.stop()
    return found


async def life_of_camera(server: Server, plan: Plan) -> dict[str, float]:
    """Let one viewer come, kill the camera process, and let the viewer leave."""
    begun = time.monotonic()
    async with Viewer(server.url) as viewer:
        await viewer.sees(2)
        start_gap_s = longest_gap(server.log(), begun)
        await asyncio.sleep(plan.settle_s)
        pid = server.camera_pid()
        assert pid is not None
        found = {"camera_mib": memory_mib(pid)[1], "start_gap_s": start_gap_s}
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await viewer.until_state("trouble")
        await viewer.until_state("live")
        await viewer.sees(1)
        found["restart_gap_s"] = longest_gap(server.log(), killed)
        viewer.draws = False  # it is about to leave
    left = time.monotonic()
    await until(lambda: server.camera_pid() is None, "the end of the camera process")
    return found | {"gone_s": time.monotonic() - left}


async def on_narrow_links(plan: Plan, folder: Path, *, browser: bool) -> Figures:
    """Drive over four narrow links, and look at the picture over two more, all at the same time."""
    queues = [queue for queue, _ in DRIVES.values()] + ["pfifo"] * (2 if browser else 0)
    servers: list[Server] = []
    with narrow.Narrow(queues) as links:
        try:
            with first():
                for number in range(len(queues)):
                    device = "steady" if number < len(DRIVES) else "card"
                    with links.car(number):
                        server = car(folder / f"narrow{number}", "test", device, host="0.0.0.0")
                    server.url = server.url.replace("127.0.0.1", links.host(number))
                    servers.append(server)
            async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
                looks = await look(servers[len(DRIVES) :], plan, stack, group) if browser else {}
                with first():  # after the start of the browser, which stays behind
                    drives = {
                        name: group.create_task(drive(server, watches, plan))
                        for server, (name, (_, watches)) in zip(servers, DRIVES.items(), strict=False)
                    }
                    return {name: await task for name, task in (drives | looks).items()}
        finally:
            stop_all(servers)


async def look(
    servers: Sequence[Server], plan: Plan, stack: contextlib.AsyncExitStack, group: asyncio.TaskGroup
) -> dict[str, asyncio.Task[dict[str, float]]]:
    """Open the page of one car and the <img> of another; they are read while others drive."""
    from tests.bench.video.browser import IMG, PAGE, ages, chromium, figures

    browser = await stack.enter_async_context(chromium())

    async def read(server: Server, selector: str, ready: asyncio.Event) -> dict[str, float]:
        return figures(await ages(browser, server.url, selector, plan.narrow_settle_s, plan.narrow_s, ready))

    tasks = {}
    for name, server, selector in zip(("narrow page", "narrow img"), servers, (PAGE, IMG), strict=True):
        ready = asyncio.Event()
        tasks[name] = group.create_task(read(server, selector, ready))
        await ready.wait()
    return tasks


async def drive(server: Server, watches: bool, plan: Plan) -> dict[str, float]:
    """Drive over a link, and return the ages of the driver's commands in the car's states."""
    cookie = {"Cookie": "picar_session=one"}
    async with Client(server.url, cookie="one") as phone, contextlib.AsyncExitStack() as stack:
        await phone.take()
        phone.hold(0.5)
        viewer = Viewer(server.url, phone.id, cookie)
        if watches:
            await stack.enter_async_context(viewer)
        await asyncio.sleep(plan.narrow_settle_s)
        settled, pictures = len(phone.states), len(viewer.shown)
        await asyncio.sleep(plan.narrow_s)
        viewer.draws = False  # it is about to leave
    ages = [state["link"]["age_s"] for state in phone.states[settled:]]
    starting = [state["link"]["age_s"] or 0.0 for state in phone.states[:settled]]
    spread = Spread.of([age for age in ages if age is not None])
    failsafes = [state["state"] == "failsafe" for state in phone.states]
    found = {
        "age_p50_s": spread.p50,
        "age_p99_s": spread.p99,
        "start_max_s": max(starting),
        "failsafes": float(sum(now and not before for before, now in itertools.pairwise(failsafes))),
    }
    if watches:
        found |= {
            "fps": (len(viewer.shown) - pictures) / plan.narrow_s,
            "level": float(viewer.shown[-1].level),
        }
    return found
