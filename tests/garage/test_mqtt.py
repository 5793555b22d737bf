"""The garage at a real Mosquitto: the facts that it reads, its stops and lessons, and the faults of the broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from picar.config import MqttConfig
from picar.core.lesson import Lesson
from picar.errors import UsageError
from picar.fleet import connection
from picar.fleet.broker import hashed
from picar.fleet.connection import Client, Member, connect, cut_off, publish
from picar.fleet.topics import LOST, Command, Message, Topics, facts_of, state_fields
from picar.garage import mqtt
from picar.garage.cards import Cards
from picar.garage.mqtt import LIVE, BrokerPath
from tests.bench.many import cars_at
from tests.fleet.brokers import Garage, site
from tests.fleet.test_fleet_docs import installed
from tests.fleet.test_topics import HELLO, SESSION, STATE
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.waiting import DEADLINE_S, News, until

pytestmark = pytest.mark.slow

IDENTITY = ("name", "colour", "number", "version", "url")
CAR, CARS, LIFETIME_S, REST_S = "k3f9a2b7", 30, 5, 0.5
TOPICS = Topics("picar", CAR)
FIELDS = state_fields(STATE, 17, "stop-0001")
HOLD = Lesson("hold", 1.0, 7, "Room 4", "Listen, please")


class Listener:
    """Records the facts, and puts them on cards as the garage does."""

    def __init__(self) -> None:
        self.presence: dict[str, str] = {}
        self.info: dict[str, dict[str, Any]] = {}
        self.states: list[tuple[str, dict[str, Any], bool]] = []
        self.stopped: list[tuple[str, str]] = []
        self.lessons: list[tuple[str | None, Lesson]] = []
        self.reports = 0
        self.cards = Cards()
        self._news = News()

    def on_presence(self, car: str, word: str) -> None:
        self.presence[car] = word
        self.cards.say(car, word, time.monotonic())
        self._news.wake()

    def on_info(self, car: str, info: dict[str, Any]) -> None:
        self.info[car] = info
        self.cards.put(car, time.monotonic(), **{name: info.get(name) for name in IDENTITY})
        self._news.wake()

    def on_state(self, car: str, fields: dict[str, Any], *, retained: bool) -> None:
        self.states.append((car, fields, retained))
        if retained:
            self.cards.keep(car, fields, time.monotonic())
        else:
            self.cards.take(car, "broker", fields, time.monotonic())
        self._news.wake()

    def on_stopped(self, car: str, stop_id: str) -> None:
        self.stopped.append((car, stop_id))
        self._news.wake()

    def on_lesson(self, car: str | None, lesson: Lesson) -> None:
        self.lessons.append((car, lesson))
        self._news.wake()

    def on_broker(self) -> None:
        self.reports += 1
        self._news.wake()

    async def until(self, happened: Any) -> None:
        """Wait until `happened()`, which is called again after each fact."""
        await self._news.until(happened, lambda: f"{self.presence} {self.states[-3:]} {self.lessons}")

    def shown(self) -> set[str]:
        """Return the presences that the cards show."""
        return {fields["presence"] for fields in self.cards.fields(time.monotonic())}


def config_of(broker: Mosquitto, **more: Any) -> MqttConfig:
    return MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}", **more)


@contextlib.asynccontextmanager
async def path_to(
    config: MqttConfig, name: str = "Room 4", *, beside: bool = False
) -> AsyncIterator[tuple[BrokerPath, Listener]]:
    """Run the garage's way to a broker."""
    listener = Listener()
    path = BrokerPath(config, name, listener, beside=beside)
    task = asyncio.create_task(path.run())
    try:
        yield path, listener
    finally:
        task.cancel()
        await asyncio.wait([task])
    with contextlib.suppress(asyncio.CancelledError):
        task.result()


