"""Played cars: to the product's own client they are cars."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from picar.client.connection import Place
from picar.client.session import CarError
from picar.core.protocol import SUBPROTOCOL
from picar.web.garage.played import PlayedCar, play
from tests.support.client import Client
from tests.support.waiting import DEADLINE_S, until

HOLD = {"scope": "all", "mode": "hold", "cap": 0.5, "seq": 3, "by": "Room 4", "text": "Listen, please"}


@asynccontextmanager
async def car() -> AsyncIterator[tuple[PlayedCar, Place]]:
    server, cars = play(1)
    ((url, found),) = cars.items()
    try:
        yield found, Place(url, found.token, None)
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def garage(found: PlayedCar, place: Place) -> AsyncIterator[Client]:
    async with Client(place.url, headers={"Authorization": f"Bearer {found.token}"}, quiet=True) as client:
        yield client


async def test_it_names_itself_to_anybody_and_answers_its_garage_alone() -> None:
    async with car() as (found, place):
        session = await Place(place.url, "", None).ask("GET", "api/v1/session")
        assert (session["id"], session["car"], session["number"]) == (found.id, "Car 1", 1)
        assert session["allowed"] is False
        assert (await place.ask("GET", "api/v1/session"))["allowed"] is True
        stranger = Place(place.url, "another", None)
        with pytest.raises(CarError) as refused:
            await stranger.ask("POST", "api/v1/stop")
        assert refused.value.code == "not_paired"
        with pytest.raises(CarError) as refused:
            await stranger.connect("ws?quiet=1", SUBPROTOCOL, lambda _: None)
        assert refused.value.code == "not_paired"
        assert found.stops == []


async def test_a_stop_reaches_it_over_the_websocket_and_over_http() -> None:
    async with car() as (found, place), garage(found, place) as client:
        assert client.state["state"] == "disarmed"
        sent = time.monotonic()
        await client.send(type="stop")
        await client.until(lambda state: state["state"] == "stopped")
        assert sent <= found.stops[0] <= time.monotonic()
        assert (await place.ask("POST", "api/v1/stop"))["state"] == "stopped"
        assert len(found.stops) == 2


async def test_driven_it_sends_a_state_each_second() -> None:
    async with car() as (found, place), garage(found, place) as client:
        found.drive(True)
        await client.until(lambda state: state["state"] == "armed")
        began, count = time.monotonic(), len(client.states)
        await until(lambda: len(client.states) >= count + 2, "two more states")
        assert time.monotonic() - began > 1.0
        assert client.state["names"][client.state["driver"]]
        assert client.state["applied"]["left"] > 0
        found.drive(False)
        await client.until(lambda state: state["state"] == "disarmed" and not state["applied"]["left"])


async def test_a_lesson_holds_it_and_an_older_one_is_refused() -> None:
    async with car() as (found, place), garage(found, place) as client:
        found.drive(True)
        answer = await place.ask("PUT", "api/v1/lesson", **HOLD)
        assert (answer["mode"], answer["cap"], answer["all"]["seq"]) == ("hold", 0.5, 3)
        await client.until(lambda state: (state["state"], state["reason"]) == ("disarmed", "held"))
        assert client.state["lesson"]["text"] == "Listen, please"
        with pytest.raises(CarError) as refused:
            await place.ask("PUT", "api/v1/lesson", **HOLD | {"seq": 2})
        assert refused.value.code == "old_lesson"
        assert await place.ask("GET", "api/v1/lesson") == answer
        found.drive(True)
        assert client.state["state"] == "disarmed"


async def test_it_refuses_invitations_with_a_sentence() -> None:
    async with car() as (_, place):
        with pytest.raises(CarError, match="only played") as refused:
            await place.ask("POST", "api/v1/invite", for_s=3600, name="Ada")
        assert refused.value.code == "played"


@pytest.mark.parametrize(
    "data", [b"", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"x" * 100_000, b"\xff\x00\r\n\r\n"]
)  # fmt: skip
async def test_it_survives_nonsense(data: bytes) -> None:
    async with car() as (found, place):
        host, _, port = place.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            writer.write_eof()
            async with asyncio.timeout(DEADLINE_S):
                await reader.read()
        writer.close()
        assert (await place.ask("GET", "api/v1/session"))["id"] == found.id


async def test_a_process_plays_cars_and_ends_with_its_input() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "picar.web.garage.played", "3", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        cars: list[dict[str, Any]] = json.loads(await process.stdout.readline())
        assert len({one["url"] for one in cars}) == len({one["id"] for one in cars}) == 3
        places = [Place(one["url"], one["token"], None) for one in cars]
        process.stdin.write(b"drive\n")
        for place in places[:2]:
            assert (await place.ask("POST", "api/v1/stop"))["state"] == "stopped"
        process.stdin.write(b"stops\n")
        assert [len(stops) for stops in json.loads(await process.stdout.readline())] == [1, 1, 0]
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
