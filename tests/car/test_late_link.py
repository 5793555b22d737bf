"""A real car whose driver answers old states: it becomes slow, says so, and recovers; fresh answers never make it slow."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from tests.support.client import Client
from tests.support.product import Product

LATE_S = 0.27  # above 0.2 s, and below the 0.3 s of the lower cap
DEADLINE_S = 20.0


async def answer(phone: Client, delay_s: float, until_cap: float) -> None:
    """Drive with the tick of `delay_s` ago, 30 times a second, until the cap of a late link is this."""
    heard: deque[tuple[float, int]] = deque()
    give_up_at, seq = time.monotonic() + DEADLINE_S, phone.session.seq + 1000
    while phone.state["link"]["cap"] != until_cap:
        now = time.monotonic()
        assert now < give_up_at, phone.state["link"]
        heard.append((now, phone.session.tick))
        while len(heard) > 1 and now - heard[1][0] >= delay_s:
            heard.popleft()
        seq += 1
        await phone.send(type="drive", seq=seq, tick=heard[0][1], throttle=1.0, steering=0.0)
        await asyncio.sleep(1 / 30)
    phone.session.seq = seq


async def test_a_late_link_makes_the_car_slow_until_it_is_good_again() -> None:
    config = "[session]\ncommand_timeout_s = 1.0\n[drive]\naccel = 20.0\n"
    async with Product(config=config) as product, Client(product.url) as phone:
        await phone.take()
        await phone.drive(0.0)
        await answer(phone, LATE_S, 0.6)
        await phone.until(lambda s: s["speed_limit"] == 0.6 and s["applied"]["left"] <= 0.6)
        await answer(phone, 0.0, 1.0)
        await phone.until(lambda s: s["speed_limit"] == 1.0)
        assert set(phone.codes) <= {"stale", "not_neutral"}
        assert "speed cap for a late link: 0.6" in product.log()


async def test_a_car_that_shall_never_be_slow_for_a_late_link_is_not() -> None:
    config = "[session]\ncommand_timeout_s = 1.0\nslow_from_s = 0\n"
    async with Product(config=config) as product, Client(product.url) as phone:
        await phone.take()
        await phone.drive(0.0)
        try:
            async with asyncio.timeout(3.0):
                await answer(phone, 0.5, 0.3)
        except TimeoutError:
            assert phone.state["link"]["cap"] == 1.0
        else:
            raise AssertionError("it became slow")
