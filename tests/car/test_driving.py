"""Sticks to pins, over a real socket, through a real server and a real motor process."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import statistics
import sys
import time

import pytest
from tornado.httpclient import AsyncHTTPClient

from tests.bench.measure import wake_ups
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until


async def test_a_driver_drives_and_lets_go(car: Product) -> None:
    async with Client(car.url) as phone:
        assert car.is_low()
        await phone.take()
        phone.hold(0.8)
        state = await phone.until(lambda s: s["applied"]["left"] > 0.5)
        assert state["state"] == "armed"
        assert state["wanted"] == {"throttle": 0.8, "steering": 0.0}
        assert car.levels()[12] > 0.5
        await phone.let_go()
        await car.until_low()
        assert phone.errors == []


async def test_the_first_messages_say_all_a_client_needs(car: Product) -> None:
    async with Client(car.url) as phone:
        assert phone.hello["protocol"] == 1
        board = {"kind": "l298n", "steers": False, "motors": ["left", "right"], "rolls_at_rest": True}
        board |= {"servo": False, "esc": False, "keeps_driving": False}
        told = {
            "name": "picar",
            "backend": "mock",
            "version": "0.1.0",
            "board": board,
            "camera": {"source": "sim"},
            "recording": True,
            "hotspot": False,
        }
        identity = {name: phone.hello["car"].pop(name) for name in ("id", "colour", "number", "moved")}
        assert phone.hello["car"] == told
        assert re.fullmatch("[a-z0-9]{8}", identity["id"])
        assert re.fullmatch("[0-9a-f]{6}", identity["colour"])
        assert (1 <= identity["number"] <= 99, identity["moved"]) == (True, False)
        assert phone.hello["command_timeout_s"] == 0.5
        assert phone.hello["tick_s"] == 0.05
        first = phone.states[0]
        assert (first["state"], first["driver"], first["you"]) == ("disarmed", None, "spectator")
        assert first["link"] == {"age_s": None, "stale": 0, "cap": 1.0}
        assert first["applied"] == {"left": 0.0, "right": 0.0}
        assert (first["speed_limit"], first["requests"], first["clients"]) == (1.0, [], 1)
        assert "pose" not in first


async def test_steering_right_turns_the_left_wheel_faster(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(0.5, 0.5)
        state = await phone.until(lambda s: s["applied"]["left"] > 0.3)
        assert state["applied"]["left"] > state["applied"]["right"]


async def test_two_sticks_drive_each_side(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        await phone.ask("tank", seq=10, left=0.6, right=-0.6)
        state = await phone.until(lambda s: s["applied"]["right"] < 0)
        assert state["wanted"] == {"throttle": 0.0, "steering": 0.6}
        await phone.until(lambda s: s["state"] == "failsafe")


async def test_the_simulated_car_tells_where_it_is() -> None:
    async with Product(pins="sim") as car, Client(car.url) as phone:
        assert phone.state["pose"] == {"x": 0.0, "y": 0.0, "heading": 0.0}
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["pose"]["x"] > 0.2)
        await phone.let_go()
        rest = await phone.until(lambda s: s["applied"] == {"left": 0.0, "right": 0.0})
        assert rest["pose"]["x"] > 0.2


async def test_the_speed_limit_is_the_drivers(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        await watcher.ask("limit", speed=0.5)
        await watcher.until_error("not_driver")
        await phone.ask("limit", speed=0.4)
        await phone.until(lambda s: s["speed_limit"] == 0.4)
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 0.4)
        for _ in range(5):
            await phone.hears(1)
            assert phone.state["applied"]["left"] <= 0.4


async def test_the_state_shows_the_speed_that_the_wheels_reach(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        assert phone.state["target"] == {"left": 0.0, "right": 0.0}
        await phone.ask("limit", speed=0.4)
        phone.hold(0.7, 0.2)
        state = await phone.until(lambda s: s["applied"]["left"] > 0 and s["applied"] == s["target"])
        ramp = [one for one in phone.states if 0 < one["applied"]["left"] < state["target"]["left"]]
        assert all(one["target"] == state["target"] for one in ramp)
        assert 0 < state["target"]["right"] < state["target"]["left"] <= 0.4
        await watcher.until(lambda s: s["target"] == state["target"])
        await phone.let_go()
        await phone.until(lambda s: s["target"] == {"left": 0.0, "right": 0.0})


async def test_the_driver_gets_twenty_states_a_second_and_a_watcher_five(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        phone.hold(0.5)
        await phone.until(lambda s: s["applied"]["left"] > 0.3)
        before, watched_before = len(phone.states), len(watcher.states)
        await until(lambda: len(phone.states) >= before + 40, "forty states for the driver")
        assert len(watcher.states) - watched_before <= 14


@pytest.mark.alone
async def test_a_driver_with_few_commands_gets_fresh_ticks_too(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()

        async def send() -> None:
            while True:
                await phone.drive(0.5)
                await asyncio.sleep(0.07)

        sending = asyncio.create_task(send())
        heard = []
        for _ in range(106):
            await phone.hears(1)
            heard.append(time.monotonic())
        sending.cancel()
        gaps = [b - a for a, b in itertools.pairwise(heard)]
        assert statistics.median(gaps) < 0.06, gaps  # with the commands alone it would be 0.07
        assert min(max(gaps[n : n + 15]) for n in range(0, 105, 15)) < 0.07, gaps


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the wake-ups")
async def test_while_commands_come_no_state_and_no_beat_wakes_the_server_by_itself(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(0.5)
        await phone.until(lambda s: s["applied"]["left"] == s["target"]["left"] > 0)
        await phone.let_go()

        async def wake_ups_per_command() -> float:
            before, heard = wake_ups(car.process.pid), len(phone.states)
            for _ in range(40):
                await phone.drive(0.5)
                await asyncio.sleep(0.024)
            assert len(phone.states) - heard >= 10
            return (wake_ups(car.process.pid) - before) / 40

        fewest = min([await wake_ups_per_command() for _ in range(5)])
        assert fewest < 1.25, "one for each command; with one for each beat of the motor process 1.5"


@pytest.mark.parametrize("throttle", [0.5, -0.5])
async def test_a_first_command_that_is_not_neutral_is_refused(car: Product, throttle: float) -> None:
    async with Client(car.url) as phone:
        await phone.ask("take")
        await phone.until(lambda s: s["you"] == "driver")
        await phone.drive(throttle)
        await phone.until_error("not_neutral")
        assert phone.state["state"] == "disarmed"
        phone.session.seq -= 1  # a refused message does not use up its seq
        await phone.drive(0.0)
        await phone.until(lambda s: s["state"] == "armed")
        assert phone.codes == ["not_neutral"]


async def test_an_old_sequence_number_is_refused(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.session.seq = 50
        await phone.drive(0.0)
        await phone.ask("drive", seq=51, throttle=0.0, steering=0.0)
        await phone.ask("drive", seq=51, throttle=1.0, steering=0.0)
        await phone.until_error("out_of_order")
        assert car.is_low()


async def test_ticks_that_are_counted_up_are_stale(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        for ahead in range(1, 11):
            guess = phone.state["tick"] + ahead
            await phone.send(type="drive", seq=98 + ahead, tick=guess, throttle=1.0, steering=0.0)
            await phone.hears(1)
        await phone.until(lambda s: s["link"]["stale"] == 10)
        assert set(phone.codes) == {"stale"}
        assert not [write for write in car.trace() if write["value"] > 0]


async def test_no_tick_tells_of_the_next_one(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(0.0)
        await phone.hears(40)
        ticks = [state["tick"] for state in phone.states]
        assert len(set(ticks)) == len(ticks)
        steps = [after - before for before, after in itertools.pairwise(ticks)]
        assert min(map(abs, steps)) > 1000
        assert min(steps) < 0 < max(steps)
        assert all(0 <= tick < 2**53 for tick in ticks)


async def test_the_tick_of_the_state_over_http_is_good_for_nothing(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        answer = await AsyncHTTPClient().fetch(f"{car.url}/api/v1/state")
        tick = json.loads(answer.body)["tick"]
        await phone.send(type="drive", seq=99, tick=tick, throttle=1.0, steering=0.0)
        await phone.until_error("stale")
        assert car.is_low()


async def test_a_tick_of_another_connection_is_stale(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        tick = other.state["tick"]
        sent_to_phone = {s["tick"] for s in phone.states}
        if tick not in sent_to_phone:
            await phone.send(type="drive", seq=99, tick=tick, throttle=1.0, steering=0.0)
            await phone.until_error("stale")
            assert car.is_low()


async def test_a_flood_is_capped_and_stop_is_not(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        while "too_fast" not in phone.codes:
            for _ in range(20):
                await phone.drive(0.3)
            await asyncio.sleep(0.01)
        assert set(phone.codes) == {"too_fast"}
        assert car.is_driving()
        for _ in range(100):
            await watcher.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        assert watcher.errors == []


async def test_a_burst_of_three_hundred_is_no_flood(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        for _ in range(300):
            await phone.drive(0.0)
        await phone.ask("limit", speed=0.5)
        await phone.until(lambda s: s["speed_limit"] == 0.5)
        assert phone.errors == []
