"""The flight recorder in the running product: read over HTTP, and saved by whoever survives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until


def fetch(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v1/flight", timeout=20) as answer:  # noqa: S310
        assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"
        return [json.loads(line) for line in answer.read().splitlines()]


def saved(folder: Path) -> list[list[dict[str, Any]]]:
    return [
        [json.loads(line) for line in file.read_text().splitlines()] for file in folder.glob("flight-*.jsonl")
    ]


async def test_it_tells_commands_decisions_states_and_pin_writes(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] > 0.5)
        await phone.send(type="reset", tick=10**6)
        await phone.until_error("stale")
        await phone.let_go()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        notes = await asyncio.to_thread(fetch, car.url)
    assert all(note["t"] > 0 and note["by"] in ("server", "motor") for note in notes)
    accepted = [n for n in notes if n.get("got") and n["got"]["type"] == "drive" and "refused" not in n]
    done = {n["n"] for n in notes if n.get("did") == "drive"}
    assert accepted
    assert {note["n"] for note in accepted} <= done
    assert any(note.get("refused") == "stale" and note["got"]["type"] == "reset" for note in notes)
    assert {"armed", "stopped"} <= {note["state"] for note in notes if "state" in note}
    assert any(note.get("driver") == phone.id for note in notes)
    recorded = [(n["pin"], n["op"], n["value"]) for n in notes if "pin" in n]
    traced = [(w["pin"], w["op"], pytest.approx(w["value"], abs=1e-3)) for w in car.trace()]
    assert recorded == traced


async def test_a_stranger_cannot_crowd_out_what_the_driver_did(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as stranger:
        await phone.take()
        for n in range(6000):
            await stranger.send(type="stop" if n % 2 else "fly")
        await phone.until(lambda s: s["state"] == "stopped")
        while "not_driver" not in stranger.codes:  # what comes before its last word was handled before it
            await stranger.send(type="release")
            await stranger.hears(1)
        notes = await asyncio.to_thread(fetch, car.url)
    by = [note.get("client") for note in notes]
    assert phone.id in by
    assert 0 < by.count(stranger.id) < 500
    assert any(note.get("left_out") for note in notes)
    assert sum(note.get("did") == "stop" for note in notes) < 500
    assert any(note.get("state") == "stopped" for note in notes)


async def test_a_message_with_an_odd_blank_spoils_no_line(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.write('{"type":\r"stop"}')
        await phone.until(lambda s: s["state"] == "stopped")
        notes = await asyncio.to_thread(fetch, car.url)
    assert any(note.get("client") == phone.id and note["got"] is None for note in notes)


@pytest.mark.parametrize("victim", ["motor", "server"])
async def test_the_survivor_saves_the_last_minute_once_the_pins_are_low(tmp_path: Path, victim: str) -> None:
    async with (
        Product(env={"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": ""}) as car,
        Client(car.url) as phone,
    ):
        await phone.take()
        phone.hold(1.0)
        await car.until_driving()
        os.kill(car.motor_pid() if victim == "motor" else car.process.pid, signal.SIGKILL)
        await car.until_low()
        await car.ended()
        await until(lambda: saved(tmp_path / "picar"), "a saved flight")
        ((head, *notes),) = saved(tmp_path / "picar")
        assert head["by"] != victim
        assert {note["by"] for note in notes} == {"server", "motor"}, "the dead one's notes are there too"
        written = [note for note in notes if "pin" in note]
        assert len(written) == len(car.trace())
        assert not written[-1]["value"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_an_end_that_was_asked_for_saves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async with Product(env={"XDG_RUNTIME_DIR": str(tmp_path), "RUNTIME_DIRECTORY": ""}) as car:
        car.process.send_signal(number)
        assert await car.ended() == 0
    assert saved(tmp_path / "picar") == []