@contextlib.asynccontextmanager
async def live(
    broker: Mosquitto, name: str = "Room 4", *, beside: bool = False
) -> AsyncIterator[tuple[BrokerPath, Listener]]:
    """Run the garage's way to a broker, and wait until it is connected."""
    async with path_to(config_of(broker), name, beside=beside) as (path, listener):
        await listener.until(lambda: path.broker == LIVE)
        yield path, listener


def a_path(listener: Listener) -> BrokerPath:
    """Return a way that is not connected, for messages that a test hands to it."""
    return BrokerPath(MqttConfig(url="mqtt://127.0.0.1:1"), "Room 4", listener)


async def test_presence_facts_states_and_answers_of_a_real_car_reach_the_garage(tmp_path: Path) -> None:
    async with site(tmp_path) as here, live(here.broker) as (path, heard):
        await heard.until(lambda: here.id in heard.info and heard.states)
        assert heard.presence == {here.id: "online"}
        info, (car, _, retained) = heard.info[here.id], heard.states[0]
        assert (info["id"], info["name"], car, retained) == (here.id, "Blitz", here.id, True)
        assert heard.shown() == {"last"}, "a retained state is no sign of life"
        async with here.car.client(await here.car.phone("Ada")) as phone:
            await phone.take()
            phone.hold(0.5)
            await here.car.until_driving()
            await heard.until(lambda: heard.states[-1][1]["moving"] and not heard.states[-1][2])
            assert heard.shown() == {"live"}
            assert heard.states[-1][1]["driver"] == "Ada"
            assert path.publish_stop("stop-all-1", "Room 4")
            await here.car.until_low()
            await heard.until(lambda: (here.id, "stop-all-1") in heard.stopped)
            await heard.until(lambda: heard.states[-1][1]["state"] == "stopped")
        await here.bridge.end(signal.SIGTERM)
        await heard.until(lambda: heard.presence[here.id] == "offline")
        assert heard.shown() == {"off"}


async def test_a_lesson_holds_a_real_car_and_a_higher_seq_ends_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here, live(here.broker) as (path, heard):
        path.publish_lesson(None, HOLD)
        await heard.until(lambda: heard.states and heard.states[-1][1]["lesson"] == "hold")
        path.publish_lesson(here.id, HOLD._replace(mode="drive", cap=0.5))
        path.publish_lesson(None, HOLD._replace(mode="drive", seq=8))
        await heard.until(
            lambda: (heard.states[-1][1]["lesson"], heard.states[-1][1]["speed_cap"]) == ("drive", 0.5)
        )
        assert heard.states[-1][1]["lesson_seq"] == 8


async def test_a_stop_is_at_the_broker_while_the_garage_still_stands_in_the_call(tmp_path: Path) -> None:
    arrived, subscribed = threading.Event(), threading.Event()
    other = paho.Client(CallbackAPIVersion.VERSION2)
    other.on_subscribe = lambda *_: subscribed.set()
    other.on_message = lambda *_: arrived.set()
    async with Mosquitto(tmp_path) as broker, live(broker) as (path, _):
        other.connect("127.0.0.1", broker.port)
        other.subscribe("picar/all/cmd/stop", 1)
        other.loop_start()
        try:
            await until(subscribed.is_set, "the other client has subscribed")
            assert path.publish_stop("stop-all-1", "Room 4")
            assert arrived.wait(DEADLINE_S), "the loop of this test does not run now"
        finally:
            other.disconnect()
            other.loop_stop()


