"""One round: start every server, measure each in turn, end them.

Within a round the servers take turns block by block, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import load
from tests.bench.clients import Driver, Guest, Listener, Picar, Plain, Presser
from tests.bench.measure import Spread, Write, climbed, jitter
from tests.bench.server import CONFIG, ROOT, Server, stop_all
from tests.support.ros import BRIDGES

ANCHORS = ("echo", "one process", "tutorial", "20 Hz loop")
CARS = {"picar": ROOT}
ROSBRIDGE = "rosbridge"
GUESTS = (ROSBRIDGE,) * BRIDGES  # cars of their own, driven by a guest
BEFORE = "picar before"  # the car of another checkout
START, STEP = 0.5, 0.0002  # each paced command is so little faster that the slew limiter lets it through
GAP_S = 0.02  # between commands, on average
WARM_UP = 10  # commands that bring the wheels up to START
AGAIN = 3  # times that the last command of a block is repeated afterwards
FLOOD_FROM, FLOOD_TO = 0.5, 0.6  # within one tick of the slew limiter
SETTLE_S = 0.1  # five ticks of the slew limiter: what is not on the pins by then is not under way
ENABLE_PINS = (12, 13)
LAST_PIN = 13  # the right enable is written last for a command that changes both sides
PRESS_LAST_PIN = 22  # and this by the tutorial, once for each press


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything a round does."""

    blocks: int = 3
    commands: int = 100  # in a block, at 50 Hz
    slow_commands: int = 30  # in a block, at 10 Hz, for the 20 Hz loop: none supersedes another
    flood: int = (
        700  # messages in a burst: no second of too_fast, and no late link, whose cap would lower the pins
    )
    bursts: int = 3
    presses: int = 300  # HTTP requests back to back, each after the answer to the one before
    idle_s: float = 3.0
    load_s: float = 2.0  # in each situation
    jitter_s: float = 0.5


QUICK = Plan(
    blocks=1,
    commands=10,
    slow_commands=3,
    flood=200,
    bursts=1,
    presses=20,
    idle_s=0.2,
    load_s=0.5,
    jitter_s=0.1,
)


@dataclass(slots=True)
class Paced:
    """What the paced blocks of one server have collected."""

    to_pin: list[float] = field(default_factory=list)
    to_answer: list[float] = field(default_factory=list)
    sent: int = 0
    lost: int = 0
    cpu_s: float = 0.0

    def add(self, sends: Sequence[float], applied: Sequence[float | None]) -> None:
        """Take when commands were sent and when they were on the pins."""
        self.to_pin += [t - sent for sent, t in zip(sends, applied, strict=False) if t is not None]
        self.lost += len(sends) - sum(t is not None for t in applied)

    def figures(self) -> dict[str, float]:
        figures = {"cpu_s_per_1000": self.cpu_s / self.sent * 1000, "lost": float(self.lost)}
        for what, times in (("pin", self.to_pin), ("answer", self.to_answer)):
            if times:
                spread = Spread.of(times)
                figures |= {
                    f"{what}_p50_s": spread.p50,
                    f"{what}_p99_s": spread.p99,
                    f"{what}_max_s": spread.max,
                }
        return figures


@dataclass(frozen=True, slots=True)
class Round:
    """All figures of one round by server, named as in `report.ROWS`, and what each car did wrong."""

    jitter: Spread
    figures: dict[str, dict[str, float]]
    load: dict[str, load.Load]
    faults: dict[str, list[str]]


