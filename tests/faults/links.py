"""What happens to the link, to the page, and by other clients; see `catalogue.py`."""

from __future__ import annotations

import asyncio
import time

from picar.car.seat import TICK_S
from tests.faults import page
from tests.faults.rig import Disturbed, Rig
from tests.support.client import Client

GUESSES, GUESS_BYTES = 100, 80  # 5 s of them, delivered about as fast as the car sends states


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
    rig.link.cut()  # packets under way still arrive


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
    tick, seq = rig.driver.session.tick, rig.driver.session.seq
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
        rig.driver.socket.ping()  # its network stack still answers and asks
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
    rig.driver.socket.close()


async def turn_over(rig: Rig) -> None:
    await rig.driver.ask("turn", for_s=1)
    await rig.driver.until(lambda s: s["turn"] and s["turn"]["left_s"] == 0.0)
    assert rig.driver.state["you"] == "driver"
    async with Client(rig.car.url) as other:
        rig.hit()
        await other.ask("take")
        await other.until(lambda s: s["you"] == "driver")
        await rig.until_low()


async def flooded(rig: Rig) -> None:
    flood = await rig.helper("-m", "tests.faults.flooder", rig.car.url)
    assert flood.stdout is not None
    await flood.stdout.readline()
    await asyncio.sleep(0.5)
    rig.hit()
    rig.link.cut()


async def big_heads(rig: Rig) -> None:
    await _among(rig, "tests.faults.strangers", str(rig.car.port))


async def handshakes(rig: Rig) -> None:
    await _among(rig, "tests.support.handshakers", str(rig.secure_port), "32")


async def _among(rig: Rig, program: str, *arguments: str) -> None:
    """Cut the link while strangers are at work, who must not have disturbed the driver."""
    before, since = len(rig.driver.states), time.monotonic()
    strangers = await rig.helper("-m", program, *arguments)
    assert strangers.stdout is not None
    await strangers.stdout.readline()  # one round of each kind is over
    await asyncio.sleep(rig.rng.uniform(0.0, 1.0))
    seen = {state["state"] for state in rig.driver.states[before:]}
    if seen != {"armed"}:
        raise Disturbed(since, f"strangers disturbed the driver: {seen}")
    rig.hit()
    rig.link.cut()
