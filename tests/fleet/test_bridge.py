"""The bridge as a real process between a real `picar serve` and a real Mosquitto."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.client.connection import Place
from picar.fleet.car import CarLink, Here
from tests.fleet.brokers import Bridge, Garage, Site, site
from tests.support.household import Household
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import until

pytestmark = pytest.mark.slow

LESSON = {"v": 1, "mode": "hold", "cap": 0.5, "seq": 17, "by": "Room 4", "text": "Listen, please"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as found:
        yield found


async def test_a_new_client_of_the_broker_finds_presence_facts_state_and_discovery(here: Site) -> None:
    async with Garage(here.broker) as late:
        info = await late.until(f"{here.topic}/info", lambda body: body)
        state = await late.until(f"{here.topic}/state", lambda body: body)
        config = await late.until(f"homeassistant/device/picar_{here.id}/config", lambda body: body)
        assert all(one.retain for one in late.heard)
    assert (info["id"], info["name"], info["video"]) == (here.id, "Blitz", True)
    assert info["boot"] == state["boot"]
    assert (state["state"], state["moving"], state["lesson"]) == ("disarmed", False, "drive")
    assert config["cmps"]["stop"]["command_topic"] == f"{here.topic}/cmd/stop"


async def test_a_connection_sends_presence_discovery_facts_and_state_in_this_order(here: Site) -> None:
    topics = [one.topic for one in here.garage.heard if one.topic.rsplit("/", 1)[1] != "event"]
    assert topics[:4] == [
        f"{here.topic}/online",
        f"homeassistant/device/picar_{here.id}/config",
        f"{here.topic}/info",
        f"{here.topic}/state",
    ]


async def test_an_orderly_end_says_offline_and_a_killed_bridge_is_lost(here: Site) -> None:
    assert await here.bridge.end(signal.SIGTERM) == 0
    await here.garage.until("/online", lambda word: word == "offline")
    assert "lost" not in here.garage.of("/online")
    await here.bridge.start()
    since = len(here.garage.heard)
    await here.garage.until("/online", lambda word: word == "online", since)
    await here.bridge.end(signal.SIGKILL)
    await here.garage.until("/online", lambda word: word == "lost", since)
    before, since = here.garage.last("/state"), len(here.garage.heard)
    await here.bridge.start()
    await here.garage.until("/online", lambda word: word == "online", since)
    after = await here.garage.until("/state", lambda body: body, since)
    assert after["boot"] == before["boot"]
    assert after["seq"] > before["seq"], "a bridge that starts again counts on"


async def test_a_hung_bridge_is_lost(here: Site) -> None:
    assert here.bridge.process
    here.bridge.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    await here.garage.until("/online", lambda word: word == "lost")
    assert time.monotonic() - began < 15.0, "1.5 times the keep-alive of 5 s; Mosquitto looks every 5 s"
    since = len(here.garage.heard)
    here.bridge.process.send_signal(signal.SIGCONT)
    await here.garage.until("/online", lambda word: word == "online", since)


async def test_a_presence_that_is_wrong_is_healed(here: Site) -> None:
    since = len(here.garage.heard)
    await here.garage.publish(f"{here.topic}/online", b"lost", retain=True)
    await here.garage.until("/online", lambda word: word == "lost", since)
    since = len(here.garage.heard)
    await here.garage.until("/online", lambda word: word == "online", since)


@pytest.mark.parametrize("whose", ["own", "all"])
async def test_a_stop_stops_a_driving_car_and_is_answered(here: Site, whose: str) -> None:
    async with here.car.client(await here.car.phone("Ada")) as phone:
        await phone.take()
        phone.hold(0.5)
        await here.car.until_driving()
        topic = f"{here.topic if whose == 'own' else 'picar/all'}/cmd/stop"
        answer = await here.garage.answer(topic, by="Ms Lovelace")
        assert answer == {"v": 1, "cmd": "stop", "id": answer["id"], "ok": True}
        await here.garage.until("/state", lambda b: b["stop_id"] == answer["id"] and b["state"] == "stopped")
        await phone.until(lambda state: state["state"] == "stopped")
        await here.car.until_low()
        assert [body["kind"] for body in here.garage.of("/event")][-1] == "stop"


async def test_a_stop_waits_for_no_other_command(here: Site) -> None:
    """A car that hangs keeps each cap for 3 s."""
    here.car.signal(signal.SIGSTOP)
    for number in range(8):
        await here.garage.publish(f"{here.topic}/cmd/cap", {"id": f"cap-{number:04}", "speed": 0.5})
    await here.garage.publish(f"{here.topic}/cmd/stop", {"id": "the-stop"})
    await here.garage.until("/result", lambda body: body["id"] == "the-stop")
    assert len(here.garage.of("/result")) <= 4, "the stop is not the last"
    here.car.signal(signal.SIGCONT)
    await here.garage.until(
        "/state", lambda body: body["state"] == "stopped"
    )  # it was on the way all the time


async def test_a_stop_between_two_connections_to_the_car_goes_over_http(here: Site) -> None:
    def find() -> Here:
        token = (here.car.folder / "picar" / "mqtt-token").read_text(encoding="ascii")
        return Here(Place(here.car.url, token, None), (), None)

    link = CarLink(find, *[lambda: None] * 3)  # it never connects
    await link.stopped()
    assert link.state["state"] == "stopped"
    await here.garage.until("/state", lambda body: body["state"] == "stopped")


async def test_an_id_that_comes_twice_is_answered_twice_and_done_once(here: Site) -> None:
    async with here.car.client(await here.car.phone("Ada")) as phone:
        await phone.take()
        answer = await here.garage.answer(f"{here.topic}/cmd/stop")
        await phone.until(lambda state: state["state"] == "stopped")
        await phone.ask("reset")
        await phone.until(lambda state: state["state"] != "stopped")
        since = len(here.garage.heard)
        await here.garage.publish("picar/all/cmd/stop", {"id": answer["id"]})
        assert await here.garage.until("/result", lambda body: body["id"] == answer["id"], since) == answer
        assert (await here.garage.answer(f"{here.topic}/cmd/cap", speed=0.9))["ok"], "a barrier"
        assert phone.state["state"] != "stopped"


async def test_a_cap_is_lowered_and_raised_only_if_allowed(here: Site) -> None:
    assert (await here.garage.answer(f"{here.topic}/cmd/cap", speed=0.5))["ok"]
    await here.garage.until("/state", lambda body: body["speed_cap"] == 0.5)
    refused = await here.garage.answer(f"{here.topic}/cmd/cap", speed=0.8)
    assert (refused["ok"], refused["code"]) == (False, "cap_not_raised")
    refused = await here.garage.answer(f"{here.topic}/cmd/cap", speed=5)
    assert (refused["ok"], refused["code"]) == (False, "bad_value")


async def test_no_verb_drives(here: Site) -> None:
    for verb in ("drive", "take", "reset", "lesson"):
        since = len(here.garage.heard)
        await here.garage.publish(f"{here.topic}/cmd/{verb}", {"throttle": 1.0, "mode": "drive"})
        answer = await here.garage.until("/result", lambda body: body["ok"] is False, since)
        assert answer["code"] == "unknown_verb"


async def test_a_retained_stop_is_reported_and_does_not_stop_at_each_connection(here: Site) -> None:
    topic = f"{here.topic}/cmd/stop"
    await here.garage.publish(topic, {"v": 1, "id": "left-behind"}, retain=True)
    answer = await here.garage.until("/result", lambda body: body["id"] == "left-behind")
    assert (answer["ok"], answer["code"]) == (True, "retained_command"), "while it is new, it stops"
    assert topic in answer["message"]
    async with here.car.client(await here.car.phone("Ada")) as phone:
        await phone.ask("take")
        await phone.until(lambda state: state["you"] == "driver")
        await phone.ask("reset")
        await phone.until(lambda state: state["state"] != "stopped")
        await here.bridge.end(signal.SIGKILL)
        await here.bridge.start()
        since = len(here.garage.heard)
        await here.garage.until("/online", lambda word: word == "online", since)
        assert (await here.garage.answer(f"{here.topic}/cmd/cap", speed=0.9))["ok"], "a barrier"
        assert phone.state["state"] != "stopped"
    found = await here.check()
    assert found.code == 1
    assert topic in found.out or "broker_acl" in found.out


async def test_a_car_away_during_a_hold_comes_back_held_and_a_higher_seq_ends_it(here: Site) -> None:
    await here.bridge.end(signal.SIGKILL)
    await here.garage.publish("picar/all/lesson", LESSON, retain=True)
    await here.bridge.start()
    state = await here.garage.until("/state", lambda body: body["lesson"] == "hold")
    assert (state["lesson_seq"], state["state"]) in ((17, "disarmed"), (None, "disarmed"))
    await here.garage.until("/state", lambda body: body["lesson_seq"] == 17)
    assert "held" in [body["kind"] for body in here.garage.of("/event")]
    async with here.car.client(await here.car.phone("Ada")) as phone:
        await phone.until(lambda state: (state["lesson"] or {}).get("text") == "Listen, please")
    await here.garage.publish("picar/all/lesson", LESSON | {"mode": "drive", "seq": 18}, retain=True)
    await here.garage.until("/state", lambda body: body["lesson_seq"] == 18 and body["lesson"] == "drive")


async def test_a_hold_that_the_owner_has_lifted_stays_lifted_when_the_broker_starts_again(here: Site) -> None:
    await here.garage.publish("picar/all/lesson", LESSON, retain=True)
    await here.garage.until("/state", lambda body: body["lesson"] == "hold")
    phone = await here.car.phone("Ada")
    lifted = await here.car.ask("PUT", "/api/v1/lesson", {"mode": "drive", "pin": here.car.pin}, phone)
    assert lifted.status == 200
    await here.garage.until("/state", lambda body: body["lesson"] == "drive" and body["lesson_seq"] == 17)
    await here.broker.kill()
    await here.broker.start()
    async with Garage(here.broker) as late:
        await late.publish("picar/all/lesson", LESSON, retain=True)  # this broker keeps nothing
        await late.until(f"{here.topic}/online", lambda word: word == "online")
        assert (await late.answer(f"{here.topic}/cmd/cap", speed=0.4))["ok"], "a barrier"
        await late.until(f"{here.topic}/state", lambda body: body["speed_cap"] == 0.4)
        assert late.last(f"{here.topic}/state")["lesson"] == "drive"
        await late.publish("picar/all/lesson", LESSON | {"seq": 18}, retain=True)
        await late.until(f"{here.topic}/state", lambda body: body["lesson"] == "hold")


async def test_an_old_or_invalid_lesson_changes_nothing_and_is_in_the_log(here: Site) -> None:
    await here.garage.publish("picar/all/lesson", LESSON | {"mode": "drive", "cap": 0.6}, retain=True)
    await here.garage.until("/state", lambda body: body["speed_cap"] == 0.6)
    await here.garage.publish("picar/all/lesson", LESSON | {"seq": 16}, retain=True)
    await until(lambda: "newer lesson" in here.bridge.log(), "the refusal in the log")
    await here.garage.publish(f"{here.topic}/lesson", {"mode": "hold"}, retain=True)
    await until(lambda: "is not valid" in here.bridge.log(), "the invalid lesson in the log")
    await here.garage.publish(f"{here.topic}/lesson", b"", retain=True)
    assert (await here.garage.answer(f"{here.topic}/cmd/stop"))["ok"], "a barrier"
    assert here.garage.last("/state")["lesson"] == "drive"


async def test_a_server_that_starts_again_gets_the_lesson_again(here: Site) -> None:
    await here.garage.publish(f"{here.topic}/lesson", LESSON, retain=True)
    held = await here.garage.until("/state", lambda body: body["lesson"] == "hold")
    await here.car.terminate()
    await here.garage.until("/online", lambda word: word == "offline")  # after 5 s
    since = len(here.garage.heard)
    await here.car.start()
    await here.garage.until("/online", lambda word: word == "online", since)
    again = await here.garage.until("/state", lambda body: body["lesson"] == "hold", since)
    assert again["boot"] != held["boot"]
    await here.garage.until("/event", lambda body: body["kind"] == "restarted", since)


async def test_two_cars_with_one_id_say_so(here: Site) -> None:
    copy = Bridge(here.car, here.bridge._config)
    try:
        await copy.start()
        await until(lambda: "pair --new-identity" in here.bridge.log(), "the fix for a copied card")
    finally:
        await copy.end(signal.SIGKILL)


async def test_a_broker_that_starts_again_finds_the_car_again(here: Site) -> None:
    await here.broker.kill()
    await here.broker.start()
    async with Garage(here.broker) as late:
        await late.until(f"{here.topic}/online", lambda word: word == "online")
        await late.until(f"{here.topic}/state", lambda body: body["state"] == "disarmed")
        assert (await late.answer(f"{here.topic}/cmd/stop"))["ok"]
    assert here.bridge.log().count("WARNING") <= 2, "at most one line a minute"


async def test_a_broker_that_hangs_is_left_and_found_again(here: Site) -> None:
    here.broker.process.send_signal(signal.SIGSTOP)
    await until(lambda: "WARNING" in here.bridge.log(), "the bridge gives this connection up")
    here.broker.process.send_signal(signal.SIGCONT)
    async with Garage(here.broker) as late:
        await late.until(f"{here.topic}/online", lambda word: word == "online")
        assert (await late.answer(f"{here.topic}/cmd/stop"))["ok"]


def garbage(seed: int) -> list[tuple[str, bytes, bool]]:
    """Return 1,000 messages that nobody should send: topic, payload, retain."""
    chance = random.Random(seed)
    texts = ["", "{", "null", "[]", "{}", "NaN", '{"v":2}', '{"v":1,"id":5}', '{"speed":1e999}', "\u0000"]
    texts += [
        f'{{"speed":{"9" * 500}}}',
        f'{{"mode":"hold","seq":7,"cap":{"9" * 500}}}',
    ]  # they have no float
    texts += ['{"mode":"hold"}', '{"mode":"drive","seq":-1}', '{"seq":9e99,"mode":"hold"}', "[" * 500]
    topics = ("cmd/cap", "cmd/drive", "cmd/take", "cmd/reset", "lesson", "cmd/stop/x")
    found = []
    for _ in range(1000):
        payload = (
            chance.choice(texts).encode()
            if chance.random() < 0.5
            else chance.randbytes(chance.randrange(900))
        )
        found.append((chance.choice(topics), payload, chance.random() < 0.1))
    return found


async def test_a_thousand_garbage_payloads_move_nothing_and_end_nothing(here: Site) -> None:
    writes = len(here.car.trace())
    for topic, payload, retain in garbage(27):
        whose = "picar/all" if topic.startswith("cmd/t") else here.topic
        await here.garage.publish(f"{whose}/{topic}", payload, retain=retain)
    assert (await here.garage.answer(f"{here.topic}/cmd/cap", speed=0.9))["ok"]
    assert here.bridge.process
    assert here.bridge.process.returncode is None
    assert "Traceback" not in here.bridge.log()
    assert "ERROR" not in here.bridge.log()
    assert here.garage.last("/state")["lesson"] == "drive"
    assert len(here.car.trace()) == writes, "no pin was written"
    since = len(here.garage.heard)
    await here.garage.publish(f"{here.topic}/cmd/stop", b"\xff\x00{{{")
    await here.garage.until("/result", lambda body: body["cmd"] == "stop" and body["ok"], since)
    await here.garage.until("/state", lambda body: body["state"] == "stopped", since)


async def test_home_assistant_gets_the_discovery_again_when_it_starts(here: Site) -> None:
    since = len(here.garage.heard)
    await here.garage.publish("homeassistant/status", b"online")
    await here.garage.until(f"picar_{here.id}/config", lambda body: body["cmps"], since)


async def test_without_home_assistant_the_discovery_is_removed(tmp_path: Path) -> None:
    async with site(tmp_path, "home_assistant = false\n") as here:
        assert here.garage.of(f"picar_{here.id}/config") == [""]


async def test_a_minute_at_rest_and_one_driven_keep_the_budget_and_the_memory(here: Site) -> None:
    """A real run of some seconds; the fake clock in test_outbox.py has the whole minutes."""
    async with here.car.client(await here.car.phone("Ada")) as phone:
        await phone.take()
        phone.hold(0.5)
        await here.garage.until("/state", lambda body: body["moving"])
        since, began = len(here.garage.heard), time.monotonic()
        await until(lambda: time.monotonic() - began > 10.0, "10 s driven")
        driven = [one for one in here.garage.heard[since:] if one.topic.startswith(here.topic)]
        assert 8 <= len(driven) <= 13
    assert here.bridge.memory_mb() <= 40.0


async def test_a_bridge_without_a_car_waits_for_it(here: Site) -> None:
    await here.car.terminate()
    await here.garage.until("/online", lambda word: word == "offline")
    refused = await here.garage.answer(f"{here.topic}/cmd/stop")
    assert (refused["ok"], refused["code"]) == (False, "no_answer")


async def test_a_password_file_that_comes_later_is_read(tmp_path: Path) -> None:
    """A process that ended would begin again each 5 s, with a line in the log each time."""
    password = tmp_path / "password"
    async with Mosquitto(tmp_path) as broker, Garage(broker) as garage:
        config = f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\npassword_file = "{password}"\n'
        async with Household(config=config) as car:
            bridge = Bridge(car, car._config)
            await bridge.start()
            try:
                await until(lambda: "broker_refused" in bridge.log(), "the reason")
                password.write_text("secret\n")
                await garage.until("/online", lambda word: word == "online")
            finally:
                await bridge.end(signal.SIGKILL)