async def test_the_loop_is_at_rest_after_a_stop(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other, live(broker) as (path, _):
        await until(lambda: not path._waiting, "all is confirmed: a later message would end the fault")
        path.publish_stop("stop-all-1", "Room 4")
        await other.until("all/cmd/stop", lambda body: body)
        began, used_s = time.monotonic(), time.process_time()
        await until(lambda: time.monotonic() - began > REST_S, "some rest")
        assert time.process_time() - used_s < REST_S / 2, (
            "the socket is writable, and nothing is to be written"
        )


async def test_a_stop_has_an_id_a_name_and_a_short_life_and_is_not_retained(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other, live(broker) as (path, _):
        path.publish_stop("stop-all-1", "Room 4")
        body = await other.until("all/cmd/stop", lambda body: body)
        assert body == {"v": 1, "id": "stop-all-1", "by": "Room 4"}
        assert [one.retain for one in other.heard if one.topic.endswith("stop")] == [False]
    assert path._topics.stop("stop-all-1", "x").expiry_s == 5


async def test_without_a_connection_a_stop_is_refused_and_never_sent_later(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, live(broker) as (path, heard):
        await broker.kill()
        await heard.until(lambda: path.broker != LIVE)
        assert not path.publish_stop("too-early", "Room 4")
        await broker.start()
        async with Garage(broker) as other:
            await heard.until(lambda: path.broker == LIVE)
            assert path.publish_stop("stop-all-1", "Room 4")
            await other.until("all/cmd/stop", lambda body: body["id"] == "stop-all-1")
            assert len(other.of("all/cmd/stop")) == 1


async def test_a_lesson_waits_for_the_broker_and_only_the_newest_is_sent(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, live(broker) as (path, heard):
        await broker.kill()
        await heard.until(lambda: path.broker != LIVE)
        for seq in (1, 2, 3):
            path.publish_lesson(None, HOLD._replace(seq=seq))
        path.publish_lesson(CAR, HOLD)
        await broker.start()
        await heard.until(lambda: len(heard.lessons) == 2)
        assert dict(heard.lessons) == {None: HOLD._replace(seq=3), CAR: HOLD}
        async with Garage(broker) as late:
            await late.until("all/lesson", lambda body: body["seq"] == 3)
            await late.until(f"{CAR}/lesson", lambda body: body["seq"] == HOLD.seq)
            assert all(one.retain for one in late.heard)


async def test_a_lesson_that_the_broker_never_confirmed_is_sent_again(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, live(broker) as (path, heard):
        broker.process.send_signal(signal.SIGSTOP)
        path.publish_lesson(None, HOLD)
        await asyncio.sleep(0)
        await broker.kill()
        await broker.start()
        await heard.until(lambda: (None, HOLD) in heard.lessons)


async def test_a_garage_that_has_lost_its_file_learns_the_newest_lessons_from_the_broker(
    tmp_path: Path,
) -> None:
    async with Mosquitto(tmp_path) as broker, live(broker, "Room 5") as (path, heard):
        path.publish_lesson(None, HOLD._replace(seq=41))
        path.publish_lesson(CAR, HOLD._replace(seq=12))
        await heard.until(lambda: len(heard.lessons) == 2)
        async with live(broker) as (_, new):
            await new.until(lambda: len(new.lessons) == 2)
            assert {car: lesson.seq for car, lesson in new.lessons} == {None: 41, CAR: 12}


async def test_the_presence_of_a_garage_is_online_then_offline_and_lost_after_a_sudden_end(
    tmp_path: Path,
) -> None:
    topic = "picar/garage/Room 4/online"
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other:
        async with live(broker) as (path, heard):
            await other.until(topic, lambda word: word == "online")
            assert path._client
            cut_off(path._client)
            await other.until(topic, lambda word: word == "lost")
            since = len(other.heard)
            await other.until(topic, lambda word: word == "online", since)
            assert heard.presence == {}, "a garage is no car"
        await other.until(topic, lambda word: word == "offline", since)


async def test_a_command_beside_a_garage_has_no_presence_and_does_not_end_its_connection(
    tmp_path: Path,
) -> None:
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other, live(broker) as (first, heard):
        await other.until("Room 4/online", lambda word: word == "online")
        async with live(broker, beside=True) as (path, _):
            assert path.publish_stop("stop-all-1", "Room 4")
            await other.until("all/cmd/stop", lambda body: body)
        assert (first.broker, heard.reports) == (LIVE, 1)
        assert other.of("Room 4/online") == ["online"]


async def test_two_garages_with_one_name_say_so(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker, live(broker) as (path, heard), live(broker):
        await heard.until(lambda: "another garage has the same name" in path.broker)
        async with live(broker, "Room 5"):
            pass


@pytest.mark.parametrize("name", ["Room 4", "A/B", "C#", "+", "$SYS", "教室", "a\nb", "x" * 200])
async def test_each_name_of_a_garage_makes_a_topic(tmp_path: Path, name: str) -> None:
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other, live(broker, name):
        await other.until("/online", lambda word: word == "online")
        assert other.heard[0].topic.count("/") == 3


async def test_a_presence_is_read_again_every_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.1)
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other:
        await other.publish(f"picar/{CAR}/online", b"lost", retain=True)
        async with live(broker) as (_, heard):
            await heard.until(lambda: heard.presence == {CAR: "lost"})
            heard.presence.clear()
            await heard.until(lambda: heard.presence == {CAR: "lost"})
            await other.publish("picar/garage/Room 4/online", b"lost", retain=True)
            await other.until("Room 4/online", lambda word: word == "lost")
            since = len(other.heard)
            await other.until("Room 4/online", lambda word: word == "online", since)


# --- Dead cars


async def test_the_old_states_of_thirty_dead_cars_make_no_card_green(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        async with cars_at(broker, CARS), live(broker) as (_, before):
            await before.until(lambda: list(before.presence.values()).count("online") == CARS)
        async with live(broker) as (_, heard):
            await heard.until(lambda: len(heard.states) == CARS)
            await heard.until(lambda: list(heard.presence.values()).count("lost") == CARS)
            assert all(retained for *_, retained in heard.states)
            assert heard.shown() == {"lost"}


async def test_dead_cars_whose_states_have_expired_are_lost_or_off_and_have_no_state(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        client = await connect(config_of(broker), Member("car", "x", "x"), lambda *_: None)
        for number in range(CARS):
            topics = Topics("picar", f"{number:08d}")
            await publish(client, topics.online("lost" if number % 2 else "offline"))
            await publish(client, topics.state("boot", 1, FIELDS)._replace(expiry_s=LIFETIME_S))
        await client.__aexit__(None, None, None)
        give_up_at = time.monotonic() + DEADLINE_S
        while True:
            async with live(broker) as (_, heard):
                await heard.until(lambda: len(heard.presence) == CARS)
                await heard.until(lambda: heard.lessons == [])
                if heard.shown() == {"lost", "off"} and not heard.states:
                    break
                assert "live" not in heard.shown()
            assert time.monotonic() < give_up_at, "the states do not expire"


async def test_a_site_that_falls_off_at_once_is_lost_car_by_car(tmp_path: Path) -> None:
    """paho's limit of 20 unconfirmed messages would lose wills."""
    async with Mosquitto(tmp_path) as broker, live(broker) as (_, heard):
        clients: list[Client] = []
        for number in range(100):
            topics = Topics("picar", f"{number:08d}")
            member = Member("car", topics.car, topics.car, topics.online(LOST))
            clients.append(await connect(config_of(broker), member, lambda *_: None))
        for client in clients:
            cut_off(client)
        await heard.until(lambda: list(heard.presence.values()).count("lost") == len(clients))
        for client in clients:
            await asyncio.wait([client._disconnected])


# --- Garbage

WORDS = ("online", "info", "state", "result", "event", "lesson", "cmd/stop", "", "x/y")
IDS = (CAR, "all", "garage", "short", "UPPER123", "k3f9a2b7\n", "k3f9a2b7x", "+", "")
TEXTS = ("", "{", "null", "[]", "{}", "NaN", '{"v":2}', '{"v":true}', "[" * 5000, '"\ud800"', "1" * 5000)
VALID: dict[str, Any] = {
    "state": json.loads(TOPICS.state("b1", 4, FIELDS).payload),
    "info": json.loads(TOPICS.info("b1", facts_of(SESSION, HELLO, ["http://10.0.0.7"], None)).payload),
    "result": json.loads(TOPICS.result(Command("stop", "stop-0001")).payload),
    "lesson": {"v": 1, **HOLD._asdict()},
}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just([]), st.just({})
)
HUGE = st.sampled_from([10**400, -(10**400), 1e308, float("inf"), float("nan"), "x" * 900, "\ud800", "\0"])


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Return a valid payload with one member replaced, removed or added."""
    body = dict(draw(st.sampled_from(list(VALID.values()))))
    name = draw(st.sampled_from([*body, "more"]))
    if draw(st.booleans()):
        body.pop(name, None)
    else:
        body[name] = draw(VALUES | HUGE)
    return json.dumps(body).encode()


PAYLOADS = st.one_of(
    st.binary(max_size=1100), st.sampled_from([text.encode(errors="replace") for text in TEXTS]), spoiled()
)


@settings(max_examples=1000, deadline=None)
@given(payload=PAYLOADS, retained=st.booleans())
def test_no_payload_on_any_topic_raises_and_no_garbage_makes_a_card_live(
    payload: bytes, retained: bool
) -> None:
    heard = Listener()
    path = a_path(heard)
    for car in IDS:
        for word in WORDS:
            path._receive(f"picar/{car}/{word}", payload, retained)
    assert set(heard.presence) | set(heard.info) <= {CAR}
    for car, fields, was_retained in heard.states:
        assert (car, was_retained) == (CAR, retained)
        assert fields["state"] in ("disarmed", "armed", "failsafe", "stopped")
    for card in heard.cards.fields(time.monotonic()):
        assert json.dumps(card, allow_nan=False, ensure_ascii=False).encode()
    if not heard.states or retained:
        assert "live" not in heard.shown()
        assert not heard.stopped or b'"cmd"' in payload


@pytest.mark.parametrize("word", ["state", "info", "result", "lesson"])
def test_what_a_car_publishes_is_read_to_the_letter(word: str) -> None:
    heard = Listener()
    payload = json.dumps(VALID[word]).encode()
    a_path(heard)._receive(f"picar/{CAR}/{word}", payload, False)
    assert (heard.stopped == [(CAR, "stop-0001")]) == (word in ("state", "result"))
    if word == "state":
        car, fields, retained = heard.states[0]
        assert (car, retained) == (CAR, False)
        assert fields == {"v": 1, "boot": "b1", "seq": 4, **FIELDS}
    if word == "info":
        facts = {name: SESSION[name] for name in ("id", "colour", "number", "version")}
        assert (facts | {"name": "Blitz", "url": "http://10.0.0.7"}).items() <= heard.info[CAR].items()
    if word == "lesson":
        assert heard.lessons == [(CAR, HOLD)]


def test_an_address_that_is_no_page_and_facts_of_another_car_are_left_out() -> None:
    heard = Listener()
    path = a_path(heard)
    for url in ("javascript:alert(1)", "http://a b", 7, None):
        path._receive(f"picar/{CAR}/info", json.dumps(VALID["info"] | {"urls": [url]}).encode(), True)
        assert heard.cards.fields(0.0)[0]["url"] is None
    path._receive("picar/b2c3d4e5/info", json.dumps(VALID["info"]).encode(), True)
    assert list(heard.info) == [CAR]


def test_a_message_that_was_removed_changes_nothing() -> None:
    heard = Listener()
    for word in WORDS:
        a_path(heard)._receive(f"picar/{CAR}/{word}", b"", True)
    assert (heard.presence, heard.info, heard.states, heard.lessons) == ({}, {}, [], [])


async def test_a_thousand_garbage_messages_at_the_broker_end_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(28)
    async with Mosquitto(tmp_path) as broker, Garage(broker) as other, live(broker) as (path, heard):
        for _ in range(1000):
            topic = f"picar/{chance.choice((CAR, 'all', 'garage', 'x'))}/{chance.choice(WORDS[:6])}"
            await other.publish(topic, chance.randbytes(chance.randrange(900)), retain=chance.random() < 0.1)
        await other.publish(f"picar/{CAR}/online", b"online")
        await heard.until(lambda: heard.presence == {CAR: "online"})
        assert (path.broker, heard.reports, heard.states) == (LIVE, 1, [])
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1, "one line a minute"


# --- Faults of the broker


async def test_a_broker_that_is_not_there_is_one_sentence_and_the_garage_waits_for_it(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    async with path_to(config_of(broker)) as (path, heard):
        await heard.until(lambda: "(broker_unreachable)" in path.broker)
        assert path.broker.startswith("No broker answers at ")
        async with broker:
            await heard.until(lambda: path.broker == LIVE)
            broker.process.send_signal(signal.SIGSTOP)
            await heard.until(lambda: path.broker != LIVE)


async def test_a_wrong_password_is_one_sentence_about_this_garage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_PAUSE_S", 0.01)
    (tmp_path / "users").write_text(f"garage:{hashed('right', bytes(12))}\n")
    (tmp_path / "password").write_text("wrong")
    lines = f"allow_anonymous false\npassword_file {tmp_path / 'users'}\n"
    async with Mosquitto(tmp_path, lines) as broker:
        config = config_of(broker, password_file=str(tmp_path / "password"))
        async with path_to(config) as (path, heard):
            await heard.until(lambda: "(broker_refused)" in path.broker)
            assert path.broker.startswith("The broker refuses this garage: ")
            await until(lambda: broker.log().count("not authorised") >= 5, "more tries")
            (tmp_path / "password").write_text("right")
            await heard.until(lambda: path.broker == LIVE)
    warnings = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(warnings) == 1, "at most one line a minute"


async def test_a_garage_enters_a_broker_with_the_files_of_broker_files(tmp_path: Path) -> None:
    made, _, lines = installed(tmp_path, "room", [CAR])
    async with Mosquitto(tmp_path, lines) as broker:
        url, password, ca = f"mqtts://127.0.0.1:{broker.port}", made / "garage.password", made / "ca.crt"
        config = MqttConfig(url=url, password_file=str(password), ca=str(ca))
        async with path_to(config) as (path, heard):
            path.publish_lesson(CAR, HOLD)
            await heard.until(lambda: heard.lessons == [(CAR, HOLD)])
            assert path.publish_stop("stop-all-1", "Room 4")
            assert path.broker == LIVE


async def test_rules_that_refuse_a_lesson_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("pattern read #\npattern write picar/garage/#\n")
    lines = f"allow_anonymous true\nacl_file {tmp_path / 'rules'}\n"
    async with Mosquitto(tmp_path, lines) as broker, live(broker) as (path, heard):
        path.publish_lesson(None, HOLD)
        await heard.until(lambda: "(broker_acl)" in path.broker)
        assert "picar/all/lesson from this garage" in path.broker


def test_an_address_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="mqtts://"):
        BrokerPath(MqttConfig(url="broker.lan"), "Room 4", Listener())


def test_a_password_file_that_is_missing_is_no_reason_to_end(tmp_path: Path) -> None:
    config = MqttConfig(url=f"mqtt://127.0.0.1:{free_port()}", password_file=str(tmp_path / "none"))
    assert BrokerPath(config, "Room 4", Listener()).broker.startswith("The garage connects to the broker")


def test_without_a_broker_the_garage_loads_no_mqtt() -> None:
    code = "import sys, picar.garage.garage; sys.exit(bool({'aiomqtt', 'paho'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_topics_of_a_garage_have_their_quality_and_their_retain_bit() -> None:
    topics = a_path(Listener())._topics
    assert topics.online("online") == Message("picar/garage/Room 4/online", "online", 1, True)
    assert topics.lesson(CAR, HOLD)[2:] == (1, True, None)
    longest = Lesson("hold", 1.0, 2**53 - 1, "Ä" * 90, "\N{GRINNING FACE}" * 90)
    assert len(topics.lesson(None, longest).payload.encode()) <= 1024