async def run_round(plan: Plan, folder: Path, rng: random.Random, cars: Mapping[str, Path] = CARS) -> Round:
    """Measure every server once.

    Args:
        plan: how much.
        folder: for the files of the servers.
        rng: for the order and the pace.
        cars: the checkout of each product by its name.
    """
    names = (*cars, *GUESTS, *ANCHORS)
    lateness = jitter(plan.jitter_s)
    servers: dict[str, Server] = {}
    try:
        for name in rng.sample(names, len(names)):
            config = CONFIG + "[rosbridge]\nenabled = true\nport = 0\n" * (name == ROSBRIDGE)
            servers[name] = Server(name, folder / name, root=cars.get(name, ROOT), config=config)
        figures = {name: {"first_page_s": servers[name].first_page_s} for name in names}
        for name in (*cars, "echo"):
            figures[name]["idle_cpu"] = await idle(servers[name], plan.idle_s)
        loads = await load.measure(plan.load_s, cars, servers["echo"], folder / "load", rng)
        for name, paced in (await all_paced(plan, servers, rng)).items():
            figures[name] |= paced.figures()
        floods = {
            name: await flood_of(servers[name], plan)
            for name in names
            if name not in (ROSBRIDGE, "20 Hz loop")
        }
        for name, bursts in floods.items():
            figures[name] |= flood_figures(bursts)
        for name, server in servers.items():
            figures[name] |= server.memory()
    finally:
        stop_all(list(servers.values()))
    faults = {name: [fault for burst in floods[name] for fault in burst.faults] for name in cars}
    return Round(lateness, figures, loads, faults)


async def idle(server: Server, seconds: float) -> float:
    """Return the share of a core that a server uses with one client connected and nobody driving."""
    async with Picar(server) if server.is_car else Listener(server):
        await asyncio.sleep(min(1.0, seconds))  # past everything that is done once
        cpu, began = server.cpu_s(), time.monotonic()
        await asyncio.sleep(seconds)
        return (server.cpu_s() - cpu) / (time.monotonic() - began)


def driver_for(server: Server) -> Driver:
    """Return the client that drives a server."""
    if server.name == "tutorial":
        return Presser(server)
    if server.name == ROSBRIDGE:
        return Guest(server)
    return Picar(server) if server.is_car else Plain(server)


async def all_paced(plan: Plan, servers: dict[str, Server], rng: random.Random) -> dict[str, Paced]:
    """Drive every server at a human's rate, block by block: the cars and the echo in all blocks, the others in the first.

    The p99 of 150 commands of a car, by the echo's, varied by 0.23 (standard deviation over rounds), and of 300 by 0.13.
    """
    paced = {name: Paced() for name in servers}
    compared = [name for name, server in servers.items() if server.is_car or name == "echo"]
    for block in range(plan.blocks):
        names = compared if block else list(servers)
        for name in rng.sample(names, len(names)):
            slow = name == "20 Hz loop"
            count, gap_s = (plan.slow_commands, 0.1) if slow else (plan.commands, GAP_S)
            await paced_block(servers[name], paced[name], count, gap_s, rng)
    return paced


async def paced_block(server: Server, into: Paced, count: int, gap_s: float, rng: random.Random) -> None:
    """Send commands one by one and note when the pins, or the answers, followed."""
    client = driver_for(server)
    before = server.trace.mark()
    await client.open()
    try:
        if isinstance(client, Picar | Guest):
            await client.take()
        await pace(client, [START] * WARM_UP, GAP_S, rng)
        if not isinstance(client, Picar | Guest):
            await client.answered(WARM_UP)
        client.answers.clear()
        mark, cpu = server.trace.mark(), server.cpu_s()
        sends = await pace(client, [START + STEP * k for k in range(1, count + 1)], gap_s, rng)
        into.cpu_s += server.cpu_s() - cpu
        if isinstance(client, Picar | Guest):
            assert not client.errors, f"refused while driving: {client}"
        else:
            await client.answered(count)
            into.to_answer += [a - s for a, s in zip(client.answers, sends, strict=True)]
        await asyncio.sleep(SETTLE_S)
        end = server.trace.mark()
        # The last step again, for its level: had it been lost, nothing else would tell.
        await pace(client, [START + STEP * count] * AGAIN, GAP_S, rng)
        await asyncio.sleep(SETTLE_S)
        settled = server.trace.mark()
    finally:
        await client.close()
    into.sent += count
    if isinstance(client, Presser):
        into.add(sends, [w.t for w in server.trace.since(mark, end) if w.pin == PRESS_LAST_PIN])
    elif server.name != "echo":
        start, writes, after = (
            [w for w in server.trace.since(*part) if w.pin == LAST_PIN]
            for part in ((before, mark), (mark, end), (mark, settled))
        )
        into.add(sends, climbed(count, start[-1].value, writes, after[-1].value))


async def pace(client: Driver, values: list[float], gap_s: float, rng: random.Random) -> list[float]:
    """Send values with `gap_s` between them, give or take half, and return when each was sent."""
    sends = []
    for value in values:
        sends.append(client.command(value))
        await asyncio.sleep(gap_s * rng.uniform(0.5, 1.5))
    return sends


@dataclass(frozen=True, slots=True)
class Burst:
    """How many messages a server handled in which time, and what was wrong."""

    messages: int
    seconds: float
    cpu_s: float
    faults: list[str] = field(default_factory=list)


def flood_figures(bursts: list[Burst]) -> dict[str, float]:
    messages = sum(burst.messages for burst in bursts)
    return {
        "flood_per_s": messages / sum(burst.seconds for burst in bursts),
        "flood_cpu_s_per_1000": sum(burst.cpu_s for burst in bursts) / messages * 1000,
    }


async def flood_of(server: Server, plan: Plan) -> list[Burst]:
    """Send as much as a server takes."""
    other = flood_presses if server.name == "tutorial" else flood_socket
    flood = flood_picar if server.is_car else other
    return [await flood(server, plan) for _ in range(plan.bursts)]


def rising(count: int) -> list[float]:
    """Return the values of a burst; each is a little more than the one before."""
    return [FLOOD_FROM + (FLOOD_TO - FLOOD_FROM) * (k + 1) / count for k in range(count)]


async def flood_socket(server: Server, plan: Plan) -> Burst:
    """Send a burst to a server that answers each message."""
    async with Plain(server) as client:
        cpu = server.cpu_s()
        began = client.flood([client.text(value) for value in rising(plan.flood)])
        await client.answered(plan.flood)
        return Burst(plan.flood, client.answers[-1] - began, server.cpu_s() - cpu)


async def flood_presses(server: Server, plan: Plan) -> Burst:
    """Press as fast as the answers come."""
    client = Presser(server)
    await client.open()
    try:
        began, cpu = time.monotonic(), server.cpu_s()
        for k in range(plan.presses):
            client.command(1.0)
            await client.answered(k + 1)
        return Burst(plan.presses, client.answers[-1] - began, server.cpu_s() - cpu)
    finally:
        await client.close()


async def flood_picar(server: Server, plan: Plan) -> Burst:
    """Send a burst to the car; its end is an answer and the newest value on the pins, whichever is later."""
    rng = random.Random(1)
    async with Picar(server) as client:
        await client.take()
        await pace(client, [FLOOD_FROM] * WARM_UP, GAP_S, rng)
        mark = server.trace.mark()
        texts = [client.text(value) for value in rising(plan.flood)]
        cpu = server.cpu_s()
        began = client.flood([*texts, client.text(2.0)])
        await client.wait(lambda: "bad_value" in client.codes, "the end of the flood")
        answered = client.answers[-1]
        await asyncio.sleep(SETTLE_S)
        cpu = server.cpu_s() - cpu
        burst = [w for w in server.trace.since(mark) if w.t >= began]
        await pace(client, [FLOOD_TO] * WARM_UP, GAP_S, rng)
        faults = flood_faults(burst, server.trace.since(mark))
        if len(client.errors) > 1:
            faults.append(f"flood: refused {client.codes}")
    return Burst(plan.flood, max(answered, burst[-1].t if burst else 0.0) - began, cpu, faults)


def flood_faults(burst: list[Write], after: list[Write]) -> list[str]:
    """Judge the pins during a rising burst, and after its newest value was sent again at leisure."""
    faults = []
    for pin in ENABLE_PINS:
        duties = [w.value for w in burst if w.pin == pin]
        if not duties:
            faults.append(f"flood: pin {pin} never moved")
            continue
        if duties != sorted(duties):
            faults.append(f"flood: pin {pin} went back, so commands were out of order")
        settled = [w.value for w in after if w.pin == pin][-1]
        if abs(duties[-1] - settled) > 1e-6:
            faults.append(f"flood: pin {pin} was at {duties[-1]:g}, but the newest command means {settled:g}")
    return faults
